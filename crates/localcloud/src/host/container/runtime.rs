//! podman or docker: which of them is installed, and its arguments.

use std::{
    io,
    path::PathBuf,
    process::{Output, Stdio},
    thread,
};

use tokio::process::Command;

use crate::host::{Confinement, Launch};

/// Why tasks cannot be run as containers.
#[derive(Debug, thiserror::Error)]
pub enum ContainersError {
    /// Nothing on this machine runs containers, or not what is wanted.
    #[error(
        "{0} on the PATH: install one of podman and docker, or let tasks run as processes, which needs neither"
    )]
    NoRuntime(String),
    /// There is no such runtime.
    #[error("there is no container runtime {0:?}: it is podman or docker")]
    Unknown(String),
    /// What runs containers on this machine does not work.
    #[error("{runtime} is installed and does not work: {said}")]
    Broken {
        /// Its name.
        runtime: &'static str,
        /// The last line of what it said.
        said: String,
    },
    /// No image of this name.
    #[error("{runtime} has no image {image}: build it, as with worker/build-image, or pull it first")]
    NoImage {
        /// What was asked.
        runtime: &'static str,
        /// The name.
        image: String,
    },
    /// No folder for what a runtime leaves where it was started.
    #[error("cannot make a folder in {}", std::env::temp_dir().display())]
    Folder(#[source] io::Error),
}

/// What runs containers, by its command.
#[derive(Debug, Clone)]
pub(super) struct Runtime {
    pub(super) name: &'static str,
    pub(super) program: PathBuf,
}

/// Looked for in this order. The first needs no daemon.
const KNOWN: [&str; 2] = ["podman", "docker"];

/// The label that all containers of a local cloud have; its value is the run's.
const LABEL: &str = "tidemill.run";

