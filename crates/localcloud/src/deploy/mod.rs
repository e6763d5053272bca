//! From a template to a running cloud, and its end.
//!
//! ```text
//! Cloud::builder(template) ─ parameters, hosts, data folder, address ─▶ start() ─▶ Cloud ─▶ shutdown()
//! ```
//!
//! Nothing about names, patterns, timeouts, environment or sizes is said here a second time: all of it is read from
//! the template's [`Stack`]. What the template cannot say is who runs the code on this machine, and that is given
//! to the [`Builder`].

mod alarms;
mod compute;
mod deployment;
mod error;
mod layers;
mod messaging;
mod properties;
mod schedules;
mod storage;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_config::SdkConfig;
use clock::Clock;

use self::{
    compute::{endpoint_environment, function_credentials, role_environment},
    deployment::Deployment,
    layers::Layers,
};
pub use self::{error::DeployError, layers::NotInLayers};
use crate::{
    cloudformation::CloudFormation,
    cloudwatch::CloudWatch,
    connector::{self, ENDPOINT},
    dynamodb::DynamoDb,
    ecs::Ecs,
    events::EventBridge,
    faults::Faults,
    frontend::{Frontend, Services},
    host::Runner,
    iam::{GrantId, Iam},
    lambda::{FunctionHost, Lambda},
    logs::Logs,
    s3::{S3, Storage},
    scheduler::Scheduler,
    server::{Listener, Server},
    sns::Sns,
    sqs::Sqs,
    sts::Sts,
    template::{Stack, Template},
    wire::OWNER_KEY,
};

type FunctionMaker = Box<dyn FnOnce(&Frontend) -> FunctionHost + Send>;
type RunnerMaker = Box<dyn FnOnce(&Frontend) -> Runner + Send>;

/// What a cloud is to be.
pub struct Builder {
    template: PathBuf,
    parameters: BTreeMap<String, String>,
    stack: String,
    data: Option<PathBuf>,
    mailbox: Option<PathBuf>,
    address: Option<SocketAddr>,
    clock: Option<Clock>,
    schedules: bool,
    overrides: BTreeMap<PathBuf, PathBuf>,
    functions: BTreeMap<String, FunctionMaker>,
    containers: BTreeMap<String, RunnerMaker>,
    without: Vec<GrantId>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("template", &self.template)
            .field("stack", &self.stack)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// Sets a parameter of the template.
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Names the stack; `tidemill` if not said. Physical names begin with it.
    #[must_use]
    pub fn stack(mut self, name: &str) -> Self {
        name.clone_into(&mut self.stack);
        self
    }

    /// Keeps objects, tables, mails and logs in this folder, so that the next start finds them. In memory if not
    /// said. Queues are in memory either way.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Writes mails into this folder; otherwise into `mailbox` of the data folder, or nowhere without one.
    #[must_use]
    pub fn mailbox(mut self, folder: impl Into<PathBuf>) -> Self {
        self.mailbox = Some(folder.into());
        self
    }

