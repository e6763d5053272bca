//! One measurement: a sink, a worker, and what the worker logged.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use aws::ledger::JobItem;
use domain::{
    job::{Claimed, Job, JobState, Running},
    object::Object,
    pipelines::Pipelines,
    settings::variables,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    format::Format,
    sink::{self, Counted, Order},
    target::Target,
};

/// What one run of the worker came to.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Rows the sink was given.
    pub(crate) rows: u64,
    /// From the start of the process to its end.
    pub(crate) total: Duration,
    /// From the start of the process to the first call for the job.
    pub(crate) start: Duration,
    /// The first pass over the object, which writes nothing.
    pub(crate) check: Duration,
    /// Processor time, user and system.
    pub(crate) cpu: Duration,
    /// The most memory held at once.
    pub(crate) peak_bytes: u64,
}

/// Lets the worker make records of `file`.
///
/// # Errors
/// When a process cannot be started, or the worker does not end with success.
pub(crate) fn measure(file: &Path, format: Format, into: Target) -> anyhow::Result<Measured> {
    let program = std::env::current_exe()?;
    let job = job(file, format, into)?;
    let mut sink = Ending(
        Command::new(&program)
            .arg("sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the sink")?,
    );
    let mut orders = sink.0.stdin.take().context("the sink has no input")?;
    writeln!(
        orders,
        "{}",
        serde_json::to_string(&Order { file: file.to_owned(), job: JobItem::from(&job) })?
    )?;
    let mut answers = BufReader::new(sink.0.stdout.take().context("the sink has no output")?).lines();
    let port = answers.next().context("the sink did not start")??;

    let began = sink::since_1970();
    let clock = Instant::now();
    let worker = Command::new(&program)
        .args(["worker", "job"])
        // Nothing of this machine's own configuration: no profile, no proxy, no log filter.
        .env_clear()
        .env(variables::AWS_ENDPOINT_URL.name(), format!("http://127.0.0.1:{port}"))
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_REGION", "us-east-1")
        .env(variables::STACK_NAME.name(), "bench")
        .env(variables::LEDGER_TABLE.name(), "ledger")
        .env(variables::RECORDS_TABLE.name(), "records")
        .env(variables::FLEET_TABLE.name(), "fleet")
        .env(variables::BUCKET.name(), "bench")
        .env(variables::WATCHED_PREFIX.name(), "uploads/")
        .env(variables::REJECTS_PREFIX.name(), "rejects/")
        .env(variables::TIDEMILL_JOB.name(), job.id.as_str())
        .env(variables::TIDEMILL_ATTEMPT.name(), "1")
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start the worker")?;
    let finished = worker.wait_with_output()?;
    let total = clock.elapsed();
    let log = String::from_utf8(finished.stderr).context("the worker's log is not UTF-8")?;
    ensure!(finished.status.success(), "the worker left with {}:\n{log}", finished.status);

    drop(orders);
    let counted = answers.next().context("the sink did not say what it counted")??;
    let counted: Counted = serde_json::from_str(&counted)?;
    let log = Log::parse(&log)?;
    let (claimed, checked) = (log.line("claimed job ")?, log.line("checked job ")?);
    let leaves = log.line("worker exits ")?;
    let published = log.line("published job ")?;
    if number(published, "records")? != counted.rows {
        bail!("the worker says {} records and put {} rows", number(published, "records")?, counted.rows);
    }
    Ok(Measured {
        rows: counted.rows,
        total,
        start: counted.claimed.context("the job was never claimed")?.saturating_sub(began),
        check: (at(checked)? - at(claimed)?).try_into().context("the check ended before it began")?,
        cpu: Duration::from_millis(number(leaves, "cpu_ms")?),
        peak_bytes: number(leaves, "memory.peak_bytes")?,
    })
}

/// A job as λ uploads records it for the file, claimed.
fn job(file: &Path, format: Format, into: Target) -> anyhow::Result<Job> {
    let pipelines = format!(
        "version = 1\n[[pipeline]]\nname = \"bench\"\nmatch = {{ prefix = \"uploads/\" }}\n\
         format = \"{}\"\ntimeout = \"24h\"\n{}",
        format.in_pipeline(),
        into.keys()
    );
    let pipelines = Pipelines::parse(&pipelines, "bench")?;
    let object = Object {
        bucket: "bench".to_owned(),
        key: format!("uploads/orders.{format}"),
        version_id: None,
        etag: Some(sink::ETAG.to_owned()),
        sequencer: "01".to_owned().into(),
        size_bytes: Some(file.metadata()?.len()),
    };
    let pipeline = pipelines.get("bench").context("the pipeline is not there")?;
    let job = Job::new(object, pipeline.clone(), Timestamp::now());
    let running = Running {
        claimed: Claimed { first_at: job.created_at, holder: "bench".to_owned() },
        // Renewals are answered with the same.
        lease_until: Timestamp::MAX,
        records: 0,
        progress: None,
    };
    Ok(Job { state: JobState::Running(running), fence: 1, ..job })
}

/// The worker's log.
struct Log(Vec<Value>);

impl Log {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let lines = text.lines().map(|line| serde_json::from_str(line).context(line.to_owned()));
        lines.collect::<anyhow::Result<_>>().map(Self).context("a line of the worker's log is no JSON")
    }

    /// The first line whose message begins like this.
    fn line(&self, message: &str) -> anyhow::Result<&Value> {
        let begins = |line: &&Value| line["message"].as_str().is_some_and(|it| it.starts_with(message));
        let found = self.0.iter().find(begins);
        found.with_context(|| format!("the worker did not log {message:?}"))
    }
}

fn number(line: &Value, field: &str) -> anyhow::Result<u64> {
    line[field].as_u64().with_context(|| format!("no {field} in {line}"))
}

fn at(line: &Value) -> anyhow::Result<Timestamp> {
    Ok(line["timestamp"].as_str().with_context(|| format!("no time in {line}"))?.parse()?)
}

/// A child that does not outlive its parent's interest.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
