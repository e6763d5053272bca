//! CloudWatch Logs: what the worker said of a job.

use std::{collections::VecDeque, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;

use super::{CallError, Clients};
use domain::{
    job::Job,
    mail::{LogLine, READ_LINES},
    settings::{Settings, SettingsError, variables},
};

/// How long a mail waits for the log at most. Functions have 30 s (`template.yaml`), and people the link.
const PATIENCE: Duration = Duration::from_secs(6);

/// How many pages are read at most: a search over a busy group's lines answers in parts, some of them empty.
const PAGES: usize = 8;

/// How many lines a page of a search has at most: a job has few, but for one that logs for hours.
const PAGE: i32 = 500;

/// Around an attempt's known times: clocks differ, and lines arrive a moment after they were written.
const MARGIN: Duration = Duration::from_mins(1);

/// The worker's log group.
#[derive(Debug, Clone)]
pub struct Logs {
    clients: Clients,
    group: String,
    streams: String,
}

/// What the log has of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// The stream the lines are in: `worker/worker/<task id>`.
    pub stream: Option<String>,
    /// The last lines, oldest first; at most [`READ_LINES`].
    pub lines: Vec<LogLine>,
}

impl Logs {
    /// From the function's environment.
    ///
    /// # Errors
    /// [`SettingsError`] naming the variable.
    pub fn new(clients: &Clients, settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            clients: clients.clone(),
            group: settings.get(variables::WORKER_LOG_GROUP)?,
            streams: settings.get(variables::WORKER_LOG_STREAMS)?,
        })
    }

    /// The group's name.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.group
    }

    /// The stream that the worker's task of this ARN writes.
    #[must_use]
    pub fn stream_of(&self, task: &str) -> String {
        format!("{}{}", self.streams, task.rsplit('/').next().unwrap_or_default())
    }

    /// The stream that the sweep's task of this ARN writes: the worker's container with another prefix.
    fn stream_of_sweep(&self, task: &str) -> String {
        let stream = self.stream_of(task);
        format!("sweep/{}", stream.split_once('/').map_or(stream.as_str(), |(_, rest)| rest))
    }

    /// The last lines of the task of a sweep or of a schedule's command. It takes seconds at most.
    ///
    /// # Errors
    /// [`CallError`], also when there is no answer in time.
    pub async fn tail_of_run(&self, task: &str, is_sweep: bool) -> Result<Tail, CallError> {
        let stream = if is_sweep { self.stream_of_sweep(task) } else { self.stream_of(task) };
        let attempt = format!("read the log of task {task}");
        tokio::time::timeout(PATIENCE, self.last_lines(stream))
            .await
            .map_err(|_elapsed| CallError::retries_exhausted(attempt, "no answer in time"))?
    }

    /// The last lines of a job: of its own task, or those that name it in the stream of the pooled worker that had it.
    /// It takes seconds at most.
    ///
    /// # Errors
    /// [`CallError`], also when there is no answer in time.
    pub async fn tail(&self, job: &Job, now: Timestamp) -> Result<Tail, CallError> {
        let reading = match own_task(job) {
            Some(task) => self.last_lines(self.stream_of(task)).boxed(),
            None => self.lines_with(job.id.as_str(), begun(job), now).boxed(),
        };
        let attempt = || format!("read the log of job {}", job.id);
        tokio::time::timeout(PATIENCE, reading)
            .await
            .map_err(|_elapsed| CallError::retries_exhausted(attempt(), "no answer in time"))?
    }

    /// The last lines of this stream.
    async fn last_lines(&self, stream: String) -> Result<Tail, CallError> {
        let get = self.clients.logs().get_log_events().log_group_name(&self.group).log_stream_name(&stream);
        let limit = i32::try_from(READ_LINES).unwrap_or(i32::MAX);
        let answer = get.limit(limit).start_from_head(false).send().await;
        let answer = match answer.map_err(|e| CallError::of(format!("read the log stream {stream}"), e)) {
            Ok(answer) => answer,
            // A task that never started wrote nothing, and a stream is there from its first line on.
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(Tail::default()),
            Err(error) => return Err(error),
        };
        let lines = answer.events().iter().map(|event| line(event.timestamp(), event.message())).collect();
        Ok(Tail { stream: Some(stream), lines })
    }

    /// The last lines that hold this text, of all the group's streams of pooled workers, from about `since` to `now`.
    async fn lines_with(&self, phrase: &str, since: Timestamp, now: Timestamp) -> Result<Tail, CallError> {
        let attempt = || format!("search the logs {}", self.group);
        let from = since.checked_sub(MARGIN).unwrap_or(since).as_millisecond();
        let until = now.checked_add(MARGIN).unwrap_or(now).as_millisecond();
        let (mut lines, mut stream, mut token) = (VecDeque::new(), None, None);
        for _ in 0..PAGES {
            let filter = self.clients.logs().filter_log_events().log_group_name(&self.group);
            let filter = filter.log_stream_name_prefix(&self.streams).filter_pattern(format!("\"{phrase}\""));
            let filter = filter.start_time(from).end_time(until).limit(PAGE).set_next_token(token);
            let answer = filter.send().await.map_err(|e| CallError::of(attempt(), e))?;
            for event in answer.events() {
                if lines.len() == READ_LINES {
                    lines.pop_front();
                }
                lines.push_back(line(event.timestamp(), event.message()));
                stream = event.log_stream_name().map(str::to_owned);
            }
            token = answer.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(Tail { stream, lines: lines.into() })
    }
}

/// The task of the job's last attempt, if it had one of its own. A pooled worker is recognised by its name.
#[must_use]
pub fn own_task(job: &Job) -> Option<&str> {
    let last =
        job.history.last().filter(|ended| ended.number == job.attempt).map(|ended| ended.task.as_str());
    job.task.as_deref().or(last).filter(|task| task.starts_with("arn:"))
}

/// From when on the lines of the job's last attempt may be.
fn begun(job: &Job) -> Timestamp {
    let before = job.history.iter().rfind(|ended| ended.number < job.attempt).map(|ended| ended.stopped_at);
    before.or(job.claimed_at()).unwrap_or(job.created_at)
}

fn line(timestamp: Option<i64>, message: Option<&str>) -> LogLine {
    let at = timestamp.and_then(|at| Timestamp::from_millisecond(at).ok());
    LogLine { at, text: message.unwrap_or_default().to_owned() }
}
