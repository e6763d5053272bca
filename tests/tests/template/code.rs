//! The template and the code: environments hold what is read, and roles may do what is called.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use tidemill_cloud::template::{Resource, Stack};

use super::{ROOT, list, of_kind, stack};

/// Sizing the fleet, which three functions do.
const SCALING: [&str; 2] = ["core/src/adapter/scaling.rs", "core/src/adapter/scaling"];
/// Where tasks are launched, by the variables that are read.
const TASKS: [&str; 2] = ["core/src/adapter/tasks.rs", "core/src/adapter/cluster.rs"];

/// Where the pipelines file is read.
const LAYER: [&str; 1] = ["core/src/adapter/layer.rs"];

/// Where a failed job's log is read.
const LOGS: [&str; 1] = ["core/src/adapter/logs.rs"];

/// What runs in the cloud, its role, and the sources whose settings it reads and whose calls it makes.
const PROGRAMS: [(&str, &str, &[&[&str]]); 7] = [
    ("UploadsFunction", "UploadsFunctionRole", &[&["functions/uploads/src"], &SCALING, &TASKS, &LAYER]),
    ("ScalerFunction", "ScalerFunctionRole", &[&["functions/scaler/src"], &SCALING, &TASKS]),
    ("BacklogFunction", "BacklogFunctionRole", &[&["functions/backlog/src"], &SCALING, &TASKS]),
    ("ScheduleFunction", "ScheduleFunctionRole", &[&["functions/schedule/src"], &TASKS, &LAYER]),
    ("StopsFunction", "StopsFunctionRole", &[&["functions/stops/src"], &LOGS]),
    ("WorkerTask", "WorkerRole", &[&["worker/src", "worker/src/drain"]]),
    ("SweepTask", "SweepRole", &[&["worker/src/sweep", "core/src/adapter/cluster.rs"]]),
];

/// Settings that are read by a helper of `scaling.rs`, by its name.
const HELPERS: [(&str, &[&str]); 2] =
    [("scaling::size(", &["FLEET_CPU", "FLEET_MEMORY"]), ("scaling::maximum(", &["MAXIMUM_TASKS"])];

#[test]
fn what_the_code_reads_from_its_environment_is_what_the_template_sets() {
    let stack = stack();
    for (id, _, sources) in PROGRAMS {
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
        let code = sources.iter().copied().flatten().map(|source| code(source)).collect::<String>();
        let mut read: BTreeSet<String> =
            ["settings.require(\"", "settings.parse(\"", "settings.parse::<std::num::NonZero<u32>>(\""]
                .into_iter()
                .flat_map(|call| code.split(call).skip(1))
                .map(|rest| rest[..rest.find('"').unwrap()].to_owned())
                .collect();
        for (helper, names) in HELPERS {
            if code.contains(helper) {
                read.extend(names.iter().map(ToString::to_string));
            }
        }
        // Read through a helper that takes the name, or told to a task by whoever launches it.
        for name in [
            "JOBS_QUEUE_URL",
            "UPLOADS_QUEUE_URL",
            "STOPS_QUEUE_URL",
            "DEAD_LETTER_QUEUE_URL",
            "SWEEP_TASK_DEFINITION",
            "TASK_DEFINITION",
        ] {
            if code.contains(&format!("\"{name}\"")) {
                read.insert(name.to_owned());
            }
        }
        assert!(!read.is_empty(), "{id} reads no settings as this test knows them");
        assert_eq!(set, read, "{id}: set by the template, and read by the code");
    }
}

