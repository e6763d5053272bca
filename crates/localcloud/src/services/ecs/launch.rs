//! RunTask: the same token gives the same tasks; limits and failures come before any task is made.
//!
//! Asked twice with one token and the same parameters, the second call changes nothing and returns the first one's
//! tasks as they are now. The token lives 24 hours, but no longer than an hour after its last task has stopped,
//! because ECS forgets the tasks then.

use std::{collections::BTreeSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    arn,
    definition::Definition,
    describe, execution,
    run_task::{Failure, Provider, RunTask},
    service::Inner,
    state::{Record, State},
    task::{Interface, Status, Task, TaskContainer},
    task_lifecycle,
    token::Token,
};
use crate::{
    faults::Partial,
    wire::{ApiError, Caller, REGION},
};

impl Inner {
    /// RunTask. When it returns, the tasks are known and their lifecycles in flight.
    pub(super) fn run_task(self: &Arc<Self>, input: &Value, caller: &Caller) -> Result<Value, ApiError> {
        let now = self.clock.now();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.forget(now);
        let limits = state.limits;
        if !state.meters.call(&limits, now) {
            return Err(throttled());
        }
        let request = RunTask::check(state, input)?;
        execution::assume(self.events.iam(), &request)?;
        let mut parameters = input.clone();
        parameters["taskDefinition"] = json!(request.definition_arn);
        parameters["cluster"] = json!(request.cluster);
        if let Some(members) = parameters.as_object_mut() {
            members.remove("clientToken");
        }
        let key = request.client_token.clone().map(|token| (request.cluster.clone(), token));
        if let Some(token) =
            key.as_ref().and_then(|key| state.tokens.get(key)).filter(|token| token.lives(now))
        {
            return state.replay(token, &parameters);
        }
        let failed = match &caller.partial {
            Some(Partial::LaunchFailures { reason, detail }) => {
                let failure = Failure { arn: None, reason: reason.clone(), detail: detail.clone() };
                vec![failure; request.count]
            }
            _ => state.hook.clone().and_then(|hook| hook(&request)).unwrap_or_default(),
        };
        let wanted = &request.providers[..request.count.saturating_sub(failed.len())];
        for provider in [Provider::OnDemand, Provider::Spot] {
            let count = wanted.iter().filter(|&&one| one == provider).count();
            if count > 0 && !state.meters.launch(&limits, provider, count, now) {
                return Err(throttled());
            }
        }
        let mut failures: Vec<Value> = failed.iter().map(Failure::to_json).collect();
        let mut made = Vec::new();
        let Some(definition) = state.definition(&request.definition_arn) else {
            return Err(ApiError::client("ClientException", "TaskDefinition not found."));
        };
        for &provider in wanted {
            match state.subnet_for(&request, provider) {
                Ok(subnet) => {
                    let task = state.make(&request, &definition, provider, subnet, now);
                    let (orders, receiver) = mpsc::unbounded_channel();
                    let plan = task_lifecycle::Plan::new(state, &request, &definition);
                    made.push((
                        task.arn.clone(),
                        describe::event(&task),
                        describe::api(&task, true),
                        plan,
                        receiver,
                    ));
                    state.tasks.push(Record { task, orders });
                }
                Err(failure) => failures.push(failure.to_json()),
            }
        }
        state.note_peak(&definition.family);
        // A token is remembered only with tasks to give back; a call that launched nothing may be tried again.
        if let Some(key) = key.filter(|_| !made.is_empty()) {
            let tasks = made.iter().map(|(arn, ..)| arn.clone()).collect();
            state.tokens.insert(key, Token { parameters, tasks, created: now });
        }
        drop(guard);
        let mut tasks = Vec::new();
        for (arn, event, shown, plan, receiver) in made {
            tasks.push(shown);
            self.emit(event);
            self.lifecycles.spawn(task_lifecycle::run(self.clone(), arn, plan, receiver));
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }
}

fn throttled() -> ApiError {
    ApiError::client("ThrottlingException", "Rate exceeded")
}

impl State {
    /// Forgets tasks an hour after they stopped, and with the last of its tasks the token.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let hour_ago = now.saturating_sub(SignedDuration::from_hours(1)).unwrap_or(now);
        let before = self.tasks.len();
        let forgotten =
            self.tasks.extract_if(.., |record| record.task.stopped_at.is_some_and(|at| at <= hour_ago));
        self.forgotten.extend(forgotten.filter_map(|record| record.task.used(now)));
        if self.tasks.len() < before {
            let known: BTreeSet<&str> = self.tasks.iter().map(|record| record.task.arn.as_str()).collect();
            self.tokens.retain(|_, token| token.tasks.iter().any(|arn| known.contains(arn.as_str())));
        }
    }

