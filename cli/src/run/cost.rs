//! What a run would have cost on AWS: from what the local cloud counted, by the price list in `core`.

use tidemill_cloud::{Cloud, ecs::Provider};
use tidemill_core::{
    fargate::Size,
    job::Job,
    pricing::{Architecture, Bill, TaskUse, Usage},
};

/// The bill for everything this cloud did, which turned objects into these jobs' records.
pub(crate) fn bill<'a>(cloud: &Cloud, jobs: impl Iterator<Item = &'a Job>) -> Bill {
    let calls = cloud.gate().calls();
    let count = |service: &str, operations: &[&str]| -> u64 {
        let wanted =
            |(of, operation): &(String, String)| of == service && operations.contains(&operation.as_str());
        calls.iter().filter(|(call, _)| wanted(call)).map(|(_, times)| times).sum()
    };
    let tasks = cloud.services().ecs.tasks();
    let lambda = cloud.services().lambda.usage();
    let sent = count("sqs", &["SendMessage", "SendMessageBatch"]);
    Bill::of(&Usage {
        tasks: tasks
            .iter()
            .filter_map(|task| {
                let ran = task.stopped_at?.duration_since(task.started_at?);
                Some(TaskUse {
                    size: Size::new(task.cpu, task.memory).ok()?,
                    architecture: Architecture::Arm,
                    spot: task.provider == Provider::Spot,
                    public_ip: true,
                    seconds: u64::try_from(ran.as_secs()).unwrap_or_default(),
                    count: 1,
                })
            })
            .collect(),
        invocations: lambda.invocations,
        lambda_mb_ms: lambda.mb_ms,
        // EventBridge's sends are free; each invocation took a receive and a delete.
        sqs_requests: sent + 2 * lambda.invocations,
        // A ledger write is below 1 KB but for long keys; the publish transaction counts twice for both items.
        write_units: jobs.map(|job| job.write_units).sum::<u64>()
            + count("dynamodb", &["PutItem", "UpdateItem"])
            + 4 * count("dynamodb", &["TransactWriteItems"]),
        read_units: count("dynamodb", &["GetItem"]),
        s3_writes: count(
            "s3",
            &["PutObject", "CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart"],
        ),
        s3_reads: count("s3", &["GetObject", "HeadObject"]),
        publishes: count("sns", &["Publish"]),
        emails: count("sns", &["Publish"]),
        custom_events: 0,
        schedules: 0,
    })
}
