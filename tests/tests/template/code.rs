//! The template and the code: environments hold what is read. That roles may do what is called, and nothing else, is
//! executed: see the suite `permissions`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use localcloud::template::Resource;
use serde_json::Value;

use super::{ROOT, list, of_kind, stack};

/// Sizing the fleet, which three functions do.
const SCALE: [&str; 1] = ["crates/app/src/scale.rs"];
/// Where tasks are launched, by the variables that are read.
const TASKS: [&str; 2] = ["crates/aws/src/tasks.rs", "crates/aws/src/cluster.rs"];

/// Where the pipelines file is read.
const PIPELINES_FILE: [&str; 1] = ["crates/app/src/pipelines_file.rs"];

/// Where a failed job's log is read.
const LOGS: [&str; 1] = ["crates/aws/src/logs.rs"];

/// What runs in the cloud, and the sources whose settings it reads.
const PROGRAMS: [(&str, &[&[&str]]); 7] = [
    (
        "UploadsFunction",
        &[
            &["functions/uploads/src", "crates/app/src/ingest.rs", "crates/app/src/launch"],
            &SCALE,
            &TASKS,
            &PIPELINES_FILE,
        ],
    ),
    ("ScalerFunction", &[&["functions/scaler/src", "crates/app/src/every_minute.rs"], &SCALE, &TASKS]),
    ("BacklogFunction", &[&["functions/backlog/src"], &SCALE, &TASKS]),
    (
        "ScheduleFunction",
        &[&["functions/schedule/src", "crates/app/src/run_schedule.rs"], &TASKS, &PIPELINES_FILE],
    ),
    (
        "StopsFunction",
        &[
            &["functions/stops/src", "crates/app/src/finish_attempt/stopped.rs", "crates/app/src/notify"],
            &LOGS,
        ],
    ),
    ("WorkerTask", &[&["worker/src", "worker/src/drain", "crates/app/src/run_job"]]),
    ("SweepTask", &[&["worker/src/lib.rs", "crates/app/src/sweep", "crates/aws/src/cluster.rs"]]),
];

/// Settings that are read by a helper, by its name.
const HELPERS: [(&str, &[&str]); 3] = [
    ("scale::size(", &["FLEET_CPU", "FLEET_MEMORY"]),
    ("scale::maximum(", &["MAXIMUM_TASKS"]),
    ("logging::json(&settings)", &["STACK_NAME"]),
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
        // What a release is published for is there to be different, and not to be read.
        let set: BTreeSet<String> = set.into_iter().filter(|name| name != "PUBLISHED_FOR").collect();
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
        // Read through a helper that takes the name, or passed to a task when it is launched.
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
    let variables = &stack.resources["StopsFunction"].properties["Environment"]["Variables"];
    assert_eq!(variables["WORKER_LOG_GROUP"], options["awslogs-group"]);
    let begins = format!("{}/{}/", text(&options["awslogs-stream-prefix"]), text(&container["Name"]));
    assert_eq!(text(&variables["WORKER_LOG_STREAMS"]), begins);
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
