//! What happens in a deployment, in as few and as short stories as use everything that is granted.

mod letters;
mod trouble;
mod workers;

use std::{collections::BTreeMap, path::Path, time::Duration};

use domain::job::State;
use futures::{FutureExt, future::LocalBoxFuture};
use localcloud::{
    iam::{GrantId, Iam},
    template::Template,
};
use serde_json::json;
use tests::{Plan, World};

pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");

/// A story, and the cloud it happens in.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) plan: fn() -> Plan,
    pub(crate) happens: for<'w> fn(&'w World) -> LocalBoxFuture<'w, ()>,
}

/// A line of the list.
macro_rules! scenario {
    ($name:literal, $plan:expr, $happens:path) => {
        Scenario { name: $name, plan: $plan, happens: |world| $happens(world).boxed_local() }
    };
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario!("a small object", pooled, done),
    scenario!("a large object", alone, done),
    scenario!("rejected rows", quarantined, rejected),
    scenario!("an object that is gone", alone, gone),
    scenario!("an object without version", alone, versionless),
    scenario!("a sweep", alone, sweep),
    scenario!("rows collected", alone, collect),
    scenario!("a command", commanded, command),
    scenario!("bad input", alone, letters::bad),
    scenario!("bad input of the pool", pooled, letters::bad),
    scenario!("folded mails", plan, letters::folded),
    scenario!("a mailbox that is gone", alone, letters::bounced),
    scenario!("a failure nobody was told of", alone, letters::untold),
    scenario!("messages that are none", pooled, letters::nonsense),
    scenario!("queues that are gone", alone, letters::no_queues),
    scenario!("functions that fail", pooled, letters::failing),
    scenario!("what may not be delivered", undeliverable, letters::undeliverable),
    scenario!("no room", alone, trouble::no_room),
    scenario!("launches held back", alone, trouble::held_back),
    scenario!("launches held back for long", plan, trouble::held_back_for_long),
    scenario!("λ backlog held back", pooled, trouble::backlog_held_back),
    scenario!("a publish that is refused", alone, trouble::claim_lost),
    scenario!("a crash", alone, trouble::crashes),
    scenario!("asked by the alarm", pooled, workers::by_the_alarm),
    scenario!("asked by the minute", pooled, workers::by_the_minute),
    scenario!("a retry of the pool", pooled, workers::retry),
    scenario!("a long read of the pool", pooled, workers::long),
    scenario!("no start, the sweep", never_alone, workers::not_started_for_the_sweep),
    scenario!("no start, λ backlog", never_pooled, workers::not_started_for_backlog),
    scenario!("no start, λ scaler", never_pooled, workers::not_started_for_scaler),
];

const KEY: &str = "uploads/people.csv";
const RAGGED: &str = "id,name\n1,one\n2,two,too many\n";

/// A registry that needs the execution role.
const IMAGE: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/tidemill:1";

fn plan() -> Plan {
    World::plan(77).parameter("WorkerImage", IMAGE)
}

/// Pooled workers, and no schedule.
fn pooled() -> Plan {
    plan().alone().pipelines(include_str!("../../../pipelines/pipelines.toml"))
}

/// A task for each object, and no schedule.
fn alone() -> Plan {
    plan().alone()
}

fn quarantined() -> Plan {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"tables\"\nbad_rows = \"quarantine\"\n";
    plan().pipelines(pipelines).alone()
}

fn commanded() -> Plan {
    let pipelines = "version = 1\n[[pipeline]]\nname = \"all\"\n\n[[schedule]]\nname = \"nightly\"\n\
                     cron = \"0 3 * * ? *\"\ncommand = [\"python3\", \"report.py\"]\n";
    plan().pipelines(pipelines).alone()
}

/// Tasks whose network interface does not come.
fn never_alone() -> Plan {
    alone().timing(workers::NEVER)
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
    let template = Template::parse(TEMPLATE, Path::new("template.yaml")).unwrap();
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
async fn buried(world: &World, letters: usize) {
    let queue = &world.cloud().stack().resources["DeadLetterQueue"].arn;
    let sqs = &world.cloud().services().sqs;
    world.until("a dead letter", || sqs.counts(queue).unwrap().visible >= letters).await;
}

async fn done(world: &World) {
    world.put(KEY, csv(3)).await;
    world.settle().await;
    assert_eq!(world.job(KEY).await.state, State::Done);
}

async fn rejected(world: &World) {
    world.put(KEY, RAGGED).await;
    world.settle().await;
    assert_eq!(world.job(KEY).await.rejected, 1);
}

/// Deleted before it is read.
async fn gone(world: &World) {
    let event = world.put_silently(KEY, csv(3)).await;
    let version = event["detail"]["object"]["version-id"].as_str().unwrap();
    let delete = world.s3().delete_object().bucket(world.bucket()).key(KEY).version_id(version);
    delete.send().await.unwrap();
    world.send("UploadsQueue", &event.to_string());
    world.settle().await;
    assert_eq!(world.job(KEY).await.state, State::Gone);
}

/// An event that does not tell the version, as of a bucket without versions.
async fn versionless(world: &World) {
    let mut event = world.put_silently(KEY, csv(3)).await;
    event["detail"]["object"].as_object_mut().unwrap().remove("version-id");
    world.send("UploadsQueue", &event.to_string());
    world.settle().await;
    assert_eq!(world.job(KEY).await.state, State::Done);
}

async fn sweep(world: &World) {
    world.put(KEY, csv(3)).await;
    world.put_silently("uploads/lost.csv", csv(2)).await;
    world.settle().await;
    minutes(60).await;
    world.schedule(json!({ "scheduled_at": "2026-01-01T01:00:00Z" })).await;
    world.settle().await;
    assert_eq!(world.jobs().await.len(), 2);
    assert_eq!(world.mails().len(), 1, "the digest");
}

async fn collect(world: &World) {
    world.put(KEY, csv(60)).await;
    world.settle().await;
    world.put(KEY, csv(3)).await;
    world.settle().await;
    world.swept().await;
    for _ in 0..2 {
        minutes(60 * 13).await;
        world.swept().await;
    }
    minutes(120).await;
    world.swept().await;
    assert_eq!(world.contents().rows, 3);
}

/// No process can be run here, so it fails, and people are told.
async fn command(world: &World) {
    world.schedule(json!({ "scheduled_at": "2026-01-01T03:00:00Z" })).await;
    world.quiet().await;
    assert_eq!(world.subjects(), ["[tidemill] failed: the command nightly (crashed)"]);
}
