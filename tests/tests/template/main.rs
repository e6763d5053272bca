//! What no linter looks at in `template.yaml`: that its parts fit each other, the code, and the events of AWS.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod code;
mod entrance;
mod existing;
mod platform;
mod releases;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use localcloud::{
    events::Pattern,
    template::{Resource, Stack, Template},
};
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn stack() -> Stack {
    stack_with(&[])
}

fn stack_with(parameters: &[(&str, &str)]) -> Stack {
    let given = [&[("NotifyEmail", "ops@example.com")], parameters].concat();
    let given: BTreeMap<String, String> = given.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
    let template =
        Template::load(&Path::new(ROOT).join("template.yaml"), localcloud::resource_types()).unwrap();
    template.resolve(&given, "tidemill", "http://cloud.local").unwrap()
}

fn of_kind<'s>(stack: &'s Stack, kind: &str) -> Vec<&'s Resource> {
    let found: Vec<_> = stack.resources.values().filter(|it| it.kind == kind).collect();
    assert!(!found.is_empty(), "the template has no {kind}");
    found
}

fn queue<'s>(stack: &'s Stack, arn: &Value) -> &'s Resource {
    let queues = of_kind(stack, "AWS::SQS::Queue");
    queues.into_iter().find(|it| *arn == it.arn.as_str()).unwrap_or_else(|| panic!("{arn} is no queue"))
}

/// The function behind an alias. What is invoked by its own name would get past every release.
fn invoked<'s>(stack: &'s Stack, alias: &Value) -> Option<&'s Resource> {
    let alias =
        of_kind(stack, "AWS::Lambda::Alias").into_iter().find(|it| *alias == it.physical_id.as_str())?;
    let functions = of_kind(stack, "AWS::Lambda::Function");
    functions.into_iter().find(|it| alias.properties["FunctionName"] == it.physical_id.as_str())
}

/// A number, which a template may write as text; `default` where it does not write it.
fn number(value: &Value, default: u64) -> u64 {
    match value {
        Value::Null => default,
        Value::String(text) => text.parse().unwrap(),
        other => other.as_u64().unwrap(),
    }
}

/// SQS's own defaults.
const VISIBILITY_S: u64 = 30;
const RETENTION_S: u64 = 345_600;

#[test]
fn queues_wait_long_enough_for_their_functions() {
    let stack = stack();
    for mapping in of_kind(&stack, "AWS::Lambda::EventSourceMapping") {
        let name = &mapping.logical_id;
        let queue = queue(&stack, &mapping.properties["EventSourceArn"]);
        let function = invoked(&stack, &mapping.properties["FunctionName"])
            .unwrap_or_else(|| panic!("{name} invokes no alias of the template"));
        let timeout = number(&function.properties["Timeout"], 3);
        let window = number(&mapping.properties["MaximumBatchingWindowInSeconds"], 0);
        let visibility = number(&queue.properties["VisibilityTimeout"], VISIBILITY_S);
        assert!(visibility >= 6 * timeout + window, "{name}: {visibility} s for a function of {timeout} s");
        let tries = number(&queue.properties["RedrivePolicy"]["maxReceiveCount"], 0);
        assert!(
            tries >= 5,
            "{name}: throttled receives alone would dead-letter a message after {tries} tries"
        );
        // Without it one bad message returns its whole batch.
        assert_eq!(mapping.properties["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{name}");
    }
}

#[test]
fn every_queue_but_the_last_ends_in_the_last_which_keeps_longer() {
    let stack = stack();
    let last = &stack.resources["DeadLetterQueue"];
    let retention = |queue: &Resource| number(&queue.properties["MessageRetentionPeriod"], RETENTION_S);
    for queue in of_kind(&stack, "AWS::SQS::Queue") {
        // Nobody receives from these two but people and the sweep.
        if [last.logical_id.as_str(), "FailedJobsQueue"].contains(&queue.logical_id.as_str()) {
            assert_eq!(queue.properties["RedrivePolicy"], Value::Null);
            assert_eq!(retention(queue), 14 * 86_400);
            continue;
        }
        assert_eq!(queue.properties["RedrivePolicy"]["deadLetterTargetArn"], last.arn.as_str());
        // A message's age counts from its first queue.
        assert!(retention(last) > retention(queue), "{}", queue.logical_id);
    }
    for subscription in of_kind(&stack, "AWS::SNS::Subscription") {
        assert_eq!(subscription.properties["RedrivePolicy"]["deadLetterTargetArn"], last.arn.as_str());
    }
}

#[test]
fn an_event_that_a_rule_cannot_deliver_is_retried_and_then_kept() {
    let stack = stack();
    for rule in of_kind(&stack, "AWS::Events::Rule") {
        for target in rule.properties["Targets"].as_array().unwrap() {
            let place = format!("{} of {}", target["Id"], rule.logical_id);
            // Custom buses have defaults of minutes; and without a queue what is given up is gone. An alarm only receives
            // while it is news.
            let is_alarm = rule.logical_id == "BacklogRule";
            let (age, tries) = if is_alarm { (300, 5) } else { (86_400, 185) };
            assert_eq!(number(&target["RetryPolicy"]["MaximumEventAgeInSeconds"], 0), age, "{place}");
            assert_eq!(number(&target["RetryPolicy"]["MaximumRetryAttempts"], 0), tries, "{place}");
            let to = [&target["DeadLetterConfig"]["Arn"], &target["Arn"]];
            for arn in &to[..if is_alarm { 1 } else { 2 }] {
                let queue = queue(&stack, arn);
                assert!(admits(&stack, queue, "events.amazonaws.com", &rule.arn), "{place} may not send");
                // Without its part in the key's policy nothing arrives, silently.
                assert!(platform::may_use_the_key(&stack, queue, "events.amazonaws.com"), "{place}");
            }
        }
    }
}

/// Whether a queue policy lets this service send to the queue on behalf of `source`.
fn admits(stack: &Stack, queue: &Resource, service: &str, source: &str) -> bool {
    let policies = of_kind(stack, "AWS::SQS::QueuePolicy").into_iter();
    let mut ours = policies.filter(|it| list(&it.properties["Queues"]).contains(&queue.physical_id));
    ours.any(|policy| {
        policy.properties["PolicyDocument"]["Statement"].as_array().unwrap().iter().any(|statement| {
            statement["Effect"] == "Allow"
                && statement["Principal"] == json!({ "Service": service })
                && list(&statement["Action"]).contains("sqs:SendMessage")
                && list(&statement["Resource"]).contains(&queue.arn)
                && list(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]).contains(source)
        })
    })
}

