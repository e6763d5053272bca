//! A fleet to be sized: the real scaling and the real SDK on virtual time. The containers are whatever a test makes of
//! them, since most tests are about faults. No stop event is delivered: slots become free by repair, or by a test.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use app::scale::{Scaled, Scaling, Trigger};
use aws::{
    CallError, Clients,
    fleet::{Fleet, Heartbeat, WorkerStats},
};
use aws_sdk_s3::config::Region;
use clock::Clock;
use domain::{
    fleet::{HEARTBEAT, Slot},
    settings::{Settings, variables},
};
use futures::FutureExt;
use jiff::Timestamp;
use localcloud::{
    Cloud, connector,
    ecs::{KillCause, Status, TaskSnapshot, Timing},
    faults::{Call, Rule},
    frontend::Frontend,
    host::{Exit, Launch, Runner},
    wire::OWNER_KEY,
};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fleet/fleet.yaml");

/// How long a task takes to start here.
const STARTUP: Duration = Duration::from_secs(30);

/// How long a worker takes for a message, as the law first guesses.
const SERVICE: Duration = Duration::from_millis(200);

/// What a worker does, from its first moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worker {
    /// Checks in with every heartbeat and takes messages until it is stopped.
    Polls,
    /// Checks in for so long, and is not heard of again.
    FallsSilentAfter(Duration),
    /// Never gets so far as to check in.
    Hangs,
}

/// A fleet and what a test does to it.
pub(crate) struct FleetHarness {
    cloud: Cloud,
    pub(crate) fleet: Fleet,
    maximum: u32,
    workers: Arc<Mutex<VecDeque<Worker>>>,
}

