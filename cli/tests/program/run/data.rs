//! `--data`: what a run leaves in a folder, and the next one finds there.

use std::{ffi::OsStr, fs, path::Path};

use crate::process::{records, run_json};

/// The files of a folder and the folders in it that have this ending.
fn files(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().is_some_and(|path| path.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_second_run_goes_on_from_the_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out.jsonl"));
    let (one, two) = (folder.path().join("one.csv"), folder.path().join("two.csv"));
    fs::write(&one, "x\n1\n2\n").expect("a file");
    fs::write(&two, "x\n3\n").expect("a file");
    let run = |file: &Path| {
        run_json(0, &[file.as_ref(), "--data".as_ref(), data.as_ref(), OsStr::new("--out"), out.as_ref()])
    };
    let first = run(&one);
    let first_records = records(&out);
    assert_eq!(first_records.len(), 2);
    run(&two);
    assert_eq!(records(&out).len(), 1, "only what this run uploaded");

    // A new version of the first: the old one's records go out of sight.
    fs::write(&one, "x\n4\n5\n6\n").expect("a file");
    let third = run(&one);
    assert_eq!(first["bucket"], third["bucket"]);
    let visible: Vec<_> = records(&out).iter().map(|line| line["record"]["x"].clone()).collect();
    assert_eq!(visible, [4, 5, 6]);
    assert_ne!(records(&out)[0]["version"], first_records[0]["version"]);

    // One that fails is mailed of.
    fs::write(&two, "x,y\n1\n").expect("a file");
    run_json(1, &[two.as_ref(), "--data".as_ref(), data.as_ref()]);
    let mails = files(&data.join("mailbox"), ".eml");
    assert_eq!(mails.len(), 1);
    let mail = fs::read_to_string(&mails[0]).expect("a mail");
    let (head, body) = mail.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.lines().all(|line| line.contains(": ") || line.starts_with(' ')), "{head}");
    for part in ["Subject: [tidemill] failed: uploads/", "To: you@example.com", "Date: ", "Message-ID: <"] {
        assert!(head.contains(part), "no {part:?} in {head}");
    }
    assert!(body.starts_with("FAILED: "), "{body}");
    let logs = files(&data.join("logs"), ".log");
    let text: String = logs.iter().map(|log| fs::read_to_string(log).expect("a log")).collect();
    assert!(text.contains("memory.peak_bytes"));
}