/// One text or a list of them.
fn list(value: &Value) -> BTreeSet<String> {
    match value {
        Value::String(text) => BTreeSet::from([text.clone()]),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect(),
        Value::Null => BTreeSet::new(),
        other => panic!("neither a text nor a list: {other}"),
    }
}

// ---- Patterns and the events that AWS sends ----------------------------------------------------------------------

const CHANGED: [&str; 8] = [
    "s3-complete-multipart-upload",
    "s3-copy-object",
    "s3-lifecycle-expiration",
    "s3-object-deleted",
    "s3-only-bucket-and-key",
    "s3-put-object",
    "s3-strange-fields",
    "s3-without-version",
];

const STOPPED: [&str; 7] = [
    "ecs-failed-to-start",
    "ecs-image-pull-failure",
    "ecs-init-error",
    "ecs-out-of-memory",
    "ecs-spot-interrupted",
    "ecs-stopped-success",
    "ecs-user-initiated",
];

/// The fixtures that are JSON, as if they came from this stack's bucket and cluster.
fn fixtures(stack: &Stack) -> BTreeMap<String, Value> {
    let folder = Path::new(ROOT).join("tests/fixtures/events");
    let mut events = BTreeMap::new();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let Ok(mut event) = serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()) else {
            continue;
        };
        if event.pointer("/detail/bucket/name").is_some() {
            event["detail"]["bucket"]["name"] = stack.resources["Bucket"].name.as_str().into();
        }
        if event.pointer("/detail/clusterArn").is_some() {
            event["detail"]["clusterArn"] = stack.resources["Cluster"].arn.as_str().into();
        }
        events.insert(name, event);
    }
    events
}

fn pattern(stack: &Stack, rule: &str) -> Pattern {
    Pattern::parse(&stack.resources[rule].properties["EventPattern"]).unwrap()
}

#[test]
fn the_uploads_rule_takes_every_way_of_creating_and_deleting_and_nothing_else() {
    let stack = stack();
    let rule = pattern(&stack, "UploadsRule");
    for (name, event) in fixtures(&stack) {
        assert_eq!(rule.matches(&event), CHANGED.contains(&name.as_str()), "{name}");
    }
    let event = &fixtures(&stack)["s3-put-object"];
    // What we write ourselves must never come back as a job.
    for key in ["rejects/uploads/a.csv/1.jsonl", "uploads", "Uploads/a.csv", "a/uploads/b.csv"] {
        let mut other = event.clone();
        other["detail"]["object"]["key"] = key.into();
        assert!(!rule.matches(&other), "{key}");
    }
    let mut other = event.clone();
    other["detail"]["bucket"]["name"] = "somebody-elses".into();
    assert!(!rule.matches(&other));
}

#[test]
fn the_stops_rule_takes_every_stop_of_our_cluster_and_no_warning() {
    let stack = stack();
    let rule = pattern(&stack, "StopsRule");
    for (name, event) in fixtures(&stack) {
        assert_eq!(rule.matches(&event), STOPPED.contains(&name.as_str()), "{name}");
    }
    let mut other = fixtures(&stack)["ecs-stopped-success"].clone();
    other["detail"]["clusterArn"] = "arn:aws:ecs:us-east-1:123456789012:cluster/another".into();
    assert!(!rule.matches(&other));
}
