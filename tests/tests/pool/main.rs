//! Pooled workers: many objects in one task, and nothing lost with it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod leaving;
mod lost;
mod many;
mod messages;
mod pinned;
mod returned;

use std::time::Duration;

use localcloud::faults::Call;
use tests::{Plan, TestEnv, call};

const KEY: &str = "uploads/people.csv";

/// Longer than anybody holds up a call in AWS.
const HELD: Call = Call::Delay(Duration::from_secs(1_200));

/// An environment with room for one pooled worker and one task of an object's own.
fn pool(seed: u64) -> Plan {
    TestEnv::plan(seed).parameter("MaximumTasks", "2")
}

/// Two columns and this many rows.
fn csv(rows: usize) -> String {
    let rows = (1..=rows).map(|row| format!("{row},name {row}\n"));
    std::iter::once("id,name\n".to_owned()).chain(rows).collect()
}

/// The records of [`csv`].
fn records(rows: usize) -> Vec<String> {
    (1..=rows).map(|row| format!(r#"{{"id":{row},"name":"name {row}"}}"#)).collect()
}

/// The first `n` reads of this object are held up for longer than anybody waits.
fn hold_reads(env: &TestEnv, key: &'static str, n: u64) {
    env.on(call::read_object_at(key).meets(HELD).first(n));
}

/// What the jobs queue says of its messages, without receiving them.
fn backlog(env: &TestEnv) -> Vec<(String, u32)> {
    let arn = &env.cloud().stack().resources["JobsQueue"].arn;
    let messages = env.cloud().services().sqs.peek(arn).unwrap().into_iter();
    messages.map(|it| (it.body, it.system["ApproximateReceiveCount"].parse().unwrap())).collect()
}
