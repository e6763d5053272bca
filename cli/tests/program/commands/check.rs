//! `check`: everything that is wrong, with its place.

use std::{fs, path::Path};

use aws::{Clients, mail::Mailer};
use domain::mail::Mail;
use futures::future::join_all;

use crate::{
    cloud::{Up, bare},
    process::{Ended, Running},
};

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

/// A pipelines file for this prefix, table and keys.
fn own_table(prefix: &str, table: &str, key: &str) -> String {
    format!(
        "version = 1\n[[pipeline]]\nname = \"orders\"\nmatch = {{ prefix = \"{prefix}\" }}\ntable = \"{table}\"\nkey = {{ {key} }}\n"
    )
}

const SHOP: &str = "[[table]]\nname = \"shop\"\npartition_key = { name = \"PK\", type = \"S\" }\nsort_key = { name = \"SK\", type = \"N\" }\n";
const KEY: &str = "PK = \"ORDER#{id}\", SK = \"{line}\"";

fn check(up: &Up, folder: &Path, text: &str) -> Ended {
    let file = folder.join("other.toml");
    fs::write(&file, text).expect("a file");
    up.run(&["check", "--deployed", "--pipelines", file.to_str().expect("a path")])
}

/// The lines about the stack, of a check that finds problems in it alone.
fn problems(up: &Up, folder: &Path, text: &str) -> Vec<String> {
    let ended = check(up, folder, text).with_code(1);
    let lines =
        ended.stdout.lines().map(|line| line.strip_prefix("stack tidemill: ").unwrap_or(line).to_owned());
    lines.collect()
}

#[test]
fn what_is_deployed_otherwise_is_one_line_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (file, good) = (folder.join("p.toml"), own_table("uploads/orders/", "shop", KEY) + SHOP);
    fs::write(&file, &good).expect("a file");
    let up = Up::start(&["--pipelines".as_ref(), file.as_os_str()]);
    let ended = check(&up, folder, &good).with_code(0);
    assert!(ended.stdout.contains("and stack tidemill: no problems\n"), "{}", ended.stdout);

    let has = |found: &[String], parts: &[&str]| {
        assert_eq!(found.len(), parts.len(), "{found:#?}");
        for (line, part) in found.iter().zip(parts) {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
    };
    let missing = own_table("uploads/orders/", "nowhere", KEY);
    has(&problems(&up, folder, &missing), &["table nowhere does not exist; create it", "in TableArns"]);
    let ledger = own_table("uploads/orders/", &up.output("LedgerTable"), "job = \"{id}\"");
    has(&problems(&up, folder, &ledger), &["the worker may not write to table"]);
    let keys = own_table("uploads/orders/", "shop", "id = \"{id}\"");
    has(&problems(&up, folder, &keys), &["table shop has the key PK, SK, and the pipeline makes id"]);
    let kinds = own_table("uploads/orders/", "shop", "PK = \"{id}\", SK = \"LINE#{line}\"");
    has(&problems(&up, folder, &kinds), &["SK of table shop is a number (N)"]);
    let defined = own_table("uploads/orders/", "shop", KEY) + &SHOP.replace("type = \"N\"", "type = \"S\"");
    has(
        &problems(&up, folder, &defined),
        &["[[table]] shop: it is defined with the key PK (S), SK (S), and has PK (S), SK (N)"],
    );
    let elsewhere = own_table("exports/", "shop", KEY);
    has(&problems(&up, folder, &elsewhere), &["a prefix below uploads/: other objects are not watched"]);

    let topic = up.output("MailTopic");
    up.with_sdk(async |config| {
        let s3 = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let nothing = aws_sdk_s3::types::NotificationConfiguration::builder().build();
        let put =
            s3.put_bucket_notification_configuration().bucket(&up.bucket).notification_configuration(nothing);
        put.send().await.expect("a bucket");
        // More than ten mails a second, which no mailer alone would send.
        let clients = Clients::new(config);
        let mailers: Vec<Mailer> = (0..11).map(|_| Mailer::new(&clients, &topic)).collect();
        let mail = Mail { subject: "s".into(), body: "b".into(), summary: "b".into(), steps: Vec::new() };
        let sent = join_all(mailers.iter().map(|mailer| mailer.send(&mail))).await;
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
    });
    let found = problems(&up, folder, &good);
    has(&found, &["sends no events to EventBridge", "you@example.com gets no mails"]);
    assert!(
        found[0].contains(&format!("put-bucket-notification-configuration --bucket {}", up.bucket)),
        "{}",
        found[0]
    );
}
