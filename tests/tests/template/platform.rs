//! What a platform team asks of every stack: keys, doors, ends for whatever fails, and alarms that say what to do.

use std::{collections::BTreeSet, fs, path::Path};

use localcloud::template::{Resource, Stack};
use serde_json::{Value, json};

use super::{ROOT, list, of_kind, queue, stack, stack_with};

/// The statements of a policy document.
fn statements(document: &Value) -> Vec<&Value> {
    document["Statement"].as_array().unwrap().iter().collect()
}

/// Whether the policy of the key that seals this queue lets a service use it for this account.
pub(super) fn may_use_the_key(stack: &Stack, queue: &Resource, service: &str) -> bool {
    let key = &stack.resources["Key"];
    queue.properties["KmsMasterKeyId"] == key.physical_id.as_str()
        && statements(&key.properties["KeyPolicy"]).iter().any(|statement| {
            statement["Effect"] == "Allow"
                && statement["Principal"] == json!({ "Service": service })
                && list(&statement["Action"]).is_superset(&actions(&["kms:Decrypt", "kms:GenerateDataKey"]))
        })
}

fn actions(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Every policy of the stack that lets somebody in, with the resource that it belongs to.
fn open_doors(stack: &Stack) -> Vec<(&str, &Value)> {
    let documents = stack.resources.values().flat_map(|it| {
        let properties = &it.properties;
        let documents = match it.kind.as_str() {
            "AWS::IAM::Role" => vec![&properties["AssumeRolePolicyDocument"]],
            "AWS::KMS::Key" => vec![&properties["KeyPolicy"]],
            "AWS::S3::BucketPolicy" | "AWS::SNS::TopicPolicy" | "AWS::SQS::QueuePolicy" => {
                vec![&properties["PolicyDocument"]]
            }
            _ => Vec::new(),
        };
        documents.into_iter().map(move |document| (it.logical_id.as_str(), document))
    });
    let allowed = |it: &&Value| it["Effect"] == "Allow";
    documents
        .flat_map(|(id, it)| statements(it).into_iter().filter(allowed).map(move |it| (id, it)))
        .collect()
}

#[test]
fn a_service_is_let_in_for_this_account_only() {
    let stack = stack();
    let mut services = BTreeSet::new();
    for (id, statement) in open_doors(&stack) {
        let Some(service) = statement["Principal"]["Service"].as_str() else {
            // The key's own account, without which nobody could ever change the key's policy.
            assert_eq!((id, &statement["Sid"]), ("Key", &json!("TheAccountGrantsItsUse")));
            continue;
        };
        services.insert(service);
        // Lambda takes a role for a function that names it, which somebody must be allowed to pass.
        if service != "lambda.amazonaws.com" {
            let condition = statement["Condition"].to_string();
            let keys = ["aws:SourceAccount", "aws:SourceArn"];
            assert!(keys.iter().any(|key| condition.contains(key)), "{id}: {statement}");
            assert!(condition.contains("123456789012") || condition.contains("arn:aws"), "{id}: {condition}");
        }
    }
    for service in ["cloudwatch", "codedeploy", "ecs-tasks", "events", "lambda", "scheduler", "sns"] {
        assert!(services.remove(format!("{service}.amazonaws.com").as_str()), "{service}");
    }
    assert_eq!(services, BTreeSet::new());
    for permission in of_kind(&stack, "AWS::Lambda::Permission") {
        assert!(permission.properties["SourceArn"].is_string(), "{}", permission.logical_id);
    }
}

#[test]
fn an_unencrypted_call_is_refused() {
    let stack = stack();
    let kinds = [
        ("AWS::S3::Bucket", "AWS::S3::BucketPolicy", "Bucket"),
        ("AWS::SQS::Queue", "AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "Topics"),
    ];
    for (kind, policy, property) in kinds {
        for resource in of_kind(&stack, kind) {
            let policies = of_kind(&stack, policy).into_iter();
            let ours = policies.filter(|it| list(&it.properties[property]).contains(&resource.physical_id));
            let refuses = ours.flat_map(|it| statements(&it.properties["PolicyDocument"])).any(|statement| {
                statement["Effect"] == "Deny"
                    && statement["Principal"] == "*"
                    && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } })
                    && list(&statement["Resource"]).contains(&resource.arn)
            });
            assert!(refuses, "{}", resource.logical_id);
        }
    }
}

/// A role that SAM makes for itself alone is not seen here; the guard's rule of the translated template sees it.
#[test]
fn every_role_has_the_permissions_boundary_that_the_account_demands() {
    let boundary = "arn:aws:iam::123456789012:policy/team/boundary";
    for (stack, expected) in
        [(stack(), Value::Null), (stack_with(&[("PermissionsBoundary", boundary)]), json!(boundary))]
    {
        let roles = of_kind(&stack, "AWS::IAM::Role");
        assert!(roles.len() >= 10, "{}", roles.len());
        for role in roles {
            assert_eq!(role.properties["PermissionsBoundary"], expected, "{}", role.logical_id);
        }
    }
}

