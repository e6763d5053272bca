//! What a run waits for, how a person ends it, and inputs that are no ordinary files.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::ffi::OsStrExt,
    process::{Command, Stdio},
};

use crate::process::{PROGRAM, records, root, run_json, tidemill};

#[test]
fn a_run_says_what_it_waits_for_and_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, pipelines) = (folder.path().join("a.csv"), folder.path().join("p.toml"));
    fs::write(&file, "x\n1\n").expect("a file");
    let command = "command = [\"sh\", \"-c\", \"sleep 1000\"]";
    fs::write(
        &pipelines,
        format!("version = 1\n[[pipeline]]\nname = \"slow\"\nformat = \"command\"\n{command}\n"),
    )
    .expect("a file");
    let run = tidemill([
        OsStr::new("run"),
        file.as_ref(),
        OsStr::new("--timeout"),
        OsStr::new("20s"),
        OsStr::new("--pipelines"),
        pipelines.as_ref(),
    ])
    .with_code(1);
    assert!(run.stderr.contains("waiting for uploads/a.csv: attempt 1 has run for "), "{}", run.stderr);
    assert!(run.stdout.contains("0 done, 1 not settled; "), "{}", run.stdout);
    assert!(run.stdout.contains("1 object not settled: --timeout 20.0 s is over."), "{}", run.stdout);
    let wrong = tidemill([OsStr::new("run"), file.as_ref(), OsStr::new("--timeout"), OsStr::new("soon")])
        .with_code(2);
    assert!(wrong.stderr.contains("such as 30s, 5m or 2h"), "{}", wrong.stderr);
}

#[test]
fn standard_input_is_uploaded_under_the_name_that_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.jsonl");
    let mut command = Command::new(PROGRAM);
    command.args(["run", "-", "--name", "a.csv", "--json", "--out"]).arg(&out).current_dir(root());
    let mut run = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    run.stdin.take().expect("a pipe").write_all(b"x\n1\n2\n").expect("it reads");
    let ended = run.wait_with_output().expect("it ends");
    assert!(ended.status.success());
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert!(
        report["jobs"][0]["object"].as_str().is_some_and(|uri| uri.ends_with("/uploads/a.csv")),
        "{report}"
    );
    assert_eq!(records(&out).len(), 2);
}

#[test]
fn a_bad_name_fails_alone_and_hidden_files_are_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("good.csv"), "x\n1\n").expect("a file");
    fs::write(folder.path().join(".DS_Store"), "x").expect("a file");
    fs::write(folder.path().join(OsStr::from_bytes(b"caf\xe9.csv")), "x").expect("a file");
    let report = run_json(1, &[folder.path().as_ref()]);
    assert_eq!(report["jobs"].as_array().expect("jobs").len(), 1);
    assert_eq!(report["jobs"][0]["state"], "done");
    let problems = report["problems"].as_array().expect("problems");
    assert!(problems.len() == 1 && problems[0].to_string().contains("is not UTF-8"), "{problems:?}");
}
