//! Objects are processed again after the pipelines file was changed while the cloud runs.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    cloud::{Up, complains, put},
    process::until,
};

/// Writes a pipelines file with one pipeline of these keys.
fn write(file: &Path, keys: &str) {
    let text =
        format!("version = 1\n[[pipeline]]\nname = \"all\"\nmatch = {{ prefix = \"uploads/\" }}\n{keys}\n");
    fs::write(file, text).expect("a pipelines file");
}

fn ids(lines: &[Value]) -> Vec<String> {
    lines.iter().map(|line| line["job"].as_str().expect("a job").to_owned()).collect()
}

fn records(up: &Up, name: &str) -> Vec<Value> {
    up.lines(&["records", &up.uri(name)]).iter().map(|line| line["record"].clone()).collect()
}

#[test]
fn a_changed_pipelines_file_is_used_at_once_and_replays_use_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (watched, file) = (folder.path().join("in"), folder.path().join("pipelines.toml"));
    fs::create_dir(&watched).expect("a folder");
    write(&file, "");
    let mut up =
        Up::start(&["--watch".as_ref(), watched.as_os_str(), "--pipelines".as_ref(), file.as_os_str()]);
    put(&watched, "zip.csv", "zip,n\n1234,1\n");
    let done = up.event("settled", "zip.csv");
    put(&watched, "bad.csv", "x,y\n1\n2,3\n");
    let failed = up.event("settled", "bad.csv");
    up.event("mail", "bad.csv");
    let (done, failed) = (ids(&[done]).remove(0), ids(&[failed]).remove(0));
    assert!(up.lines(&["jobs", "--outdated"]).is_empty());

    // A mistake changes nothing that is used.
    write(&file, "bad_row = \"skip\"");
    let problem = up.event("problem", "pipelines.toml")["message"].as_str().expect("words").to_owned();
    assert!(problem.contains("has changed and has 1 error; the version before stays in use"), "{problem}");
    assert!(problem.contains("did you mean `bad_rows`?"), "{problem}");
    write(&file, "columns = { zip = \"text\" }\nbad_rows = \"skip\"\nmax_rejected = \"50%\"");
    assert_eq!(up.event("pipelines", "pipelines.toml")["pipelines"], 1);
    assert_eq!(ids(&up.lines(&["jobs", "--outdated"])), [failed.clone(), done.clone()]);
    assert_eq!(records(&up, "zip.csv"), [json!({ "zip": 1234, "n": 1 })]);

    // Both are processed as the file says today, by new jobs.
    let all = ["replay", "--outdated", "--done", "--pipeline", "all"];
    let dry = up.lines(&[all.as_slice(), &["--dry-run"]].concat());
    assert_eq!(dry.len(), 2, "{dry:?}");
    let said = dry[0]["message"].as_str().expect("words");
    assert!(said.starts_with("a new job would be queued, with pipeline all, version "), "{said}");
    assert!(said.contains(" (before: "), "{said}");
    // The object that lacks the column fails as it should, and the other is visible as it is read today.
    let replayed = up.lines(&all);
    assert_eq!(replayed.len(), 2, "{replayed:?}");
    up.event("mail", "bad.csv");
    let visible = until("the new records", || {
        Some(records(&up, "zip.csv")).filter(|records| *records != [json!({ "zip": 1234, "n": 1 })])
    });
    assert_eq!(visible, [json!({ "zip": "1234", "n": 1 })]);
    assert!(up.lines(&["jobs", "--outdated"]).is_empty(), "nothing is processed twice");
    let again = up.run(&["replay", "--job", &done, "--done"]).with_code(0);
    assert!(again.stdout.contains("not needed") && again.stdout.contains("of it is done"), "{again:?}");

    // As it was recorded, on purpose.
    let as_recorded = up.run(&["replay", "--job", &failed, "--as-recorded"]).with_code(0);
    assert!(as_recorded.stdout.contains("is queued, with pipeline all, version "), "{as_recorded:?}");
    up.event("mail", "bad.csv");
    let explained = up.run(&["explain", &up.uri("bad.csv"), "--json"]).with_code(0).json();
    let versions = explained["versions"].as_array().expect("versions");
    assert_eq!(versions.len(), 3, "the version's job and its two replays: {versions:#?}");
}

#[test]
fn more_than_a_hundred_jobs_are_replayed_only_when_somebody_agrees() {
    let mut up = Up::start(&[]);
    for n in 0..101 {
        up.put(&format!("uploads/{n}.csv"), "x,y\n1\n");
    }
    for _ in 0..101 {
        up.event("settled", "ragged_row");
    }
    let all = ["replay", "--prefix", "uploads/"];
    complains(up.run(&all), &["this would replay 101 jobs", "--dry-run", "--yes"]);
    let dry = up.run(&[all.as_slice(), &["--dry-run"]].concat()).with_code(0);
    assert_eq!(dry.stderr, "101 would be replayed, 0 refused\n");
}
