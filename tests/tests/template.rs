//! What no linter looks at in `template.yaml`: that its parts fit each other, the code, and the events of AWS.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tidemill_cloud::{
    events::Pattern,
    template::{Resource, Stack, Template},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn stack() -> Stack {
    let parameters =
        [("NotifyEmail", "ops@example.com"), ("WorkerImage", "worker:1")].map(|(k, v)| (k.into(), v.into()));
    let template = Template::load(&Path::new(ROOT).join("template.yaml")).unwrap();
    template.resolve(&BTreeMap::from(parameters), "tidemill", "http://cloud.local").unwrap()
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
        let functions = of_kind(&stack, "AWS::Lambda::Function");
        let function = functions
            .iter()
            .find(|it| mapping.properties["FunctionName"] == it.physical_id.as_str())
            .unwrap_or_else(|| panic!("{name} invokes no function of the template"));
        let timeout = number(&function.properties["Timeout"], 3);
        let window = number(&mapping.properties["MaximumBatchingWindowInSeconds"], 0);
        let visibility = number(&queue.properties["VisibilityTimeout"], VISIBILITY_S);
        assert!(visibility >= 6 * timeout + window, "{name}: {visibility} s for a function of {timeout} s");
        let tries = number(&queue.properties["RedrivePolicy"]["maxReceiveCount"], 0);
        assert!(tries >= 5, "{name}: throttled receives alone would bury a message after {tries} tries");
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
        if queue.logical_id == last.logical_id {
            assert_eq!(queue.properties["RedrivePolicy"], Value::Null);
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
fn what_a_rule_cannot_deliver_is_tried_for_a_day_and_then_kept() {
    let stack = stack();
    for rule in of_kind(&stack, "AWS::Events::Rule") {
        for target in rule.properties["Targets"].as_array().unwrap() {
            let place = format!("{} of {}", target["Id"], rule.logical_id);
            // Custom buses have defaults of minutes; and without a queue what is given up is gone.
            assert_eq!(number(&target["RetryPolicy"]["MaximumEventAgeInSeconds"], 0), 86_400, "{place}");
            assert_eq!(number(&target["RetryPolicy"]["MaximumRetryAttempts"], 0), 185, "{place}");
            for arn in [&target["DeadLetterConfig"]["Arn"], &target["Arn"]] {
                let queue = queue(&stack, arn);
                assert!(admits(&stack, queue, "events.amazonaws.com", &rule.arn), "{place} may not send");
                // A customer's key would need a policy of its own for EventBridge, or nothing arrives, silently.
                assert_eq!(queue.properties["KmsMasterKeyId"], Value::Null, "{place}");
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

const CREATED: [&str; 6] = [
    "s3-complete-multipart-upload",
    "s3-copy-object",
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
fn the_uploads_rule_takes_every_way_of_creating_and_nothing_else() {
    let stack = stack();
    let rule = pattern(&stack, "UploadsRule");
    for (name, event) in fixtures(&stack) {
        assert_eq!(rule.matches(&event), CREATED.contains(&name.as_str()), "{name}");
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

// ---- The environment and the code that reads it -------------------------------------------------------------------

/// What runs in the cloud, and the sources whose settings it reads.
const PROGRAMS: [(&str, &[&str]); 3] = [
    ("UploadsFunction", &["functions/uploads/src", "core/src/adapter/tasks.rs"]),
    ("StopsFunction", &["functions/stops/src"]),
    ("WorkerTask", &["worker/src"]),
];

#[test]
fn what_the_code_reads_from_its_environment_is_what_the_template_sets() {
    let stack = stack();
    for (id, sources) in PROGRAMS {
        let properties = &stack.resources[id].properties;
        let set: BTreeSet<String> = match &properties["Environment"]["Variables"] {
            Value::Object(variables) => variables.keys().cloned().collect(),
            _ => properties["ContainerDefinitions"][0]["Environment"]
                .as_array()
                .unwrap()
                .iter()
                .map(|variable| variable["Name"].as_str().unwrap().to_owned())
                .collect(),
        };
        let code = sources.iter().map(|source| code(source)).collect::<String>();
        let read: BTreeSet<String> = ["settings.require(\"", "settings.parse(\""]
            .into_iter()
            .flat_map(|call| code.split(call).skip(1))
            .map(|rest| rest[..rest.find('"').unwrap()].to_owned())
            .collect();
        assert!(!read.is_empty(), "{id} reads no settings as this test knows them");
        assert_eq!(set, read, "{id}: set by the template, and read by the code");
    }
}

/// The code below a path, without its spaces, comments and tests: calls can be found in it however they are wrapped.
fn code(path: &str) -> String {
    let path: PathBuf = Path::new(ROOT).join(path);
    let files = if path.is_dir() {
        fs::read_dir(&path).unwrap().map(|file| file.unwrap().path()).collect()
    } else {
        vec![path]
    };
    let mut code = String::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
        let text = fs::read_to_string(file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
        code.extend(lines.flat_map(str::chars).filter(|c| !c.is_whitespace()));
    }
    code
}

// ---- Permissions and the calls that need them ---------------------------------------------------------------------

/// What each verb of the adapters needs: an action, and on what.
const NEEDS: [(&str, &[(&str, On)]); 21] = [
    ("ledger.record", &[("dynamodb:PutItem", On::Ledger)]),
    ("ledger.read", &[("dynamodb:GetItem", On::Ledger)]),
    ("ledger.launched", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.claim", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.renew", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.leave", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.retry", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.give_up", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.tell", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.notified", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("records.manifest", &[("dynamodb:GetItem", On::Records)]),
    ("records.write", &[("dynamodb:BatchWriteItem", On::Records)]),
    ("records.keep", &[("dynamodb:PutItem", On::Records)]),
    // A transaction needs the actions of its items; refused, it is explained by a read of the ledger.
    (
        "records.publish",
        &[
            ("dynamodb:PutItem", On::Records),
            ("dynamodb:UpdateItem", On::Ledger),
            ("dynamodb:GetItem", On::Ledger),
        ],
    ),
    // ListBucket: without it what is missing is answered 403.
    (
        "objects.open",
        &[("s3:GetObject", On::Objects), ("s3:GetObjectVersion", On::Objects), ("s3:ListBucket", On::Bucket)],
    ),
    ("objects.create", &[("s3:PutObject", On::Rejects)]),
    (
        "tasks.launch",
        &[
            ("ecs:RunTask", On::Tasks),
            ("iam:PassRole", On::WorkerRole),
            ("iam:PassRole", On::WorkerExecutionRole),
        ],
    ),
    ("uploads.send", &[("sqs:SendMessage", On::UploadsQueue)]),
    ("uploads.bury", &[("sqs:SendMessage", On::UploadsQueue)]),
    ("dead_letters.bury", &[("sqs:SendMessage", On::DeadLetters)]),
    ("post.send", &[("sns:Publish", On::Mail)]),
];

#[derive(Clone, Copy)]
enum On {
    Ledger,
    Records,
    Bucket,
    Objects,
    Rejects,
    Tasks,
    WorkerRole,
    WorkerExecutionRole,
    UploadsQueue,
    DeadLetters,
    Mail,
}

impl On {
    fn arn(self, stack: &Stack) -> String {
        let arn = |id: &str| stack.resources[id].arn.clone();
        match self {
            Self::Ledger => arn("LedgerTable"),
            Self::Records => arn("RecordsTable"),
            Self::Bucket => arn("Bucket"),
            Self::Objects => format!("{}/{}*", arn("Bucket"), stack.outputs["WatchedPrefix"]),
            Self::Rejects => format!("{}/rejects/*", arn("Bucket")),
            // Of the family, any revision.
            Self::Tasks => arn("WorkerTask").rsplit_once(':').unwrap().0.to_owned() + ":*",
            Self::WorkerRole => arn("WorkerRole"),
            Self::WorkerExecutionRole => arn("WorkerExecutionRole"),
            Self::UploadsQueue => arn("UploadsQueue"),
            Self::DeadLetters => arn("DeadLetterQueue"),
            Self::Mail => arn("MailTopic"),
        }
    }
}

/// The adapters by the name of the field that holds one, and the file of their verbs.
const ADAPTERS: [(&str, &str); 7] = [
    ("ledger", "ledger.rs"),
    ("records", "records.rs"),
    ("objects", "objects.rs"),
    ("tasks", "tasks.rs"),
    ("uploads", "queue.rs"),
    ("dead_letters", "queue.rs"),
    ("post", "mail.rs"),
];

/// The calls of adapters in this code, as `field.verb`.
fn calls(code: &str) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for (field, file) in ADAPTERS {
        let adapter = self::code(&format!("core/src/adapter/{file}"));
        for definition in ["pubasyncfn", "pubfncreate"] {
            for rest in adapter.split(definition).skip(1) {
                let end = rest.find(['(', '<']).unwrap();
                let verb = if definition == "pubfncreate" { "create" } else { &rest[..end] };
                if code.contains(&format!("{field}.{verb}(")) {
                    calls.insert(format!("{field}.{verb}"));
                }
            }
        }
    }
    calls
}

#[test]
fn each_role_may_do_what_its_code_calls_and_nothing_else() {
    let stack = stack();
    for (role, source) in [
        ("UploadsFunctionRole", "functions/uploads/src"),
        ("StopsFunctionRole", "functions/stops/src"),
        ("WorkerRole", "worker/src"),
    ] {
        let calls = calls(&code(source));
        assert!(!calls.is_empty(), "{source} calls nothing as this test knows calls");
        let mut needed = BTreeSet::new();
        for call in calls {
            let (_, needs) = NEEDS
                .into_iter()
                .find(|(verb, _)| *verb == call)
                .unwrap_or_else(|| panic!("say in NEEDS what {call} needs"));
            needed.extend(needs.iter().map(|(action, on)| ((*action).to_owned(), on.arn(&stack))));
        }
        let granted: BTreeSet<(String, String)> = statements(&stack.resources[role])
            .iter()
            .flat_map(|statement| {
                let resources = list(&statement["Resource"]);
                list(&statement["Action"])
                    .into_iter()
                    .flat_map(move |action| resources.clone().into_iter().map(move |on| (action.clone(), on)))
            })
            .collect();
        assert_eq!(granted, needed, "{role}: granted by the template, and needed by the code");
    }
}

fn statements(role: &Resource) -> Vec<Value> {
    let policies = role.properties["Policies"].as_array().cloned().unwrap_or_default();
    let documents = policies.iter().map(|policy| &policy["PolicyDocument"]["Statement"]);
    documents.flat_map(|statements| statements.as_array().cloned().unwrap_or_default()).collect()
}

#[test]
fn no_role_may_do_everything_or_touch_everything() {
    let stack = stack();
    for role in of_kind(&stack, "AWS::IAM::Role") {
        for statement in statements(role) {
            let actions = list(&statement["Action"]);
            assert_eq!(statement["Effect"], "Allow", "{}", role.logical_id);
            assert!(!actions.is_empty() && actions.iter().all(|it| !it.contains('*')), "{actions:?}");
            if list(&statement["Resource"]).contains("*") {
                // It takes no narrower resource.
                assert_eq!(actions, BTreeSet::from(["ecr:GetAuthorizationToken".to_owned()]));
            }
        }
    }
}