impl FleetHarness {
    /// Builds it for at most this many tasks, and plays.
    pub(crate) fn play(maximum: u32, scenario: impl AsyncFnOnce(&FleetHarness)) {
        fastrand::seed(u64::from(maximum));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let harness = FleetHarness::new(maximum).await;
            scenario(&harness).await;
            harness.cloud.shutdown().await;
        });
    }

    async fn new(maximum: u32) -> Self {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time"));
        let workers = Arc::<Mutex<VecDeque<Worker>>>::default();
        let acts = workers.clone();
        let cloud = Cloud::builder(TEMPLATE).clock(clock);
        let cloud =
            cloud.container("worker", move |frontend| worker(frontend, acts)).start().await.expect("a cloud");
        let (provisioning, deprovisioning) = (Duration::from_secs(10), Duration::from_secs(5));
        cloud.services().ecs.set_timing(Timing {
            provisioning,
            pending: STARTUP - provisioning,
            deprovisioning,
        });
        let fleet = Fleet::new(&eyes(&cloud), &cloud.outputs()["FleetTable"]);
        Self { cloud, fleet, maximum, workers }
    }

    /// A scaling as a function of its own has it.
    pub(crate) fn scaling(&self) -> Scaling {
        let outputs = self.cloud.outputs();
        let settings = BTreeMap::from(
            [
                (variables::FLEET_TABLE.name(), outputs["FleetTable"].as_str()),
                (variables::JOBS_QUEUE_URL.name(), &outputs["JobsQueue"]),
                (variables::CLUSTER.name(), &outputs["Cluster"]),
                (variables::TASK_DEFINITION.name(), &outputs["WorkerTask"]),
                (variables::CONTAINER.name(), "worker"),
                (variables::SUBNETS.name(), "subnet-1,subnet-2"),
                (variables::ASSIGN_PUBLIC_IP.name(), "ENABLED"),
                (variables::SECURITY_GROUP.name(), "sg-1"),
                (variables::SPOT_SHARE.name(), "0"),
                (variables::MAXIMUM_TASKS.name(), &self.maximum.to_string()),
                (variables::FLEET_CPU.name(), "256"),
                (variables::FLEET_MEMORY.name(), "512"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let clients = clients(self.cloud.frontend());
        Scaling::new(&clients, &Settings::from(settings)).expect("settings")
    }

    pub(crate) async fn run(&self, trigger: Trigger) -> Result<Scaled, CallError> {
        self.scaling().run(trigger, self.now()).await
    }

    /// A tick of the schedule.
    pub(crate) async fn tick(&self) -> Scaled {
        self.run(Trigger::Tick).await.expect("a run without errors")
    }

    /// A tick each minute, `count` times. Returns the number of launched workers.
    pub(crate) async fn minutes(&self, count: u32) -> u32 {
        let mut launched = 0;
        for _ in 0..count {
            self.pass(60).await;
            launched += self.tick().await.launched;
        }
        launched
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.cloud.clock().now()
    }

    /// Lets this many seconds pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// How many messages wait.
    pub(crate) fn visible(&self) -> u64 {
        let queue = &self.cloud.stack().resources["JobsQueue"].arn;
        self.cloud.services().sqs.counts(queue).expect("the queue").visible as u64
    }

    /// Queues this many messages.
    pub(crate) fn queue(&self, count: usize) {
        let (sqs, queue) = (&self.cloud.services().sqs, &self.cloud.stack().resources["JobsQueue"].arn);
        for n in 0..count {
            sqs.send(queue, &n.to_string(), Default::default(), None).expect("the queue");
        }
    }

    /// What the next workers do, in the order in which they start. All others poll.
    pub(crate) fn next_workers(&self, workers: impl IntoIterator<Item = Worker>) {
        self.workers.lock().expect("no panic").extend(workers);
    }

    pub(crate) fn on(&self, rule: Rule) {
        self.cloud.faults().on(rule);
    }

    pub(crate) fn fault(&self, operation: &str, fault: Call) {
        self.on(Rule::new("ecs", operation, fault));
    }

    pub(crate) fn no_more_faults(&self) {
        self.cloud.faults().clear();
    }

    pub(crate) fn kill(&self, task: &TaskSnapshot) {
        assert!(self.cloud.services().ecs.kill(&task.arn, KillCause::OutOfMemory), "{task:?}");
    }

    pub(crate) async fn slots(&self) -> Vec<Slot> {
        self.fleet.slots(self.maximum).await.expect("the table")
    }

    pub(crate) fn tasks(&self) -> Vec<TaskSnapshot> {
        self.cloud.services().ecs.tasks()
    }

    pub(crate) fn live(&self) -> usize {
        self.tasks().iter().filter(|task| task.status != Status::Stopped).count()
    }

    /// The most tasks that have been live at once, of those launched within the hour.
    pub(crate) fn peak(&self) -> usize {
        let tasks = self.tasks();
        let live_at = |at: Timestamp| {
            tasks
                .iter()
                .filter(|t| t.created_at <= at && t.stopped_at.is_none_or(|stopped| stopped > at))
                .count()
        };
        tasks.iter().map(|task| live_at(task.created_at)).max().unwrap_or_default()
    }

    /// The calls that `during` makes, by operation.
    pub(crate) async fn calls(&self, during: impl Future) -> BTreeMap<String, u64> {
        let before = self.cloud.frontend().calls();
        during.await;
        let mut calls = BTreeMap::new();
        for ((service, operation), count) in self.cloud.frontend().calls() {
            let made = count - before.get(&(service, operation.clone())).copied().unwrap_or_default();
            if made > 0 {
                calls.insert(operation, made);
            }
        }
        calls
    }
}

/// Clients that meet no faults and are not counted.
fn eyes(cloud: &Cloud) -> Clients {
    clients(&Frontend::new(cloud.services().clone(), Default::default(), cloud.clock()))
}

/// With the SDK's retry budget to itself, which is otherwise one for the whole process: tests run side by side on clocks
/// of their own.
fn clients(frontend: &Frontend) -> Clients {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let region = format!("harness-{}", MADE.fetch_add(1, Ordering::Relaxed));
    let config = connector::sdk_config(frontend, frontend.clock(), OWNER_KEY);
    Clients::new(&config.into_builder().region(Region::new(region)).build())
}

fn worker(frontend: &Frontend, workers: Arc<Mutex<VecDeque<Worker>>>) -> Runner {
    let frontend = frontend.clone();
    Arc::new(move |launch: Launch| {
        let act = workers.lock().expect("no panic").pop_front().unwrap_or(Worker::Polls);
        work(frontend.clone(), launch, act).boxed()
    })
}

async fn work(frontend: Frontend, launch: Launch, act: Worker) -> Exit {
    let (clock, stop) = (frontend.clock(), launch.stop.clone());
    assert_eq!(launch.command, ["drain"]);
    let number = |name: &str| launch.env[name].parse::<u64>().expect("a number");
    let (slot, generation) =
        (number(variables::TIDEMILL_SLOT.name()) as u32, number(variables::TIDEMILL_GENERATION.name()));
    let services = frontend.services().clone();
    let unspoilt = clients(&Frontend::new(services, Default::default(), clock));
    let fleet = Fleet::new(&unspoilt, &launch.env["FLEET_TABLE"]);
    let (began, mut stats) = (clock.now(), WorkerStats::default());
    loop {
        let speaks = match act {
            Worker::Polls => true,
            Worker::Hangs => false,
            Worker::FallsSilentAfter(after) => {
                clock.now().duration_since(began) < after.try_into().expect("it fits")
            }
        };
        if speaks {
            let heartbeat = Heartbeat { slot, generation, at: clock.now(), stats };
            if !fleet.heartbeat(&heartbeat).await.expect("the table") {
                return Exit::Code(0);
            }
            stats.done += take(&frontend, &launch.env["JOBS_QUEUE"]).await;
            stats.busy = SERVICE * u32::try_from(stats.done).expect("it fits");
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return Exit::Code(0),
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
    }
}

/// Takes as many messages as a heartbeat is long, for good.
async fn take(frontend: &Frontend, queue: &str) -> u64 {
    let sqs = &frontend.services().sqs;
    let most = HEARTBEAT.as_millis() / SERVICE.as_millis();
    let mut taken = 0;
    while taken < most as u64 {
        let messages = sqs.receive(queue, 10, Some(Duration::ZERO), None).await.expect("the queue");
        if messages.is_empty() {
            break;
        }
        for message in messages {
            sqs.delete(queue, &message.receipt).expect("the queue");
            taken += 1;
        }
    }
    taken
}
