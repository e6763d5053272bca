//! A task as ECS shows it: in the API, and in the
//! [event](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html). They differ in how
//! times are written (epoch seconds here, ISO text there) and in a few members.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::task::{Status, Task, TaskContainer};
use crate::wire::{ACCOUNT, REGION, epoch_seconds};

/// A time as events write it.
fn iso(at: Timestamp) -> Value {
    json!(format!("{at:.3}"))
}

/// The task in an API answer.
pub(super) fn api(task: &Task, with_tags: bool) -> Value {
    let mut shown = document(task, "ElasticNetworkInterface", epoch_seconds);
    shown["healthStatus"] = json!("UNKNOWN");
    shown["platformFamily"] = json!("Linux");
    shown["ephemeralStorage"] = json!({ "sizeInGiB": 20 });
    shown["tags"] = if with_tags { json!(task.tags) } else { json!([]) };
    shown
}

/// The event of the task's latest change.
pub(super) fn event(task: &Task) -> Value {
    let mut detail = document(task, "eni", iso);
    detail["updatedAt"] = iso(task.updated_at);
    if !task.tags.is_empty() {
        detail["tags"] = json!(task.tags);
    }
    json!({
        "version": "0",
        "id": super::arn::uuid(),
        "detail-type": "ECS Task State Change",
        "source": "aws.ecs",
        "account": ACCOUNT,
        "time": format!("{:.0}", task.updated_at),
        "region": REGION,
        "resources": [task.arn],
        "detail": detail,
    })
}

fn document(task: &Task, kind: &str, time: fn(Timestamp) -> Value) -> Value {
    let mut shown = json!({
        "attachments": [attachment(task, kind)],
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": task.zone,
        "clusterArn": task.cluster_arn,
        "containers": task.containers.iter().map(|one| container(task, one)).collect::<Vec<_>>(),
        "cpu": task.cpu.to_string(),
        "createdAt": time(task.created_at),
        "desiredStatus": task.desired_status(),
        "enableExecuteCommand": task.execute_command,
        "group": task.group,
        "launchType": "FARGATE",
        "lastStatus": task.status.name(),
        "memory": task.memory.to_string(),
        "overrides": task.overrides,
        "platformVersion": "1.4.0",
        "taskArn": task.arn,
        "taskDefinitionArn": task.definition_arn,
        "version": task.version,
    });
    if task.by_strategy {
        shown["capacityProviderName"] = json!(task.provider.name());
    }
    if let Some(name) = &task.started_by {
        shown["startedBy"] = json!(name);
    }
    if let Some(ending) = &task.ending {
        shown["stopCode"] = json!(ending.code);
        shown["stoppedReason"] = json!(ending.reason);
    }
    if task.connected_at.is_some() {
        shown["connectivity"] = json!("CONNECTED");
    }
    let times = [
        ("connectivityAt", task.connected_at),
        ("pullStartedAt", task.pull_started_at),
        ("pullStoppedAt", task.pull_stopped_at),
        ("startedAt", task.started_at),
        ("stoppingAt", task.stopping_at),
        ("executionStoppedAt", task.execution_stopped_at),
        ("stoppedAt", task.stopped_at),
    ];
    for (name, at) in times {
        if let Some(at) = at {
            shown[name] = time(at);
        }
    }
    shown
}

fn attachment(task: &Task, kind: &str) -> Value {
    let interface = &task.interface;
    let mut details = vec![json!({ "name": "subnetId", "value": interface.subnet })];
    let status = match task.status {
        Status::Provisioning => "PRECREATED",
        Status::Deprovisioning => "DETACHING",
        Status::Stopped => "DELETED",
        _ => "ATTACHED",
    };
    if task.connected_at.is_some() {
        details.push(json!({ "name": "networkInterfaceId", "value": interface.id }));
        details.push(json!({ "name": "macAddress", "value": interface.mac }));
        details.push(json!({ "name": "privateIPv4Address", "value": interface.address }));
    }
    json!({ "id": interface.attachment, "type": kind, "status": status, "details": details })
}

fn container(task: &Task, container: &TaskContainer) -> Value {
    let status = match (container.started, container.stopped) {
        (_, true) => "STOPPED",
        (true, false) => "RUNNING",
        (false, false) => "PENDING",
    };
    let interfaces = if task.connected_at.is_some() {
        json!([{ "attachmentId": task.interface.attachment, "privateIpv4Address": task.interface.address }])
    } else {
        json!([])
    };
    let mut shown = json!({
        "containerArn": container.arn,
        "lastStatus": status,
        "name": container.definition.name,
        "image": container.definition.image,
        "taskArn": task.arn,
        "networkInterfaces": interfaces,
        "cpu": container.definition.cpu.to_string(),
    });
    if let Some(memory) = container.definition.memory {
        shown["memory"] = json!(memory.to_string());
    }
    if let Some(id) = &container.runtime_id {
        shown["runtimeId"] = json!(id);
    }
    if let Some(code) = container.exit_code {
        shown["exitCode"] = json!(code);
    }
    if let Some(reason) = &container.reason {
        shown["reason"] = json!(reason);
    }
    shown
}
