//! The local cloud as the command runs it: each function and each worker is a process of its own.
//!
//! This program contains the code of every function and of the worker, so there is one binary to build. The local cloud
//! starts it as `tidemill function NAME` or `tidemill worker …`.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use aws::{Clients, fleet::Fleet, tables::Tables};
use domain::{pipelines::Pipelines, sweep::KeptPipelines};
use jiff::Timestamp;
use localcloud::{
    Builder, Cloud,
    connector::ENDPOINT,
    host::{Containers, process},
    iam::{Iam, PolicyError},
    lambda::FunctionHost,
    template::{Stack, Template, TemplateError},
    wire::{ACCOUNT, REGION},
};

use crate::{args::LocalArguments, built_in::TemplateFile, endpoint, output::one_line};

/// The functions: their names in the template, and as folder, crate and binary.
const FUNCTIONS: [(&str, &str); 5] = [
    ("UploadsFunction", "uploads"),
    ("BacklogFunction", "backlog"),
    ("ScalerFunction", "scaler"),
    ("ScheduleFunction", "schedule"),
    ("StopsFunction", "stops"),
];

/// The worker's container, as the template names it.
const CONTAINER: &str = "worker";

/// The variable that selects podman or docker where both are installed.
const RUNTIME: &str = "CONTAINER_RUNTIME";

/// The template's parameters that have no default, for a cloud that pulls no image and mails to a folder.
const PARAMETERS: [(&str, &str); 2] = [("NotifyEmail", "you@example.com"), ("WorkerImage", "worker")];

/// A cloud from this template whose functions run as processes, and whose tasks do too unless they are containers.
///
/// # Errors
/// When the path of this program cannot be had.
fn cloud(
    template: &Path,
    addresses: Vec<SocketAddr>,
    containers: Option<&Containers>,
    pipelines: &Pipelines,
) -> io::Result<Builder> {
    let program = std::env::current_exe()?;
    let start =
        |arguments: &[&str]| process(program.clone(), arguments.iter().map(ToString::to_string).collect());
    let mut builder = Cloud::builder(template).serve_first(addresses);
    for (name, value) in PARAMETERS {
        builder = builder.parameter(name, value);
    }
    builder = builder.parameter("TableArns", &table_arns(pipelines));
    for (logical_id, name) in FUNCTIONS {
        let runner = start(&["function", name]);
        builder = builder.function(logical_id, |_| FunctionHost::Environment(runner));
    }
    let runner = containers.map_or_else(|| start(&["worker"]), Containers::runner);
    Ok(builder.container(CONTAINER, |_| runner))
}

/// The ARNs of the tables that the pipelines file defines, as this cloud has them.
fn table_arns(pipelines: &Pipelines) -> String {
    let arn = |name: &str| format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}");
    pipelines.tables().iter().map(|table| arn(&table.name)).collect::<Vec<_>>().join(",")
}

/// The template and the pipelines, read before anything starts, so that an error in them leaves nothing behind.
pub(crate) struct Plan {
    /// The template.
    template: TemplateFile,
    /// The resolved template.
    pub(crate) stack: Stack,
    /// The pipelines that the functions will route by.
    pub(crate) pipelines: Pipelines,
    /// The name of their file.
    pub(crate) pipelines_file: String,
    /// Their text.
    pub(crate) pipelines_text: String,
}

impl Plan {
    /// Reads template and pipelines.
    ///
    /// # Errors
    /// What is wrong with them, or with the data folder.
    pub(crate) fn of(arguments: &LocalArguments) -> anyhow::Result<Self> {
        let template = TemplateFile::find(arguments.template.as_deref())?;
        let stack = stack(template.path())?;
        let (name, text) = pipelines_text(arguments.pipelines.as_deref(), template.path(), &stack)?;
        // A template without the output is not Tidemill's, which is reported where it is needed.
        let pipelines = match stack.outputs.get("WatchedPrefix") {
            Some(watched) => Pipelines::parse_watched(&text, &name, &[watched])?,
            None => Pipelines::parse(&text, &name)?,
        };
        if let Some(data) = arguments.data.as_ref().filter(|data| data.exists() && !data.is_dir()) {
            anyhow::bail!("cannot keep data in {}: it is not a folder", data.display());
        }
        Ok(Self { template, stack, pipelines, pipelines_file: name, pipelines_text: text })
    }

