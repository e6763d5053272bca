use super::{format::BODY_BYTES, *};
use crate::job::{Attempt, Claimed, Done, Failed, JobState, Progress, Reason};
use crate::object::Object;
use crate::pipelines::Pipelines;
use crate::{bad_input, reject_counts::RejectCounts};

const PIPELINE: &str = "version = 1\n[[pipeline]]\nname = \"orders\"\nbad_rows = \"quarantine\"\n";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn job(key: &str) -> Job {
    let pipeline = Pipelines::parse(PIPELINE, "p.toml").unwrap().route(key, None).unwrap().clone();
    let object = Object {
        bucket: "tides".into(),
        key: key.into(),
        version_id: Some("v7".into()),
        etag: None,
        sequencer: "00A1".to_owned().into(),
        size_bytes: Some(210_365),
    };
    Job::new(object, pipeline, at("2026-03-14T09:26:53Z"))
}

fn claimed() -> Claimed {
    Claimed { first_at: at("2026-03-14T09:27:33Z"), holder: "worker".into() }
}

fn settled_at() -> Timestamp {
    at("2026-03-14T09:28:08Z")
}

fn failed(key: &str) -> Job {
    failed_for(key, Reason::new(crate::verdict::Kind::BadInput, "row 17 has 4 fields, the header has 5"))
}

fn failed_for(key: &str, reason: Reason) -> Job {
    let failed = Failed { reason, claimed: Some(claimed()), ..Failed::sample("", settled_at()) };
    let mut job = job(key).in_state(failed);
    job.attempt = 2;
    job.counted_attempts = 2;
    let ended = |number, code, message| Attempt {
        number,
        task: "arn:aws:ecs:eu-north-1:111122223333:task/tidemill/1dc5c17a".into(),
        verdict: Reason::new(crate::job::ReasonCode::parse(code), message),
        stopped_at: at("2026-03-14T09:27:20Z"),
        paused: false,
    };
    job.history = vec![
        ended(1, "out_of_memory", "the task ran out of memory"),
        ended(2, "bad_input", "row 17 has 4 fields, the header has 5"),
    ];
    job
}

fn lines(texts: impl IntoIterator<Item = impl Into<String>>) -> Log {
    Log::Lines(texts.into_iter().map(|text| LogLine { at: None, text: text.into() }).collect())
}

#[test]
fn a_failure_says_all_a_person_needs() {
    let mut report = FailureReport::of(&failed("uploads/orders/march.csv"));
    report.log = lines(["opened 210365 bytes", "row 17 is wrong"]);
    report.links = vec![("logs".into(), "https://console.example/logs".into())];
    let mail = compose(&report);
    assert_eq!(mail.subject, "[tidemill] failed: uploads/orders/march.csv (bad_input)");
    let expected = format!(
        "\
FAILED: s3://tides/uploads/orders/march.csv: row 17 has 4 fields, the header has 5

What happens next
  This job will not be retried automatically. None of this version's records are visible. The job is among the dead letters.

What to do
  Fix the object and upload it again. The new version is processed automatically. If only the pipelines file has changed, replay this job instead.
  tidemill replay --job {job}

Pipeline   orders
Version    v7
Job        {job}
Reason     bad_input
Attempts   2 of 3
Task size  0.25 vCPU, 1,024 MiB
Records    0 visible
Duration   1 min 15 s
Cost       about $0.00024

Attempts so far
  1. 2026-03-14T09:27:20Z  out_of_memory: the task ran out of memory
  2. 2026-03-14T09:27:20Z  bad_input: row 17 has 4 fields, the header has 5

Last log lines
  opened 210365 bytes
  row 17 is wrong

More information
  timeline: tidemill explain s3://tides/uploads/orders/march.csv
  logs: https://console.example/logs
",
        job = report.job
    );
    assert_eq!(mail.body, expected);
}

#[test]
fn attempts_that_were_not_the_objects_fault_are_told_apart() {
    let mut report = FailureReport::of(&failed("uploads/a.csv"));
    report.launches = 5;
    let body = compose(&report).body;
    assert!(body.contains("Attempts   5, of which 2 count towards the limit of 3\n"), "{body}");
}

#[test]
fn a_success_is_short() {
    let mut rejects = RejectCounts::default();
    rejects
        .add(bad_input::Reason::WrongType, Some("total"), || "line 17: the value x is no number".to_owned());
    let progress = Progress { records: 3_376, rejected: 1, rejects, ..Progress::default() };
    let done = Done { progress, write_units: 3_379, claimed: claimed(), ..Done::sample(settled_at()) };
    let done = job("uploads/a.csv").in_state(done);
    let mail = settled(&done);
    assert_eq!(mail.subject, "[tidemill] done: uploads/a.csv");
    let expected = format!(
        "\
DONE: s3://tides/uploads/a.csv

What happens next
  Nothing. All good rows are visible; the others are in the rejects object.

Pipeline   orders
Version    v7
Job        {}
Attempts   1
Records    3,376 visible, 1 row left out
Rejected   1 wrong_type in total; the first: line 17: the value x is no number
Duration   1 min 15 s
Cost       about $0.0023

More information
  timeline: tidemill explain s3://tides/uploads/a.csv
",
        done.id
    );
    assert_eq!(mail.body, expected);
}

