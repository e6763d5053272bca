//! The roles that SAM makes where a template names none.

use serde_json::json;

use super::target::Target;
use crate::template::{
    declared::Declared,
    error::Step,
    intrinsics::call,
    yaml::{Node, Yaml},
};

/// The role that SAM makes for a function: its own statements, sending to the queues that hear of its failures, and
/// AWS's policies for what Lambda does in its name; and the function's permissions boundary.
pub(super) fn of_function(function: &Declared, properties: &Node, polls: bool) -> Step<Declared> {
    let (line, policies) = (function.line, properties.get("Policies"));
    let mut managed = vec![managed_policy(line, "service-role/AWSLambdaBasicExecutionRole")];
    if polls {
        managed.push(managed_policy(line, "service-role/AWSLambdaSQSQueueExecutionRole"));
    }
    let mut inline = Vec::new();
    let list = match policies.map(|it| (it, &it.yaml)) {
        None => Vec::new(),
        Some((_, Yaml::List(items))) => items.iter().collect(),
        Some((one, _)) => vec![one],
    };
    for (index, policy) in list.into_iter().enumerate() {
        if policy.get("Statement").is_some() {
            let name = Node::text(policy.line, format!("{}RolePolicy{index}", function.logical_id));
            let document = policy.clone();
            inline.push(Node::map(policy.line, [("PolicyName", name), ("PolicyDocument", document)]));
        } else if let Yaml::Text(name) = &policy.yaml {
            managed.push(if name.starts_with("arn:") {
                policy.clone()
            } else {
                managed_policy(policy.line, name)
            });
        } else if call(policy).is_some() {
            managed.push(policy.clone());
        } else {
            return Err(policy
                .not("a policy with a Statement, or a managed policy's name")
                .within("Policies"));
        }
    }
    if let Some(arn) = properties.get("DeadLetterQueue").and_then(|it| it.get("TargetArn")) {
        inline.push(sending(line, "DeadLetterQueuePolicy".to_owned(), arn));
    }
    let destinations = properties.get("EventInvokeConfig").and_then(|it| it.get("DestinationConfig"));
    for outcome in ["OnFailure", "OnSuccess"] {
        let destination = destinations.and_then(|it| it.get(outcome));
        // Without the destination's type, SAM does not know what to allow.
        let typed = destination.filter(|it| it.get("Type").is_some());
        if let Some(arn) = typed.and_then(|it| it.get("Destination")) {
            let name = format!("{}EventInvokeConfig{outcome}SQSPolicy", function.logical_id);
            inline.push(sending(line, name, arn));
        }
    }
    let boundary = properties.get("PermissionsBoundary").map(|arn| ("PermissionsBoundary", arn.clone()));
    let properties = [
        ("AssumeRolePolicyDocument", trust(line, "lambda.amazonaws.com")),
        ("ManagedPolicyArns", Node::list(line, managed)),
        ("Policies", Node::list(line, inline)),
    ];
    let properties = Node::map(line, properties.into_iter().chain(boundary));
    Ok(function.beside("Role", "AWS::IAM::Role", properties))
}

/// The role in which Scheduler invokes the function, and sends what it cannot deliver to a queue, if there is one.
pub(super) fn of_schedule(
    invoked: &Target<'_>,
    line: usize,
    dead_letters: Option<&Node>,
    sending: String,
) -> Node {
    let statement =
        json!({ "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": invoked.arn() });
    let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
    let policy = json!({ "PolicyName": "invoke", "PolicyDocument": document });
    let mut policies = vec![Node::plain(line, &policy)];
    policies.extend(dead_letters.map(|arn| self::sending(line, sending, arn)));
    let properties = [
        ("AssumeRolePolicyDocument", trust(line, "scheduler.amazonaws.com")),
        ("Policies", Node::list(line, policies)),
    ];
    Node::map(line, properties)
}

/// A policy that lets a role send to one queue.
fn sending(line: usize, name: String, arn: &Node) -> Node {
    let text = |text: &str| Node::text(line, text.to_owned());
    let statement = Node::map(
        line,
        [("Effect", text("Allow")), ("Action", text("sqs:SendMessage")), ("Resource", arn.clone())],
    );
    let document =
        Node::map(line, [("Version", text("2012-10-17")), ("Statement", Node::list(line, vec![statement]))]);
    Node::map(line, [("PolicyName", Node::text(line, name)), ("PolicyDocument", document)])
}

fn managed_policy(line: usize, name: &str) -> Node {
    Node::text(line, format!("arn:aws:iam::aws:policy/{name}"))
}

fn trust(line: usize, service: &str) -> Node {
    let statement =
        json!({ "Effect": "Allow", "Principal": { "Service": service }, "Action": "sts:AssumeRole" });
    Node::plain(line, &json!({ "Version": "2012-10-17", "Statement": [statement] }))
}