impl Runtime {
    /// The first that is there, works, and has this image, or the one that is wanted. If none is, the error is the first
    /// one's.
    pub(super) async fn find(image: &str, wanted: Option<&str>) -> Result<Self, ContainersError> {
        if let Some(wanted) = wanted.filter(|wanted| !KNOWN.contains(wanted)) {
            return Err(ContainersError::Unknown(wanted.to_owned()));
        }
        let mut failed = None;
        for name in KNOWN.into_iter().filter(|&name| wanted.is_none_or(|wanted| wanted == name)) {
            let runtime = Self { name, program: name.into() };
            match runtime.output(&["version"]).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    failed.get_or_insert(ContainersError::Broken { runtime: name, said: error.to_string() });
                }
                Ok(output) if !output.status.success() => {
                    let said = last_line(&output.stderr);
                    failed.get_or_insert(ContainersError::Broken { runtime: name, said });
                }
                Ok(_) if runtime.call(&["image", "inspect", image]).await.is_ok() => return Ok(runtime),
                Ok(_) => {
                    let image = image.to_owned();
                    failed.get_or_insert(ContainersError::NoImage { runtime: name, image });
                }
            }
        }
        Err(failed.unwrap_or_else(|| {
            let absent = wanted.map(|wanted| format!("{wanted} is not"));
            ContainersError::NoRuntime(absent.unwrap_or_else(|| "neither podman nor docker is".to_owned()))
        }))
    }

    /// The arguments that make a launch's container, not yet running.
    ///
    /// # Errors
    /// When it is no container's launch, or asks for what cannot be.
    pub(super) fn create(&self, name: &str, run: &str, launch: &Launch) -> Result<Vec<String>, String> {
        let Some(container) = &launch.container else {
            return Err(format!("{} has no image: only a task's container can be run as one", launch.name));
        };
        // What begins with a dash would be taken for an option.
        if container.image.starts_with('-') {
            return Err(format!("{:?} is no image's name", container.image));
        }
        let mut arguments = vec!["create".to_owned()];
        let mut give = |option: &str, value: &str| arguments.push(format!("--{option}={value}"));
        give("name", name);
        give("label", &Self::label(run));
        // It was looked for; a name that is not there is a mistake, and not a download.
        give("pull", "never");
        // The local cloud is on 127.0.0.1 of this machine.
        give("network", "host");
        // The output is copied while it is written. A second copy would only grow.
        give("log-driver", "none");
        self.confine(container, launch.memory_bytes, &mut give);
        for (name, value) in &launch.env {
            give("env", &format!("{name}={value}"));
        }
        let (entry, rest) = match container.entry_point.split_first() {
            Some((entry, rest)) => (Some(entry), rest),
            None => (None, [].as_slice()),
        };
        if let Some(entry) = entry {
            give("entrypoint", entry);
        }
        arguments.push(container.image.clone());
        arguments.extend(rest.iter().chain(&launch.command).cloned());
        Ok(arguments)
    }

    fn confine(&self, container: &Confinement, memory_bytes: Option<u64>, give: &mut impl FnMut(&str, &str)) {
        if let Some(bytes) = memory_bytes {
            give("memory", &format!("{bytes}b"));
            // Both together: Fargate has no swap.
            give("memory-swap", &format!("{bytes}b"));
        }
        give("cpus", &format!("{:.3}", processors(container.cpu_units)));
        if let Some(user) = &container.user {
            give("user", user);
        }
        for capability in &container.dropped_capabilities {
            give("cap-drop", capability);
        }
        if container.read_only {
            give("read-only", "true");
        }
        for folder in &container.scratch {
            give("volume", folder);
        }
        if self.is_podman() {
            // What docker and Fargate do not do by default.
            give("read-only-tmpfs", "false");
            give("http-proxy", "false");
        }
    }

    /// The arguments that list a run's containers, running or not.
    pub(super) fn list(run: &str) -> Vec<String> {
        let filter = format!("--filter=label={}", Self::label(run));
        vec!["ps".to_owned(), "--all".to_owned(), "--quiet".to_owned(), "--no-trunc".to_owned(), filter]
    }

    /// The arguments that remove a container with what it wrote, killing it first; its name follows.
    pub(super) fn removing(&self) -> &'static [&'static str] {
        // podman would ask it to end first, and wait ten seconds.
        if self.is_podman() {
            &["rm", "--force", "--volumes", "--time=0"]
        } else {
            &["rm", "--force", "--volumes"]
        }
    }

    /// Removes a container. One that is not there is as good.
    pub(super) async fn remove(&self, name: &str) {
        let arguments: Vec<&str> = self.removing().iter().copied().chain([name]).collect();
        if let Err(said) = self.call(&arguments).await {
            tracing::debug!(container = name, said, "failed to remove a container");
        }
    }

    /// The label of a run's containers.
    pub(super) fn label(run: &str) -> String {
        format!("{LABEL}={run}")
    }

    /// Its output, if it succeeds; else the last line that it complains with.
    pub(super) async fn call(&self, arguments: &[impl AsRef<str>]) -> Result<String, String> {
        let output = self.output(arguments).await;
        let output = output.map_err(|error| format!("failed to start {}: {error}", self.name))?;
        if !output.status.success() {
            return Err(last_line(&output.stderr));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn output(&self, arguments: &[impl AsRef<str>]) -> io::Result<Output> {
        // Not killed when nobody waits any more: half a removal would be none.
        self.command(arguments).stdin(Stdio::null()).output().await
    }

    /// The command, in a process group of its own: the terminal's Ctrl-C is not for it.
    pub(super) fn command(&self, arguments: &[impl AsRef<str>]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments.iter().map(AsRef::as_ref)).process_group(0);
        command
    }

    fn is_podman(&self) -> bool {
        self.name == KNOWN[0]
    }
}

/// The processors for this many CPU units, at most as many as there are: a runtime refuses more.
fn processors(cpu_units: u32) -> f64 {
    let there = thread::available_parallelism().map_or(1, usize::from);
    let there = u32::try_from(there).map_or(f64::INFINITY, f64::from);
    (f64::from(cpu_units) / 1024.0).min(there)
}

fn last_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it did not say why").trim().to_owned()
}
