//! What happens in a deployment, in as few and as short scenarios as use everything that is granted.

mod existing;
mod failures;
mod mails;
mod workers;

use std::{collections::BTreeMap, path::Path, time::Duration};

use futures::{FutureExt, future::LocalBoxFuture};
use localcloud::{
    iam::{GrantId, Iam},
    template::Template,
};
use serde_json::json;
use tests::{JobAsserts, Plan, TestEnv};

pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");

/// A scenario, and the cloud it happens in.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) plan: fn() -> Plan,
    pub(crate) happens: for<'w> fn(&'w TestEnv) -> LocalBoxFuture<'w, ()>,
}

/// A line of the list.
macro_rules! scenario {
    ($name:literal, $plan:expr, $happens:path) => {
        Scenario { name: $name, plan: $plan, happens: |env| $happens(env).boxed_local() }
    };
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!("a small object", pooled, done),
    scenario!("a large object", dedicated, done),
    scenario!("rejected rows", quarantined, rejected),
    scenario!("an object that is gone", dedicated, gone),
    scenario!("an object without version", dedicated, versionless),
    scenario!("an object that is deleted", removing, deleted),
    scenario!("a sweep", dedicated, sweep),
    scenario!("rows collected", dedicated, collect),
    scenario!("a command", commanded, command),
    scenario!("a table of one's own", own_table, write_own_table),
    scenario!("a bucket that was there before", existing::plan, existing::objects),
    scenario!("a queue that is gone, for such a bucket", existing::plan, existing::no_queue),
    scenario!("bad input", dedicated, mails::bad),
    scenario!("bad input of the pool", pooled, mails::bad),
    scenario!("grouped mails", plan, mails::grouped),
    scenario!("a group of one", plan, mails::group_of_one),
    scenario!("a group of one task", scheduled, mails::group_of_one),
    scenario!("a dead letter that is resolved", dedicated, mails::resolved),
    scenario!("a mailbox that is gone", dedicated, mails::bounced),
    scenario!("a failure that was not mailed", dedicated, mails::not_notified),
    scenario!("messages that are none", pooled, mails::nonsense),
    scenario!("queues that are gone", dedicated, mails::no_queues),
    scenario!("functions that fail", pooled, mails::failing),
    scenario!("what may not be delivered", undeliverable, mails::undeliverable),
    scenario!("no room", dedicated, failures::no_room),
    scenario!("launches held back", dedicated, failures::held_back),
    scenario!("launches held back for long", plan, failures::held_back_for_long),
    scenario!("λ backlog held back", pooled, failures::backlog_held_back),
    scenario!("a publish that is refused", dedicated, failures::claim_lost),
    scenario!("a crash", dedicated, failures::crashes),
    scenario!("asked by the alarm", pooled, workers::by_the_alarm),
    scenario!("asked by the minute", pooled, workers::by_the_minute),
    scenario!("a retry of the pool", pooled, workers::retry),
    scenario!("a long read of the pool", pooled, workers::long),
    scenario!("no start, the sweep", never_dedicated, workers::not_started_for_the_sweep),
    scenario!("no start, λ backlog", never_pooled, workers::not_started_for_backlog),
    scenario!("no start, λ scaler", never_pooled, workers::not_started_for_scaler),
];

const KEY: &str = "uploads/people.csv";
const RAGGED: &str = "id,name\n1,one\n2,two,too many\n";

/// A registry that needs the execution role.
const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tidemill:1";

fn plan() -> Plan {
    TestEnv::plan(77).parameter("WorkerImage", IMAGE)
}

/// Pooled workers, and no schedule.
fn pooled() -> Plan {
    plan().dedicated_tasks().pipelines(include_str!("../../../pipelines/pipelines.toml"))
}

/// A task for each object, and no schedule.
fn dedicated() -> Plan {
    plan().dedicated_tasks()
}

/// A task for each object, and the schedules.
fn scheduled() -> Plan {
    dedicated().scheduled()
}

fn quarantined() -> Plan {
    let pipelines =
        "version = 1\n[[pipeline]]\nname = \"tables\"\nbad_rows = \"quarantine\"\nmax_rejected = \"100%\"\n";
    plan().pipelines(pipelines).dedicated_tasks()
}

fn removing() -> Plan {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"all\"\non_delete = \"remove\"\n";
    plan().pipelines(pipelines).dedicated_tasks()
}

fn commanded() -> Plan {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"all\"\n\n[[schedule]]\nname = \"nightly\"\n\
                     cron = \"0 3 * * ? *\"\ncommand = [\"python3\", \"report.py\"]\n";
    plan().pipelines(pipelines).dedicated_tasks()
}

/// One pipeline for each way to write to a table of one's own.
fn own_table() -> Plan {
    let mut pipelines = "version = 1\n[[table]]\nname = \"people\"\n\
                         partition_key = { name = \"id\", type = \"N\" }\n"
        .to_owned();
    for (name, keys) in [
        ("replace", "write = \"replace\"\non_delete = \"remove\""),
        ("merge", "write = \"merge\""),
        ("batch", "provenance = \"none\""),
    ] {
        pipelines.push_str(&format!(
            "\n[[pipeline]]\nname = \"{name}\"\nmatch = {{ prefix = \"uploads/{name}/\" }}\ntable = \"people\"\n{keys}\n"
        ));
    }
    plan().pipelines(&pipelines).dedicated_tasks()
}

/// Tasks whose network interface does not come.
fn never_dedicated() -> Plan {
    dedicated().timing(workers::NEVER)
}

