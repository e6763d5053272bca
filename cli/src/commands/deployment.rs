//! The deployment that is spoken to.

use anyhow::Context;
use aws::{
    Clients, SdkConfig,
    cluster::Cluster,
    dead_letters::DeadLetters,
    fleet::Fleet,
    ledger::Ledger,
    objects::Objects,
    queue::Queue,
    records::Records,
    stack::{Deployed, StackError},
};
use aws_sdk_s3::config::ProvideCredentials;
use domain::{
    fargate::Size,
    job::{Job, JobId},
    pipelines::Pipelines,
    settings::Settings,
    sweep::KeptPipelines,
};
use jiff::Timestamp;

use super::uri::ObjectUri;
use crate::args::Target;

/// A deployment, found by its stack's name.
pub(super) struct Deployment {
    clients: Clients,
    stack: Deployed,
    /// The jobs.
    pub(super) ledger: Ledger,
    /// What they made.
    pub(super) records: Records,
    /// What they are made from.
    pub(super) objects: Objects,
}

/// The stack's name where nobody says one: as the README deploys it.
const STACK: &str = "tidemill";

/// The variable that says one.
const STACK_VARIABLE: &str = "TIDEMILL_STACK";

impl Deployment {
    /// Finds it, by the standard AWS environment.
    ///
    /// # Errors
    /// What is missing in the environment, or that there is no such stack.
    pub(super) async fn find(target: &Target) -> anyhow::Result<Self> {
        let named = std::env::var(STACK_VARIABLE).ok().filter(|name| !name.is_empty());
        let name = target.stack.clone().or(named).unwrap_or_else(|| STACK.to_owned());
        let config = aws::found_config().await;
        let region = config.region().map(ToString::to_string);
        let region = region
            .context("no AWS region is set: set AWS_REGION, or a profile that has one (AWS_PROFILE)")?;
        access_key(&config).await?;
        let stack = Deployed::find(&config, &name).await.map_err(|error| match error {
            StackError::NoSuch(name) => anyhow::anyhow!(
                "there is no stack {name:?} in {region}: name the deployment's with --stack or {STACK_VARIABLE}"
            ),
            StackError::Call(call) => call.into(),
            other => other.into(),
        })?;
        let clients = Clients::new(&config);
        Ok(Self {
            ledger: Ledger::new(&clients, stack.output("LedgerTable")?),
            records: Records::new(&clients, stack.output("RecordsTable")?),
            objects: Objects::new(&clients),
            stack,
            clients,
        })
    }

    /// The bucket's name.
    pub(super) fn bucket(&self) -> anyhow::Result<&str> {
        Ok(self.stack.output("Bucket")?)
    }

    /// What the keys of watched objects begin with.
    pub(super) fn watched_prefix(&self) -> anyhow::Result<&str> {
        Ok(self.stack.output("WatchedPrefix")?)
    }

    /// That an object is in the deployment's bucket.
    ///
    /// # Errors
    /// When it is in another.
    pub(super) fn owns(&self, object: &ObjectUri) -> anyhow::Result<()> {
        let bucket = self.bucket()?;
        anyhow::ensure!(
            object.bucket == bucket,
            "{:?} is not the bucket of the stack {}, which is {bucket}",
            object.bucket,
            self.stack.name
        );
        Ok(())
    }

    /// The queue whose URL this output tells.
    pub(super) fn queue(&self, output: &str) -> anyhow::Result<Queue> {
        Ok(Queue::new(&self.clients, self.stack.output(output)?))
    }

    /// The dead-letter queue.
    pub(super) fn dead_letters(&self) -> anyhow::Result<DeadLetters> {
        Ok(DeadLetters::new(&self.clients, self.stack.output("DeadLetterQueue")?))
    }

    /// The cluster that tasks run in.
    pub(super) fn cluster(&self) -> anyhow::Result<Cluster> {
        let name = self.stack.output("Cluster")?.to_owned();
        let settings = Settings::from(
            [("CLUSTER".to_owned(), name)].into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        );
        Ok(Cluster::new(&self.clients, &settings)?)
    }

    /// The size of its pooled workers, where the stack tells it.
    pub(super) fn pooled(&self) -> Option<Size> {
        let number = |name: &str| self.stack.parameters.get(name)?.parse().ok();
        Size::new(number("FleetCpu")?, number("FleetMemory")?).ok()
    }

    /// The pipelines that it routed by when λ schedule last ran, if it ever has.
    pub(super) async fn pipelines(&self) -> anyhow::Result<Option<Pipelines>> {
        let fleet = Fleet::new(&self.clients, self.stack.output("FleetTable")?);
        let Some(kept) = fleet.get_document::<KeptPipelines>().await? else { return Ok(None) };
        let parsed = Pipelines::parse(&kept.text, "pipelines.toml");
        parsed
            .map(Some)
            .context("the pipelines that the deployment kept cannot be read by this command: update it")
    }

    /// A job.
    ///
    /// # Errors
    /// When the ledger has none of this id.
    pub(super) async fn job(&self, id: &JobId) -> anyhow::Result<Job> {
        let job = self.ledger.read(id).await?;
        job.with_context(|| {
            format!("the stack {} has no job {id}: `tidemill jobs` lists them", self.stack.name)
        })
    }

    /// Who calls, as CloudTrail knows it.
    pub(super) async fn caller(&self) -> anyhow::Result<String> {
        let key = access_key(self.clients.config()).await?;
        let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
        Ok(match user {
            Some(user) => format!("{user}, with the access key {key}"),
            None => format!("the access key {key}"),
        })
    }
}

/// The id of the access key that calls are signed with. Asked for first: without one, every call would fail in words
/// that nobody understands.
async fn access_key(config: &SdkConfig) -> anyhow::Result<String> {
    const WHERE: &str = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or sign in";
    let provider = config.credentials_provider();
    let provider = provider.with_context(|| format!("no AWS credentials were found: {WHERE}"))?;
    let credentials = provider.provide_credentials().await;
    let credentials = credentials.map_err(|_| anyhow::anyhow!("no AWS credentials were found: {WHERE}"))?;
    Ok(credentials.access_key_id().to_owned())
}

/// The time now.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
