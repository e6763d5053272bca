//! The deployment that a command uses.

use std::collections::BTreeSet;

use anyhow::Context;
use app::item_failures::ItemFailures;
use aws::{
    CallError, Clients, SdkConfig,
    cluster::Cluster,
    dead_letters::DeadLetters,
    fleet::Fleet,
    function::Function,
    ledger::Ledger,
    objects::Objects,
    queue::Queue,
    records::Records,
    stack::{Deployed, StackError},
    subscriptions,
    tables::Tables,
};
use aws_sdk_s3::config::ProvideCredentials;
use domain::{
    deployed::Subscription,
    fargate::Size,
    job::{Job, JobId},
    pipelines::Pipelines,
    schedule_runs::ScheduleRuns,
    sweep::KeptPipelines,
    text::count,
    watched::{Place, Watched},
};
use jiff::Timestamp;
use serde_json::json;

use super::{
    job_pages::{OpenJobs, SettledJobs},
    uri::{JobName, ObjectName, ObjectUri},
};
use crate::args::Target;

/// A deployment, found by its stack's name.
pub(super) struct Deployment {
    clients: Clients,
    stack: Deployed,
    /// The jobs.
    pub(super) ledger: Ledger,
    /// The records.
    pub(super) records: Records,
    /// The tables that pipelines write to.
    pub(super) tables: Tables,
    /// The bucket's objects.
    pub(super) objects: Objects,
}

/// How far back jobs are searched for by the beginning of their ids.
const SEARCHED: &str = "30d";

/// The default name of the stack: the README deploys it under this name.
const STACK: &str = "tidemill";

/// The variable that names the stack.
const STACK_VARIABLE: &str = "TIDEMILL_STACK";

impl Deployment {
    /// Finds the deployment through the standard AWS environment.
    ///
    /// # Errors
    /// When the environment has no region or no credentials, or there is no such stack.
    pub(super) async fn find(target: &Target) -> anyhow::Result<Self> {
        Self::named(target.stack.as_deref()).await
    }

    /// The same, by the stack's name, which defaults to [`STACK_VARIABLE`], then to [`STACK`].
    ///
    /// # Errors
    /// As of [`Self::find`].
    pub(super) async fn named(stack: Option<&str>) -> anyhow::Result<Self> {
        let named = std::env::var(STACK_VARIABLE).ok().filter(|name| !name.is_empty());
        let name = stack.map(str::to_owned).or(named).unwrap_or_else(|| STACK.to_owned());
        let (config, region) = environment().await?;
        let stack = Deployed::find(&config, &name).await.map_err(|error| match error {
            StackError::NoSuch(name) => anyhow::anyhow!(
                "there is no stack {name:?} in {region}; name the deployment's stack with --stack or {STACK_VARIABLE}"
            ),
            StackError::Call(call) => call.into(),
            other => other.into(),
        })?;
        let clients = Clients::new(&config);
        Ok(Self {
            ledger: Ledger::new(&clients, stack.output("LedgerTable")?),
            records: Records::new(&clients, stack.output("RecordsTable")?),
            tables: Tables::new(&clients),
            objects: Objects::new(&clients),
            stack,
            clients,
        })
    }

    /// The bucket's name.
    pub(super) fn bucket(&self) -> anyhow::Result<&str> {
        Ok(self.stack.output("Bucket")?)
    }

    /// The stack's name.
    pub(super) fn stack_name(&self) -> &str {
        &self.stack.name
    }

    /// A parameter of the stack; empty if it has none of this name.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.stack.parameters.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Who gets the messages of a topic.
    pub(super) async fn subscriptions(&self, topic: &str) -> Result<Vec<Subscription>, CallError> {
        subscriptions::subscriptions(&self.clients, topic).await
    }

    /// An output of the stack.
    pub(super) fn output(&self, name: &str) -> anyhow::Result<&str> {
        Ok(self.stack.output(name)?)
    }

    /// What the keys of watched objects begin with.
    pub(super) fn watched_prefix(&self) -> anyhow::Result<&str> {
        Ok(self.stack.output("WatchedPrefix")?)
    }

