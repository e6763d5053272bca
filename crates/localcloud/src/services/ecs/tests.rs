//! ECS as its callers see it: through the wire, the events, and what really runs.

mod hosting;
mod launching;
mod life;
mod looking;

use super::*;
use crate::{
    faults::Partial,
    host::{Exit, Launch},
    services::sqs::Sqs,
};

const EPOCH: &str = "2026-08-01T00:00:00Z";

/// A service with one cluster and one definition, whose worker container runs `runner`.
fn ecs(runner: Runner) -> Ecs {
    fastrand::seed(7);
    let clock = Clock::starting_at(EPOCH.parse().unwrap());
    let ecs = Ecs::new(clock, EventBridge::new(clock, Sqs::new(clock)), Logs::new(clock, None));
    ecs.create_cluster("mill", &["FARGATE", "FARGATE_SPOT"]);
    ecs.register_task_definition(definition()).unwrap();
    ecs.set_runner("worker", runner);
    ecs
}

/// A call of the account's owner.
async fn call(ecs: &Ecs, operation: &str, input: Value) -> Result<Value, ApiError> {
    ecs.call(operation, input, &Caller::owner()).await
}

/// As a template writes it.
fn definition() -> Value {
    json!({
        "Family": "worker", "Cpu": 256, "Memory": "512", "NetworkMode": "awsvpc",
        "RequiresCompatibilities": ["FARGATE"], "TaskRoleArn": "arn:aws:iam::123456789012:role/worker",
        "ContainerDefinitions": [{
            "Name": "worker", "Image": "worker:1", "Command": ["job"], "StopTimeout": 60,
            "Environment": [{ "Name": "TABLE", "Value": "jobs" }, { "Name": "MODE", "Value": "plain" }],
            "LogConfiguration": { "LogDriver": "awslogs", "Options": {
                "awslogs-group": "/mill/worker", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "w",
            } },
        }],
    })
}

fn run() -> Value {
    json!({
        "cluster": "mill", "taskDefinition": "worker", "launchType": "FARGATE", "startedBy": "job-1",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-a"] } },
    })
}

/// The usual call with more members.
fn run_with(more: Value) -> Value {
    let mut input = run();
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

/// A container that exits with this code after ten seconds.
fn exits(code: i32) -> Runner {
    Arc::new(move |_| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Exit::Code(code)
        })
    })
}

/// A container that never leaves, not even when asked.
fn stubborn() -> Runner {
    Arc::new(|_| Box::pin(std::future::pending()))
}

/// A container that leaves with success once asked.
fn polite() -> Runner {
    Arc::new(|launch: Launch| {
        Box::pin(async move {
            launch.stop.cancelled().await;
            Exit::Code(0)
        })
    })
}

async fn launch(ecs: &Ecs) -> String {
    let answer = call(ecs, "RunTask", run()).await.unwrap();
    answer["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
}

async fn describe(ecs: &Ecs, task: &str) -> Value {
    call(ecs, "DescribeTasks", json!({ "cluster": "mill", "tasks": [task] })).await.unwrap()
}

/// The events as lines: seconds since the start, version, lastStatus/desiredStatus, stop code, exit codes.
fn story(ecs: &Ecs) -> Vec<String> {
    let start: jiff::Timestamp = EPOCH.parse().unwrap();
    let line = |event: &Value| {
        let detail = &event["detail"];
        let at: jiff::Timestamp = detail["updatedAt"].as_str().unwrap().parse().unwrap();
        let text = |name: &str| detail[name].as_str().unwrap_or("-").to_owned();
        let exits: Vec<String> = detail["containers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|container| container.get("exitCode").map_or("-".to_owned(), Value::to_string))
            .collect();
        format!(
            "{:>3} v{} {}/{} {} {}",
            at.duration_since(start).as_secs(),
            detail["version"],
            text("lastStatus"),
            text("desiredStatus"),
            text("stopCode"),
            exits.join(",")
        )
    };
    ecs.emitted().iter().map(line).collect()
}