fn never_pooled() -> Plan {
    pooled().timing(workers::NEVER)
}

/// A deployment in which nobody lets schedules and alarms invoke their functions.
fn undeliverable() -> Plan {
    let lost = ["SchedulerRole", "BacklogPermission"];
    let lost = lost.into_iter().flat_map(|holder| granted(holder, "lambda:InvokeFunction"));
    lost.fold(pooled(), Plan::without)
}

/// The grants of this action that the template gives to this role or by this policy.
pub(crate) fn granted(holder: &str, action: &str) -> Vec<GrantId> {
    let template =
        Template::parse(TEMPLATE, Path::new("template.yaml"), localcloud::resource_types()).unwrap();
    let parameters = [("NotifyEmail", "ops@example.com"), ("WorkerImage", IMAGE)];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let stack = template.resolve(&BTreeMap::from(parameters), "tidemill", "http://cloud.local").unwrap();
    let iam = Iam::default();
    iam.load(&stack, &[]).unwrap();
    let found = iam.grants().into_iter().filter(|it| it.id.holder == holder && it.id.action == action);
    let found: Vec<GrantId> = found.map(|it| it.id).collect();
    assert!(!found.is_empty(), "{holder} has no {action}");
    found
}

pub(crate) fn csv(rows: usize) -> String {
    let rows = (1..=rows).map(|row| format!("{row},name {row}\n"));
    std::iter::once("id,name\n".to_owned()).chain(rows).collect()
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

/// Waits until the dead-letter queue holds this many.
async fn dead_lettered(env: &TestEnv, count: usize) {
    let queue = &env.cloud().stack().resources["DeadLetterQueue"].arn;
    let sqs = &env.cloud().services().sqs;
    env.until("a dead letter", || sqs.counts(queue).unwrap().visible >= count).await;
}

async fn done(env: &TestEnv) {
    env.put(KEY, csv(3)).await;
    env.settle().await;
    env.job(KEY).await.assert_done();
}

async fn rejected(env: &TestEnv) {
    env.put(KEY, RAGGED).await;
    env.settle().await;
    assert_eq!(env.job(KEY).await.rejected(), 1);
}

/// Deleted before it is read.
async fn gone(env: &TestEnv) {
    let event = env.put_without_event(KEY, csv(3)).await;
    let version = event["detail"]["object"]["version-id"].as_str().unwrap();
    let delete = env.s3().delete_object().bucket(env.bucket()).key(KEY).version_id(version);
    delete.send().await.unwrap();
    env.send("UploadsQueue", &event.to_string());
    env.settle().await;
    env.job(KEY).await.assert_source_deleted();
}

/// An event that does not tell the version, as of a bucket without versions.
async fn versionless(env: &TestEnv) {
    let mut event = env.put_without_event(KEY, csv(3)).await;
    event["detail"]["object"].as_object_mut().unwrap().remove("version-id");
    env.send("UploadsQueue", &event.to_string());
    env.settle().await;
    env.job(KEY).await.assert_done();
}

async fn deleted(env: &TestEnv) {
    env.put(KEY, csv(3)).await;
    env.settle().await;
    env.s3().delete_object().bucket(env.bucket()).key(KEY).send().await.unwrap();
    env.settle().await;
    assert!(env.manifest(KEY).await.unwrap().deleted.is_some());
    assert!(env.job(KEY).await.replaced().unwrap().by_deletion);
}

async fn sweep(env: &TestEnv) {
    env.put(KEY, csv(3)).await;
    env.put_without_event("uploads/lost.csv", csv(2)).await;
    env.settle().await;
    minutes(60).await;
    env.schedule(json!({ "scheduled_at": "2026-01-01T01:00:00Z" })).await;
    env.settle().await;
    assert_eq!(env.jobs().await.len(), 2);
    assert_eq!(env.mails().len(), 1, "the digest");
}

async fn collect(env: &TestEnv) {
    env.put(KEY, csv(60)).await;
    env.settle().await;
    env.put(KEY, csv(3)).await;
    env.settle().await;
    env.swept().await;
    for _ in 0..2 {
        minutes(60 * 13).await;
        env.swept().await;
    }
    minutes(120).await;
    env.swept().await;
    assert_eq!(env.contents().rows, 3);
}

async fn write_own_table(env: &TestEnv) {
    // A version that is not published: the next one asks the ledger what it may have written.
    let bad = env.put("uploads/replace/a.csv", "id,name\n1\n").await;
    env.settle().await;
    env.job_of(&bad).await.assert_failed();
    for (folder, rows) in [("batch", 1), ("merge", 2), ("replace", 4), ("replace", 3)] {
        let key = format!("uploads/{folder}/a.csv");
        let version = env.put(&key, csv(rows)).await;
        env.settle().await;
        env.job_of(&version).await.assert_done();
    }
    assert_eq!(env.items("people").len(), 3);
    // The bytes of what is deleted for good are gone, so the table is read.
    let key = "uploads/replace/a.csv";
    let version = env.manifest(key).await.unwrap().version_id.unwrap();
    let delete = env.s3().delete_object().bucket(env.bucket()).key(key).version_id(version);
    delete.send().await.unwrap();
    env.settle().await;
    assert_eq!(env.items("people").len(), 0);
}

/// No process can be run here, so it fails, and the failure is mailed.
async fn command(env: &TestEnv) {
    env.schedule(json!({ "scheduled_at": "2026-01-01T03:00:00Z" })).await;
    env.quiet().await;
    assert_eq!(env.subjects(), ["[tidemill] failed: the command nightly (command_crashed)"]);
}