#[test]
fn no_role_of_the_stack_may_write_what_it_watches() {
    let stack = stack();
    let policy = &stack.resources["BucketPolicy"].properties["PolicyDocument"];
    let denial = statements(policy).into_iter().find(|it| it["Sid"] == "OnlyUploadersWriteUploads").unwrap();
    let denied = list(&denial["Condition"]["ArnEquals"]["aws:PrincipalArn"]);
    // Scheduler and CodeDeploy have roles too, and code never has those.
    let code = |it: &&Resource| !["SchedulerRole", "ReleaseRole"].contains(&it.logical_id.as_str());
    let roles = of_kind(&stack, "AWS::IAM::Role").into_iter().filter(code);
    assert_eq!(denied, roles.map(|it| it.arn.clone()).collect());
    let watched = format!("{}/{}*", stack.resources["Bucket"].arn, stack.outputs["WatchedPrefix"]);
    assert_eq!(denial["Resource"], watched);
    assert!(list(&denial["Action"]).is_superset(&actions(&["s3:PutObject", "s3:DeleteObject"])));
}

#[test]
fn who_sends_or_receives_may_use_the_key_and_nobody_else() {
    let stack = stack();
    let key = &stack.resources["Key"].arn;
    for role in of_kind(&stack, "AWS::IAM::Role") {
        let policies = role.properties["Policies"].as_array().cloned().unwrap_or_default();
        let granted = policies.iter().flat_map(|policy| statements(&policy["PolicyDocument"]));
        let (mut messages, mut seals) = (false, false);
        for statement in granted {
            let granted = list(&statement["Action"]);
            messages |= granted
                .iter()
                .any(|it| ["sqs:SendMessage", "sqs:ReceiveMessage", "sns:Publish"].contains(&it.as_str()));
            if granted.iter().any(|it| it.starts_with("kms:")) {
                assert_eq!(granted, actions(&["kms:Decrypt", "kms:GenerateDataKey"]), "{}", role.logical_id);
                assert_eq!(statement["Resource"], key.as_str(), "{}", role.logical_id);
                seals = true;
            }
        }
        // In a function's role Lambda receives from its queue and sends to its destination.
        messages |= role.logical_id.ends_with("FunctionRole");
        assert_eq!(messages, seals, "{}", role.logical_id);
    }
}

#[test]
fn roles_are_passed_to_tasks_only_and_by_name() {
    let stack = stack();
    for role in of_kind(&stack, "AWS::IAM::Role") {
        let policies = role.properties["Policies"].as_array().cloned().unwrap_or_default();
        for statement in policies.iter().flat_map(|policy| statements(&policy["PolicyDocument"])) {
            if list(&statement["Action"]).contains("iam:PassRole") {
                let to = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
                assert_eq!(statement["Condition"], to, "{}", role.logical_id);
                let roles: BTreeSet<&str> =
                    of_kind(&stack, "AWS::IAM::Role").into_iter().map(|it| it.arn.as_str()).collect();
                assert!(list(&statement["Resource"]).iter().all(|it| roles.contains(it.as_str())));
            }
        }
    }
}

#[test]
fn every_asynchronous_way_ends_in_the_dead_letter_queue() {
    let stack = stack();
    let last = stack.resources["DeadLetterQueue"].arn.as_str();
    for schedule in of_kind(&stack, "AWS::Scheduler::Schedule") {
        let target = &schedule.properties["Target"];
        assert_eq!(target["DeadLetterConfig"]["Arn"], last, "{}", schedule.logical_id);
        assert!(target["RetryPolicy"].is_object(), "{}", schedule.logical_id);
        // Scheduler sends in the name of its role.
        let role =
            of_kind(&stack, "AWS::IAM::Role").into_iter().find(|it| target["RoleArn"] == it.arn.as_str());
        let policies = role.unwrap().properties["Policies"].as_array().cloned().unwrap();
        let mut granted = policies.iter().flat_map(|policy| statements(&policy["PolicyDocument"]));
        assert!(granted.any(|it| list(&it["Action"]).contains("sqs:SendMessage") && it["Resource"] == last));
    }
    // What rules and schedules invoke is accepted first, and run later.
    let pulled: BTreeSet<String> = of_kind(&stack, "AWS::Lambda::EventSourceMapping")
        .iter()
        .map(|it| it.properties["FunctionName"].as_str().unwrap().to_owned())
        .collect();
    for alias in of_kind(&stack, "AWS::Lambda::Alias") {
        if pulled.contains(&alias.physical_id) {
            continue;
        }
        let configs = of_kind(&stack, "AWS::Lambda::EventInvokeConfig").into_iter();
        let mut ours = configs
            .filter(|it| it.properties["FunctionName"] == alias.properties["FunctionName"].as_str().unwrap());
        let config = ours.next().unwrap_or_else(|| panic!("{} has none", alias.logical_id));
        let destination = &config.properties["DestinationConfig"]["OnFailure"]["Destination"];
        assert_eq!(queue(&stack, destination).arn, last, "{}", config.logical_id);
    }
}

