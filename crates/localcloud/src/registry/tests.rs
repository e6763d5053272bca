//! The tables, by calls as the SDKs make them.

use clock::Clock;
use serde_json::{Value, json};

use super::*;
use crate::services::{ecs::required_actions::Definition, iam::RequiredAction};

const WORKERS: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/s-worker:3";

fn required_actions(service: &str, operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let services = Services::new(Clock::system(), None, None).unwrap();
    (api(service)?.required_actions)(&services, operation, input)
}

fn needed(service: &str, operation: &str, input: Value) -> Vec<String> {
    let definition = |named: &str| {
        let known = matches!(named, "s-worker" | WORKERS);
        known.then(|| Definition {
            arn: WORKERS.to_owned(),
            task_role: Some("arn:aws:iam::123456789012:role/worker".to_owned()),
            execution_role: Some("arn:aws:iam::123456789012:role/start".to_owned()),
        })
    };
    let required = match service {
        "ecs" => ecs::required_actions::of(operation, &input, definition),
        _ => required_actions(service, operation, &input),
    };
    let required = required.unwrap_or_else(|| panic!("{operation} is unknown"));
    let shown = |required: RequiredAction| {
        let resource = required.resource.replace("us-east-1:123456789012:", "");
        let context: String = required.context.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        format!("{} {resource}{context}", required.action)
    };
    required.into_iter().map(shown).collect()
}

#[test]
fn a_batch_is_asked_of_each_table_and_a_transaction_of_its_items() {
    let batch = json!({ "RequestItems": { "a": [], "b": [] } });
    let expected = [
        "dynamodb:BatchWriteItem arn:aws:dynamodb:table/a",
        "dynamodb:BatchWriteItem arn:aws:dynamodb:table/b",
    ];
    assert_eq!(needed("dynamodb", "BatchWriteItem", batch), expected);
    let transaction = json!({ "TransactItems": [
        { "Put": { "TableName": "a" } },
        { "Put": { "TableName": "a" } },
        { "Update": { "TableName": "b" } },
        { "ConditionCheck": { "TableName": "b" } },
        { "Delete": { "TableName": "c" } },
    ] });
    assert_eq!(
        needed("dynamodb", "TransactWriteItems", transaction),
        [
            "dynamodb:ConditionCheckItem arn:aws:dynamodb:table/b",
            "dynamodb:DeleteItem arn:aws:dynamodb:table/c",
            "dynamodb:PutItem arn:aws:dynamodb:table/a",
            "dynamodb:UpdateItem arn:aws:dynamodb:table/b",
        ]
    );
    let query = json!({ "TableName": "a", "IndexName": "i" });
    assert_eq!(needed("dynamodb", "Query", query), ["dynamodb:Query arn:aws:dynamodb:table/a/index/i"]);
}

#[test]
fn running_a_task_is_passing_its_roles() {
    let run = json!({ "cluster": "tide", "taskDefinition": "s-worker" });
    let run_task = "ecs:RunTask arn:aws:ecs:task-definition/s-worker:3 \
                    ecs:cluster=arn:aws:ecs:us-east-1:123456789012:cluster/tide";
    let pass = |role: &str| {
        format!(
            "iam:PassRole arn:aws:iam::123456789012:role/{role} iam:PassedToService=ecs-tasks.amazonaws.com"
        )
    };
    assert_eq!(needed("ecs", "RunTask", run.clone()), [run_task.to_owned(), pass("worker"), pass("start")]);
    let mut other = run;
    other["overrides"] = json!({ "taskRoleArn": "arn:aws:iam::123456789012:role/admin" });
    other["tags"] = json!([{ "key": "a" }]);
    assert_eq!(
        needed("ecs", "RunTask", other),
        [
            run_task.to_owned(),
            "ecs:TagResource arn:aws:ecs:task/tide/* ecs:CreateAction=RunTask".to_owned(),
            pass("admin"),
            pass("start"),
        ]
    );
    let unknown = needed("ecs", "RunTask", json!({ "taskDefinition": "none:1" }));
    assert!(unknown[0].starts_with("ecs:RunTask arn:aws:ecs:task-definition/none:1 "), "{unknown:?}");
    let describe =
        json!({ "cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/tide", "tasks": ["a", "b"] });
    let described = needed("ecs", "DescribeTasks", describe);
    assert!(described[0].starts_with("ecs:DescribeTasks arn:aws:ecs:task/tide/a "), "{described:?}");
    assert_eq!(described.len(), 2);
}

