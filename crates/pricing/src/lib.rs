//! The price list: from what was used of AWS to dollars. Pure; it knows nothing of jobs.
//!
//! Prices of us-east-1, 2026-08, without free tiers and without tax. An estimate to decide by, not an
//! invoice. Money is counted in whole picodollars: a single SQS call costs 400,000 of them, so that sums of
//! millions of tiny parts come out exact.

#[cfg(test)]
mod tests;

mod dollars;

use std::fmt;

pub use dollars::{Dollars, NotDollars};

// <https://aws.amazon.com/fargate/pricing/>, picodollars an hour. A GB is 1,024 MiB.
const X86_VCPU_HOUR: u64 = 40_480_000_000;
const X86_GB_HOUR: u64 = 4_445_000_000;
const ARM_VCPU_HOUR: u64 = 32_380_000_000;
const ARM_GB_HOUR: u64 = 3_560_000_000;
/// Spot is "up to 70 % off", and moves: this much is left at best.
const SPOT_PERCENT: u64 = 30;
/// Whatever runs shorter is paid for as a minute.
pub const LEAST_TASK_SECONDS: u64 = 60;
/// <https://aws.amazon.com/vpc/pricing/>, an hour.
const PUBLIC_IPV4_HOUR: u64 = 5_000_000_000;

/// <https://aws.amazon.com/lambda/pricing/>, $0.20 a million.
const LAMBDA_REQUEST: u64 = 200_000;
/// The same page, arm64, $0.0000133334.
const LAMBDA_GB_SECOND: u64 = 13_333_400;

/// <https://aws.amazon.com/sqs/pricing/>, standard queues, $0.40 a million; each 64 KiB counts as one.
const SQS_REQUEST: u64 = 400_000;
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>, $0.625 a million.
const WRITE_UNIT: u64 = 625_000;
/// The same page, $0.125 a million.
const READ_UNIT: u64 = 125_000;
/// <https://aws.amazon.com/s3/pricing/>, PUT, COPY, POST and LIST, $0.005 a thousand.
const S3_WRITE: u64 = 5_000_000;
/// The same page, GET and all others, $0.0004 a thousand.
const S3_READ: u64 = 400_000;
/// <https://aws.amazon.com/sns/pricing/>, $0.50 a million publishes.
const SNS_PUBLISH: u64 = 500_000;
/// The same page, $2.00 for 100,000 e-mails.
const SNS_EMAIL: u64 = 20_000_000;
/// <https://aws.amazon.com/eventbridge/pricing/>, custom events, $1.00 a million; AWS's own are free.
const CUSTOM_EVENT: u64 = 1_000_000;
/// The same page, the Scheduler, $1.00 a million.
const SCHEDULE: u64 = 1_000_000;

/// What a task's processor is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Intel and AMD.
    #[default]
    X86,
    /// Graviton, a fifth cheaper.
    Arm,
}

/// Alike tasks that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskUse {
    /// CPU units of each; 1,024 are one vCPU.
    pub cpu_units: u32,
    /// MiB of each.
    pub memory_mib: u32,
    /// The processor, which decides the price.
    pub architecture: Architecture,
    /// Whether on Spot capacity.
    pub spot: bool,
    /// Whether each had a public IPv4 address.
    pub public_ip: bool,
    /// How long each ran, from the start of its image's pull.
    pub seconds: u64,
    /// How many of them.
    pub count: u64,
}

impl TaskUse {
    /// What they cost together.
    #[must_use]
    pub fn cost(&self) -> Dollars {
        let (vcpu, gb) = match self.architecture {
            Architecture::X86 => (X86_VCPU_HOUR, X86_GB_HOUR),
            Architecture::Arm => (ARM_VCPU_HOUR, ARM_GB_HOUR),
        };
        let seconds = u128::from(self.seconds.max(LEAST_TASK_SECONDS)) * u128::from(self.count);
        let percent = u128::from(if self.spot { SPOT_PERCENT } else { 100 });
        let of = |price, amount: u32| {
            let share = u128::from(amount).saturating_mul(seconds).saturating_mul(percent);
            Dollars::share(price, share, 1_024 * 3_600 * 100)
        };
        let address = if self.public_ip { PUBLIC_IPV4_HOUR } else { 0 };
        of(vcpu, self.cpu_units) + of(gb, self.memory_mib) + Dollars::share(address, seconds, 3_600)
    }
}