    /// An output of the template. The command needs some, and a template without them is not Tidemill's.
    ///
    /// # Errors
    /// When there is none of this name.
    pub(crate) fn output(&self, name: &str) -> anyhow::Result<&str> {
        let found = self.stack.outputs.get(name).map(String::as_str);
        found.with_context(|| format!("the template has no output {name}"))
    }

    /// Stores this text of the pipelines, as λ schedule does every hour: `explain` finds the jobs of an object by them.
    /// Returns whether another text was stored before.
    ///
    /// # Errors
    /// When the fleet table does not answer.
    pub(crate) async fn keep_pipelines(&self, clients: &Clients, text: &str) -> anyhow::Result<bool> {
        let fleet = Fleet::new(clients, self.output("FleetTable")?);
        let before = fleet.get_document::<KeptPipelines>().await?;
        fleet.put_document(&KeptPipelines { text: text.to_owned(), kept_at: Timestamp::now() }).await?;
        Ok(before.is_some_and(|before| before.text != text))
    }

    /// Creates the tables that the pipelines file defines and that are not there.
    ///
    /// # Errors
    /// When DynamoDB refuses one.
    pub(crate) async fn create_tables(&self, clients: &Clients) -> anyhow::Result<()> {
        let tables = Tables::new(clients);
        for definition in self.pipelines.tables() {
            tables.create(definition).await?;
        }
        Ok(())
    }

    /// Frees the slots of an earlier run with the same data: its tasks ended with it, and no stop event was delivered.
    ///
    /// # Errors
    /// When the fleet table does not answer.
    pub(crate) async fn free_slots(&self, clients: &Clients) -> anyhow::Result<()> {
        let fleet = Fleet::new(clients, self.output("FleetTable")?);
        for slot in fleet.slots(maximum_tasks(&self.stack)).await? {
            if !slot.is_free() {
                fleet.free(slot.number, slot.generation).await?;
            }
        }
        Ok(())
    }
}

/// Resolves this template for this machine.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn stack(template: &Path) -> anyhow::Result<Stack> {
    Ok(Template::load(template, localcloud::resource_types())?.resolve(
        &parameters(),
        "tidemill",
        ENDPOINT,
    )?)
}

/// Reads this pipelines file, or the one that the template ships; returns its name and its text.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) fn pipelines_text(
    file: Option<&Path>,
    template: &Path,
    stack: &Stack,
) -> anyhow::Result<(String, String)> {
    let file = match file {
        Some(file) => file.to_owned(),
        None => shipped_pipelines(template, stack)
            .context("no layer of the template holds a pipelines.toml; pass one with --pipelines FILE")?,
    };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(&file);
    let text = text.with_context(|| format!("cannot read the pipelines file {name}"))?;
    Ok((name, text))
}

/// The local cloud, and the containers of its tasks.
pub(crate) struct Local {
    pub(crate) cloud: Cloud,
    containers: Option<Containers>,
}

impl Local {
    /// Stops every process and container; none is left when this returns.
    pub(crate) async fn shutdown(self) {
        self.cloud.shutdown().await;
        if let Some(containers) = self.containers {
            containers.end().await;
        }
    }
}

