//! From a template to a running cloud, and its end.
//!
//! ```text
//! Cloud::builder(template) ─ parameters, hosts, data folder, address ─▶ start() ─▶ Cloud ─▶ shutdown()
//! ```
//!
//! Nothing about names, patterns, timeouts, environment or sizes is said here a second time: all of it is read from
//! the template's [`Stack`]. What the template cannot say is who runs the code on this machine, and that is given
//! to the [`Builder`].

mod data_lock;
mod error;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aws_config::SdkConfig;
use clock::Clock;

use self::data_lock::DataLock;
pub use self::error::DeployError;
use crate::{
    connector::{self, ENDPOINT},
    faults::Faults,
    frontend::Frontend,
    host::Runner,
    registry::{self, Deployment},
    server::{Listener, Server},
    services::{
        Services,
        iam::GrantId,
        lambda::{FunctionHost, resources::Code},
    },
    template::{Resource, Stack, Template},
    usage::Usage,
    wire::{ApiError, OWNER_KEY},
};

type FunctionMaker = Box<dyn FnOnce(&Frontend) -> FunctionHost + Send>;
type RunnerMaker = Box<dyn FnOnce(&Frontend) -> Runner + Send>;

/// The configuration of a cloud that starts with [`Builder::start`].
pub struct Builder {
    template: PathBuf,
    parameters: BTreeMap<String, String>,
    stack: String,
    data: Option<PathBuf>,
    mailbox: Option<PathBuf>,
    /// The first that is free is taken.
    addresses: Vec<SocketAddr>,
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

    /// Keeps objects, tables, queues, mails and logs in this folder, so that the next start finds them. In memory if not
    /// said.
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
    pub fn serve(self, address: SocketAddr) -> Self {
        self.serve_first([address])
    }

    /// The same, on the first of these addresses that nobody else listens on.
    #[must_use]
    pub fn serve_first(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.addresses = addresses.into_iter().collect();
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
        let template = Template::load(&self.template, registry::resource_types())?;
        // Before anything is made: wrong parameters or a taken port must not leave a data folder behind.
        template.resolve(&self.parameters, &self.stack, ENDPOINT)?;
        let listener = match self.addresses.as_slice() {
            [] => None,
            addresses => Some(Listener::bind_first(addresses).await?),
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
        let lock = self.data.as_deref().map(DataLock::take).transpose()?;
        let services = Services::new(clock, self.data.as_deref(), self.mailbox)?;
        if !self.schedules {
            services.scheduler.hold();
        }
        let frontend = Frontend::new(services.clone(), Faults::default(), clock);
        let server = listener.map(|listener| Server::start(frontend.clone(), listener));
        let endpoint = server.as_ref().map_or_else(|| ENDPOINT.to_owned(), Server::url);
        let stack = template.resolve(&self.parameters, &self.stack, &endpoint)?;
        let cloud = Cloud { frontend, stack, endpoint, server, _lock: lock };
        services.iam.load(&cloud.stack, &self.without)?;

        services.set_endpoints(&cloud.endpoint, &cloud.stack);
        let functions = self.functions.into_iter().map(|(id, host)| (id, host(&cloud.frontend)));
        let folder = self.template.parent().unwrap_or(Path::new(""));
        let deployment = Deployment {
            services: services.clone(),
            credentials: cloud.frontend.credentials().clone(),
            code: Code::new(folder, self.overrides, functions.collect()),
            containers: self.containers.keys().cloned().collect(),
        };
        for (name, runner) in self.containers {
            services.ecs.set_runner(&name, runner(&cloud.frontend));
        }
        match deploy(deployment, &cloud.stack) {
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

/// Creates all of the stack, each resource after those it depends on.
fn deploy(mut deployment: Deployment, stack: &Stack) -> Result<(), DeployError> {
    for resource in stack.order.iter().filter_map(|id| stack.resources.get(id)) {
        create(&mut deployment, resource)?;
    }
    match deployment.code.unused() {
        Some(name) => Err(DeployError::NothingToHost { what: "function", name }),
        None => Ok(()),
    }
}

/// Creates a resource by the service that has its type. The others mean nothing on one machine: the template's reader
/// has refused all that it does not know.
fn create(deployment: &mut Deployment, resource: &Resource) -> Result<(), DeployError> {
    let mut kinds = registry::all().iter().flat_map(|service| service.resources);
    let Some(kind) = kinds.find(|it| it.of.kind == resource.kind) else { return Ok(()) };
    (kind.create)(deployment, resource).map_err(|source| DeployError::Resource {
        resource: resource.logical_id.clone(),
        line: resource.line,
        source,
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
    _lock: Option<DataLock>,
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
            addresses: Vec::new(),
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

    /// Fires a schedule or scheduled rule of the template now, by its logical id, whatever its expression and state
    /// say, and whether or not schedules run ([`Builder::schedules`]). Its target gets it in the
    /// background.
    ///
    /// # Errors
    /// `ResourceNotFoundException` where the template has no such schedule.
    pub fn fire(&self, logical_id: &str) -> Result<(), ApiError> {
        let resource = self.stack.resources.get(logical_id).ok_or_else(|| {
            let message = format!("The template has no schedule {logical_id}.");
            ApiError::client("ResourceNotFoundException", message).with_status(404)
        })?;
        self.services().scheduler.fire(&resource.arn)
    }

    /// What everything in this cloud has used so far, except for the write units of the records, which their jobs know.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let calls = self.frontend().calls();
        let mut usage = Usage::default();
        for service in registry::all() {
            (service.usage)(self.services(), &calls, &mut usage);
        }
        usage
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
        self.services().shutdown().await;
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Hosts in this process hold clients of the frontend, which holds the services, which hold the hosts.
        self.services().close();
    }
}
