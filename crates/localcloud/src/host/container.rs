//! Runs a task's container as a container, by podman or docker, held as its task definition says: its memory by the
//! kernel, its user, its file system that nothing can be written to.
//!
//! ```text
//! create ─▶ start, attached: output into the log ─▶ inspect: how it ended ─▶ removed
//! ```
//! It has the host's network, so that it reaches the local cloud on 127.0.0.1; therefore Linux only. Three things see
//! that none outlives the cloud: dropping the run removes its container; [`Containers::end`] removes what is left of
//! them; and should this process be killed outright, a [`orphan_reaper`] does.

mod orphan_reaper;
mod runtime;

use std::{io, process::Stdio, sync::Arc, time::Duration};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::{process::Command, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::runtime::ContainersError;
use self::{orphan_reaper::OrphanReaper, runtime::Runtime};
use super::{
    Exit, Launch, Runner,
    output::{LAST_WORDS, copy_lines},
};

/// The exit code of what SIGKILL ended.
const KILLED: i32 = 137;

/// How long until a signal that did not arrive, because the container was still starting, is sent again.
const AGAIN: Duration = Duration::from_millis(100);

/// The containers of one local cloud. Clones share them.
#[derive(Debug, Clone)]
pub struct Containers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Runtime,
    /// What tells these containers from all others: the value of their label.
    run: String,
    /// Containers being made and removed, which must not be interrupted.
    unfinished: TaskTracker,
    /// A folder for each container, where it is started.
    folder: TempDir,
    orphan_reaper: OrphanReaper,
}

impl Containers {
    /// Finds what runs containers here and has this image: podman first, then docker, or only the one that is wanted.
    ///
    /// # Errors
    /// [`ContainersError`], which says what to do.
    pub async fn find(image: &str, wanted: Option<&str>) -> Result<Self, ContainersError> {
        let runtime = Runtime::find(image, wanted).await?;
        let run = format!("{:032x}", fastrand::u128(..));
        let folder = tempfile::Builder::new().prefix("tidemill-containers-").tempdir();
        let folder = folder.map_err(ContainersError::Folder)?;
        let orphan_reaper = OrphanReaper::start(&runtime, &run, folder.path());
        Ok(Self(Arc::new(Inner { runtime, run, unfinished: TaskTracker::new(), folder, orphan_reaper })))
    }

    /// Runs each launch as a container of its task definition's image.
    #[must_use]
    pub fn runner(&self) -> Runner {
        let inner = self.0.clone();
        Arc::new(move |launch| {
            let inner = inner.clone();
            Box::pin(async move { inner.run(launch).await.unwrap_or_else(Exit::NotStarted) })
        })
    }

    /// Removes whatever is left of them. Call it when the cloud has ended.
    pub async fn end(&self) {
        let Inner { runtime, run, unfinished, orphan_reaper, .. } = &*self.0;
        unfinished.close();
        unfinished.wait().await;
        let left = runtime.call(&Runtime::list(run)).await.unwrap_or_else(|said| {
            tracing::warn!(said, "containers of this run may be left behind");
            String::new()
        });
        for id in left.split_whitespace() {
            runtime.remove(id).await;
        }
        orphan_reaper.forget();
    }
}

/// How a container is, as both runtimes tell it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Condition {
    status: String,
    exit_code: i32,
    #[serde(rename = "OOMKilled")]
    out_of_memory: bool,
    #[serde(default)]
    error: String,
}

