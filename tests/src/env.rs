//! The environment of a scenario: the cloud, and what a scenario does to it.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws::{Clients, fleet::Fleet, ledger::Ledger, records::Records, tables::Tables};
use aws_sdk_s3::primitives::ByteStream;
use localcloud::{
    Cloud,
    ecs::{Ecs, KillCause, Status},
    faults::{Call, Delivery, Rule},
    iam::Iam,
    wire::{Caller, OWNER_KEY},
};
use serde_json::{Value, json};

use crate::{
    dead_letter::DeadLetter,
    host::{Sdk, WorkerFault, WorkerFaults},
    transcript::{self, Transcript},
};

/// No client waits less for an answer.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A local cloud that runs Tidemill, and what a scenario does to it and reads from it.
pub struct TestEnv {
    pub(crate) cloud: Cloud,
    sdk: Sdk,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) ledger: Ledger,
    pub(crate) fleet: Fleet,
    pub(crate) records: Records,
    pub(crate) tables: Tables,
    clients: Clients,
    pub(crate) worker_faults: WorkerFaults,
    pub(crate) transcript: Option<Transcript>,
    /// The versions that were put, in order.
    pub(crate) versions: Mutex<Vec<String>>,
    pub(crate) dead_letters: Mutex<Vec<DeadLetter>>,
    pub(crate) events: Arc<Mutex<Vec<Value>>>,
}

impl fmt::Debug for TestEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestEnv").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

impl TestEnv {
    /// The environment around this cloud, whose programs make their clients with `sdk`. Its transcript begins now, if it has one.
    pub(crate) fn new(cloud: Cloud, sdk: Sdk, worker_faults: WorkerFaults, with_transcript: bool) -> Self {
        // A frontend of their own: a scenario's faults are for the system, not for its observer.
        let clock = cloud.clock();
        let observer =
            localcloud::frontend::Frontend::new(cloud.services().clone(), Default::default(), clock);
        let config = sdk.config(&observer, OWNER_KEY);
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let clients = Clients::new(&config);
        let events = transcript::record_events(&cloud);
        let transcript = with_transcript.then(|| Transcript::begin(&cloud));
        Self {
            ledger: Ledger::new(&clients, &cloud.outputs()["LedgerTable"]),
            fleet: Fleet::new(&clients, &cloud.outputs()["FleetTable"]),
            records: Records::new(&clients, &cloud.outputs()["RecordsTable"]),
            tables: Tables::new(&clients),
            s3: aws_sdk_s3::Client::from_conf(s3),
            clients,
            cloud,
            sdk,
            worker_faults,
            transcript,
            versions: Mutex::default(),
            dead_letters: Mutex::default(),
            events,
        }
    }

    /// The cloud.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Who may do what in it.
    #[must_use]
    pub fn iam(&self) -> &Iam {
        &self.cloud.services().iam
    }

    /// Its ECS.
    #[must_use]
    pub fn ecs(&self) -> &Ecs {
        &self.cloud.services().ecs
    }

