//! The operations that look at tasks, clusters and definitions, and StopTask.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    arn,
    definition::Definition,
    describe,
    request::{invalid, parse},
    run_task::Tag,
    service::Inner,
    state::{Cluster, Record, State},
    task::{Ending, Order, Status},
};
use crate::wire::ApiError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopTask {
    cluster: Option<String>,
    task: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeTasks {
    cluster: Option<String>,
    tasks: Option<Vec<String>>,
    include: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListTasks {
    cluster: Option<String>,
    desired_status: Option<String>,
    family: Option<String>,
    launch_type: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    service_name: Option<String>,
    started_by: Option<String>,
    container_instance: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeClusters {
    clusters: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeTaskDefinition {
    task_definition: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tags {
    resource_arn: Option<String>,
    tags: Option<Vec<Tag>>,
}

impl Inner {
    /// Marks the task to be stopped, and lets its lifecycle do it. Asked again, the first reason stays.
    pub(super) fn stop_task(&self, input: Value) -> Result<Value, ApiError> {
        let input: StopTask = parse(input)?;
        let now = self.clock.now();
        let mut state = self.lock();
        let cluster_arn = arn::cluster(&state.cluster(input.cluster.as_deref())?.name);
        let named =
            input.task.filter(|task| !task.is_empty()).ok_or_else(|| invalid("taskId can not be blank."))?;
        let found = state
            .tasks
            .iter_mut()
            .find(|record| record.task.cluster_arn == cluster_arn && record.task.is_named(&named))
            .ok_or_else(|| invalid("The referenced task was not found."))?;
        if found.task.status != Status::Stopped {
            let reason = input.reason.unwrap_or_else(|| "Task stopped by user".to_owned());
            found.task.end(Ending { code: "UserInitiated", reason }, now);
            // A lifecycle that is over takes no more orders, and needs none.
            let _ = found.orders.send(Order::Stop);
        }
        Ok(json!({ "task": describe::api(&found.task, true) }))
    }

    pub(super) fn describe_tasks(&self, input: Value) -> Result<Value, ApiError> {
        let input: DescribeTasks = parse(input)?;
        let now = self.clock.now();
        let mut state = self.lock();
        state.forget(now);
        let cluster = state.cluster(input.cluster.as_deref())?.name.clone();
        let asked = input.tasks.unwrap_or_default();
        if asked.is_empty() {
            return Err(invalid("Tasks can not be empty."));
        }
        if asked.len() > 100 {
            return Err(invalid("Tasks can have at most 100 items."));
        }
        let with_tags = input.include.is_some_and(|include| include.iter().any(|what| what == "TAGS"));
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for named in asked {
            match state.visible(&cluster, now).find(|record| record.task.is_named(&named)) {
                Some(record) => tasks.push(describe::api(&record.task, with_tags)),
                None => {
                    let arn = if named.starts_with("arn:") { named } else { arn::task(&cluster, &named) };
                    failures.push(json!({ "arn": arn, "reason": "MISSING" }));
                }
            }
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }

    pub(super) fn list_tasks(&self, input: Value) -> Result<Value, ApiError> {
        let input: ListTasks = parse(input)?;
        let now = self.clock.now();
        let mut state = self.lock();
        state.forget(now);
        let cluster = state.cluster(input.cluster.as_deref())?.name.clone();
        let others = [&input.family, &input.service_name, &input.container_instance, &input.launch_type];
        if input.started_by.is_some()
            && (others.iter().any(|filter| filter.is_some())
                || input.desired_status.as_deref().is_some_and(|status| status != "RUNNING"))
        {
            return Err(invalid("startedBy must be the only filter."));
        }
        let desired = input.desired_status.as_deref().unwrap_or("RUNNING");
        if !matches!(desired, "RUNNING" | "PENDING" | "STOPPED") {
            return Err(invalid("desiredStatus must be RUNNING, PENDING or STOPPED."));
        }
        if input.service_name.is_some() {
            return Err(ApiError::client("ServiceNotFoundException", "Service not found."));
        }
        let most = input.max_results.unwrap_or(100);
        if !(1..=100).contains(&most) {
            return Err(invalid("maxResults must be between 1 and 100."));
        }
        // A token is the id of the last task of the page before: right also when tasks come and go.
        let mut records = state.visible(&cluster, now);
        if let Some(token) = &input.next_token
            && !records.any(|record| record.task.id() == token)
        {
            return Err(invalid("Invalid token."));
        }
        let matches = |record: &&Record| {
            let task = &record.task;
            task.desired_status() == desired
                && input.started_by.as_ref().is_none_or(|by| task.started_by.as_ref() == Some(by))
                && input.family.as_ref().is_none_or(|family| {
                    task.definition_arn
                        .rsplit_once('/')
                        .is_some_and(|(_, name)| name.rsplit_once(':').is_some_and(|(of, _)| of == family))
                })
                && input.launch_type.as_deref().is_none_or(|kind| kind == "FARGATE")
                && input.container_instance.is_none()
        };
        let mut found = records.filter(matches).map(|record| &record.task);
        let page: Vec<_> = found.by_ref().take(most).collect();
        let mut answer = json!({ "taskArns": page.iter().map(|task| &task.arn).collect::<Vec<_>>() });
        if let (Some(_), Some(last)) = (found.next(), page.last()) {
            answer["nextToken"] = json!(last.id());
        }
        Ok(answer)
    }

    pub(super) fn describe_clusters(&self, input: Value) -> Result<Value, ApiError> {
        let input: DescribeClusters = parse(input)?;
        let state = self.lock();
        let asked = input.clusters.unwrap_or_else(|| vec!["default".to_owned()]);
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for named in asked {
            match state.cluster(Some(&named)) {
                Ok(cluster) => clusters.push(state.show_cluster(cluster)),
                Err(_) => {
                    let arn = if named.starts_with("arn:") { named } else { arn::cluster(&named) };
                    failures.push(json!({ "arn": arn, "reason": "MISSING" }));
                }
            }
        }
        Ok(json!({ "clusters": clusters, "failures": failures }))
    }

    pub(super) fn list_clusters(&self) -> Value {
        json!({ "clusterArns": self.lock().clusters.keys().map(|name| arn::cluster(name)).collect::<Vec<_>>() })
    }

    pub(super) fn describe_task_definition(&self, input: Value) -> Result<Value, ApiError> {
        let input: DescribeTaskDefinition = parse(input)?;
        let state = self.lock();
        let found = input.task_definition.and_then(|named| state.definition(&named));
        let found: &Definition = &*found
            .ok_or_else(|| ApiError::client("ClientException", "Unable to describe task definition."))?;
        Ok(json!({ "taskDefinition": found.document, "tags": [] }))
    }

    pub(super) fn list_tags(&self, input: Value) -> Result<Value, ApiError> {
        let input: Tags = parse(input)?;
        let arn = input.resource_arn.unwrap_or_default();
        let state = self.lock();
        state.known(&arn)?;
        let on_task =
            state.tasks.iter().find(|record| record.task.arn == arn).map(|record| &record.task.tags);
        let later = state.tags.get(&arn);
        let mut tags: BTreeMap<&str, &str> = BTreeMap::new();
        tags.extend(on_task.into_iter().flatten().map(|tag| (tag.key.as_str(), tag.value.as_str())));
        tags.extend(later.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())));
        let tags: Vec<Value> =
            tags.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        Ok(json!({ "tags": tags }))
    }

    pub(super) fn tag(&self, input: Value) -> Result<Value, ApiError> {
        let input: Tags = parse(input)?;
        let arn = input.resource_arn.unwrap_or_default();
        let mut state = self.lock();
        state.known(&arn)?;
        let given = input.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
        state.tags.entry(arn).or_default().extend(given);
        Ok(json!({}))
    }
}

impl State {
    /// The tasks of a cluster that the API knows at this moment.
    fn visible(&self, cluster: &str, now: Timestamp) -> impl Iterator<Item = &Record> {
        let cluster_arn = arn::cluster(cluster);
        self.tasks.iter().filter(move |record| {
            let age = now.duration_since(record.task.created_at);
            record.task.cluster_arn == cluster_arn && age.unsigned_abs() >= self.invisible
        })
    }

    fn known(&self, arn: &str) -> Result<(), ApiError> {
        let known = self.cluster(Some(arn)).is_ok()
            || self.definition(arn).is_some()
            || self.tasks.iter().any(|record| record.task.arn == arn);
        if known { Ok(()) } else { Err(invalid("The specified resource does not exist.")) }
    }

    fn show_cluster(&self, cluster: &Cluster) -> Value {
        let cluster_arn = arn::cluster(&cluster.name);
        let count = |wanted: fn(Status) -> bool| {
            let live = self.tasks.iter().map(|record| &record.task);
            live.filter(|task| task.cluster_arn == cluster_arn && wanted(task.status)).count()
        };
        json!({
            "clusterArn": cluster_arn,
            "clusterName": cluster.name,
            "status": "ACTIVE",
            "capacityProviders": cluster.providers,
            "runningTasksCount": count(|status| status == Status::Running),
            "pendingTasksCount": count(|status| status < Status::Running),
            "registeredContainerInstancesCount": 0,
            "activeServicesCount": 0,
        })
    }
}
