//! The containers of one task while they run.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    host::{Exit, Launch, Runner},
    services::{
        ecs::{definition::Container, execution::Execution, service::Inner, task::Order},
        logs::LogStream,
    },
};

/// What a Rust program that panics exits with; a host in this process that panics shows the same.
const PANICKED: i32 = 101;

/// A container as it will be launched.
pub(super) struct Planned {
    pub(super) container: Container,
    pub(super) memory_bytes: u64,
    pub(super) cpu_units: u32,
    pub(super) command: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) runner: Option<Runner>,
}

/// The containers of a task while they run. Dropping them kills them.
pub(super) struct Containers {
    pub(super) running: FuturesUnordered<BoxFuture<'static, (usize, Exit)>>,
    pub(super) left: Vec<bool>,
    pub(super) essential: Vec<bool>,
    stop: CancellationToken,
    stop_timeout: Duration,
}

/// What comes next to a task whose containers run.
pub(super) enum Happened {
    Exited(usize, Exit),
    Ordered(Order),
    TimeIsUp,
}

impl Containers {
    /// Starts the containers of the task of this id. None has made progress before [`Self::next`] is polled.
    pub(super) fn launch(
        inner: &Inner,
        id: &str,
        planned: Vec<Planned>,
        execution: Option<&Execution>,
    ) -> Self {
        let stop = CancellationToken::new();
        let left = vec![true; planned.len()];
        let essential = planned.iter().map(|planned| planned.container.essential).collect();
        let timeouts = planned.iter().map(|planned| planned.container.stop_timeout);
        let stop_timeout = timeouts.max().unwrap_or_default();
        let running = planned.into_iter().enumerate().map(|(n, planned)| {
            let confinement = planned.container.confinement(planned.cpu_units);
            let name = planned.container.name;
            let iam = inner.events.iam();
            let written = execution.is_none_or(|execution| execution.may_write(iam, id, &name));
            let place = planned.container.log.filter(|_| written);
            let logs = place.map_or_else(LogStream::default, |place| {
                inner.logs.stream(&place.group, &format!("{}/{name}/{id}", place.prefix))
            });
            let Some(runner) = planned.runner else {
                let reason = format!("the local cloud has nothing to run as container {name}");
                return futures::future::ready((n, Exit::NotStarted(reason))).boxed();
            };
            let launch = Launch {
                name,
                command: planned.command,
                env: planned.env,
                memory_bytes: Some(planned.memory_bytes),
                container: Some(confinement),
                logs: logs.clone(),
                stop: stop.clone(),
            };
            async move {
                let run = AssertUnwindSafe(async move { runner(launch).await });
                let exit = run.catch_unwind().await.unwrap_or_else(|_| {
                    logs.push("the container's host panicked");
                    Exit::Code(PANICKED)
                });
                (n, exit)
            }
            .boxed()
        });
        let running = running.collect();
        Self { running, left, essential, stop, stop_timeout }
    }

    /// Sends SIGTERM and says when SIGKILL follows.
    pub(super) fn stop(&self) -> Instant {
        self.stop.cancel();
        Instant::now() + self.stop_timeout
    }

    pub(super) async fn next(
        &mut self,
        orders: &mut UnboundedReceiver<Order>,
        kill_at: Option<Instant>,
    ) -> Happened {
        let time_is_up = async {
            match kill_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // An exit that is already there outranks an order that comes too late for it.
            biased;
            Some((n, exit)) = self.running.next() => Happened::Exited(n, exit),
            Some(order) = orders.recv() => Happened::Ordered(order),
            () = time_is_up => Happened::TimeIsUp,
        }
    }
}
