use std::error::Error as _;

use serde_json::{Value, json};

use super::*;
use domain::drift::{Change, Drift, Drifts, Kind, Kinds};
use domain::{
    audit::{AuditEntry, AuditKind},
    bad_input,
    pipelines::Pipelines,
};

const ID: &str = "00112233445566778899aabbccddeeff";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A waiting job as an early release stored it, with these attributes besides.
fn old(state: &str, more: Value) -> Value {
    let text = "version = 1\n[[pipeline]]\nname = \"p\"\n";
    let pipelines = Pipelines::parse(text, "pipelines.toml").unwrap();
    let mut item = json!({
        "v": 1,
        "job": ID,
        "object": { "bucket": "b", "key": "k", "sequencer": "01" },
        "pipeline": pipelines.get("p").unwrap(),
        "state": state,
        "attempt": 2,
        "created_at": "2026-01-01T00:00:00Z",
    });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

fn read(item: Value) -> Result<Job, UnreadableJob> {
    decode(serde_dynamo::to_item(item).unwrap())
}

/// What a person reads of an item that is not a job.
fn problem(item: Value) -> String {
    let error = read(item).unwrap_err();
    assert_eq!(error.job(), ID);
    format!("{error}: {}", error.source().expect("a cause"))
}

fn claimed() -> Value {
    json!({ "claimed_at": "2026-01-01T00:00:10Z", "holder": "drain/1/7/0f", "fence": 2 })
}

/// These attributes, and those of a claim.
fn and_claimed(more: Value) -> Value {
    let mut all = claimed();
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[test]
fn an_item_from_before_the_audit_reads_as_a_job_without_entries() {
    let ended = json!({
        "number": 1,
        "task": "t",
        "verdict": { "code": "crashed", "message": "" },
        "stopped_at": "2026-01-01T00:01:00Z",
    });
    let job = read(old("waiting", json!({ "history": [ended] }))).unwrap();
    assert!(job.audit.is_empty() && !job.history[0].paused);
    assert_eq!((job.replayed_from, job.event_at, job.attempt, job.fence), (0, None, 2, 0));
    assert_eq!(job.replay, 0);
    assert_eq!(job.state, JobState::Waiting(Waiting::default()));
    // Nor does a job that has nothing to tell carry any of it.
    let item = serde_json::to_value(JobItem::from(&job)).unwrap();
    let absent =
        ["audit", "replay", "replayed_from", "deferred_until", "event_at", "reason", "holder", "lease_until"];
    assert!(absent.iter().all(|name| item.get(name).is_none()), "{item}");
}

#[test]
fn an_item_without_later_attributes_reads_in_every_state() {
    let reason = json!({ "code": "ragged_row", "message": "row 3" });
    let settled = and_claimed(json!({ "settled_at": "2026-01-01T00:02:00Z" }));
    let left = and_claimed(json!({ "settled_at": "2026-01-01T00:02:00Z", "reason": reason }));
    let lease = and_claimed(json!({ "lease_until": "2026-01-01T00:01:00Z" }));
    let reads = |state: &str, more: &Value| read(old(state, more.clone())).unwrap();
    let running = reads("running", &lease);
    assert_eq!((running.pooled_worker(), running.records()), (Some("drain/1/7"), 0));
    // Those that were on no shard yet are put on theirs.
    let done = reads("done", &settled);
    assert_eq!((done.write_units(), done.replaced_at(), done.format()), (0, None, None));
    assert_eq!(status(&done).0, "settled:2026-01-01T00:0");
    for state in ["failed", "superseded", "source_deleted"] {
        let job = reads(state, &left);
        assert_eq!((job.state().as_str(), job.reason().unwrap().message.as_str()), (state, "row 3"));
        assert_eq!((job.rejected(), job.notified_at()), (0, None));
    }
    let JobState::Failed(failed) = reads("failed", &left).state else { panic!("not failed") };
    assert_eq!((failed.notification, failed.collecting_until), (Notification::Due, None));
}

#[test]
fn what_stays_after_it_said_something_is_passed_over() {
    // Replayed: nobody has claimed it since.
    let left = json!({ "holder": "drain/1/7/0f", "fence": 3, "records": 7, "progress": "9/10", "collected_at": "x" });
    let replayed = read(old("waiting", left)).unwrap();
    assert_eq!((replayed.claimed(), replayed.records(), replayed.fence), (None, 0, 3));
    // Told, by one whose reservation is still there.
    let told = json!({
        "settled_at": "2026-01-01T00:02:00Z",
        "reason": { "code": "cancelled", "message": "by ada" },
        "notified_at": "2026-01-01T00:02:01Z",
        "notify_lease_until": "2026-01-01T00:03:00Z",
    });
    assert_eq!(
        read(old("failed", told)).unwrap().notified_at(),
        Some("2026-01-01T00:02:01Z".parse().unwrap())
    );
    let deferred = and_claimed(
        json!({ "lease_until": "2026-01-01T00:01:00Z", "deferred_until": "2026-01-01T00:00:05Z" }),
    );
    assert_eq!(read(old("running", deferred)).unwrap().state(), State::Running);
}

#[test]
fn an_item_that_lacks_what_its_state_needs_is_no_job() {
    let time = "2026-01-01T00:01:00Z";
    let reason = json!({ "code": "crashed", "message": "" });
    let settled = json!({ "settled_at": time });
    for (state, more, missing) in [
        ("running", json!({}), "claimed_at"),
        ("running", claimed(), "lease_until"),
        ("running", json!({ "lease_until": time, "claimed_at": time, "fence": 1 }), "holder"),
        ("running", json!({ "lease_until": time, "claimed_at": time, "holder": "w" }), "fence"),
        ("done", claimed(), "settled_at"),
        ("done", settled.clone(), "claimed_at"),
        ("failed", json!({ "reason": reason }), "settled_at"),
        ("failed", settled.clone(), "reason"),
        ("superseded", and_claimed(settled.clone()), "reason"),
        ("source_deleted", json!({ "settled_at": time, "reason": reason }), "claimed_at"),
    ] {
        assert_eq!(
            problem(old(state, more)),
            format!(
                "the item of job {ID}, whose state is \"{state}\", is not one of a job: in this state it must have the \
                 attribute `{missing}`, which is missing; correct the item or delete it"
            )
        );
    }
}

#[test]
fn an_item_that_has_what_its_state_cannot_have_is_no_job() {
    let time = "2026-01-01T00:01:00Z";
    let settled = and_claimed(json!({ "settled_at": time }));
    let reason = json!({ "code": "crashed", "message": "" });
    let with = |base: &Value, name: &str, value: Value| {
        let mut item = base.clone();
        item[name] = value;
        item
    };
    let left = with(&settled, "reason", reason.clone());
    let lease = and_claimed(json!({ "lease_until": time }));
    for (state, base, attribute, value) in [
        ("waiting", json!({}), "lease_until", json!(time)),
        ("waiting", json!({}), "settled_at", json!(time)),
        ("waiting", json!({}), "notify_lease_until", json!(time)),
        ("waiting", json!({}), "notified_at", json!(time)),
        ("running", lease.clone(), "reason", reason.clone()),
        ("running", lease, "settled_at", json!(time)),
        ("done", settled.clone(), "reason", reason.clone()),
        ("done", settled.clone(), "lease_until", json!(time)),
        ("done", settled.clone(), "collecting_until", json!(time)),
        ("done", settled, "object_deleted", json!(true)),
        ("failed", left.clone(), "replaced_at", json!(time)),
        ("superseded", left.clone(), "notified_at", json!(time)),
        ("source_deleted", left, "write_units", json!(7)),
    ] {
        assert_eq!(
            problem(old(state, with(&base, attribute, value))),
            format!(
                "the item of job {ID}, whose state is \"{state}\", is not one of a job: in this state it cannot have the \
                 attribute `{attribute}`; correct the item or delete it"
            )
        );
    }
}

#[test]
fn an_item_of_another_release_is_not_guessed_at() {
    let newer = problem(old("waiting", json!({ "v": 2 })));
    assert!(
        newer.ends_with("its layout `v` is 2, and only 1 is known here; update what reads it"),
        "{newer}"
    );
    let state = problem(old("paused", json!({})));
    assert!(state.contains("whose state is \"paused\"") && state.contains("unknown variant"), "{state}");
    let mut cut = old("waiting", json!({}));
    cut.as_object_mut().unwrap().remove("attempt");
    let cut = problem(cut);
    assert!(cut.contains(ID) && cut.contains("`attempt`"), "{cut}");
}

/// A job with something in every field that its state has.
fn full(state: JobState) -> Job {
    let verdict = Reason::new(domain::verdict::Kind::TimedOut, "words");
    let mut job = Job::sample("", at(1)).in_state(state);
    job.object.version_id = Some("v1".into());
    (job.event_at, job.trace) = (Some(at(0)), Some("e1".into()));
    (job.attempt, job.counted_attempts, job.replayed_from, job.fence) = (3, 1, 1, 2);
    job.replay = 4;
    job.removal = Some(domain::job::Removal::UpTo { versions: Some(2) });
    (job.task, job.revision) = (Some("arn:task".into()), Some("worker:7".into()));
    job.history = vec![Attempt { number: 2, task: "t".into(), verdict, stopped_at: at(5), paused: true }];
    job.audit = vec![AuditEntry::new(at(6), AuditKind::Replayed, "by ada")];
    job
}

fn full_states() -> Vec<JobState> {
    let claimed = Claimed { first_at: at(3), holder: "drain/1/7/0f".into() };
    let reason = Reason::new(domain::job::ReasonCode::parse("ragged_row"), "row 3");
    let before = Kinds::from(Kind::Number);
    let changed = Change::Type { before, found: before.union(Kind::Text.into()) };
    let listed = [("tip", Change::New), ("note", Change::Missing), ("zip", changed)];
    let listed = listed.map(|(column, change)| Drift { column: column.into(), change });
    let drifts = Drifts { listed: listed.into(), total: 3, emptied: Some(7) };
    let mut rejects = RejectCounts::default();
    rejects.add(bad_input::Reason::RaggedRow, None, || "line 3: 2 fields".into());
    rejects.add(bad_input::Reason::WrongType, Some("total"), String::new);
    let format = Some("csv.gz".into());
    let progress = Progress { records: 7, rejected: 2, rejects, repaired: 3, format, drifts, table: None };
    let (collecting_until, settled_at) = (Some(at(99)), at(9));
    let dropped = Dropped {
        settled_at,
        reason: reason.clone(),
        claimed: claimed.clone(),
        progress: progress.clone(),
        collecting_until,
    };
    let failed = Failed {
        settled_at,
        reason: reason.clone(),
        claimed: Some(claimed.clone()),
        progress: progress.clone(),
        notification: Notification::Due,
        collecting_until,
    };
    let replaced = Some(Replaced { at: at(8_000), by_deletion: true, collecting_until });
    vec![
        JobState::Waiting(Waiting {
            reason: Some(reason),
            deferred_until: Some(at(9)),
            claimed: Some(claimed.clone()),
        }),
        JobState::Running(Running {
            claimed: claimed.clone(),
            lease_until: at(4),
            records: 7,
            progress: Some("9/10".into()),
        }),
        JobState::Done(Done { settled_at, claimed, progress, write_units: 9, replaced }),
        JobState::Failed(Failed { notification: Notification::Leased { until: at(10) }, ..failed.clone() }),
        JobState::Failed(Failed { notification: Notification::Sent { at: at(11) }, ..failed.clone() }),
        JobState::Failed(failed),
        JobState::Superseded(dropped.clone()),
        JobState::SourceDeleted(dropped),
    ]
}

#[test]
fn a_job_comes_back_from_its_item_in_every_state() {
    let plain = State::ALL.map(|state| Job::sample("", at(1)).in_state(JobState::sample(state, at(2))));
    // A claim raises the fence.
    let plain = plain.map(|job| Job { fence: u64::from(job.claimed().is_some()), ..job });
    let jobs = plain.into_iter().chain(full_states().into_iter().map(full));
    for job in jobs {
        let item: Item = serde_dynamo::to_item(JobItem::from(&job)).unwrap();
        assert_eq!(decode(item).unwrap(), job);
    }
}

#[test]
fn a_new_job_is_on_the_open_shard_and_a_replaced_one_on_that_of_the_hour() {
    let new = JobItem::from(&Job::sample("", at(1)));
    assert_eq!((new.status_shard, new.status_at), (Some(open_shard(new.job.shard())), Some(at(1))));
    let replaced = JobItem::from(&full(full_states().remove(2)));
    assert_eq!(
        (replaced.status_shard, replaced.status_at),
        (Some(settled_shard(replaced.job.shard(), at(8_000))), Some(at(8_000)))
    );
}