/// What was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Fargate tasks, grouped by size and processor.
    pub tasks: Vec<TaskUse>,
    /// How often Lambda functions were invoked.
    pub invocations: u64,
    /// Lambda's memory times duration, in MB-milliseconds.
    pub lambda_mb_ms: u64,
    /// SQS calls, each 64 KiB of payload one.
    pub sqs_requests: u64,
    /// DynamoDB write request units.
    pub write_units: u64,
    /// DynamoDB read request units.
    pub read_units: u64,
    /// S3 puts and lists.
    pub s3_writes: u64,
    /// S3 gets and heads.
    pub s3_reads: u64,
    /// How many messages were published to SNS.
    pub publishes: u64,
    /// How many e-mails SNS delivered.
    pub emails: u64,
    /// EventBridge events of our own; AWS's are free.
    pub custom_events: u64,
    /// How often EventBridge Scheduler invoked its target.
    pub schedules: u64,
}

/// What it costs, by service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    /// Tasks, with their addresses.
    pub fargate: Dollars,
    /// Lambda: invocations and memory time.
    pub lambda: Dollars,
    /// SQS, by the call.
    pub sqs: Dollars,
    /// Records, manifests and the ledger.
    pub dynamodb: Dollars,
    /// Objects; requests only, storage is the owner's.
    pub s3: Dollars,
    /// SNS: publishes and e-mails.
    pub sns: Dollars,
    /// Events and schedules.
    pub eventbridge: Dollars,
}

impl Bill {
    /// The bill for a usage.
    ///
    /// ```
    /// use pricing::{Bill, Usage};
    ///
    /// let usage = Usage { sqs_requests: 1_000_000, write_units: 1_000_000, ..Usage::default() };
    /// let bill = Bill::of(&usage);
    /// assert_eq!(bill.sqs.to_string(), "$0.40");
    /// assert_eq!(bill.dynamodb.to_string(), "$0.63");
    /// assert_eq!(bill.total().to_string(), "$1.03");
    /// // Sums are exact: a single call costs 400 billionths of a dollar.
    /// assert_eq!(Bill::of(&Usage { sqs_requests: 1, ..Usage::default() }).sqs.nanodollars(), 400);
    /// ```
    #[must_use]
    pub fn of(usage: &Usage) -> Self {
        let each = Dollars::times;
        // GB-seconds come as MB-milliseconds: 1,024 times 1,000 of them.
        let compute = Dollars::share(LAMBDA_GB_SECOND, u128::from(usage.lambda_mb_ms), 1_024 * 1_000);
        Self {
            fargate: usage.tasks.iter().map(TaskUse::cost).sum(),
            lambda: each(LAMBDA_REQUEST, usage.invocations) + compute,
            sqs: each(SQS_REQUEST, usage.sqs_requests),
            dynamodb: each(WRITE_UNIT, usage.write_units) + each(READ_UNIT, usage.read_units),
            s3: each(S3_WRITE, usage.s3_writes) + each(S3_READ, usage.s3_reads),
            sns: each(SNS_PUBLISH, usage.publishes) + each(SNS_EMAIL, usage.emails),
            eventbridge: each(CUSTOM_EVENT, usage.custom_events) + each(SCHEDULE, usage.schedules),
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> Dollars {
        self.lines().into_iter().map(|(_, amount)| amount).sum()
    }

    /// Service by service, in the order they are printed.
    #[must_use]
    pub fn lines(&self) -> [(&'static str, Dollars); 7] {
        [
            ("Fargate", self.fargate),
            ("Lambda", self.lambda),
            ("SQS", self.sqs),
            ("DynamoDB", self.dynamodb),
            ("S3 requests", self.s3),
            ("SNS", self.sns),
            ("EventBridge", self.eventbridge),
        ]
    }
}

impl fmt::Display for Bill {
    /// A short table: the services that cost something, and the total.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (service, amount) in self.lines().into_iter().filter(|(_, amount)| *amount > Dollars::ZERO) {
            writeln!(f, "{service:<12}{amount:>14}")?;
        }
        write!(f, "{:<12}{:>14}", "total", self.total())
    }
}

/// What the same objects would have cost in tasks of their own: one each, that starts for it alone, with the
/// minute that is paid at least. `task` is such a task; its `count` is not looked at.
#[must_use]
pub fn one_task_per_object(objects: u64, task: TaskUse) -> Dollars {
    TaskUse { count: objects, ..task }.cost()
}
