use super::*;
use crate::drift::{Change, Drift, Drifts};
use crate::sweep::report::{Failure, LatencyStats, Open};
use crate::{job::Reason, schedule_runs::ScheduleRun, verdict::Kind};

fn run(kind: Kind) -> ScheduleRun {
    let ended_at = "2026-11-21T14:03:00Z".parse().unwrap();
    let verdict = Reason::new(kind, kind.sentence());
    ScheduleRun { task: "arn:1".to_owned(), started_at: None, ended_at, verdict }
}

fn summary() -> Summary {
    let counts = |counts: &[(&str, u64)]| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    Summary {
        v: 1,
        hour: "2026-11-21T14:00:00Z".parse().unwrap(),
        came_in: 1_209,
        settled: counts(&[("done", 1_204), ("failed", 22), ("superseded", 1)]),
        failed: vec![Failure {
            object: "s3://tides/uploads/o\nrders.csv".to_owned(),
            reason: Reason::new(crate::verdict::Kind::BadInput, "row 17 has 4 fields, the header has 5"),
        }],
        records: 1_234_567,
        rejected: 1,
        repaired: 12,
        took: Some(LatencyStats {
            p50_ms: 41_200,
            p95_ms: 63_000,
            max_ms: 242_000,
            slowest: "s3://tides/uploads/big.csv".to_owned(),
        }),
        cost_nanodollars: 31_400_000,
        open: Open { waiting: 2, running: 1 },
        schedules: vec![
            NamedRun { schedule: "nightly".to_owned(), run: run(Kind::CommandCrashed) },
            NamedRun { schedule: "late-orders".to_owned(), run: run(Kind::Succeeded) },
        ],
        sweep: SweepStats {
            found: 2,
            stopped: 1,
            collected: 1,
            collected_rows: 3_000,
            ..SweepStats::default()
        },
        ..Summary::default()
    }
}

#[test]
fn columns_that_changed_are_named_with_their_object_and_pipeline() {
    let drifts = Drifts {
        listed: vec![Drift { column: "ti\np".to_owned(), change: Change::New }],
        total: 3,
        ..Drifts::default()
    };
    let drifted = DriftedObject {
        object: "s3://tides/uploads/2.csv".to_owned(),
        pipeline: "orders".to_owned(),
        drifts,
    };
    let mail = digest(&Summary { drifted: 12, drifts: vec![drifted], ..summary() }, "s3://r");
    assert!(mail.subject.ends_with(", 12 unlike earlier objects"), "{}", mail.subject);
    let expected = "
Unlike earlier objects of the pipeline
  s3://tides/uploads/2.csv
    pipeline orders: new: \"ti\\np\"; and 2 more columns
  and 11 more
  all columns of a pipeline: tidemill columns PIPELINE
";
    assert!(mail.body.contains(expected), "{}", mail.body);
}

#[test]
fn a_busy_hour_is_described_in_words() {
    let mail = digest(&summary(), "s3://tides/reports/2026/11/21/14.jsonl");
    assert_eq!(mail.subject, "[tidemill] 14:00-15:00: 1,204 done, 22 failed, 1 superseded");
    let expected = "\
From 14:00 to 15:00 UTC on 21 November 2026, 1,209 objects arrived and 1,227 objects settled.

Done             1,204  all their records are visible
Failed              22  failure mails were sent; each is among the dead letters
Superseded           1  a newer version of the same object was visible first
Records      1,234,567  became visible, 12 of repaired rows, 1 row left out

Median 41.2 s, p95 1 min 3 s.
The slowest took 4 min 2 s: s3://tides/uploads/big.csv
Still open: 2 waiting, 1 running.
Tasks and writes cost about $0.031.

Failed
  s3://tides/uploads/o\\nrders.csv
    bad_input: row 17 has 4 fields, the header has 5
  and 21 more

Schedules
  nightly failed: the command crashed
    tidemill schedule run nightly
  late-orders succeeded

The sweep
  2 objects whose events were lost were queued
  1 overdue task was stopped
  3,000 rows that are no longer visible were deleted

More information
  report, one line per job: s3://tides/reports/2026/11/21/14.jsonl
  timeline of an object: tidemill explain s3://BUCKET/KEY
";
    assert_eq!(mail.body, expected);
}

#[test]
fn the_digest_lists_what_the_sweep_could_not_do() {
    let quiet = Summary { v: 1, hour: summary().hour, ..Summary::default() };
    let mail = digest(&quiet, "s3://tides/r");
    assert_eq!(mail.subject, "[tidemill] 14:00-15:00: 0 done");
    assert!(mail.body.contains("found nothing to repair"), "{}", mail.body);
    let problems = vec!["failed to list\nthe versions".to_owned()];
    let swept = Summary { sweep: SweepStats { problems, ..SweepStats::default() }, ..quiet };
    assert!(digest(&swept, "s3://tides/r").body.contains("  failed: failed to list\\nthe versions\n"));
}