    /// Serves on this address too (port 0 is any free port). Hosts that are processes need it.
    #[must_use]
    pub fn serve(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Runs on this clock instead of the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Whether the template's schedules fire by themselves, which they do if not said; otherwise only
    /// [`Cloud::fire`] makes them.
    #[must_use]
    pub fn schedules(mut self, run: bool) -> Self {
        self.schedules = run;
        self
    }

    /// Lets `file` stand for a path under `/opt`, whatever the layers have there.
    #[must_use]
    pub fn layer_file(mut self, opt_path: impl Into<PathBuf>, file: impl Into<PathBuf>) -> Self {
        self.overrides.insert(opt_path.into(), file.into());
        self
    }

    /// Says what runs the function of this logical id. The frontend is for hosts in this process, which make their
    /// clients with [`connector::sdk_config`] of it and the `AWS_ACCESS_KEY_ID` of their environment. A host may
    /// keep it: the cloud lets go of its hosts when it ends.
    #[must_use]
    pub fn function(
        mut self,
        logical_id: &str,
        host: impl FnOnce(&Frontend) -> FunctionHost + Send + 'static,
    ) -> Self {
        self.functions.insert(logical_id.to_owned(), Box::new(host));
        self
    }

    /// Says what runs the container of this name. About the frontend, see [`Self::function`].
    #[must_use]
    pub fn container(
        mut self,
        name: &str,
        runner: impl FnOnce(&Frontend) -> Runner + Send + 'static,
    ) -> Self {
        self.containers.insert(name.to_owned(), Box::new(runner));
        self
    }

    /// Leaves out a grant of the template's policies, as if it had never been written, to see what lacks it.
    #[must_use]
    pub fn without(mut self, grant: GrantId) -> Self {
        self.without.push(grant);
        self
    }

    /// Builds all that the template says. When this returns, the cloud takes calls, and its functions poll.
    ///
    /// Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// See [`DeployError`]; nothing is left running then.
    pub async fn start(self) -> Result<Cloud, DeployError> {
        let template = Template::load(&self.template)?;
        // Before anything is made: wrong parameters or a taken port must not leave a data folder behind.
        template.resolve(&self.parameters, &self.stack, ENDPOINT)?;
        let listener = match self.address {
            Some(address) => Some(Listener::bind(address).await?),
            None => None,
        };
        let new_folder = self.data.clone().filter(|folder| !folder.exists());
        let started = self.build(template, listener).await;
        if let (Err(_), Some(folder)) = (&started, new_folder) {
            // Half a data folder is of no use to the next start; that it cannot be removed changes nothing.
            let _ = std::fs::remove_dir_all(folder);
        }
        started
    }

    async fn build(self, template: Template, listener: Option<Listener>) -> Result<Cloud, DeployError> {
        let clock = self.clock.unwrap_or_else(Clock::system);
        let services = services(clock, self.data.as_deref(), self.mailbox)?;
        if !self.schedules {
            services.scheduler.hold();
        }
        let frontend = Frontend::new(services.clone(), Faults::default(), clock);
        let server = listener.map(|listener| Server::start(frontend.clone(), listener));
        let endpoint = server.as_ref().map_or_else(|| ENDPOINT.to_owned(), Server::url);
        let stack = template.resolve(&self.parameters, &self.stack, &endpoint)?;
        let cloud = Cloud { frontend, stack, endpoint, server };
        services.iam.load(&cloud.stack, &self.without)?;

        cloud.set_endpoints();
        let deployment = Deployment {
            services: &services,
            credentials: cloud.frontend.credentials(),
            folder: self.template.parent().unwrap_or(Path::new("")).to_owned(),
            layers: Layers::new(self.overrides),
            functions: self.functions.into_iter().map(|(id, host)| (id, host(&cloud.frontend))).collect(),
            containers: self.containers.keys().cloned().collect(),
        };
        for (name, runner) in self.containers {
            services.ecs.set_runner(&name, runner(&cloud.frontend));
        }
        match deployment.deploy(&cloud.stack).await {
            Ok(()) => {
                services.cloudformation.complete(&cloud.stack);
                cloud.prewarm();
                Ok(cloud)
            }
            Err(error) => {
                cloud.shutdown().await;
                Err(error)
            }
        }
    }
}

/// The services, each knowing those it calls directly.
fn services(clock: Clock, data: Option<&Path>, mailbox: Option<PathBuf>) -> Result<Services, DeployError> {
    if let Some(folder) = data {
        let failed = |source| DeployError::Data { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let under = |name: &str| data.map(|folder| folder.join(name));
    let iam = Iam::default();
    let sqs = Sqs::with_iam(clock, iam.clone());
    let events = EventBridge::new(clock, sqs.clone());
    let sns = Sns::new(clock, mailbox.or_else(|| under("mailbox"))).with_queues(sqs.clone());
    let logs = Logs::new(clock, under("logs"));
    let lambda = Lambda::new(clock, sqs.clone(), logs.clone());
    events.set_lambda(lambda.clone());
    let cloudwatch = CloudWatch::new(clock, sqs.clone(), sns.clone(), events.clone());
    logs.read_metrics(cloudwatch.reader());
    let storage = under("s3").map_or(Storage::Memory, Storage::Folder);
    Ok(Services {
        s3: S3::new(clock, events.clone(), storage)?,
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

/// A running cloud, built from a template.
///
/// Call [`Self::shutdown`] when done; a cloud that is only dropped is ended too, without waiting for what it runs.
#[derive(Debug)]
pub struct Cloud {
    frontend: Frontend,
    stack: Stack,
    endpoint: String,
    server: Option<Server>,
}

impl Cloud {
    /// Begins a cloud from the template at `template`.
    #[must_use]
    pub fn builder(template: impl Into<PathBuf>) -> Builder {
        Builder {
            template: template.into(),
            parameters: BTreeMap::new(),
            stack: "tidemill".to_owned(),
            data: None,
            mailbox: None,
            address: None,
            clock: None,
            schedules: true,
            overrides: BTreeMap::new(),
            functions: BTreeMap::new(),
            containers: BTreeMap::new(),
            without: Vec::new(),
        }
    }

    /// The SDK configuration of the account's owner, for calls in this process. An S3 client made from it must ask
    /// for path-style addressing.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        connector::sdk_config(&self.frontend, self.clock(), OWNER_KEY)
    }

    /// The template's outputs, by name.
    #[must_use]
    pub fn outputs(&self) -> &BTreeMap<String, String> {
        &self.stack.outputs
    }

    /// All that was built.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// `http://127.0.0.1:PORT` where it serves; otherwise the name it has in this process.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The frontend, through which every call goes.
    #[must_use]
    pub fn frontend(&self) -> &Frontend {
        &self.frontend
    }

    /// The services, for a test that looks behind the wire.
    #[must_use]
    pub fn services(&self) -> &Services {
        self.frontend.services()
    }

    /// The faults that calls meet.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        self.frontend.faults()
    }

    /// The clock of everything in it.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.frontend.clock()
    }

    /// Tells the services where code finds the cloud, and who it is there.
    fn set_endpoints(&self) {
        let Services { sqs, ecs, lambda, .. } = self.services();
        sqs.set_endpoint(&self.endpoint);
        let endpoint = endpoint_environment(&self.endpoint);
        ecs.set_endpoint_env(endpoint.clone());
        ecs.set_role_environment(Arc::new(|role| role.map(role_environment).unwrap_or_default()));
        lambda.set_endpoint(self.endpoint.trim_start_matches("http://"));
        lambda.set_endpoint_env(endpoint);
        let credentials = function_credentials(&self.stack);
        lambda.set_function_environment(Arc::new(move |name| {
            credentials.get(name).cloned().unwrap_or_default()
        }));
    }

    /// Starts a process of every function that is one, so that the first event does not wait for it.
    fn prewarm(&self) {
        for function in self.stack.resources.values().filter(|it| it.kind == "AWS::Lambda::Function") {
            self.services().lambda.prewarm(&function.name);
        }
    }

    /// Ends everything: functions finish what they hold, tasks are killed, the port is free. Nothing of it is left
    /// when this returns.
    pub async fn shutdown(mut self) {
        let Services { scheduler, lambda, ecs, cloudwatch, .. } = self.frontend.services();
        scheduler.close();
        cloudwatch.shutdown().await;
        lambda.shutdown().await;
        ecs.shutdown().await;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Hosts in this process hold clients of the frontend, which holds the services, which hold the hosts.
        let Services { scheduler, lambda, ecs, cloudwatch, .. } = self.frontend.services();
        scheduler.close();
        cloudwatch.close();
        lambda.close();
        ecs.close();
    }
}