    /// The bucket's name.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.cloud.outputs()["Bucket"]
    }

    /// The fleet's table, by calls that meet no faults.
    #[must_use]
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// Clients that meet no faults.
    #[must_use]
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// The tables of the user's own, by calls that meet no faults.
    #[must_use]
    pub fn own_tables(&self) -> &Tables {
        &self.tables
    }

    /// A client that meets no faults.
    #[must_use]
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// Adds a line of the scenario's own to the transcript.
    pub fn note(&self, line: &str) {
        if let Some(transcript) = &self.transcript {
            transcript.add(line);
        }
    }

    /// Uploads an object and returns its version id.
    ///
    /// # Panics
    /// When S3 refuses.
    pub async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) -> String {
        let put = self.s3.put_object().bucket(self.bucket()).key(key);
        let answer = put.body(ByteStream::from(bytes.into())).send().await.expect("a put");
        let version = answer.version_id.expect("the bucket has versions");
        self.versions.lock().expect("no panic").push(version.clone());
        version
    }

    /// Makes these calls fail from now on.
    pub fn fault(&self, service: &str, operation: &str, fault: Call) {
        self.on(Rule::new(service, operation, fault));
    }

    /// Makes calls fail from now on, as this rule says. A rule that delays calls beyond the time that clients wait for an
    /// answer holds a job where it is: functions and workers that start from now on wait for every answer. What they do
    /// when none comes is shown with [`Call::Hang`].
    pub fn on(&self, rule: Rule) {
        if rule.delay() >= SHORTEST_TIMEOUT {
            self.sdk.disable_timeouts();
        }
        self.cloud.faults().on(rule);
    }

    /// What happens to the next tasks that reach their container, one each, in order.
    pub fn next_tasks(&self, worker_faults: impl IntoIterator<Item = WorkerFault>) {
        self.worker_faults.push(worker_faults);
    }

    /// Sends a message to the queue with this logical id.
    ///
    /// # Panics
    /// When SQS refuses.
    pub fn send(&self, queue: &str, body: &str) {
        let sqs = &self.cloud.services().sqs;
        sqs.send(&self.arn(queue), body, Default::default(), None).expect("a send");
    }

    pub(crate) fn arn(&self, logical_id: &str) -> String {
        self.cloud.stack().resources[logical_id].arn.clone()
    }

    /// How many tasks were launched within the last hour.
    #[must_use]
    pub fn ecs_launches(&self) -> usize {
        self.ecs().tasks().len()
    }

    /// The events of this detail type so far, as they were emitted.
    ///
    /// # Panics
    /// Never, but in a test that has panicked already.
    #[must_use]
    pub fn events(&self, detail_type: &str) -> Vec<Value> {
        let events = self.events.lock().expect("no panic");
        events.iter().filter(|event| event["detail-type"] == detail_type).cloned().collect()
    }

    /// Uploads an object whose event is lost, and returns that event.
    ///
    /// # Panics
    /// When S3 refuses.
    pub async fn put_without_event(&self, key: &str, bytes: impl Into<Vec<u8>>) -> Value {
        let bus = &self.cloud.services().events;
        let before = self.events.lock().expect("no panic").len();
        bus.set_delivery_faults(Delivery { lose: 1.0, ..Delivery::default() });
        let version = self.put(key, bytes).await;
        bus.set_delivery_faults(Delivery::default());
        assert_eq!(self.events.lock().expect("no panic").len(), before, "an event arrived");
        let head = self.s3.head_object().bucket(self.bucket()).key(key).version_id(&version);
        let head = head.send().await.expect("an object that was just put");
        let etag = head.e_tag().map(|etag| etag.trim_matches('"').to_owned());
        json!({
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {
                "bucket": { "name": self.bucket() },
                "object": {
                    "key": key,
                    "size": head.content_length(),
                    "etag": etag,
                    "version-id": version,
                    "sequencer": format!("{:018X}", self.versions.lock().expect("no panic").len()),
                },
                "reason": "PutObject",
            },
        })
    }

    /// Waits for the n-th call of this operation, then kills the running task. A fault must delay the call, or the task has
    /// ended by then.
    ///
    /// # Panics
    /// When no task runs then.
    pub async fn kill_at(&self, service: &str, operation: &str, n: u64, cause: KillCause) {
        self.until(operation, || self.calls(service, operation) >= n).await;
        self.note(&format!("kill   {cause:?}"));
        assert!(self.ecs().kill(&self.running(), cause), "a task that runs");
    }

    /// The ARN of the task that was launched last.
    ///
    /// # Panics
    /// When none was launched, or it has stopped.
    #[must_use]
    pub fn running(&self) -> String {
        let task = self.ecs().tasks().pop().expect("a task");
        assert_ne!(task.status, Status::Stopped, "{task:?}");
        task.arn
    }

    /// Stops the running task as StopTask does.
    ///
    /// # Panics
    /// When ECS refuses.
    pub async fn stop(&self, reason: &str) {
        let input = json!({ "cluster": self.cloud.stack().resources["Cluster"].name, "task": self.running(), "reason": reason });
        self.ecs().call("StopTask", input, &Caller::owner()).await.expect("a stop");
    }

    /// How often this operation was called by the functions and the worker.
    #[must_use]
    pub fn calls(&self, service: &str, operation: &str) -> u64 {
        let calls = self.cloud.frontend().calls();
        calls.get(&(service.to_owned(), operation.to_owned())).copied().unwrap_or_default()
    }
}
