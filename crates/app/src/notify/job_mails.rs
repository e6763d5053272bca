//! The mails of single failed jobs, with what their workers logged.

use aws::{
    CallError, Clients,
    ledger::Ledger,
    logs::{self, Logs, Tail},
};
use clock::Clock;
use domain::{
    job::{Job, JobId, State},
    mail::{self, ConsoleLinks, FailureReport, Log, Mail},
    settings::{Settings, SettingsError, variables},
};
use tracing::warn;

/// Writes them.
#[derive(Debug)]
pub struct JobMails {
    ledger: Ledger,
    logs: Logs,
    console: ConsoleLinks,
    cluster: String,
    clock: Clock,
}

impl JobMails {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings, clock: Clock) -> Result<Self, SettingsError> {
        let topic = settings.get(variables::MAIL_TOPIC)?;
        Ok(Self {
            ledger: Ledger::new(clients, &settings.get(variables::LEDGER_TABLE)?),
            logs: Logs::new(clients, settings)?,
            console: ConsoleLinks::of(&topic, clients.config().endpoint_url()),
            cluster: settings.get(variables::CLUSTER)?,
            clock,
        })
    }

    /// The mail of the job with this id, if it is still failed.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn of_id(&self, id: &str) -> Result<Option<Mail>, CallError> {
        let Some(id) = JobId::parse(id) else { return Ok(None) };
        match self.ledger.read(&id).await? {
            Some(job) if job.state() == State::Failed => Ok(Some(self.of(&job).await)),
            _ => Ok(None),
        }
    }

    /// The last log lines of a sweep or command, and where to read all. A log that cannot be read keeps no mail from going
    /// out.
    pub(super) async fn log_of_run(&self, task: &str, is_sweep: bool) -> (Log, Vec<(String, String)>) {
        match self.logs.tail_of_run(task, is_sweep).await {
            Ok(tail) => {
                let page = |stream: &str| self.console.log_stream(self.logs.group(), stream);
                let page = tail.stream.as_deref().and_then(page);
                (Log::Lines(tail.lines), page.map(|page| ("log".to_owned(), page)).into_iter().collect())
            }
            Err(error) => {
                let reason = telemetry::causes(&error);
                warn!(
                    task,
                    error = reason,
                    "failed to read the log of a failed run: its mail goes out without it"
                );
                (Log::Unread(reason), Vec::new())
            }
        }
    }

    /// The mail of a failed job, with its last log lines. A log that cannot be read keeps no mail from going out.
    pub(super) async fn of(&self, job: &Job) -> Mail {
        let mut report = FailureReport::of(job);
        let tail = match self.logs.tail(job, self.clock.now()).await {
            Ok(tail) => tail,
            Err(error) => {
                let reason = telemetry::causes(&error);
                warn!(job.id = %job.id, error = reason, "failed to read the log of a failed job: its mail goes out without it");
                report.log = Log::Unread(reason);
                Tail::default()
            }
        };
        report.links = self.links(job, &tail);
        if report.log == Log::Unasked {
            report.log = Log::Lines(tail.lines);
        }
        mail::compose(&report)
    }

    /// Links for the mail: pages of the console on AWS, and a command on a local cloud.
    fn links(&self, job: &Job, tail: &Tail) -> Vec<(String, String)> {
        if self.console == ConsoleLinks::Local {
            return vec![("all jobs".to_owned(), "tidemill jobs".to_owned())];
        }
        let own = logs::own_task(job);
        // The log stream of a pooled worker is known once the job's lines are found in it.
        let stream = own.map(|task| self.logs.stream_of(task)).or_else(|| tail.stream.clone());
        let task = stream.as_deref().and_then(|stream| stream.rsplit('/').next());
        let (bucket, key) = (&job.object.bucket, &job.object.key);
        let pages = [
            ("log", stream.as_deref().and_then(|stream| self.console.log_stream(self.logs.group(), stream))),
            (
                if own.is_some() { "task" } else { "pooled worker" },
                task.and_then(|task| self.console.task(&self.cluster, task)),
            ),
            ("object", self.console.object(bucket, key, job.object.version_id.as_deref())),
        ];
        pages.into_iter().filter_map(|(name, page)| Some((name.to_owned(), page?))).collect()
    }
}
