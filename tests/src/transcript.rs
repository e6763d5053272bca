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

use crate::{EPOCH, TestEnv, golden, observe::scan};

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

#[derive(Default)]
struct Written {
    lines: String,
    /// Each task and each job by the order of its appearance.
    tasks: Vec<String>,
    jobs: Vec<String>,
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

    fn lock(&self) -> MutexGuard<'_, Written> {
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

fn note(known: &mut Vec<String>, id: &str) {
    if !known.iter().any(|it| it == id) {
        known.push(id.to_owned());
    }
}

impl TestEnv {
    /// Adds a line of the scenario's own to the transcript.
    pub fn note(&self, line: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.add(line);
        }
    }

    /// Compares the transcript with `tests/golden/NAME.txt`. With `UPDATE_GOLDEN=1` it is written instead.
    ///
    /// # Panics
    /// When they differ, with the difference; when the plan was not to keep a transcript.
    pub async fn golden(&self, name: &str) {
        let transcript = self.transcript.as_ref().expect("Plan::with_transcript");
        transcript.add("the end");
        let mut text = transcript.lock().lines.clone();
        self.write_end(&mut text).await.expect("memory takes it");
        let written = transcript.lock();
        let versions = self.versions.lock().expect("no panic");
        for (ids, name) in [(&written.tasks, "task"), (&written.jobs, "job"), (&*versions, "version")] {
            for (n, id) in ids.iter().enumerate() {
                text = text.replace(id.as_str(), &format!("{name}-{}", n + 1));
            }
        }
        golden::compare(name, &text);
    }

    /// The state at the end.
    async fn write_end(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\njobs")?;
        let mut keys = Vec::new();
        for job in self.jobs().await {
            note(&mut keys, &job.object.key);
            let version = job.object.version_id.as_deref().unwrap_or_default();
            let reason = job.reason().map(|it| format!(", {}: {}", it.code, it.message));
            writeln!(
                text,
                "  {} {} {version}: {}, {} records, {} rejected, attempt {}, {} counted{}",
                job.id,
                job.object.key,
                job.state().as_str(),
                job.records(),
                job.rejected(),
                job.attempt,
                job.counted_attempts,
                reason.unwrap_or_default()
            )?;
            for ended in &job.history {
                let verdict = &ended.verdict;
                writeln!(text, "    {}. {} {}: {}", ended.number, ended.task, verdict.code, verdict.message)?;
            }
        }
        writeln!(text, "\nvisible")?;
        for key in keys {
            let version = self.manifest(&key).await.and_then(|it| it.version_id);
            writeln!(text, "  {key} {}", version.as_deref().unwrap_or("nothing"))?;
            for record in self.visible(&key).await {
                writeln!(text, "    {record}")?;
            }
        }
        writeln!(text, "\nmails")?;
        for mail in self.mails() {
            writeln!(text, "  {}", mail.subject)?;
            for line in mail.body.lines() {
                writeln!(text, "{}", format!("    | {line}").trim_end())?;
            }
        }
        writeln!(text, "\ndead letters")?;
        for letter in self.dead_letters().await {
            let reason = letter.reason.as_deref().unwrap_or("given up by its queue");
            writeln!(text, "  {reason}: {}", letter.detail.as_deref().unwrap_or_default())?;
            writeln!(text, "    | {}", letter.body)?;
        }
        Ok(())
    }
}
