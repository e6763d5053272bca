//! The plan of a test environment: the template and its parameters, the pipelines, the timing, and missing grants.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use clock::Clock;
use domain::{destination::TableDefinition, pipelines::Pipelines};
use futures::FutureExt;
use jiff::Timestamp;
use localcloud::{
    Cloud,
    ecs::Timing,
    iam::GrantId,
    logs::LogStream,
    wire::{ACCOUNT, REGION},
};
use tempfile::TempDir;

use crate::{
    TestEnv,
    host::{self, Sdk, WorkerFaults, logged},
    transcript::EPOCH,
};

/// How many environments this process has made.
static ENVIRONMENTS: AtomicU64 = AtomicU64::new(0);

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");

/// The pipelines that are shipped.
const PIPELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/pipelines.toml");

/// Where the functions' layer has the pipelines file.
const MOUNTED_PIPELINES: &str = "/opt/pipelines.toml";

/// How long a task takes to start and to leave, unless a scenario says otherwise: 30 s and 5 s.
pub const TIMING: Timing = Timing {
    provisioning: Duration::from_secs(10),
    pending: Duration::from_secs(20),
    deprovisioning: Duration::from_secs(5),
};

/// The plan of a [`TestEnv`].
#[derive(Debug)]
pub struct Plan {
    seed: u64,
    timing: Timing,
    parameters: Vec<(String, String)>,
    pipelines: Option<String>,
    schedules: bool,
    transcript: bool,
    template: Option<TempDir>,
    without: Vec<GrantId>,
}

impl Plan {
    /// Gives every object a dedicated task and turns schedules off, so that everything that happens follows from the
    /// object.
    #[must_use]
    pub fn dedicated_tasks(mut self) -> Self {
        let text =
            self.pipelines.take().unwrap_or_else(|| std::fs::read_to_string(PIPELINES).expect("a file"));
        self.pipelines = Some(text.replace("\n[[pipeline]]\n", "\n[[pipeline]]\ndedicated_above = 0\n"));
        self.schedules = false;
        self
    }

    /// Sets a parameter of the template.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Uses this pipelines file instead of the shipped one.
    #[must_use]
    pub fn pipelines(mut self, text: &str) -> Self {
        self.pipelines = Some(text.to_owned());
        self
    }

    /// Uses this template instead of the one that is shipped.
    ///
    /// # Panics
    /// When it cannot be written.
    #[must_use]
    pub fn template(mut self, text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("template.yaml"), text).expect("a template");
        self.template = Some(folder);
        // The layer's folder is beside the template that is shipped.
        let shipped = || std::fs::read_to_string(PIPELINES).expect("a file");
        self.pipelines.get_or_insert_with(shipped);
        self
    }

    /// Leaves a grant of the template out.
    #[must_use]
    pub fn without(mut self, grant: GrantId) -> Self {
        self.without.push(grant);
        self
    }

    /// Sets how long AWS's part of a task's life takes.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Turns schedules on again.
    #[must_use]
    pub fn scheduled(mut self) -> Self {
        self.schedules = true;
        self
    }

    /// Keeps a transcript, for [`TestEnv::golden`].
    #[must_use]
    pub fn with_transcript(mut self) -> Self {
        self.transcript = true;
        self
    }

    /// Builds the cloud on a paused clock and lets `scenario` happen in it.
    ///
    /// # Panics
    /// When the cloud cannot be built, and wherever the scenario does.
    pub fn run(self, scenario: impl AsyncFnOnce(&TestEnv)) {
        if std::env::var_os("RUST_LOG").is_some() {
            let _ = telemetry::logging::json(&domain::settings::Settings::default());
        }
        // The SDK draws an id for each of its log records until somebody listens to logs for the first time, as the worker's
        // host does. So that a seed means the same in the first env of a process and in all others:
        logged("", Clock::system(), LogStream::default(), std::future::ready(())).now_or_never();
        fastrand::seed(self.seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let env = self.env().await;
            scenario(&env).await;
            env.cloud.shutdown().await;
        });
    }

    /// An environment of its own clock and region.
    async fn env(self) -> TestEnv {
        let clock = Clock::starting_at(EPOCH.parse::<Timestamp>().expect("a time"));
        let worker_faults = WorkerFaults::default();
        let sdk = Sdk::new(format!("env-{}", ENVIRONMENTS.fetch_add(1, Ordering::Relaxed)));
        let cloud = self.cloud(clock, &sdk, &worker_faults).await;
        cloud.services().ecs.set_timing(self.timing);
        let tables = self.tables();
        let env = TestEnv::new(cloud, sdk, worker_faults, self.transcript);
        for table in &tables {
            env.tables.create(table).await.expect("a table");
        }
        env
    }

    /// The tables that its pipelines file defines.
    fn tables(&self) -> Vec<TableDefinition> {
        let text = self.pipelines.as_deref().unwrap_or_default();
        Pipelines::parse(text, "pipelines.toml").map(|file| file.tables().to_vec()).unwrap_or_default()
    }

    /// The cloud that it describes.
    async fn cloud(&self, clock: Clock, sdk: &Sdk, worker_faults: &WorkerFaults) -> Cloud {
        let template = self.template.as_ref().map(|folder| folder.path().join("template.yaml"));
        let mut builder = Cloud::builder(template.unwrap_or_else(|| TEMPLATE.into()))
            .clock(clock)
            .parameter("NotifyEmail", "ops@example.com")
            .parameter("WorkerImage", "worker:1");
        let arn =
            |table: &TableDefinition| format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{}", table.name);
        let arns: Vec<String> = self.tables().iter().map(arn).collect();
        builder = builder.parameter("TableArns", &arns.join(","));
        for (name, value) in &self.parameters {
            builder = builder.parameter(name, value);
        }
        for grant in &self.without {
            builder = builder.without(grant.clone());
        }
        // The functions read the file when they start, which is while the cloud runs.
        let folder = self.pipelines.as_ref().map(|text| {
            let folder = tempfile::tempdir().expect("a folder");
            std::fs::write(folder.path().join("pipelines.toml"), text).expect("a pipelines file");
            Arc::new(folder)
        });
        if let Some(folder) = &folder {
            builder = builder.layer_file(MOUNTED_PIPELINES, folder.path().join("pipelines.toml"));
        }
        let worker_faults = worker_faults.clone();
        let [for_uploads, for_stops, for_scaler, for_backlog, for_schedule, for_worker] =
            [(); 6].map(|()| sdk.clone());
        let for_both = folder.clone();
        let cloud = builder
            .function("UploadsFunction", move |frontend| host::uploads(frontend, &for_uploads, folder))
            .function("StopsFunction", move |frontend| host::stops(frontend, &for_stops))
            .function("ScalerFunction", move |frontend| host::scaler(frontend, &for_scaler))
            .function("BacklogFunction", move |frontend| host::backlog(frontend, &for_backlog))
            .function("ScheduleFunction", move |frontend| host::schedule(frontend, &for_schedule, for_both))
            .schedules(self.schedules)
            .container("worker", move |frontend| host::worker(frontend, &for_worker, worker_faults))
            .start()
            .await;
        cloud.expect("a cloud from template.yaml")
    }
}

impl TestEnv {
    /// The plan of an environment whose random choices follow from this seed.
    #[must_use]
    pub fn plan(seed: u64) -> Plan {
        let (parameters, pipelines) = (Vec::new(), None);
        Plan {
            seed,
            timing: TIMING,
            parameters,
            pipelines,
            schedules: true,
            transcript: false,
            template: None,
            without: Vec::new(),
        }
    }
}
