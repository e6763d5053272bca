//! Buckets and topics that are there before the stack: what parameters say of them, and what is refused.

use std::{collections::BTreeMap, path::Path};

use localcloud::template::Template;
use serde_json::json;

use super::{ROOT, admits, code::statements, fixtures, list, of_kind, pattern, platform, stack_with};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:operations";

const BUCKETS: [(&str, &str); 4] = [
    ("ExistingBucket", "inbox"),
    ("ExistingPrefix", "exports/"),
    ("ExistingBucket2", "archive"),
    ("ExistingPrefix2", "2026/q1/"),
];

/// What is wrong with these parameters.
fn refused(parameters: &[(&str, &str)]) -> String {
    let given: BTreeMap<String, String> =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let template =
        Template::load(&Path::new(ROOT).join("template.yaml"), localcloud::resource_types()).unwrap();
    let refused = template.resolve(&given, "tidemill", "http://cloud.local").expect_err("these are refused");
    telemetry::causes(&refused)
}

#[test]
fn parameters_that_contradict_each_other_are_refused_by_name() {
    let mail = ("NotifyEmail", "ops@example.com");
    let six = ["a@b.cd"; 6].join(",");
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for (parameters, named) in [
        (vec![("NotifyEmail", "")], "NotifyEmail must have an address"),
        (vec![mail, ("ExistingTopic", TOPIC)], "leave NotifyEmail empty"),
        (vec![mail, ("ExistingTopicKey", key)], "ExistingTopicKey is only used with ExistingTopic"),
        (vec![("NotifyEmail", six.as_str())], "one to five e-mail addresses"),
        (vec![("NotifyEmail", "a@b.cd, c@d.ef")], "without spaces"),
        (vec![mail, ("ExistingBucket", "inbox")], "ExistingPrefix must say"),
        (vec![mail, ("ExistingBucket2", "inbox"), ("ExistingPrefix2", "in/")], "first existing bucket"),
        (vec![mail, ("ExistingBucket", "inbox"), ("ExistingPrefix", "in")], "followed by a slash"),
    ] {
        let said = refused(&parameters);
        assert!(said.contains(named), "{parameters:?}: {said}");
    }
}

#[test]
fn a_rule_for_each_bucket_takes_its_prefix_alone_and_may_fill_the_queue() {
    let stack = stack_with(&BUCKETS);
    let event = &fixtures(&stack)["s3-put-object"];
    for (rule, bucket, key) in [
        ("ExistingBucketRule", "inbox", "exports/a.csv"),
        ("SecondExistingBucketRule", "archive", "2026/q1/a.csv"),
    ] {
        let of = |bucket: &str, key: &str| {
            let mut event = event.clone();
            event["detail"]["bucket"]["name"] = bucket.into();
            event["detail"]["object"]["key"] = key.into();
            event
        };
        let pattern = pattern(&stack, rule);
        assert!(pattern.matches(&of(bucket, key)), "{rule}");
        for (bucket, key) in [(bucket, "private/a.csv"), ("another", key)] {
            assert!(!pattern.matches(&of(bucket, key)), "{rule}: {bucket}/{key}");
        }
        for queue in ["UploadsQueue", "DeadLetterQueue"] {
            let queue = &stack.resources[queue];
            let arn = &stack.resources[rule].arn;
            assert!(admits(&stack, queue, "events.amazonaws.com", arn), "{rule}");
            assert!(platform::may_use_the_key(&stack, queue, "events.amazonaws.com"), "{rule}");
        }
    }
    assert!(!stack.resources.contains_key("ThirdExistingBucketRule"));
}

#[test]
fn nothing_but_reading_is_granted_in_an_existing_bucket() {
    let stack = stack_with(&BUCKETS);
    let mut found = Vec::new();
    for role in of_kind(&stack, "AWS::IAM::Role") {
        for statement in statements(role) {
            let resources = list(&statement["Resource"]);
            for arn in resources.iter().filter(|arn| arn.contains(":::inbox")) {
                let actions = list(&statement["Action"]);
                found
                    .extend(actions.into_iter().map(|action| (role.logical_id.clone(), action, arn.clone())));
            }
        }
    }
    assert!(found.len() >= 5, "{found:?}");
    for (role, action, arn) in found {
        let expected = match action.as_str() {
            "s3:GetObject" | "s3:GetObjectVersion" => "arn:aws:s3:::inbox/exports/*",
            "s3:ListBucket" | "s3:ListBucketVersions" => "arn:aws:s3:::inbox",
            other => panic!("{role} may {other} on {arn}"),
        };
        assert_eq!(arn, expected, "{role} {action}");
    }
}

#[test]
fn with_a_topic_that_is_there_no_topic_and_no_subscription_is_made() {
    let stack = stack_with(&[("NotifyEmail", ""), ("ExistingTopic", TOPIC)]);
    assert!(stack.resources.values().all(|it| !it.kind.starts_with("AWS::SNS::")));
    for alarm in of_kind(&stack, "AWS::CloudWatch::Alarm") {
        let actions = &alarm.properties["AlarmActions"];
        assert!(actions.is_null() || *actions == json!([TOPIC]), "{}: {actions}", alarm.logical_id);
    }
}
