//! `up --watch` and `--data`: what is put into a folder, and what a restart finds.

use std::{ffi::OsStr, fs};

use serde_json::json;

use crate::{
    cloud::{Up, put},
    process::until,
};

#[test]
fn files_are_uploaded_once_also_after_a_restart() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, data) = (root.path().join("in"), root.path().join("data"));
    fs::create_dir_all(folder.join("deep er")).expect("a folder");
    put(&folder.join("deep er"), "ü+1.csv", "x\n1\n");
    put(&folder, ".hidden.csv", "x\n1\n");
    let start =
        || Up::start(&[OsStr::new("--watch"), folder.as_os_str(), OsStr::new("--data"), data.as_os_str()]);
    let mut up = start();
    let uploaded = up.event("uploaded", "1.csv");
    assert_eq!(uploaded["object"], up.uri("deep er/ü+1.csv"));
    assert_eq!(up.event("settled", "1.csv")["state"], "done");

    // Changed, and then under another name.
    put(&folder.join("deep er"), "ü+1.csv", "x\n1\n2\n");
    assert_eq!(up.event("settled", "1.csv")["records"], 2);
    fs::rename(folder.join("deep er/ü+1.csv"), folder.join("two.csv")).expect("a new name");
    assert_eq!(up.event("removed", "1.csv")["object"], up.uri("deep er/ü+1.csv"));
    assert_eq!(up.event("settled", "two.csv")["state"], "done");
    // A file that cannot be uploaded is reported, and the others are uploaded.
    std::os::unix::fs::symlink(".", folder.join("loop")).expect("a link");
    let problem = up.event("problem", "too deep");
    assert!(problem["message"].as_str().expect("words").contains("only 32 levels"), "{problem}");
    fs::remove_file(folder.join("loop")).expect("it is there");
    let versions = |up: &Up| {
        let history = up.run(&["explain", &up.uri("deep er/ü+1.csv"), "--json"]).with_code(0).json();
        history["versions"].as_array().expect("versions").clone()
    };
    let before = versions(&up);
    assert_eq!(before.len(), 2);
    assert_eq!(
        (&before[0]["job"]["records"], &before[1]["job"]["records"]),
        (&json!(1), &json!(2)),
        "the newest last"
    );
    assert!(before[0]["timeline"].to_string().contains("replaced"), "{}", before[0]);
    up.interrupt().with_code(0);

    let mut up = start();
    put(&folder, "three.csv", "x\n1\n");
    // The first that is uploaded: the others are there.
    let first = loop {
        let event = up.next();
        if event["event"] == "uploaded" {
            break event;
        }
    };
    assert_eq!(first["object"], up.uri("three.csv"));
    assert_eq!(up.event("settled", "three.csv")["state"], "done");
    assert_eq!(versions(&up), before);
    let listed = up.lines(&["jobs", "--prefix", "uploads/t"]);
    assert_eq!(listed.len(), 2, "also those of before");
}

#[test]
fn open_jobs_continue_after_a_restart() {
    let root = tempfile::tempdir().expect("a folder");
    let (folder, data) = (root.path().join("in"), root.path().join("data"));
    fs::create_dir_all(&folder).expect("a folder");
    let start =
        || Up::start(&[OsStr::new("--watch"), folder.as_os_str(), OsStr::new("--data"), data.as_os_str()]);
    let mut up = start();
    let rows: String = (0..8_000).map(|n| format!("{n},some text\n")).collect();
    put(&folder, "large.csv", &format!("id,text\n{rows}"));
    up.event("uploaded", "large.csv");
    let large =
        |up: &Up| up.lines(&["jobs", "--prefix", "uploads/large"]).first().cloned().unwrap_or_default();
    // On a fast machine it may be done before it is seen to run.
    until("a start", || ["running", "done"].iter().find(|state| large(&up)["state"] == **state));
    up.interrupt().with_code(0);

    let up = start();
    let settled = until("the end", || Some(large(&up)).filter(|job| !job["settled_at"].is_null()));
    assert_eq!((&settled["state"], &settled["records"]), (&json!("done"), &json!(8_000)));
}