    fn replay(&self, token: &Token, parameters: &Value) -> Result<Value, ApiError> {
        if token.parameters != *parameters {
            let message = "The clientToken has been used already, with other parameters.";
            let detail = json!({ "resourceIds": token.tasks });
            return Err(ApiError::client("ConflictException", message).with_detail(detail));
        }
        let named = |record: &&Record| token.tasks.contains(&record.task.arn);
        let tasks: Vec<Value> =
            self.tasks.iter().filter(named).map(|record| describe::api(&record.task, true)).collect();
        Ok(json!({ "tasks": tasks, "failures": [] }))
    }

    /// The subnet for one more task: of the named ones, the one with the fewest tasks.
    fn subnet_for(&self, request: &RunTask, provider: Provider) -> Result<String, Failure> {
        let live =
            || self.tasks.iter().map(|record| &record.task).filter(|task| task.status != Status::Stopped);
        if let Some(limit) = self.limits.vcpus {
            let used: u32 = live().filter(|task| task.provider == provider).map(|task| task.cpu).sum();
            if f64::from(used + request.cpu) > limit * 1024.0 {
                return Err(Failure::vcpu_limit());
            }
        }
        let load = |subnet: &String| live().filter(|task| task.interface.subnet == *subnet).count();
        let least = request.subnets.iter().min_by_key(|subnet| load(subnet));
        match (least, self.limits.addresses) {
            (Some(subnet), Some(limit)) if load(subnet) >= limit => Err(Failure::no_address(subnet)),
            (Some(subnet), _) => Ok(subnet.clone()),
            (None, _) => Err(Failure::no_capacity()),
        }
    }

    /// A task in its first state.
    fn make(
        &mut self,
        request: &RunTask,
        definition: &Definition,
        provider: Provider,
        subnet: String,
        now: Timestamp,
    ) -> Task {
        let id = arn::id();
        let containers = definition.containers.iter().map(|container| TaskContainer {
            arn: arn::container(&request.cluster, &id),
            definition: container.clone(),
            runtime_id: None,
            started: false,
            stopped: false,
            exit_code: None,
            reason: None,
        });
        let place = self.subnets.iter().position(|known| *known == subnet).unwrap_or_else(|| {
            self.subnets.push(subnet.clone());
            self.subnets.len() - 1
        });
        self.launched += 1;
        let host = self.launched % 65_536;
        Task {
            arn: arn::task(&request.cluster, &id),
            cluster_arn: arn::cluster(&request.cluster),
            definition_arn: definition.arn.clone(),
            group: request.group.clone(),
            started_by: request.started_by.clone(),
            provider,
            by_strategy: request.by_strategy,
            execute_command: request.execute_command,
            cpu: request.cpu,
            memory: request.memory,
            zone: format!("{REGION}{}", ["a", "b", "c", "d", "f"][place % 5]),
            interface: Interface {
                attachment: arn::uuid(),
                id: format!("eni-0{:016x}", fastrand::u64(..)),
                subnet,
                mac: format!("0a:00:00:{:02x}:{:02x}:{:02x}", place % 256, host / 256, host % 256),
                address: format!("10.{}.{}.{}", place % 256, host / 256, host % 256),
            },
            overrides: request.overrides.clone(),
            tags: request.tags.clone(),
            containers: containers.collect(),
            status: Status::Provisioning,
            ending: None,
            version: 1,
            created_at: now,
            updated_at: now,
            connected_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
        }
    }
}
