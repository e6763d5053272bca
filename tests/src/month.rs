//! What a month costs: a day on virtual time, thirty times.

use std::{fmt, time::Duration};

use domain::job::State;
use pricing::{Bill, TaskUse, Usage};
use tokio::time::{Instant, sleep_until};

use crate::TestEnv;

/// A month of equal days.
const DAYS: u64 = 30;

/// When the day's objects come: evenly within ten hours.
const BEGIN: Duration = Duration::from_hours(8);
const OPEN: Duration = Duration::from_hours(10);

/// What one month's bill is made of.
#[derive(Debug)]
pub struct Month {
    /// How many objects come each day, of some 5 KB and a hundred records.
    pub objects_a_day: u32,
    /// What they and the idling cost, storage and what AWS charges for merely having things aside.
    pub bill: Bill,
}

impl Month {
    /// Lets a day happen, and checks that every object of it is done.
    ///
    /// # Panics
    /// When one is not.
    #[must_use]
    pub fn of(objects_a_day: u32) -> Self {
        let mut usage = Usage::default();
        TestEnv::plan(1).scheduled().run(async |env| usage = day(env, objects_a_day).await);
        Self { objects_a_day, bill: Bill::of(&times(&usage, DAYS)) }
    }
}

async fn day(env: &TestEnv, objects: u32) -> Usage {
    let midnight = Instant::now();
    for n in 0..objects {
        sleep_until(midnight + BEGIN + OPEN * n / objects).await;
        let rows =
            (0..100).map(|row| format!("{n},{row},\"some words that are of no use but to fill it\"\n"));
        let rows: String = std::iter::once("object,row,words\n".to_owned()).chain(rows).collect();
        env.put(&format!("uploads/{n:06}.csv"), rows).await;
    }
    sleep_until(midnight + Duration::from_hours(24)).await;
    let jobs = env.jobs().await;
    assert_eq!(jobs.len(), objects as usize, "a job for every object");
    let mut usage = env.cloud().usage();
    for job in &jobs {
        assert_eq!((job.state(), job.records()), (State::Done, 100), "{job:#?}");
        usage.write_units += job.write_units();
    }
    usage
}

/// So many times the same.
fn times(usage: &Usage, count: u64) -> Usage {
    Usage {
        tasks: usage.tasks.iter().map(|task| TaskUse { count: task.count * count, ..*task }).collect(),
        invocations: usage.invocations * count,
        lambda_mb_ms: usage.lambda_mb_ms * count,
        sqs_requests: usage.sqs_requests * count,
        write_units: usage.write_units * count,
        read_units: usage.read_units * count,
        s3_writes: usage.s3_writes * count,
        s3_reads: usage.s3_reads * count,
        publishes: usage.publishes * count,
        emails: usage.emails * count,
        custom_events: usage.custom_events * count,
        schedules: usage.schedules * count,
    }
}

/// The table's head.
pub const HEAD: &str = "\
| objects a day | records a month | Fargate | Lambda | SQS | DynamoDB | S3 and SNS | together |
| --- | --- | --- | --- | --- | --- | --- | --- |";

impl fmt::Display for Month {
    /// A row of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bill { fargate, lambda, sqs, dynamodb, s3, sns, .. } = self.bill;
        let records = u64::from(self.objects_a_day) * DAYS * 100;
        let grouped = domain::text::grouped;
        write!(
            f,
            "| {} | {} | {fargate} | {lambda} | {sqs} | {dynamodb} | {} | {} |",
            grouped(self.objects_a_day.into()),
            grouped(records),
            s3 + sns,
            self.bill.total()
        )
    }
}