    /// The places that are watched: in the deployment's bucket, and in the buckets that its parameters name.
    pub(super) fn watched(&self) -> anyhow::Result<Watched> {
        let own = Place { bucket: self.bucket()?.to_owned(), prefix: self.watched_prefix()?.to_owned() };
        let existing = ["", "2", "3"].into_iter().map(|number| Place {
            bucket: self.parameter(&format!("ExistingBucket{number}")).to_owned(),
            prefix: self.parameter(&format!("ExistingPrefix{number}")).to_owned(),
        });
        Ok(Watched::new(own, existing.filter(|place| !place.bucket.is_empty()).collect()))
    }

    /// The same as [`Self::object`], where the object may also be in a bucket that is watched.
    ///
    /// # Errors
    /// When it is in another bucket.
    pub(super) fn watched_object(&self, name: ObjectName) -> anyhow::Result<ObjectUri> {
        match name {
            ObjectName::Uri(object)
                if self.watched()?.places().any(|place| place.bucket == object.bucket) =>
            {
                Ok(object)
            }
            other => self.object(other),
        }
    }

    /// The object that an argument names: a key alone is one of the deployment's bucket, with or without the watched prefix.
    ///
    /// # Errors
    /// When it is in another bucket.
    pub(super) fn object(&self, name: ObjectName) -> anyhow::Result<ObjectUri> {
        let bucket = self.bucket()?;
        match name {
            ObjectName::Uri(object) => {
                anyhow::ensure!(
                    object.bucket == bucket,
                    "{:?} is not the bucket of the stack {}; its bucket is {bucket}",
                    object.bucket,
                    self.stack.name
                );
                Ok(object)
            }
            ObjectName::Key(key) => {
                let watched = self.watched_prefix()?;
                let key = if key.starts_with(watched) { key } else { format!("{watched}{key}") };
                Ok(ObjectUri { bucket: bucket.to_owned(), key })
            }
        }
    }

    /// The id of the job that an argument names. The beginning of an id is looked for among the open jobs and those that
    /// settled in the last [`SEARCHED`].
    ///
    /// # Errors
    /// When no job or more than one has an id that begins so.
    pub(super) async fn job_id(&self, name: JobName) -> anyhow::Result<JobId> {
        let beginning = match name {
            JobName::Id(id) => return Ok(id),
            JobName::Beginning(beginning) => beginning,
        };
        let (mut failures, mut found) = (ItemFailures::default(), BTreeSet::new());
        let now = now();
        let mut keep = |jobs: Vec<Job>| {
            found.extend(jobs.into_iter().map(|job| job.id).filter(|id| id.as_str().starts_with(&beginning)));
        };
        let mut open = OpenJobs::new(&self.ledger);
        while let Some(jobs) = open.next(&mut failures).await? {
            keep(jobs);
        }
        let mut settled = SettledJobs::since(&self.ledger, super::time_arg(SEARCHED, now)?, now);
        while let Some(jobs) = settled.next(&mut failures).await? {
            keep(jobs);
        }
        let stack = &self.stack.name;
        match (found.pop_first(), found.len()) {
            (Some(id), 0) => Ok(id),
            (None, _) => anyhow::bail!(
                "the stack {stack} has no job of the last {SEARCHED} whose id begins with {beginning}; `tidemill jobs` lists its jobs"
            ),
            (Some(first), more) => anyhow::bail!(
                "{beginning} is the beginning of {}, such as {first}; write more of it",
                count(more + 1, "job id")
            ),
        }
    }

    /// The queue whose URL is in this output.
    pub(super) fn queue(&self, output: &str) -> anyhow::Result<Queue> {
        Ok(Queue::new(&self.clients, self.stack.output(output)?))
    }

    /// The dead-letter queue.
    pub(super) fn dead_letters(&self) -> anyhow::Result<DeadLetters> {
        let queue = |name| self.stack.output(name);
        Ok(DeadLetters::new(&self.clients, queue("DeadLetterQueue")?, queue("FailedJobsQueue")?))
    }