#[test]
fn every_alarm_says_what_to_do_and_somebody_hears_it() {
    let stack = stack();
    let runbook = fs::read_to_string(Path::new(ROOT).join("docs/runbook.md")).unwrap();
    let mut entries: BTreeSet<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let known = entries.clone();
    for alarm in of_kind(&stack, "AWS::CloudWatch::Alarm") {
        let id = &alarm.logical_id;
        if id == "BacklogAlarm" {
            continue;
        }
        let words = alarm.properties["AlarmDescription"].as_str().unwrap();
        let (_, anchor) = words.split_once("See docs/runbook.md#").unwrap_or_else(|| panic!("{id}: {words}"));
        assert!(known.contains(anchor), "{id}: the runbook has no entry {anchor}");
        entries.remove(anchor);
        assert_eq!(alarm.properties["AlarmActions"], json!([stack.resources["MailTopic"].arn]), "{id}");
        // All alarms of a new stack turn OK at once, and SNS suspends an address that gets as many mails in a second.
        assert_eq!(alarm.properties["OKActions"], Value::Null, "{id}");
    }
    assert_eq!(entries, BTreeSet::new(), "entries of the runbook that no alarm leads to");
    for function in of_kind(&stack, "AWS::Lambda::Function") {
        for metric in ["Errors", "Throttles"] {
            let watches = |alarm: &&Resource| {
                alarm.properties["MetricName"] == metric
                    && alarm.properties["Dimensions"][0]["Value"] == function.name.as_str()
            };
            assert_eq!(
                of_kind(&stack, "AWS::CloudWatch::Alarm").into_iter().filter(watches).count(),
                1,
                "{metric}"
            );
        }
    }
}

#[test]
fn a_missing_sweep_raises_an_alarm_without_any_data() {
    let stack = stack();
    let properties = &stack.resources["NoSweep"].properties;
    assert_eq!(properties["TreatMissingData"], "breaching");
    assert_eq!(
        properties["Period"].as_u64().unwrap() * properties["EvaluationPeriods"].as_u64().unwrap(),
        7200
    );
}

#[test]
fn the_dashboard_is_json_and_shows_metrics_that_there_are() {
    let stack = stack();
    let body = stack.resources["Dashboard"].properties["DashboardBody"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    let titles: BTreeSet<&str> =
        widgets.iter().map(|it| it["properties"]["title"].as_str().unwrap()).collect();
    assert_eq!(titles.len(), widgets.len());
    let alarms = widgets.iter().find(|it| it["type"] == "alarm").unwrap();
    let all: BTreeSet<String> =
        of_kind(&stack, "AWS::CloudWatch::Alarm").iter().map(|it| it.arn.clone()).collect();
    assert!(list(&alarms["properties"]["alarms"]).is_subset(&all));
    // In a grid of 24 columns.
    assert!(widgets.iter().all(|it| it["x"].as_u64().unwrap() + it["width"].as_u64().unwrap() <= 24));
}

#[test]
fn containers_can_write_to_their_scratch_volume_only() {
    let stack = stack();
    for task in of_kind(&stack, "AWS::ECS::TaskDefinition") {
        assert_eq!(task.properties["Volumes"], json!([{ "Name": "scratch" }]));
        for container in task.properties["ContainerDefinitions"].as_array().unwrap() {
            assert_eq!(container["ReadonlyRootFilesystem"], true);
            assert_eq!(container["User"], "10001:10001");
            assert_eq!(container["LinuxParameters"]["Capabilities"], json!({ "Drop": ["ALL"] }));
            assert_eq!(
                container["MountPoints"],
                json!([{ "SourceVolume": "scratch", "ContainerPath": "/scratch" }])
            );
        }
    }
}

#[test]
fn what_tasks_may_do_their_network_lets_through() {
    let stack = stack_with(&[("Network", "private")]);
    let mut through: BTreeSet<String> = BTreeSet::new();
    for endpoint in ["S3Endpoint", "DynamoDbEndpoint"] {
        let document = &stack.resources[endpoint].properties["PolicyDocument"];
        through.extend(statements(document).into_iter().flat_map(|it| list(&it["Action"])));
    }
    let interfaces: BTreeSet<&str> = of_kind(&stack, "AWS::EC2::VPCEndpoint")
        .into_iter()
        .filter(|it| it.properties["VpcEndpointType"] == "Interface")
        .map(|it| {
            it.properties["ServiceName"].as_str().unwrap().trim_start_matches("com.amazonaws.us-east-1.")
        })
        .collect();
    for role in ["WorkerRole", "SweepRole", "WorkerExecutionRole"] {
        let policies = stack.resources[role].properties["Policies"].as_array().unwrap();
        for action in policies
            .iter()
            .flat_map(|it| statements(&it["PolicyDocument"]))
            .flat_map(|it| list(&it["Action"]))
        {
            match action.split(':').next().unwrap() {
                "s3" | "dynamodb" => assert!(through.contains(&action), "{role}: {action}"),
                // SQS and SNS call it.
                "kms" => {}
                "ecr" => assert!(interfaces.contains("ecr.api") && interfaces.contains("ecr.dkr")),
                service => assert!(interfaces.contains(service), "{role}: {action}"),
            }
        }
    }
}
