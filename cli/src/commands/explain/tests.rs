//! The timeline of a job as text.

use domain::{
    audit::{AuditEntry, AuditKind},
    job::{
        Attempt, Claimed, Done, Failed, JobId, JobState, Notification, Progress, Reason, Replaced, Running,
    },
    manifest::Manifest,
    object::Object,
};
use jiff::Timestamp;

use super::{advice::advice, text::columns, timeline::timeline, *};

fn at(text: &str) -> Timestamp {
    format!("2026-11-21T{text}Z").parse().unwrap()
}

fn job(bytes: u64) -> Job {
    let text = "version = 1\n[[pipeline]]\nname = \"orders\"\n";
    let pipelines = Pipelines::parse(text, "pipelines.toml").unwrap();
    let object = Object {
        bucket: "b".into(),
        key: "uploads/orders.csv".into(),
        version_id: Some("v1".into()),
        etag: None,
        sequencer: Sequencer::default(),
        size_bytes: Some(bytes),
    };
    Job::new(object, pipelines.get("orders").unwrap().clone(), at("12:00:01"))
}

fn ended(number: u32, task: &str, code: &str, words: &str, stopped: &str) -> Attempt {
    Attempt {
        number,
        task: task.into(),
        verdict: Reason::new(domain::job::ReasonCode::parse(code), words),
        stopped_at: at(stopped),
        paused: false,
    }
}

fn claimed(first_at: &str, holder: &str) -> Claimed {
    Claimed { first_at: at(first_at), holder: holder.into() }
}

fn text_of(job: &Job) -> String {
    columns(&timeline(job, None, at("13:00:00")))
}

/// The text without line breaks inside a column.
fn unbroken(job: &Job) -> String {
    text_of(job).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_long_history_reads_from_top_to_bottom() {
    let mut job = job(40_000_000);
    job.event_at = Some(at("12:00:00.5"));
    job.audit = vec![
        AuditEntry::new(at("12:00:02"), AuditKind::Deferred, "throttled"),
        AuditEntry::new(
            at("12:00:09"),
            AuditKind::Launched,
            "task arn:aws:ecs:us-east-1:123456789012:task/c/0a1b",
        ),
        AuditEntry::new(at("12:00:10"), AuditKind::Duplicate, "the same event"),
        AuditEntry::new(at("12:40:00"), AuditKind::Replayed, "by ada; it had failed: crashed"),
    ];
    let task = "arn:aws:ecs:us-east-1:123456789012:task/c/";
    job.history = vec![
        ended(1, &format!("{task}0a1b"), "out_of_memory", "the task ran out of memory", "12:02:00"),
        ended(2, &format!("{task}2c3d"), "crashed", "the worker panicked\n (exit code 101)", "12:04:00"),
        ended(3, "drain/1/7", "worker_lost", "its worker was lost", "12:45:00"),
    ];
    job.replayed_from = 2;
    (job.attempt, job.fence, job.counted_attempts) = (4, 4, 0);
    job.state = JobState::Done(Done {
        settled_at: at("12:50:00"),
        claimed: claimed("12:41:00", "worker"),
        progress: Progress {
            records: 1_234_567,
            rejected: 0,
            format: Some("csv.gz".into()),
            ..Progress::default()
        },
        write_units: 1_234_567,
        replaced: Some(Replaced { at: at("12:55:00"), by_deletion: false, collecting_until: None }),
    });
    let golden = include_str!("golden.txt");
    let text = text_of(&job);
    assert_eq!(text, golden, "{text}");
}

#[test]
fn the_timeline_of_an_open_job_ends_with_its_present_state() {
    let waiting = job(10);
    assert!(text_of(&waiting).ends_with("now       attempt 1 waits for a worker\n"), "{}", text_of(&waiting));
    let running = |until: &str| Job {
        state: JobState::Running(Running {
            claimed: claimed("12:59:00", "drain/2/9/00ff"),
            lease_until: at(until),
            records: 5_000,
            progress: None,
        }),
        fence: 1,
        ..waiting.clone()
    };
    let said = unbroken(&running("13:00:30"));
    assert!(said.contains("attempt 1 in drain/2/9: 5,000 rows written so far; lease until"), "{said}");
    assert!(unbroken(&running("12:59:00")).contains("probably lost, and the job is retried automatically"));
}

#[test]
fn a_failed_job_shows_what_to_do_and_when() {
    let now = at("13:00:00");
    let failed = |code: &str, collecting_until| Job {
        state: JobState::Failed(Failed {
            settled_at: at("12:30:00"),
            reason: Reason::new(domain::job::ReasonCode::parse(code), "words"),
            claimed: None,
            progress: Progress::default(),
            notification: Notification::Due,
            collecting_until,
        }),
        ..job(10)
    };
    let again = |job: &Job| format!("tidemill replay --job {}", job.id);
    for (code, words) in [
        ("ragged_row", "as many fields as the header"),
        ("image_pull", "Fix the worker's image"),
        ("worker_lost", "not at fault"),
        ("cancelled", "A person stopped the job"),
    ] {
        let job = failed(code, None);
        let advice = advice(&job, None, now);
        assert!(advice[0].contains(words), "{code}: {advice:?}");
        assert_eq!(advice[1], again(&job));
    }
    let collecting = failed("crashed", Some(at("13:30:00")));
    assert!(advice(&collecting, None, now)[1].contains("try again after 2026-11-21T13:30:00Z"));
    assert!(advice(&job(10), None, now).is_empty());
    // Another job has processed the version since.
    let job = failed("ragged_row", None);
    let other = Job { replay: 1, id: JobId::parse(&"0".repeat(32)).unwrap(), ..job.clone() };
    let visible = Manifest::of(&other, 1, 7, now);
    assert_eq!(
        advice(&job, Some(&visible), now),
        [format!("Nothing: job {} has processed the object.", other.id)]
    );
}

#[test]
fn a_job_that_was_replayed_twice_failed_twice() {
    let mut job = job(10);
    job.history = vec![
        ended(1, "drain/1/1", "ragged_row", "words", "12:10:00"),
        ended(2, "drain/1/2", "ragged_row", "words", "12:20:00"),
    ];
    job.replayed_from = 2;
    job.attempt = 3;
    job.audit = ["12:15:00", "12:25:00"]
        .map(|time| AuditEntry::new(at(time), AuditKind::Replayed, "by ada"))
        .to_vec();
    let said = unbroken(&job);
    assert_eq!(said.matches("; not retried").count(), 2, "{said}");
}

#[test]
fn text_that_others_wrote_stays_in_its_column() {
    let mut job = job(10);
    job.audit = vec![AuditEntry::new(at("12:00:02"), AuditKind::Paused, "x\n  2026 done\u{1b}[2J\u{202e}")];
    let said = text_of(&job);
    assert!(!said.contains('\u{1b}') && said.lines().all(|line| line.starts_with("  ")), "{said}");
    assert!(said.contains("done\\u{1b}[2J\\u{202e}"), "{said}");
    assert!(JobId::parse(job.id.as_str()).is_some());
}
