//! A function's events: what brings it its invocations, and the permission to.

use serde_json::json;

use super::{properties::renamed, roles, target::Target};
use crate::template::{
    declared::Declared,
    error::{Fault, Flaw, Step},
    yaml::{Entry, Node, Yaml},
};

const PATTERN_RULE: [(&str, &str); 4] =
    [("EventBusName", "EventBusName"), ("Pattern", "EventPattern"), ("RuleName", "Name"), ("State", "State")];

const SCHEDULED_RULE: [(&str, &str); 4] = [
    ("Description", "Description"),
    ("Name", "Name"),
    ("Schedule", "ScheduleExpression"),
    ("State", "State"),
];

/// What one event of a function becomes.
pub(super) fn transform(invoked: &Target<'_>, event: &Entry) -> Step<Vec<Declared>> {
    let function = invoked.function;
    let line = event.line;
    event.node.only(&["Type", "Properties"])?;
    let kind = event.node.get("Type").ok_or_else(|| Flaw::new(line, Fault::Lacks("Type")))?;
    let lacks = || Flaw::new(line, Fault::Lacks("Properties"));
    let properties = event.node.get("Properties").ok_or_else(lacks)?;
    let id = &event.key;
    let target = |more: Vec<Entry>| {
        let arn = Entry { key: "Arn".to_owned(), line, node: Node::plain(line, &invoked.arn()) };
        Node { line, yaml: Yaml::Map([vec![arn], more].concat()) }
    };
    let map = |entries: Vec<Entry>| Node { line, yaml: Yaml::Map(entries) };
    let entry = |key: &str, node: Node| Entry { key: key.to_owned(), line, node };
    match kind.as_text()? {
        "SQS" => {
            let names = [
                ("Queue", "EventSourceArn"),
                ("BatchSize", "BatchSize"),
                ("Enabled", "Enabled"),
                ("FilterCriteria", "FilterCriteria"),
                ("FunctionResponseTypes", "FunctionResponseTypes"),
                ("MaximumBatchingWindowInSeconds", "MaximumBatchingWindowInSeconds"),
                ("ScalingConfig", "ScalingConfig"),
            ];
            only(properties, &names, &[])?;
            let mut entries = renamed(properties, &names)?;
            entries.push(entry("FunctionName", invoked.name(line)));
            Ok(vec![function.beside(id, "AWS::Lambda::EventSourceMapping", map(entries))])
        }
        kind @ ("EventBridgeRule" | "CloudWatchEvent" | "Schedule") => {
            let rule = if kind == "Schedule" { SCHEDULED_RULE } else { PATTERN_RULE };
            let delivery = ["DeadLetterConfig", "Input", "InputPath", "InputTransformer", "RetryPolicy"];
            let delivery = delivery.map(|it| (it, it));
            only(properties, &rule, &delivery)?;
            let mut entries = renamed(properties, &rule)?;
            let mut to = renamed(properties, &delivery)?;
            to.push(entry("Id", Node::text(line, format!("{}{id}", function.logical_id))));
            let targets = vec![target(to)];
            entries.push(entry("Targets", Node::list(line, targets)));
            Ok(vec![function.beside(id, "AWS::Events::Rule", map(entries)), permission(invoked, id, line)])
        }
        "ScheduleV2" => {
            let schedule = [
                ("Description", "Description"),
                ("EndDate", "EndDate"),
                ("FlexibleTimeWindow", "FlexibleTimeWindow"),
                ("GroupName", "GroupName"),
                ("Name", "Name"),
                ("ScheduleExpression", "ScheduleExpression"),
                ("ScheduleExpressionTimezone", "ScheduleExpressionTimezone"),
                ("StartDate", "StartDate"),
                ("State", "State"),
            ];
            let delivery = [
                ("DeadLetterConfig", "DeadLetterConfig"),
                ("Input", "Input"),
                ("RetryPolicy", "RetryPolicy"),
            ];
            // Without OmitName, SAM names the schedule by its logical id; names here are made up by stack either way.
            let read_here = [("OmitName", "OmitName"), ("RoleArn", "RoleArn")];
            only(properties, &schedule, &[delivery.as_slice(), &read_here].concat())?;
            let mut entries = renamed(properties, &schedule)?;
            if properties.get("FlexibleTimeWindow").is_none() {
                entries.push(entry("FlexibleTimeWindow", Node::plain(line, &json!({ "Mode": "OFF" }))));
            }
            let mut to = renamed(properties, &delivery)?;
            let mut role = None;
            let arn = match properties.get("RoleArn") {
                Some(given) => given.clone(),
                None => {
                    let letters = properties.get("DeadLetterConfig").and_then(|it| it.get("Arn"));
                    let sending = format!("{}{id}SQSPolicy", function.logical_id);
                    let properties = roles::of_schedule(invoked, line, letters, sending);
                    let made = function.beside(&format!("{id}Role"), "AWS::IAM::Role", properties);
                    let arn = json!({ "Fn::GetAtt": [made.logical_id, "Arn"] });
                    role = Some(made);
                    Node::plain(line, &arn)
                }
            };
            to.push(entry("RoleArn", arn));
            entries.push(entry("Target", target(to)));
            let schedule = function.beside(id, "AWS::Scheduler::Schedule", map(entries));
            Ok([schedule].into_iter().chain(role).collect())
        }
        _ => Err(kind.not("one of SQS, EventBridgeRule, CloudWatchEvent, Schedule, ScheduleV2")),
    }
}

fn only(properties: &Node, names: &[(&str, &str)], more: &[(&str, &str)]) -> Step<()> {
    let known: Vec<&str> = names.iter().chain(more).map(|(name, _)| *name).collect();
    properties.only(&known).map_err(|flaw| flaw.within("Properties"))
}

/// EventBridge may invoke the function.
fn permission(invoked: &Target<'_>, event: &str, line: usize) -> Declared {
    let function = invoked.function;
    let name = match invoked.alias_id() {
        Some(alias) => json!({ "Ref": alias }),
        None => json!({ "Ref": function.logical_id }),
    };
    let properties = json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": name,
        "Principal": "events.amazonaws.com",
        "SourceArn": { "Fn::GetAtt": [format!("{}{event}", function.logical_id), "Arn"] },
    });
    function.beside(&format!("{event}Permission"), "AWS::Lambda::Permission", Node::plain(line, &properties))
}
