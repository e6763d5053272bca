//! The services, one folder each, and how they are connected.
//!
//! Services that call each other hold each other's handles, which [`Services::new`] hands out. How each is called from
//! outside, and what it creates of a template, stands in the [registry](crate::registry).

pub mod cloudformation;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ecs;
pub mod events;
pub mod iam;
pub mod lambda;
pub mod logs;
pub mod s3;
pub mod scheduler;
pub mod sns;
pub mod sqs;
pub mod sts;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clock::Clock;

use self::{
    cloudformation::CloudFormation, cloudwatch::CloudWatch, dynamodb::DynamoDb, ecs::Ecs,
    events::EventBridge, iam::Iam, lambda::Lambda, logs::Logs, s3::S3, scheduler::Scheduler, sns::Sns,
    sqs::Sqs, sts::Sts,
};
use crate::{credentials::role_environment, template::Stack, wire::REGION};

/// Why the services cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be made.
    #[error("failed to create the data folder {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The tables cannot be opened.
    #[error(transparent)]
    Tables(#[from] dynamodb::OpenError),
    /// The objects cannot be opened.
    #[error(transparent)]
    Objects(#[from] s3::OpenError),
    /// The queues cannot be opened.
    #[error(transparent)]
    Queues(#[from] sqs::OpenError),
}

/// The services of one cloud. Clones share them.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is the service of its name")]
pub struct Services {
    pub s3: S3,
    pub dynamodb: DynamoDb,
    pub sqs: Sqs,
    pub sns: Sns,
    pub events: EventBridge,
    pub ecs: Ecs,
    pub logs: Logs,
    pub lambda: Lambda,
    pub cloudformation: CloudFormation,
    pub cloudwatch: CloudWatch,
    pub scheduler: Scheduler,
    pub sts: Sts,
    pub iam: Iam,
}

impl Services {
    /// The services on `clock`, empty, each holding those that it calls. Objects, tables, queues and logs are kept in the folder
    /// `data`, or in memory without one; mails are written to `mailbox`, or to a folder in `data`, or nowhere.
    ///
    /// # Errors
    /// When the data folder cannot be used.
    pub fn new(clock: Clock, data: Option<&Path>, mailbox: Option<PathBuf>) -> Result<Self, OpenError> {
        if let Some(folder) = data {
            let failed = |source| OpenError::Folder { folder: folder.to_owned(), source };
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let under = |name: &str| data.map(|folder| folder.join(name));
        let iam = Iam::default();
        let sqs = Sqs::with_iam(clock, iam.clone());
        if let Some(folder) = data {
            sqs.keep_in(folder)?;
        }
        let events = EventBridge::new(clock, sqs.clone());
        let sns = Sns::new(clock, mailbox.or_else(|| under("mailbox"))).with_queues(sqs.clone());
        let logs = Logs::new(clock, under("logs"));
        let lambda = Lambda::new(clock, sqs.clone(), logs.clone());
        events.set_lambda(lambda.clone());
        let cloudwatch = CloudWatch::new(clock, sqs.clone(), sns.clone(), events.clone());
        logs.read_metrics(cloudwatch.reader());
        let storage = under("s3").map_or(s3::Storage::Memory, s3::Storage::Folder);
        Ok(Self {
            s3: S3::new(clock, events.clone(), storage)?.with_destinations(sqs.clone(), sns.clone()),
            dynamodb: DynamoDb::new(clock, data)?,
            cloudformation: CloudFormation::new(clock),
            cloudwatch,
            sns,
            ecs: Ecs::new(clock, events.clone(), logs.clone()),
            scheduler: Scheduler::new(clock, sqs.clone(), lambda.clone(), events.clone()),
            lambda,
            sts: Sts,
            iam,
            sqs,
            events,
            logs,
        })
    }

    /// Tells the services the address at which code finds this cloud, and the credentials that code gets there.
    pub(crate) fn set_endpoints(&self, endpoint: &str, stack: &Stack) {
        let pairs = [("AWS_ENDPOINT_URL", endpoint), ("AWS_REGION", REGION), ("AWS_DEFAULT_REGION", REGION)];
        let environment: BTreeMap<String, String> =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        self.sqs.set_endpoint(endpoint);
        self.ecs.set_endpoint_env(environment.clone());
        self.ecs.set_role_environment(Arc::new(|role| role.map(role_environment).unwrap_or_default()));
        self.lambda.set_endpoint(endpoint.trim_start_matches("http://"));
        self.lambda.set_endpoint_env(environment);
        let credentials = lambda::resources::function_credentials(stack);
        self.lambda.set_function_environment(Arc::new(move |name| {
            credentials.get(name).cloned().unwrap_or_default()
        }));
    }

    /// Ends everything: functions finish what they hold, tasks are killed. Nothing runs when this returns.
    pub(crate) async fn shutdown(&self) {
        self.scheduler.close();
        self.cloudwatch.shutdown().await;
        self.lambda.shutdown().await;
        self.ecs.shutdown().await;
    }

    /// Ends everything without waiting for it.
    pub(crate) fn close(&self) {
        self.scheduler.close();
        self.cloudwatch.close();
        self.lambda.close();
        self.ecs.close();
    }
}