    /// The cluster that tasks run in.
    pub(super) fn cluster(&self) -> anyhow::Result<Cluster> {
        Ok(Cluster::new(&self.clients, self.stack.output("Cluster")?))
    }

    /// The size of the pooled workers, if the stack's parameters have it.
    pub(super) fn pooled_size(&self) -> Option<Size> {
        let number = |name: &str| self.stack.parameters.get(name)?.parse().ok();
        Size::new(number("FleetCpu")?, number("FleetMemory")?).ok()
    }

    /// The table of the fleet, where programs leave documents for each other.
    pub(super) fn fleet(&self) -> anyhow::Result<Fleet> {
        Ok(Fleet::new(&self.clients, self.stack.output("FleetTable")?))
    }

    /// The pipelines that λ schedule stored when it last ran; none before its first run.
    pub(super) async fn pipelines(&self) -> anyhow::Result<Option<Pipelines>> {
        let Some(kept) = self.fleet()?.get_document::<KeptPipelines>().await? else { return Ok(None) };
        let parsed = Pipelines::parse(&kept.text, "pipelines.toml");
        parsed.map(Some).context("cannot read the pipelines that the deployment stored; update this command")
    }

    /// λ schedule.
    pub(super) fn schedule_function(&self) -> anyhow::Result<Function> {
        Ok(Function::new(&self.clients, self.stack.output("ScheduleFunction")?))
    }

    /// The pipelines that are deployed now, as λ schedule has them.
    pub(super) async fn current_pipelines(&self) -> anyhow::Result<Pipelines> {
        let answer = self.schedule_function()?.invoke(&json!({ "pipelines": {} })).await?;
        let text = answer["pipelines"].as_str();
        let text = text.context("λ schedule did not answer with its pipelines; update the stack")?;
        Pipelines::parse(text, "pipelines.toml")
            .context("cannot read the pipelines of the deployment; update this command")
    }

    /// The last runs of the schedules.
    pub(super) async fn schedule_runs(&self) -> anyhow::Result<ScheduleRuns> {
        let fleet = Fleet::new(&self.clients, self.stack.output("FleetTable")?);
        Ok(fleet.get_document().await?.unwrap_or_default())
    }

    /// A job.
    ///
    /// # Errors
    /// When the ledger has none of this id.
    pub(super) async fn job(&self, id: &JobId) -> anyhow::Result<Job> {
        let job = self.ledger.read(id).await?;
        job.with_context(|| self.unknown_job(id))
    }

    /// The error message for a job that the ledger does not have.
    pub(super) fn unknown_job(&self, id: &JobId) -> String {
        format!("the stack {} has no job {id}; `tidemill jobs` lists its jobs", self.stack.name)
    }

    /// The caller, with the access key by which CloudTrail knows it.
    pub(super) async fn caller(&self) -> anyhow::Result<String> {
        let key = access_key(self.clients.config()).await?;
        let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
        Ok(match user {
            Some(user) => format!("{user} (access key {key})"),
            None => format!("access key {key}"),
        })
    }
}

/// The standard AWS environment, and its region.
///
/// # Errors
/// When it has no region or no credentials.
pub(super) async fn environment() -> anyhow::Result<(SdkConfig, String)> {
    let config = aws::found_config().await;
    let region = config.region().map(ToString::to_string);
    let region =
        region.context("no AWS region is set; set AWS_REGION, or AWS_PROFILE to a profile with a region")?;
    access_key(&config).await?;
    Ok((config, region))
}

/// The id of the access key that signs calls. Read before the first call, because a call without credentials fails with
/// an error that does not say so.
async fn access_key(config: &SdkConfig) -> anyhow::Result<String> {
    const MISSING: &str = "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in";
    let provider = config.credentials_provider();
    let provider = provider.context(MISSING)?;
    let credentials = provider.provide_credentials().await.map_err(|error| {
        // The SDK lists on lines of their own where it looked.
        let causes = telemetry::causes(&error);
        anyhow::anyhow!("{MISSING}: {}", causes.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    })?;
    Ok(credentials.access_key_id().to_owned())
}

/// The time now.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
