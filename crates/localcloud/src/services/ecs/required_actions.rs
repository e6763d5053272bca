//! ECS: RunTask is allowed on a revision of a task definition, and its caller must be allowed to pass the task's roles.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html>

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn, text};

/// What a task definition hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The ARN of its revision.
    pub(crate) arn: String,
    /// The role of its containers.
    pub(crate) task_role: Option<String>,
    /// The role in which ECS starts them.
    pub(crate) execution_role: Option<String>,
}

pub(crate) fn of(
    operation: &str,
    input: &Value,
    definition: impl Fn(&str) -> Option<Definition>,
) -> Option<Vec<RequiredAction>> {
    let cluster = cluster(input["cluster"].as_str());
    let cluster_arn = arn("ecs", format_args!("cluster/{cluster}"));
    let required = match operation {
        "RunTask" => run_task(input, &cluster, &cluster_arn, definition),
        "StopTask" => {
            vec![
                RequiredAction::new("ecs:StopTask", task(text(input, "task"), &cluster))
                    .with("ecs:cluster", cluster_arn),
            ]
        }
        "DescribeTasks" => {
            let tasks = input["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let required = |named| {
                RequiredAction::new("ecs:DescribeTasks", task(named, &cluster))
                    .with("ecs:cluster", cluster_arn.as_str())
            };
            tasks.map(required).collect()
        }
        "ListTasks" => vec![RequiredAction::new("ecs:ListTasks", "*").with("ecs:cluster", cluster_arn)],
        "DescribeClusters" => {
            let named = input["clusters"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let required = |named| {
                let cluster = self::cluster(Some(named));
                RequiredAction::new("ecs:DescribeClusters", arn("ecs", format_args!("cluster/{cluster}")))
            };
            named.map(required).collect()
        }
        "ListClusters" | "DescribeTaskDefinition" => {
            vec![RequiredAction::new(&format!("ecs:{operation}"), "*")]
        }
        "RegisterTaskDefinition" => {
            let family = text(input, "family");
            let mut required = vec![RequiredAction::new(
                "ecs:RegisterTaskDefinition",
                arn("ecs", format_args!("task-definition/{family}:*")),
            )];
            required.extend(passed([input["taskRoleArn"].as_str(), input["executionRoleArn"].as_str()]));
            required
        }
        "ListTagsForResource" | "TagResource" => {
            vec![RequiredAction::new(&format!("ecs:{operation}"), text(input, "resourceArn"))]
        }
        _ => return None,
    };
    Some(required)
}

fn run_task(
    input: &Value,
    cluster: &str,
    cluster_arn: &str,
    definition: impl Fn(&str) -> Option<Definition>,
) -> Vec<RequiredAction> {
    let named = text(input, "taskDefinition");
    // One that is not there is refused by its name, as far as that goes.
    let unknown = || {
        let name = named.rsplit_once(":task-definition/").map_or(named, |(_, name)| name);
        let arn = arn("ecs", format_args!("task-definition/{name}"));
        Definition { arn, task_role: None, execution_role: None }
    };
    let definition = definition(named).unwrap_or_else(unknown);
    let overrides = &input["overrides"];
    let instead = |member: &str, own: Option<String>| overrides[member].as_str().map(str::to_owned).or(own);
    let roles = [
        instead("taskRoleArn", definition.task_role),
        instead("executionRoleArn", definition.execution_role),
    ];
    let mut required =
        vec![RequiredAction::new("ecs:RunTask", definition.arn).with("ecs:cluster", cluster_arn)];
    if input["tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
        let tasks = arn("ecs", format_args!("task/{cluster}/*"));
        required.push(RequiredAction::new("ecs:TagResource", tasks).with("ecs:CreateAction", "RunTask"));
    }
    required.extend(passed(roles.iter().map(Option::as_deref)));
    required
}

/// Handing a role to ECS's tasks.
fn passed<'r>(roles: impl IntoIterator<Item = Option<&'r str>>) -> impl Iterator<Item = RequiredAction> {
    let roles = roles.into_iter().flatten();
    roles.map(|role| {
        RequiredAction::new("iam:PassRole", role).with("iam:PassedToService", "ecs-tasks.amazonaws.com")
    })
}

/// A cluster is named by its name or ARN, or is the default one.
fn cluster(named: Option<&str>) -> String {
    let named = named.unwrap_or("default");
    named.rsplit_once(":cluster/").map_or(named, |(_, name)| name).to_owned()
}

/// A task is named by its id or ARN.
fn task(named: &str, cluster: &str) -> String {
    if named.starts_with("arn:") {
        named.to_owned()
    } else {
        arn("ecs", format_args!("task/{cluster}/{named}"))
    }
}
