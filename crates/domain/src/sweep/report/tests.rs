use super::*;
use crate::{
    job::{Attempt, Done, Progress},
    object::Object,
    pipelines::Pipelines,
};

fn at(text: &str) -> Timestamp {
    format!("2026-11-21T{text}Z").parse().unwrap()
}

fn job(key: &str, state: State, created: &str, settled: &str) -> Job {
    let pipelines = Pipelines::parse("version = 1\n[[pipeline]]\nname = \"orders\"\n", "p.toml").unwrap();
    let object = Object {
        bucket: "tides".into(),
        key: key.into(),
        version_id: Some("v1".into()),
        etag: None,
        sequencer: Default::default(),
        size_bytes: Some(70),
    };
    let job = Job::new(object, pipelines.get("orders").unwrap().clone(), at(created));
    let progress = Progress { records: 3, rejected: 1, repaired: 2, ..Progress::default() };
    let settled = at(settled);
    match state {
        State::Done => job.in_state(Done { progress, ..Done::sample(settled) }),
        _ => job.in_state(Failed { progress, ..Failed::sample("bad_input", settled) }),
    }
}

#[test]
fn a_job_counts_in_the_hour_it_came_in_and_in_the_hour_it_settled() {
    let mut counts = HourStats::new(at("12:00:00"));
    let jobs = [
        job("a", State::Done, "11:59:59", "12:00:00"),
        job("b", State::Done, "12:00:00", "12:59:59.999999"),
        job("c", State::Done, "12:59:59", "13:00:00"),
    ];
    let lines = jobs.iter().filter(|job| {
        counts.came_in(job);
        counts.settled(job).is_some()
    });
    assert_eq!(lines.count(), 2);
    let summary = counts.finish(Open::default(), SweepStats::default());
    assert_eq!((summary.came_in, summary.count(State::Done), summary.records), (2, 2, 6));
    assert_eq!(summary.repaired, 4);
    assert!(!summary.is_quiet());
}

#[test]
fn a_summary_tells_of_states_pipelines_verdicts_and_failures() {
    let mut counts = HourStats::new(at("12:00:00"));
    let mut failed = job("bad.csv", State::Failed, "12:01:00", "12:02:00");
    let verdict = Reason::new(crate::verdict::Kind::BadInput, "row 7");
    failed.history =
        vec![Attempt { number: 1, task: "t".into(), verdict, stopped_at: at("12:02:00"), paused: false }];
    for job in [&failed, &job("good.csv", State::Done, "12:01:00", "12:01:30")] {
        counts.settled(job).unwrap();
    }
    let summary =
        counts.finish(Open { waiting: 2, running: 1 }, SweepStats { found: 1, ..SweepStats::default() });
    let counts = |of: &BTreeMap<String, u64>| of.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>();
    assert_eq!(counts(&summary.settled), ["done 1", "failed 1"]);
    assert_eq!(counts(&summary.pipelines["orders"]), ["done 1", "failed 1"]);
    assert_eq!(
        (counts(&summary.verdicts), counts(&summary.failures)),
        (vec!["bad_input 1".into()], vec!["bad_input 1".into()])
    );
    assert_eq!(summary.failed[0].object, "s3://tides/bad.csv");
    assert_eq!(summary.records, 3, "nothing of a failed object is visible");
    let took = summary.took.clone().unwrap();
    assert_eq!(
        (took.p50_ms, took.p95_ms, took.max_ms, &*took.slowest),
        (30_000, 60_000, 60_000, "s3://tides/bad.csv")
    );
    let read: Summary = serde_json::from_str(&summary.to_json()).unwrap();
    assert_eq!(read, summary);
}

#[test]
fn a_line_is_one_line_of_json() {
    let job = job("line\nbreak.csv", State::Done, "12:01:00", "12:01:30.5");
    let line = Line::of(&job).unwrap().to_json();
    assert_eq!(line.matches('\n').count(), 1);
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&read["took_ms"], &read["state"], &read["records"]),
        (&30_500.into(), &"done".into(), &3.into())
    );
    assert_eq!(read["object"], "s3://tides/line\nbreak.csv");
    let open = job.in_state(JobState::sample(State::Running, at("12:01:00")));
    assert!(Line::of(&open).is_none());
}

#[test]
fn an_hour_in_which_nothing_happened_is_quiet() {
    let summary =
        HourStats::new(at("12:00:00")).finish(Open { waiting: 1, running: 0 }, SweepStats::default());
    assert!(summary.is_quiet() && summary.took.is_none());
    let swept = SweepStats { listed: 9, collected: 1, collected_rows: 70, ..SweepStats::default() };
    assert!(Summary { sweep: swept, ..summary.clone() }.is_quiet(), "housekeeping wakes nobody");
    let found = SweepStats { found: 1, ..SweepStats::default() };
    assert!(!Summary { sweep: found, ..summary }.is_quiet());
}

#[test]
fn percentiles_are_of_the_nearest_rank() {
    let hundred: Vec<u64> = (1..=100).collect();
    assert_eq!([50, 95, 100].map(|p| percentile(&hundred, p)), [50, 95, 100]);
    assert_eq!([50, 95].map(|p| percentile(&[7], p)), [7, 7]);
    assert_eq!(percentile(&[], 50), 0);
}

#[test]
fn keys_are_by_day_and_hour() {
    assert_eq!(lines_key("reports/", at("09:00:00")), "reports/2026/11/21/09.jsonl");
    assert_eq!(summary_key("reports/", at("12:00:00")), "reports/2026/11/21/12.json");
}