#[test]
fn the_streams_that_are_searched_are_those_the_worker_writes() {
    let stack = stack();
    let container = &stack.resources["WorkerTask"].properties["ContainerDefinitions"][0];
    let options = &container["LogConfiguration"]["Options"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = &stack.resources["StopsFunction"].properties["Environment"]["Variables"];
    assert_eq!(told["WORKER_LOG_GROUP"], options["awslogs-group"]);
    let begins = format!("{}/{}/", text(&options["awslogs-stream-prefix"]), text(&container["Name"]));
    assert_eq!(text(&told["WORKER_LOG_STREAMS"]), begins);
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

/// What each verb of the adapters needs: an action, and on what.
const NEEDS: [(&str, &[(&str, On)]); 67] = [
    ("ledger.record", &[("dynamodb:PutItem", On::Ledger)]),
    ("ledger.read", &[("dynamodb:GetItem", On::Ledger)]),
    ("ledger.read_all", &[("dynamodb:BatchGetItem", On::Ledger)]),
    ("ledger.launched", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.note", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.duplicate", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.put_off", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.claim", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.renew", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.leave", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.end", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.tell", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.notified", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.shelf", &[("dynamodb:Query", On::Shelf), ("dynamodb:BatchGetItem", On::Ledger)]),
    ("ledger.shelf_since", &[("dynamodb:Query", On::Shelf)]),
    ("ledger.collecting", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("ledger.collected", &[("dynamodb:UpdateItem", On::Ledger)]),
    ("records.manifest", &[("dynamodb:GetItem", On::Records)]),
    ("records.write", &[("dynamodb:BatchWriteItem", On::Records)]),
    ("records.keep", &[("dynamodb:PutItem", On::Records)]),
    // A transaction needs the actions of its items; refused, it is explained by reads.
    (
        "records.publish",
        &[
            ("dynamodb:PutItem", On::Records),
            ("dynamodb:GetItem", On::Records),
            ("dynamodb:UpdateItem", On::Ledger),
            ("dynamodb:GetItem", On::Ledger),
        ],
    ),
    ("collector.delete_rows", &[("dynamodb:Query", On::Records), ("dynamodb:BatchWriteItem", On::Records)]),
    // ListBucket: without it what is missing is answered 403.
    (
        "objects.open",
        &[("s3:GetObject", On::Objects), ("s3:GetObjectVersion", On::Objects), ("s3:ListBucket", On::Bucket)],
    ),
    ("objects.versions", &[("s3:ListBucketVersions", On::Bucket)]),
    ("objects.versions_of", &[("s3:ListBucketVersions", On::Bucket)]),
    ("fleet.slots", &[("dynamodb:BatchGetItem", On::Fleet)]),
    ("fleet.slots_and", &[("dynamodb:BatchGetItem", On::Fleet)]),
    ("fleet.slots_and_breaker", &[("dynamodb:BatchGetItem", On::Fleet)]),
    ("fleet.breaker", &[("dynamodb:GetItem", On::Fleet)]),
    ("fleet.told_of", &[("dynamodb:GetItem", On::Fleet), ("dynamodb:PutItem", On::Fleet)]),
    ("fleet.change", &[("dynamodb:GetItem", On::Fleet), ("dynamodb:PutItem", On::Fleet)]),
    ("fleet.gate", &[("dynamodb:GetItem", On::Fleet), ("dynamodb:PutItem", On::Fleet)]),
    ("fleet.sign", &[("dynamodb:GetItem", On::Fleet), ("dynamodb:PutItem", On::Fleet)]),
    ("fleet.reserve", &[("dynamodb:PutItem", On::Fleet)]),
    ("fleet.launched", &[("dynamodb:UpdateItem", On::Fleet)]),
    ("fleet.check_in", &[("dynamodb:UpdateItem", On::Fleet)]),
    ("fleet.leaving", &[("dynamodb:UpdateItem", On::Fleet)]),
    ("fleet.free", &[("dynamodb:UpdateItem", On::Fleet)]),
    ("fleet.lease", &[("dynamodb:UpdateItem", On::Fleet)]),
    ("fleet.release", &[("dynamodb:UpdateItem", On::Fleet)]),
    ("fleet.kept", &[("dynamodb:GetItem", On::Fleet)]),
    ("fleet.keep", &[("dynamodb:PutItem", On::Fleet)]),
    ("tasks.describe", &[("ecs:DescribeTasks", On::AnyTask)]),
    ("tasks.stop", &[("ecs:StopTask", On::AnyTask)]),
    ("cluster.describe", &[("ecs:DescribeTasks", On::AnyTask)]),
    ("cluster.stop", &[("ecs:StopTask", On::AnyTask)]),
    ("uploads.send", &[("sqs:SendMessage", On::UploadsQueue)]),
    ("jobs.send", &[("sqs:SendMessage", On::JobsQueue)]),
    ("jobs.counts", &[("sqs:GetQueueAttributes", On::JobsQueue)]),
    ("stops.send", &[("sqs:SendMessage", On::StopsQueue)]),
    ("dead_letters.bury", &[("sqs:SendMessage", On::DeadLetters)]),
    ("backlog.receive", &[("sqs:ReceiveMessage", On::JobsQueue)]),
    ("backlog.delete", &[("sqs:DeleteMessage", On::JobsQueue)]),
    ("backlog.hide", &[("sqs:ChangeMessageVisibility", On::JobsQueue)]),
    ("storms.tell", &[("dynamodb:GetItem", On::Fleet), ("dynamodb:PutItem", On::Fleet)]),
    (
        "storms.flush",
        &[("dynamodb:GetItem", On::Fleet), ("dynamodb:PutItem", On::Fleet), ("sns:Publish", On::Mail)],
    ),
    ("logs.tail", &[("logs:GetLogEvents", On::WorkerLogs), ("logs:FilterLogEvents", On::WorkerLogs)]),
    ("post.send", &[("sns:Publish", On::Mail)]),
    // Where it writes and what it launches depends on the program.
    ("objects.create", &[]),
    ("tasks.launch", &[]),
    // These are what they call, which is among the sources.
    ("uploads.bury", &[("sqs:SendMessage", On::UploadsQueue)]),
    ("jobs.bury", &[("sqs:SendMessage", On::JobsQueue)]),
    ("stops.bury", &[("sqs:SendMessage", On::StopsQueue)]),
    ("uploads.counts", &[("sqs:GetQueueAttributes", On::UploadsQueue)]),
    ("stops.counts", &[("sqs:GetQueueAttributes", On::StopsQueue)]),
    ("dead_letters.send", &[("sqs:SendMessage", On::DeadLetters)]),
    ("dead_letters.counts", &[("sqs:GetQueueAttributes", On::DeadLetters)]),
];

/// What creating an object and launching a task need, by role.
const WRITES: [(&str, On); 2] = [("WorkerRole", On::Rejects), ("SweepRole", On::Reports)];
const LAUNCHES: [(&str, &[On], &[&str]); 4] = [
    ("UploadsFunctionRole", &[On::Workers], &["WorkerRole", "WorkerExecutionRole"]),
    ("ScalerFunctionRole", &[On::Workers], &["WorkerRole", "WorkerExecutionRole"]),
    ("BacklogFunctionRole", &[On::Workers], &["WorkerRole", "WorkerExecutionRole"]),
    ("ScheduleFunctionRole", &[On::Workers, On::Sweeps], &["WorkerRole", "SweepRole", "WorkerExecutionRole"]),
];

#[derive(Clone, Copy)]
enum On {
    Ledger,
    Shelf,
    Records,
    Fleet,
    Bucket,
    Objects,
    Rejects,
    Reports,
    Workers,
    Sweeps,
    AnyTask,
    UploadsQueue,
    JobsQueue,
    StopsQueue,
    DeadLetters,
    Mail,
    WorkerLogs,
}

impl On {
    fn arn(self, stack: &Stack) -> String {
        let arn = |id: &str| stack.resources[id].arn.clone();
        // Of the family, any revision.
        let family = |id: &str| arn(id).rsplit_once(':').unwrap().0.to_owned() + ":*";
        match self {
            Self::Ledger => arn("LedgerTable"),
            Self::Shelf => format!("{}/index/shelf", arn("LedgerTable")),
            Self::Records => arn("RecordsTable"),
            Self::Fleet => arn("FleetTable"),
            Self::Bucket => arn("Bucket"),
            Self::Objects => format!("{}/{}*", arn("Bucket"), stack.outputs["WatchedPrefix"]),
            Self::Rejects => format!("{}/rejects/*", arn("Bucket")),
            Self::Reports => format!("{}/reports/*", arn("Bucket")),
            Self::Workers => family("WorkerTask"),
            Self::Sweeps => family("SweepTask"),
            Self::AnyTask => arn("Cluster").replace(":cluster/", ":task/") + "/*",
            Self::UploadsQueue => arn("UploadsQueue"),
            Self::JobsQueue => arn("JobsQueue"),
            Self::StopsQueue => arn("StopsQueue"),
            Self::DeadLetters => arn("DeadLetterQueue"),
            Self::Mail => arn("MailTopic"),
            Self::WorkerLogs => arn("WorkerLogs"),
        }
    }
}

/// The calls of adapters in this code, as `field.verb`.
fn calls(code: &str) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for (verb, _) in NEEDS {
        if [format!("{verb}("), format!("{verb}::<")].iter().any(|call| code.contains(call)) {
            calls.insert(verb.to_owned());
        }
    }
    calls
}

#[test]
fn every_verb_of_an_adapter_is_known_to_need_something() {
    // The fields by which programs hold adapters, and the files of those adapters' verbs.
    let adapters = [
        ("ledger", &["ledger.rs", "ledger/shelves.rs", "ledger/story.rs"][..]),
        ("fleet", &["fleet.rs", "fleet/documents.rs", "breaker.rs"]),
        ("cluster", &["cluster.rs"]),
        ("backlog", &["backlog.rs"]),
        ("collector", &["collect.rs"]),
        ("jobs", &["queue.rs"]),
        ("logs", &["logs.rs"]),
        ("storms", &["storms.rs"]),
        ("post", &["mail.rs"]),
    ];
    for (field, files) in adapters {
        for file in files {
            let code = code(&format!("core/src/adapter/{file}"));
            for rest in code.split("pubasyncfn").skip(1) {
                let verb = format!("{field}.{}", &rest[..rest.find(['(', '<']).unwrap()]);
                assert!(NEEDS.iter().any(|(known, _)| *known == verb), "say in NEEDS what {verb} needs");
            }
        }
    }
}

#[test]
fn each_role_may_do_what_its_code_calls_and_nothing_else() {
    let stack = stack();
    for (_, role, sources) in PROGRAMS {
        // What those files call is said of the verbs of theirs that are called.
        let sources = sources.iter().copied().flatten().filter(|source| !TASKS.contains(source));
        let calls = calls(&sources.map(|source| code(source)).collect::<String>());
        assert!(!calls.is_empty(), "{role}: its code calls nothing as this test knows calls");
        let mut needed = BTreeSet::new();
        let mut need = |action: &str, on: String| {
            needed.insert((action.to_owned(), on));
        };
        for (verb, needs) in NEEDS.iter().filter(|(verb, _)| calls.contains(*verb)) {
            needs.iter().for_each(|(action, on)| need(action, on.arn(&stack)));
            if *verb == "objects.create" {
                let writes = WRITES.iter().find(|(writer, _)| *writer == role);
                need("s3:PutObject", writes.unwrap_or_else(|| panic!("{role} writes objects")).1.arn(&stack));
            }
            if *verb == "tasks.launch" {
                let launches = LAUNCHES.iter().find(|(launcher, ..)| *launcher == role);
                let (_, families, passed) = launches.unwrap_or_else(|| panic!("{role} launches tasks"));
                families.iter().for_each(|family| need("ecs:RunTask", family.arn(&stack)));
                passed.iter().for_each(|role| need("iam:PassRole", stack.resources[*role].arn.clone()));
            }
        }
        let granted: BTreeSet<(String, String)> = statements(&stack.resources[role])
            .iter()
            // What the transform adds for dead letters and destinations is AWS's call, not the code's.
            .flat_map(|statement| {
                let resources = list(&statement["Resource"]);
                list(&statement["Action"])
                    .into_iter()
                    .flat_map(move |action| resources.clone().into_iter().map(move |on| (action.clone(), on)))
            })
            .filter(|grant| {
                *grant != ("sqs:SendMessage".to_owned(), On::DeadLetters.arn(&stack))
                    || needed.contains(grant)
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
