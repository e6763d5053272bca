//! The template and the code: environments hold what is read. That roles may do what is called, and nothing else, is
//! executed: see the suite `permissions`.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use app::{
    every_minute::EveryMinute, finish_attempt::FinishAttempt, ingest::Ingest, run_schedule::RunSchedule,
    scale::Scaling,
};
use aws::{Clients, SdkConfig};
use clock::Clock;
use domain::settings::{SetBy, Settings, variables};
use localcloud::template::Resource;
use serde_json::Value;
use telemetry::logging;

use super::{ROOT, list, of_kind, stack};

/// Starts a program with an environment, as its main does, and makes no call.
type Start = fn(&Clients, &Settings) -> Result<(), Box<dyn Error>>;

fn started<T, E: Into<Box<dyn Error>>>(program: Result<T, E>) -> Result<(), Box<dyn Error>> {
    program.map(drop).map_err(Into::into)
}

/// What runs in the cloud: the resource of `template.yaml`, and the programs that are started with its environment.
const PROGRAMS: [(&str, &[Start]); 7] = [
    ("UploadsFunction", &[|clients, settings| started(Ingest::new(clients, settings, Clock::system()))]),
    ("ScalerFunction", &[|clients, settings| started(EveryMinute::new(clients, settings, Clock::system()))]),
    ("BacklogFunction", &[|clients, settings| started(Scaling::new(clients, settings))]),
    (
        "ScheduleFunction",
        &[|clients, settings| started(RunSchedule::new(clients, settings, Clock::system()))],
    ),
    ("StopsFunction", &[|clients, settings| started(FinishAttempt::new(clients, settings, Clock::system()))]),
    (
        "WorkerTask",
        &[
            |clients, settings| task("job", clients, settings),
            |clients, settings| task("drain", clients, settings),
        ],
    ),
    ("SweepTask", &[|clients, settings| task("sweep", clients, settings)]),
];

fn task(command: &str, clients: &Clients, settings: &Settings) -> Result<(), Box<dyn Error>> {
    started(worker::Task::new(&[command.to_owned()], clients, settings, Clock::system()))
}

/// What a launch adds to a task's environment.
const LAUNCHED: [(&str, &str); 4] = [
    (variables::TIDEMILL_JOB.name(), "0123456789abcdef0123456789abcdef"),
    (variables::TIDEMILL_ATTEMPT.name(), "1"),
    (variables::TIDEMILL_SLOT.name(), "0"),
    (variables::TIDEMILL_GENERATION.name(), "1"),
];

/// What the template sets for a function or for the container of a task. Nothing reads `PUBLISHED_FOR`: it is there to
/// be different in each release.
fn environment(resource: &Resource) -> BTreeMap<String, String> {
    let properties = &resource.properties;
    let container = &properties["ContainerDefinitions"][0]["Environment"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let set: BTreeMap<String, String> = match &properties["Environment"]["Variables"] {
        Value::Object(variables) => {
            variables.iter().map(|(name, value)| (name.clone(), text(value))).collect()
        }
        _ => container.as_array().unwrap().iter().map(|it| (text(&it["Name"]), text(&it["Value"]))).collect(),
    };
    set.into_iter().filter(|(name, _)| name != "PUBLISHED_FOR").collect()
}

/// Why one of these programs does not start in an environment; none if all do.
fn refusal(programs: &[Start], clients: &Clients, environment: &BTreeMap<String, String>) -> Option<String> {
    let mut environment = environment.clone();
    environment.extend(LAUNCHED.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // Where Lambda mounts the layer.
    let mounted = environment.get_mut(variables::PIPELINES_FILE.name());
    if let Some(path) = mounted {
        assert_eq!(path, "/opt/pipelines.toml");
        *path = format!("{ROOT}/pipelines/pipelines.toml");
    }
    let settings = Settings::from(environment);
    let logged = logging::json(&settings).err().map(|error| error.to_string());
    logged.or_else(|| {
        programs.iter().find_map(|start| start(clients, &settings).err()).map(|it| it.to_string())
    })
}

#[test]
fn each_program_starts_with_the_environment_of_the_template_and_reads_all_of_it() {
    let (stack, clients) = (stack(), Clients::new(&SdkConfig::builder().build()));
    for (id, programs) in PROGRAMS {
        let set = environment(&stack.resources[id]);
        assert_eq!(
            refusal(programs, &clients, &set),
            None,
            "{id} does not start with what the template sets"
        );
        for name in set.keys() {
            let mut without = set.clone();
            without.remove(name);
            let refusal = refusal(programs, &clients, &without).unwrap_or_default();
            assert!(
                refusal.starts_with(&format!("environment variable {name} is not set")),
                "{id}: the template sets {name}, which no program reads. Without it: {refusal:?}"
            );
        }
    }
}

#[test]
fn the_list_of_variables_is_what_the_template_sets() {
    let stack = stack();
    let set: BTreeSet<String> =
        PROGRAMS.iter().flat_map(|(id, _)| environment(&stack.resources[*id]).into_keys()).collect();
    let of_template = variables::ALL.iter().filter(|(_, set_by)| *set_by == SetBy::Template);
    let listed: BTreeSet<String> = of_template.map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(set, listed, "set by the template, and listed in domain::settings::variables");
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

/// The statements of a role's policies.
pub(super) fn statements(role: &Resource) -> Vec<Value> {
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
