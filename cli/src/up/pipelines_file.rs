//! The pipelines file while `up` runs: a change of it is used from the next invocation of a function on.
//!
//! The functions read a copy. A file that is just being edited, and has errors, is not copied.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use aws::Clients;
use domain::{pipelines::Pipelines, text::count};
use localcloud::Cloud;
use tempfile::TempDir;

use super::event::{Event, Printer};
use crate::local::Plan;

/// The time between two looks at the file.
const ROUND: Duration = Duration::from_millis(500);

/// The pipelines file that is followed, and the copy that the functions read.
pub(crate) struct PipelinesFile {
    file: String,
    /// Its text when it was last read.
    text: String,
    folder: TempDir,
}

impl PipelinesFile {
    /// Copies the file of the plan.
    ///
    /// # Errors
    /// When the copy cannot be written.
    pub(crate) fn of(plan: &Plan) -> anyhow::Result<Self> {
        let folder =
            tempfile::tempdir().context("cannot make a folder for the copy of the pipelines file")?;
        let (file, text) = (plan.pipelines_file.clone(), plan.pipelines_text.clone());
        let this = Self { file, text, folder };
        this.write()?;
        Ok(this)
    }

    /// Where the copy is.
    pub(crate) fn copy(&self) -> PathBuf {
        self.folder.path().join("pipelines.toml")
    }

    /// A function that starts meanwhile reads the old copy or the new one.
    fn write(&self) -> anyhow::Result<()> {
        let next = self.folder.path().join("next.toml");
        let written = std::fs::write(&next, &self.text).and_then(|()| std::fs::rename(&next, self.copy()));
        written.with_context(|| format!("cannot copy the pipelines file {}", self.file))
    }

    /// Uses each version of the file that has no errors, and prints what has changed, until printing fails.
    pub(crate) async fn follow(
        &mut self,
        cloud: &Cloud,
        clients: &Clients,
        plan: &Plan,
        printer: &Printer<'_>,
    ) -> anyhow::Result<()> {
        loop {
            tokio::time::sleep(ROUND).await;
            // An editor may replace the file at this moment.
            let Ok(text) = std::fs::read_to_string(&self.file) else { continue };
            if text == self.text {
                continue;
            }
            self.text = text;
            match Pipelines::parse_watched(&self.text, &self.file, &[plan.output("WatchedPrefix")?]) {
                Ok(pipelines)
                    if !pipelines.tables().iter().all(|table| plan.pipelines.tables().contains(table)) =>
                {
                    let message = format!(
                        "{} has changed and defines other tables, which the local cloud makes when it starts; the version \
                         before stays in use until you start it again",
                        self.file
                    );
                    printer.print(&Event::Problem { message: &message })?;
                }
                Ok(pipelines) => {
                    self.write()?;
                    cloud.services().lambda.renew_environments();
                    plan.keep_pipelines(clients, &self.text).await?;
                    self.print_change(&pipelines, printer)?;
                }
                Err(error) => {
                    let problems = error.problems.len();
                    let message = format!(
                        "{} has changed and has {}; the version before stays in use: {error}",
                        self.file,
                        count(problems, "error")
                    );
                    printer.print(&Event::Problem { message: &message })?;
                }
            }
        }
    }

    /// Says that these pipelines are used from now on, and how to find what they would process otherwise.
    pub(crate) fn print_change(&self, pipelines: &Pipelines, printer: &Printer<'_>) -> anyhow::Result<()> {
        let (count_of, schedules) = (pipelines.iter().count(), pipelines.schedules().len());
        printer.print(&Event::Pipelines { file: &self.file, pipelines: count_of, schedules })
    }
}