#[test]
fn every_settled_state_has_its_words() {
    for (state, subject, words) in [
        (
            State::Superseded,
            "[tidemill] superseded: uploads/a.csv",
            "A newer version of this object is visible",
        ),
        (
            State::SourceDeleted,
            "[tidemill] source_deleted: uploads/a.csv",
            "deleted before its records were published",
        ),
    ] {
        let mail = settled(&job("uploads/a.csv").in_state(JobState::sample(state, settled_at())));
        assert_eq!(mail.subject, subject);
        assert!(mail.body.contains(words) && !mail.body.contains("What to do"), "{}", mail.body);
    }
}

#[test]
fn sns_accepts_the_subject_whatever_the_key() {
    let keys = [
        "k".repeat(1_024),
        "é".repeat(512),
        "\u{0}".repeat(1_024),
        "a\r\nBcc: everybody@example.com".to_owned(),
        "\u{202e}fdp.exe\u{7f}\u{1b}[31m".to_owned(),
        "🌊".repeat(256),
        String::new(),
    ];
    for key in keys {
        let Mail { subject, .. } = settled(&failed(&key));
        assert!(subject.len() <= 99, "{} {subject}", subject.len());
        assert!(subject.bytes().all(|b| (0x20..0x7f).contains(&b)), "{subject}");
        assert!(subject.starts_with("[tidemill] failed: ") && subject.ends_with(" (bad_input)"), "{subject}");
    }
}

#[test]
fn a_long_key_keeps_its_beginning_and_its_end() {
    let key = format!("uploads/{}/march.csv", "deep/".repeat(100));
    let Mail { subject, .. } = settled(&failed(&key));
    assert_eq!(subject.len(), 99);
    assert!(
        subject.starts_with("[tidemill] failed: uploads/deep/") && subject.contains("/march.csv ("),
        "{subject}"
    );
}

#[test]
fn a_key_cannot_fake_a_line_of_the_body() {
    let evil = "x\nRecords    9999 visible\r\u{2028}\u{202e}\u{1b}[2J";
    let mut report = FailureReport::of(&failed(evil));
    report.words = Some(evil.into());
    report.log = lines([evil]);
    let Mail { body, .. } = compose(&report);
    assert_eq!(body.lines().filter(|line| line.starts_with("Records")).count(), 1);
    assert!(body.contains("s3://tides/x\\nRecords    9999 visible\\r\\u{2028}\\u{202e}\\u{1b}[2J"), "{body}");
    assert!(body.chars().all(|c| c == '\n' || !c.is_control()), "{body}");
}

#[test]
fn a_flood_of_log_lines_is_cut_to_the_last_thirty() {
    let mut report = FailureReport::of(&failed("uploads/a.csv"));
    report.log = lines((0..10_000).map(|n| format!("line {n} {}", "é".repeat(9_000))));
    report.history = (1..=1_000)
        .map(|number| Past {
            number,
            at: at("2026-03-14T09:27:20Z"),
            code: "\u{1}".repeat(9_000),
            words: "\u{1}".repeat(9_000),
        })
        .collect();
    report.links = (0..1_000).map(|_| ("x".into(), "y".repeat(900))).collect();
    let Mail { body, .. } = compose(&report);
    assert!(body.len() <= BODY_BYTES, "{}", body.len());
    assert!(body.ends_with("… cut here\n"));
    assert_eq!(body.lines().filter(|line| line.starts_with("  line ")).count(), 30);
    assert!(body.contains("  line 9999 ") && !body.contains("  line 9969 "));
}

#[test]
fn only_an_object_at_fault_is_to_be_fixed() {
    for (code, verdict, task, fix) in [
        ("ragged_row", "bad_input", "arn:task", true),
        ("bad_input", "bad_input", "arn:task", true),
        ("ragged_row", "ragged_row", "drain/0001/7", true),
        ("crashed", "crashed", "arn:task", false),
        ("worker_lost", "worker_lost", "drain/0001/7", false),
        ("spot_reclaimed", "spot_reclaimed", "arn:task", false),
        ("command_crashed", "command_crashed", "drain/0001/7", false),
    ] {
        let mut job = failed_for("uploads/a.csv", Reason::new(crate::job::ReasonCode::parse(code), "words"));
        let last = job.history.last_mut().unwrap();
        (last.verdict, last.task) =
            (Reason::new(crate::job::ReasonCode::parse(verdict), "words"), task.into());
        let Mail { body, .. } = settled(&job);
        assert_eq!(body.contains("The new version is processed automatically."), fix, "{code}\n{body}");
        assert!(body.contains(&format!("\n  tidemill replay --job {}\n", job.id)));
    }
}
