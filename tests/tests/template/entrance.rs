//! The jobs queue as an entrance: the buckets and topics that a parameter names may send to it, and nobody else.

use localcloud::iam::{Iam, RequiredAction, Who};

use super::stack_with;

const BUCKETS: &str = "arn:aws:s3:::inbox,arn:aws:s3:::archive";
const TOPICS: &str = "arn:aws:sns:us-east-1:123456789012:uploads,arn:aws:sns:eu-north-1:210987654321:theirs";
const S3: Who = Who::Service("s3.amazonaws.com");
const SNS: Who = Who::Service("sns.amazonaws.com");

/// Whether a service may send to the jobs queue, which is encrypted, on behalf of this source in this account.
fn may_send(parameters: &[(&str, &str)], service: &Who, source: &str, account: &str) -> bool {
    let stack = stack_with(parameters);
    let iam = Iam::default();
    iam.load(&stack, &[]).unwrap();
    let send = RequiredAction::new("sqs:SendMessage", stack.resources["JobsQueue"].arn.as_str());
    let send = send.with("aws:SourceArn", source).with("aws:SourceAccount", account);
    iam.authorize(service, &[send]).is_ok()
}

#[test]
fn buckets_and_topics_that_a_parameter_names_may_send_to_the_jobs_queue() {
    let own = "123456789012";
    let given = [("NotifyingBuckets", BUCKETS), ("NotifyingTopics", TOPICS)];
    for bucket in ["arn:aws:s3:::inbox", "arn:aws:s3:::archive"] {
        assert!(may_send(&given, &S3, bucket, own), "{bucket}");
        assert!(!may_send(&[], &S3, bucket, own), "nobody named {bucket}");
        // A bucket's name is free for others once it is deleted.
        assert!(!may_send(&given, &S3, bucket, "210987654321"), "{bucket} of another account");
    }
    assert!(!may_send(&given, &S3, "arn:aws:s3:::another", own));
    for (topic, account) in TOPICS.split(',').zip([own, "210987654321"]) {
        assert!(may_send(&given, &SNS, topic, account), "{topic}");
        assert!(!may_send(&[], &SNS, topic, account), "nobody named {topic}");
        assert!(!may_send(&given, &S3, topic, account), "S3 is not SNS");
    }
    assert!(!may_send(&given, &SNS, "arn:aws:sns:us-east-1:123456789012:another", own));
}
