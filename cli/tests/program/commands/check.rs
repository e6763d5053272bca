//! `check`: everything that is wrong, with its place.

use std::fs;

use crate::{cloud::bare, process::Running};

#[test]
fn the_shipped_files_have_no_errors() {
    let ended = Running::start(bare().arg("check")).end().with_code(0);
    let said = "2 pipelines, 0 schedules in pipelines/pipelines.toml and template.yaml: no problems\n";
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (said, ""));

    // Without a checkout, the files are the command's own.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let ended = Running::start(bare().arg("check").current_dir(elsewhere.path())).end().with_code(0);
    assert!(
        ended.stdout.contains(
            "in pipelines/pipelines.toml of this command and template.yaml of this command: no problems"
        ),
        "{}",
        ended.stdout
    );
}

#[test]
fn every_error_has_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let (pipelines, template) = (folder.path().join("p.toml"), folder.path().join("t.yaml"));
    let text = "version = 1\n[[pipeline]]\nname = \"A b\"\nformat = \"cvs\"\n[[pipeline]]\nname = \"x\"\nattempts = 99\n";
    fs::write(&pipelines, text).expect("a file");
    fs::write(
        &template,
        "Resources:\n  Bucket:\n    Type: AWS::S3::Bukket\n  Queue:\n    Typ: AWS::SQS::Queue\n",
    )
    .expect("a file");
    let mut command = bare();
    command.arg("check").arg("--pipelines").arg(&pipelines).arg("--template").arg(&template);
    let ended = Running::start(&mut command).end().with_code(1);
    for place in ["t.yaml:2: ", "t.yaml:5: ", "p.toml:3:8: ", "p.toml:4:10: ", "p.toml:7:12: "] {
        assert!(ended.stdout.contains(place), "no {place:?} in {}", ended.stdout);
    }
    let ended = Running::start(command.arg("--json")).end().with_code(1);
    let report = ended.json();
    assert_eq!(report["ok"], false);
    assert!(report["problems"].as_array().expect("problems").iter().any(|it| it["column"] == 10));

    let missing = folder.path().join("none.yaml");
    let ended = Running::start(bare().arg("check").arg("--template").arg(&missing)).end().with_code(1);
    assert!(ended.stdout.contains("there is no template at"), "{}", ended.stdout);
}