/// Starts the local cloud, on the port that the arguments name, else on the first of these that is free. Its functions read
/// this pipelines file; none: the one that the template ships.
///
/// # Errors
/// When it cannot be; nothing is left running then.
pub(crate) async fn start(
    arguments: &LocalArguments,
    plan: &Plan,
    pipelines: Option<&Path>,
    ports: impl IntoIterator<Item = u16>,
) -> anyhow::Result<Local> {
    let containers = match &arguments.containers {
        Some(image) => {
            let wanted = std::env::var(RUNTIME).ok().filter(|wanted| !wanted.is_empty());
            let found = Containers::find(image, wanted.as_deref()).await;
            Some(found.context("cannot run tasks as containers")?)
        }
        None => None,
    };
    let ports = arguments.port.map_or_else(|| ports.into_iter().collect(), |port| vec![port]);
    let addresses = ports.into_iter().map(endpoint::address).collect();
    let mut builder = cloud(plan.template.path(), addresses, containers.as_ref(), &plan.pipelines)?;
    if let Some(image) = &arguments.containers {
        builder = builder.parameter("WorkerImage", image);
    }
    if let Some(folder) = &arguments.data {
        builder = builder.data(folder);
    }
    if let Some(file) = pipelines {
        // A function runs in a folder of its own choice.
        let file = std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
        builder = builder.layer_file(mounted_pipelines(), file);
    }
    Ok(Local { cloud: builder.start().await?, containers })
}

/// Prints a line for each permission that the template lacks, as soon as a call needs it. Never returns.
pub(crate) async fn print_refusals(cloud: &Cloud) -> Infallible {
    let iam = &cloud.services().iam;
    let mut printed = 0;
    loop {
        let refused = iam.nth_refusal(printed).await;
        eprintln!("tidemill: {}", one_line(&refused.advice()));
        printed += 1;
    }
}

/// The error of a local cloud whose disk is full.
pub(crate) fn disk_is_full(arguments: &LocalArguments) -> anyhow::Error {
    let folder = arguments.data.clone().unwrap_or_else(std::env::temp_dir);
    anyhow::anyhow!("the disk that holds {} is full; free some space, and run it again", folder.display())
}

/// Checks that the local cloud can enforce the template's policies.
///
/// # Errors
/// Where it stands and what is wrong.
pub(crate) fn check_policies(stack: &Stack) -> Result<(), PolicyError> {
    Iam::default().load(stack, &[])
}

/// Runs the function of this name until the local cloud stops it.
pub(crate) fn function(name: &str) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("function {name}: cannot start its runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(async {
        match name {
            "uploads" => uploads::run().await,
            "backlog" => backlog::run().await,
            "scaler" => scaler::run().await,
            "schedule" => schedule::run().await,
            "stops" => stops::run().await,
            _ => Err(format!("there is no function {name:?}").into()),
        }
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("function {name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The template's limit of tasks at once.
fn maximum_tasks(stack: &Stack) -> u32 {
    let function = stack.resources.get("UploadsFunction");
    let maximum = function.map(|it| &it.properties["Environment"]["Variables"]["MAXIMUM_TASKS"]);
    // The function itself refuses to start without a number there.
    match maximum {
        Some(serde_json::Value::String(text)) => text.parse().unwrap_or_default(),
        Some(number) => number.as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default(),
        None => 0,
    }
}

/// The pipelines file that the template ships: the one of this name in a layer's folder.
fn shipped_pipelines(template: &Path, stack: &Stack) -> Option<PathBuf> {
    let layers = stack.resources.values().filter(|resource| resource.kind == "AWS::Lambda::LayerVersion");
    let folders = layers.filter_map(|layer| layer.properties.get("Content")?.as_str());
    let beside = template.parent().unwrap_or(Path::new(""));
    folders.map(|folder| beside.join(folder).join(PIPELINES)).find(|file| file.is_file())
}

/// The pipelines file's name in its layer.
const PIPELINES: &str = "pipelines.toml";

/// Where a function finds the pipelines file.
fn mounted_pipelines() -> PathBuf {
    Path::new("/opt").join(PIPELINES)
}

/// Every error in a template that another error does not hide.
pub(crate) fn template_problems(template: &Path) -> Vec<TemplateError> {
    Template::problems(template, localcloud::resource_types(), &parameters(), "tidemill", ENDPOINT)
}

fn parameters() -> BTreeMap<String, String> {
    PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
