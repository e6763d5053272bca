//! What was used, as AWS would count it: what a run would have cost, by the price list in `domain::pricing`.

use domain::pricing::Usage;

use crate::Cloud;

impl Cloud {
    /// What everything in this cloud has used so far, besides the write units of the records, which their jobs know.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let calls = self.frontend().calls();
        let count = |service: &str, operations: &[&str]| -> u64 {
            let wanted = |(of, operation): &(String, String)| {
                of == service && operations.contains(&operation.as_str())
            };
            calls.iter().filter(|(call, _)| wanted(call)).map(|(_, times)| times).sum()
        };
        let lambda = self.services().lambda.usage();
        let mails = count("sns", &["Publish"]);
        Usage {
            tasks: self.services().ecs.usage(),
            invocations: lambda.invocations,
            lambda_mb_ms: lambda.mb_ms,
            // EventBridge's sends are free; a function's receive and delete are counted with its invocation, which
            // may have been another's doing: then they are too many.
            sqs_requests: count(
                "sqs",
                &[
                    "SendMessage",
                    "SendMessageBatch",
                    "ReceiveMessage",
                    "DeleteMessage",
                    "DeleteMessageBatch",
                    "ChangeMessageVisibility",
                    "ChangeMessageVisibilityBatch",
                    "GetQueueAttributes",
                ],
            ) + 2 * lambda.invocations,
            // A write to ledger or fleet is below 1 KB but for long keys, and a ledger write that records or settles
            // writes its index too; the publish transaction counts twice for both items.
            write_units: 2 * count("dynamodb", &["PutItem"])
                + count("dynamodb", &["UpdateItem"])
                + 6 * count("dynamodb", &["TransactWriteItems"]),
            read_units: count("dynamodb", &["GetItem", "Query"]) + 10 * count("dynamodb", &["BatchGetItem"]),
            s3_writes: count(
                "s3",
                &[
                    "PutObject",
                    "CompleteMultipartUpload",
                    "CreateMultipartUpload",
                    "UploadPart",
                    "ListObjectVersions",
                ],
            ),
            s3_reads: count("s3", &["GetObject", "HeadObject"]),
            publishes: mails,
            emails: mails,
            custom_events: 0,
            schedules: 0,
        }
    }
}