impl Inner {
    /// Runs one to its end. The error is why it never began.
    async fn run(self: &Arc<Self>, launch: Launch) -> Result<Exit, String> {
        let name = format!("tidemill-{}-{:08x}", &self.run[..8], fastrand::u32(..));
        let create = self.runtime.create(&name, &self.run, &launch)?;
        let container = Kept::create(self.clone(), name, create).await?;
        let folder = self.folder.path().join(&container.name);
        std::fs::create_dir(&folder)
            .map_err(|error| format!("failed to make {}: {error}", folder.display()))?;
        let mut attached = self.runtime.command(&["start", "--attach", &container.name]);
        attached
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        self.attend(attached, &container.name, &launch).await.map_err(|error| error.to_string())?;

        let shown = self.runtime.call(&["inspect", "--format", "{{json .State}}", &container.name]).await?;
        let condition: Condition = serde_json::from_str(&shown).map_err(|error| {
            format!("{} tells of a container what is not known: {error}", self.runtime.name)
        })?;
        if condition.status == "created" {
            let last = launch.logs.tail(1).pop().map(|line| line.text);
            let said = Some(condition.error).filter(|error| !error.is_empty()).or(last);
            return Err(said.unwrap_or_else(|| "the runtime did not say why".to_owned()));
        }
        // With control groups of the first version, podman's monitor notes this in a file where it was started, and podman
        // looks elsewhere.
        let out_of_memory = condition.out_of_memory || folder.join("oom").exists();
        // Of several processes the kernel may have killed another than the first, which then tells by its own code.
        let killed = condition.exit_code == KILLED;
        Ok(if killed && out_of_memory { Exit::OutOfMemory } else { Exit::Code(condition.exit_code) })
    }

    /// Copies its output until it has ended, and asks it to end when it should.
    async fn attend(&self, mut attached: Command, name: &str, launch: &Launch) -> io::Result<()> {
        let mut attached = attached.spawn()?;
        let output = attached.stdout.take().map(|output| copy_lines(output, launch.logs.clone()));
        let errors = attached.stderr.take().map(|errors| copy_lines(errors, launch.logs.clone()));
        let mut reading = std::pin::pin!(async move {
            futures::join!(
                futures::future::OptionFuture::from(output),
                futures::future::OptionFuture::from(errors)
            )
        });
        let mut asking = std::pin::pin!(self.ask(name, &launch.stop));
        let (mut drained, mut asked) = (false, false);
        loop {
            tokio::select! {
                biased;
                ended = attached.wait() => {
                    ended?;
                    break;
                }
                _ = &mut reading, if !drained => drained = true,
                () = &mut asking, if !asked => asked = true,
            }
        }
        if !drained {
            // The line that says why it ended is usually the last one.
            let _ = tokio::time::timeout(LAST_WORDS, reading).await;
        }
        Ok(())
    }

    /// Waits until it is to stop, then sends SIGTERM until it has arrived.
    async fn ask(&self, name: &str, stop: &CancellationToken) {
        stop.cancelled().await;
        while let Err(said) = self.runtime.call(&["kill", "--signal", "TERM", name]).await {
            // It is starting or has ended: in the one case the next try arrives, in the other this is dropped.
            tracing::debug!(container = name, said, "SIGTERM did not arrive");
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// A container that is removed with this value, running or not.
struct Kept {
    inner: Arc<Inner>,
    name: String,
    /// Who is making it. Nobody can remove it before it is made.
    making: Option<JoinHandle<Result<String, String>>>,
}

impl Kept {
    async fn create(inner: Arc<Inner>, name: String, arguments: Vec<String>) -> Result<Self, String> {
        let runtime = inner.runtime.clone();
        let making = inner.unfinished.spawn(async move { runtime.call(&arguments).await });
        let mut kept = Self { inner, name, making: Some(making) };
        if let Some(making) = &mut kept.making {
            let made = making.await.unwrap_or_else(|error| Err(error.to_string()));
            kept.making = None;
            if let Err(said) = made {
                // There is nothing to remove.
                kept.name.clear();
                return Err(said);
            }
        }
        Ok(kept)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Without a runtime the program is at its end, and the orphan_reaper removes it.
        let Ok(tokio) = tokio::runtime::Handle::try_current() else { return };
        let (inner, name, making) = (self.inner.clone(), std::mem::take(&mut self.name), self.making.take());
        if name.is_empty() {
            return;
        }
        let unfinished = inner.unfinished.clone();
        let remove = async move {
            if let Some(making) = making {
                // Whether it was made, the removal finds out.
                let _ = making.await;
            }
            inner.runtime.remove(&name).await;
        };
        unfinished.spawn_on(remove, &tokio);
    }
}

#[cfg(test)]
mod tests;
