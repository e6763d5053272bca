//! The transcript of a run: what happened when, and the state at the end. Ids are replaced by names in the order of their
//! appearance, so that a person can read it and a seed repeats it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use clock::Clock;
use futures::FutureExt;
use localcloud::{
    Cloud,
    dynamodb::DynamoDb,
    events::{EventBridge, Pattern, Rule as EventRule, Target},
    faults::{Call, Rule},
    wire::ACCOUNT,
};
use serde_json::{Value, json};

use crate::scan::scan;

/// When every run begins, on its own clock.
pub(crate) const EPOCH: &str = "2026-01-01T00:00:00Z";

/// The calls in a transcript. Claims and renewals show as states of the ledger.
const CALLS: [(&str, &str); 6] = [
    ("ecs", "RunTask"),
    ("s3", "GetObject"),
    ("dynamodb", "BatchWriteItem"),
    ("dynamodb", "TransactWriteItems"),
    ("sqs", "SendMessage"),
    ("sns", "Publish"),
];

/// A transcript that is being written. Clones write to the same one.
#[derive(Clone)]
pub(crate) struct Transcript {
    clock: Clock,
    dynamodb: DynamoDb,
    ledger: String,
    written: Arc<Mutex<Written>>,
}

/// What was written so far.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) lines: String,
    /// Each task and each job by the order of its appearance.
    pub(crate) tasks: Vec<String>,
    pub(crate) jobs: Vec<String>,
    /// What was last seen of each job.
    states: BTreeMap<String, String>,
}

impl Transcript {
    /// Records all events and some calls, and reads the ledger at each of them, which takes no time on the clock.
    pub(crate) fn begin(cloud: &Cloud) -> Self {
        let services = cloud.services();
        let transcript = Self {
            clock: cloud.clock(),
            dynamodb: services.dynamodb.clone(),
            ledger: cloud.outputs()["LedgerTable"].clone(),
            written: Arc::default(),
        };
        for (service, operation) in CALLS {
            let writer = transcript.clone();
            cloud.faults().on(Rule::new(service, operation, Call::Throttle).when(move |_| {
                writer.add(&format!("call   {service} {operation}"));
                false
            }));
        }
        let writer = transcript.clone();
        listen(&services.events, "transcript", json!({ "account": [ACCOUNT] }), move |event| {
            writer.event(&event)
        });
        transcript
    }

    /// Adds a line, after the changes in the ledger since the last one.
    pub(crate) fn add(&self, line: &str) {
        let at = self.clock.now().duration_since(EPOCH.parse().expect("a time"));
        let mut written = self.lock();
        for state in self.changes(&mut written) {
            writeln!(written.lines, "{:>9.3}  {state}", at.as_secs_f64()).expect("memory takes it");
        }
        writeln!(written.lines, "{:>9.3}  {line}", at.as_secs_f64()).expect("memory takes it");
    }

    fn event(&self, event: &Value) {
        let detail = &event["detail"];
        let line = match event["detail-type"].as_str() {
            Some("ECS Task State Change") => {
                let arn = detail["taskArn"].as_str().unwrap_or_default();
                note(&mut self.lock().tasks, arn);
                let stop = detail["stopCode"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
                let exit = &detail["containers"][0]["exitCode"];
                let exit = exit.as_i64().map(|code| format!(" exit {code}")).unwrap_or_default();
                format!("event  {arn} {}{stop}{exit}", detail["lastStatus"].as_str().unwrap_or_default())
            }
            Some("CloudWatch Alarm State Change") => {
                let state = &detail["state"]["value"];
                // The stack's name, the logical id, a hash.
                let name = detail["alarmName"].as_str().and_then(|name| name.split('-').nth(1));
                // The other alarms only send mails.
                let Some(name @ "BacklogAlarm") = name else { return };
                format!("alarm  {name} is {}", state.as_str().unwrap_or_default())
            }
            Some(kind) => {
                let object = &detail["object"];
                let version = object["version-id"].as_str().unwrap_or_default();
                format!("event  {kind} {} {version}", object["key"].as_str().unwrap_or_default())
            }
            None => format!("event  {event}"),
        };
        self.add(&line);
    }

    /// What has changed in the ledger since the last line.
    fn changes(&self, written: &mut Written) -> Vec<String> {
        let mut changes = Vec::new();
        for item in scan(&self.dynamodb, &self.ledger) {
            let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
            let number = |name: &str| item[name]["N"].as_str().unwrap_or_default().to_owned();
            let id = text("job");
            note(&mut written.jobs, &id);
            let reason = item["reason"]["M"]["code"]["S"].as_str();
            let reason = reason.map(|code| format!(", {code}")).unwrap_or_default();
            let mailed = if item["notified_at"].is_null() { "" } else { ", notified" };
            let state = format!(
                "ledger {id} is {}, attempt {}, fence {}{reason}{mailed}",
                text("state"),
                number("attempt"),
                number("fence"),
            );
            if written.states.get(&id) != Some(&state) {
                written.states.insert(id, state.clone());
                changes.push(state);
            }
        }
        changes
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records all events from now on.
pub(crate) fn record_events(cloud: &Cloud) -> Arc<Mutex<Vec<Value>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let kept = events.clone();
    listen(&cloud.services().events, "recorded", json!({ "account": [ACCOUNT] }), move |event| {
        kept.lock().expect("no panic").push(event);
    });
    events
}

/// Hands every event that matches to `act`, through a rule of this name.
fn listen(events: &EventBridge, name: &str, pattern: Value, act: impl Fn(Value) + Send + Sync + 'static) {
    let arn = format!("arn:tidemill:{name}");
    let sink = move |event| {
        act(event);
        async { Ok(()) }.boxed()
    };
    events.register_sink(&arn, Arc::new(sink));
    let pattern = Pattern::parse(&pattern).expect("a pattern");
    let targets = vec![Target::new(name, &arn)];
    events.put_rule(EventRule { name: name.to_owned(), pattern, enabled: true, targets }).expect("a rule");
}

pub(crate) fn note(known: &mut Vec<String>, id: &str) {
    if !known.iter().any(|it| it == id) {
        known.push(id.to_owned());
    }
}
