//! The local cloud as the command runs it: functions and worker are processes of their own.
//!
//! The command's own program holds the code of every function and of the worker, so one file is all there is to
//! build; started by the local cloud as `tidemill function NAME` or `tidemill worker …`, it is that program.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use tidemill_cloud::{Builder, Cloud, host::process, lambda::FunctionHost};

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

/// The template's parameters that have no default, for a cloud that pulls no image and mails to a folder.
pub(crate) const PARAMETERS: [(&str, &str); 2] =
    [("NotifyEmail", "you@example.com"), ("WorkerImage", "worker")];

/// A cloud from this template whose code runs as processes.
///
/// # Errors
/// When the path of this program cannot be had.
pub(crate) fn cloud(template: &Path, port: u16) -> io::Result<Builder> {
    let program = std::env::current_exe()?;
    let start =
        |arguments: &[&str]| process(program.clone(), arguments.iter().map(ToString::to_string).collect());
    let mut builder = Cloud::builder(template).serve(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    for (name, value) in PARAMETERS {
        builder = builder.parameter(name, value);
    }
    for (logical_id, name) in FUNCTIONS {
        let runner = start(&["function", name]);
        builder = builder.function(logical_id, |_| FunctionHost::Environment(runner));
    }
    let runner = start(&["worker"]);
    Ok(builder.container(CONTAINER, |_| runner))
}

/// Is the function of this name until the local cloud ends it.
pub(crate) fn function(name: &str) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
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

/// How many tasks the template lets run at once.
pub(crate) fn maximum_tasks(stack: &tidemill_cloud::template::Stack) -> u32 {
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
pub(crate) fn shipped_pipelines(template: &Path, stack: &tidemill_cloud::template::Stack) -> Option<PathBuf> {
    let layers = stack.resources.values().filter(|resource| resource.kind == "AWS::Lambda::LayerVersion");
    let folders = layers.filter_map(|layer| layer.properties.get("Content")?.as_str());
    let beside = template.parent().unwrap_or(Path::new(""));
    folders.map(|folder| beside.join(folder).join(PIPELINES)).find(|file| file.is_file())
}

/// The pipelines file's name in its layer.
const PIPELINES: &str = "pipelines.toml";

/// Where a function finds the pipelines file.
pub(crate) fn mounted_pipelines() -> PathBuf {
    Path::new("/opt").join(PIPELINES)
}