#[test]
fn s3_asks_otherwise_of_versions_and_of_parts() {
    let object = json!({ "Bucket": "b", "Key": "a b/c" });
    let mut version = object.clone();
    version["versionId"] = json!("v");
    for (operation, input, expected) in [
        ("GetObject", &object, "s3:GetObject arn:aws:s3:::b/a b/c"),
        ("HeadObject", &object, "s3:GetObject arn:aws:s3:::b/a b/c"),
        ("GetObject", &version, "s3:GetObjectVersion arn:aws:s3:::b/a b/c s3:VersionId=v"),
        ("UploadPart", &object, "s3:PutObject arn:aws:s3:::b/a b/c"),
        ("CompleteMultipartUpload", &object, "s3:PutObject arn:aws:s3:::b/a b/c"),
        ("AbortMultipartUpload", &object, "s3:AbortMultipartUpload arn:aws:s3:::b/a b/c"),
        ("DeleteObject", &version, "s3:DeleteObjectVersion arn:aws:s3:::b/a b/c s3:VersionId=v"),
    ] {
        assert_eq!(needed("s3", operation, input.clone()), [expected], "{operation}");
    }
    let listing = json!({ "Bucket": "b", "Key": "", "prefix": "uploads/" });
    assert_eq!(
        needed("s3", "ListObjectVersions", listing),
        ["s3:ListBucketVersions arn:aws:s3:::b s3:prefix=uploads/"]
    );
    let copy = json!({ "Bucket": "b", "Key": "k", "CopySource": "/other/a%20b?versionId=v" });
    assert_eq!(
        needed("s3", "CopyObject", copy),
        ["s3:GetObjectVersion arn:aws:s3:::other/a b", "s3:PutObject arn:aws:s3:::b/k"]
    );
}

#[test]
fn queues_groups_topics_and_functions_are_named_in_several_ways() {
    let queue = json!({ "QueueUrl": "http://127.0.0.1:1/123456789012/jobs" });
    assert_eq!(needed("sqs", "SendMessageBatch", queue.clone()), ["sqs:SendMessage arn:aws:sqs:jobs"]);
    assert_eq!(
        needed("sqs", "ChangeMessageVisibilityBatch", queue),
        ["sqs:ChangeMessageVisibility arn:aws:sqs:jobs"]
    );
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:g:*";
    for named in [json!({ "logGroupIdentifier": group }), json!({ "logGroupName": "g" })] {
        assert_eq!(
            needed("logs", "FilterLogEvents", named),
            ["logs:FilterLogEvents arn:aws:logs:log-group:g:log-stream:"]
        );
    }
    let events = json!({ "logGroupName": "g", "logStreamName": "s/1" });
    assert_eq!(
        needed("logs", "GetLogEvents", events),
        ["logs:GetLogEvents arn:aws:logs:log-group:g:log-stream:s/1"]
    );
    for named in ["f", "arn:aws:lambda:us-east-1:123456789012:function:f"] {
        let invoke = needed("lambda", "Invoke", json!({ "FunctionName": named }));
        assert_eq!(invoke, ["lambda:InvokeFunction arn:aws:lambda:function:f"]);
    }
    assert!(needed("sts", "GetCallerIdentity", json!({})).is_empty());
    assert!(required_actions("sqs", "TagQueue", &json!({})).is_none());
}
