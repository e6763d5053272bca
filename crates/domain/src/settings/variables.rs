//! The list of variables: each stands here once, with its type and what it must be. `template.yaml` sets most of them;
//! a test starts each program with the template's environment, so that both lists stay the same.

use super::variable::{SetBy, Variable};
use crate::{job::JobId, notify::NotifyOn, watched::Place};

macro_rules! variables {
    ($($(#[$doc:meta])* $name:ident: $type:ty, $set_by:ident, $expected:literal, $parse:expr;)*) => {
        $(
            $(#[$doc])*
            pub const $name: Variable<$type> = Variable {
                name: stringify!($name),
                set_by: SetBy::$set_by,
                expected: $expected,
                parse: $parse,
            };
        )*

        /// The name of each variable, and who sets it.
        pub const ALL: &[(&str, SetBy)] = &[$((stringify!($name), SetBy::$set_by)),*];
    };
}

variables! {
    /// The stack's name, the dimension that separates the metrics of several stacks.
    STACK_NAME: String, Template, "it must be the stack's name", text;
    /// The table of jobs: [`crate::job`].
    LEDGER_TABLE: String, Template, "it must be a table's name", text;
    /// The table that objects' records are written to, with their manifests.
    RECORDS_TABLE: String, Template, "it must be a table's name", text;
    /// The table of slots, leases and other small documents: [`crate::document`].
    FLEET_TABLE: String, Template, "it must be a table's name", text;
    /// The stack's own bucket, which is watched and holds rejected rows and reports.
    BUCKET: String, Template, "it must be a bucket's name", text;
    /// The prefix of the keys that are watched, such as `uploads/`.
    WATCHED_PREFIX: String, Template, "it must be the start of a key", text;
    /// The places that are watched in buckets which were there before the stack, as [`Place::list`] reads them.
    EXISTING_BUCKETS: Vec<Place>, Template, "it must be BUCKET/PREFIX/ for each bucket, separated by commas", Place::list;
    /// The prefix of objects with rejected rows, such as `rejects/`; outside the watched one.
    REJECTS_PREFIX: String, Template, "it must be the start of a key", text;
    /// The prefix of the hourly reports, such as `reports/`; outside the watched one.
    REPORTS_PREFIX: String, Template, "it must be the start of a key", text;
    /// The queue of S3's events and of jobs that are due.
    UPLOADS_QUEUE_URL: String, Template, "it must be a queue's URL", text;
    /// The backlog: jobs that wait for pooled workers.
    JOBS_QUEUE_URL: String, Template, "it must be a queue's URL", text;
    /// The queue of ECS's events about stopped tasks.
    STOPS_QUEUE_URL: String, Template, "it must be a queue's URL", text;
    /// The queue of what could not be delivered or processed.
    DEAD_LETTER_QUEUE_URL: String, Template, "it must be a queue's URL", text;
    /// The queue of jobs that failed and were mailed.
    FAILED_JOBS_QUEUE_URL: String, Template, "it must be a queue's URL", text;
    /// The ECS cluster of the tasks, by name or ARN.
    CLUSTER: String, Template, "it must be a cluster's name or ARN", text;
    /// The deployed revision of the worker's task definition, with its number.
    TASK_DEFINITION: String, Template, "it must be a task definition's ARN", text;
    /// The deployed revision of the sweep's task definition, with its number.
    SWEEP_TASK_DEFINITION: String, Template, "it must be a task definition's ARN", text;
    /// The name of the container in both task definitions, whose variables a launch sets.
    CONTAINER: String, Template, "it must be a container's name", text;
    /// The subnets that tasks are launched in, separated by commas. A launch that finds no capacity tries them singly.
    SUBNETS: Vec<String>, Template, "it must be subnet ids, separated by commas", list;
    /// The security group of tasks.
    SECURITY_GROUP: String, Template, "it must be a security group's id", text;
    /// Whether tasks get public addresses: in subnets without NAT or endpoints, nothing else gets them out.
    ASSIGN_PUBLIC_IP: bool, Template, "it must be ENABLED or DISABLED", enabled;
    /// The percentage of tasks that are first tried on Spot.
    SPOT_SHARE: u8, Template, "it must be a percentage from 0 to 100", percentage;
    /// How many tasks there may be at once, which is the number of slots.
    MAXIMUM_TASKS: u32, Template, "it must be a number from 1", from_1;
    /// The size of pooled workers, in CPU units: 1024 are a vCPU.
    FLEET_CPU: u32, Template, "it must be CPU units such as 256", parsed;
    /// The size of pooled workers, in MiB. [`super::Settings::fleet_size`] reads both.
    FLEET_MEMORY: u32, Template, "it must be MiB such as 512", parsed;
    /// The path of the pipelines file, in a Lambda layer.
    PIPELINES_FILE: String, Template, "it must be a file's path", text;
    /// The SNS topic of all mails.
    MAIL_TOPIC: String, Template, "it must be a topic's ARN", text;
    /// The topic of notifications for chat channels; none where nobody wants them.
    CHAT_TOPIC: Option<String>, Template, "it must be a topic's ARN or none", |text| Some((text != "none").then(|| text.to_owned()));
    /// Which mails are sent.
    NOTIFY_ON: NotifyOn, Template, "it must be all, failures or none", parsed;
    /// The log group of the workers, which a failure mail quotes.
    WORKER_LOG_GROUP: String, Template, "it must be a log group's name", text;
    /// The prefix of the workers' log streams; the task's id follows.
    WORKER_LOG_STREAMS: String, Template, "it must be the start of a log stream's name", text;

    /// The job that a task of its own runs. Overrides carry ids only: they are limited to 8,192 characters.
    TIDEMILL_JOB: JobId, Launch, "it must be a job id of 32 hex digits", JobId::parse;
    /// The number of the attempt that the task is launched for, from 1.
    TIDEMILL_ATTEMPT: u32, Launch, "it must be a number from 1", from_1;
    /// The slot of a pooled worker; not set for one that was started by hand.
    TIDEMILL_SLOT: u32, Launch, "it must be the number of a slot", parsed;
    /// The generation of that slot.
    TIDEMILL_GENERATION: u64, Launch, "it must be the generation of a slot", parsed;
    /// The revision of the task definition that the task runs; older functions did not set it.
    TIDEMILL_REVISION: String, Launch, "it must be a task definition's ARN", text;

    /// Which levels are logged, by target, as in `info,uploads=debug`. `info` if it is not set.
    RUST_LOG: String, Person, "it must be levels by target", text;
    /// The endpoint of all AWS services, such as the local cloud's. AWS's own if it is not set.
    AWS_ENDPOINT_URL: String, Person, "it must be a URL", text;
}

#[expect(clippy::unnecessary_wraps, reason = "a parser, as the others are")]
fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn from_1(text: &str) -> Option<u32> {
    parsed(text).filter(|number| *number > 0)
}

fn percentage(text: &str) -> Option<u8> {
    parsed(text).filter(|number| *number <= 100)
}

fn enabled(text: &str) -> Option<bool> {
    match text {
        "ENABLED" => Some(true),
        "DISABLED" => Some(false),
        _ => None,
    }
}

fn list(text: &str) -> Option<Vec<String>> {
    let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
    items.iter().all(|item| !item.is_empty()).then_some(items)
}
