//! Functions: the Lambda function, its alias, and what becomes of its asynchronous invocations.

use serde_json::json;

use super::{
    Globals, events,
    properties::{FUNCTION, renamed},
    roles,
    target::Target,
};
use crate::template::{
    declared::Declared,
    error::{Fault, Flaw, Step},
    yaml::{Entry, Node, Yaml},
};

/// Function properties that the transform itself reads.
const READ_HERE: [&str; 9] = [
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "DeadLetterQueue",
    "DeploymentPreference",
    "EventInvokeConfig",
    "Events",
    "PermissionsBoundary",
    "Policies",
    "VersionDescription",
];

/// What `DeploymentPreference` may say. It is about the moments between two versions.
const PREFERENCE: [&str; 5] = ["Alarms", "Enabled", "Hooks", "Role", "Type"];

/// The function, and all that SAM makes to go with it.
pub(super) fn transform(declared: Declared, globals: &Globals<'_>) -> Step<Vec<Declared>> {
    let line = declared.line;
    let own = declared.properties.as_ref().ok_or_else(|| Flaw::new(line, Fault::Lacks("Properties")))?;
    let known: Vec<&str> = FUNCTION.iter().map(|(name, _)| *name).chain(READ_HERE).collect();
    let properties = globals.beneath(own);
    properties.only(&known).map_err(|flaw| flaw.within("Properties"))?;
    for required in ["CodeUri", "Handler", "Runtime"] {
        if properties.get(required).is_none() {
            return Err(Flaw::new(line, Fault::Lacks(required)).within("Properties"));
        }
    }
    let mut entries = renamed(&properties, &FUNCTION)?;
    let mut others = Vec::new();
    let mut polls = false;
    if let Some(queue) = properties.get("DeadLetterQueue") {
        let config =
            dead_letters(queue).map_err(|flaw| flaw.within("DeadLetterQueue").within("Properties"))?;
        entries.push(Entry { key: "DeadLetterConfig".to_owned(), line: queue.line, node: config });
    }
    let target = match properties.get("AutoPublishAlias") {
        None => Target { function: &declared, alias: None },
        Some(name) => {
            let name = name.as_text().map_err(|flaw| flaw.within("AutoPublishAlias").within("Properties"))?;
            others.push(alias(&declared, name, line));
            Target { function: &declared, alias: Some(name) }
        }
    };
    if let Some(preference) = properties.get("DeploymentPreference") {
        preference
            .only(&PREFERENCE)
            .map_err(|flaw| flaw.within("DeploymentPreference").within("Properties"))?;
        if target.alias.is_none() {
            let fault = Fault::Lacks("AutoPublishAlias, which a DeploymentPreference is about");
            return Err(Flaw::new(preference.line, fault).within("Properties"));
        }
    }
    if let Some(config) = properties.get("EventInvokeConfig") {
        let made = event_invoke_config(&target, config);
        others.push(made.map_err(|flaw| flaw.within("EventInvokeConfig").within("Properties"))?);
    }
    if let Some(events) = properties.get("Events") {
        for event in events.as_map()? {
            let made = events::transform(&target, event)
                .map_err(|flaw| flaw.within(&event.key).within("Events").within("Properties"))?;
            polls |= made.iter().any(|it| it.kind == "AWS::Lambda::EventSourceMapping");
            others.extend(made);
        }
    }
    if properties.get("Role").is_none() {
        let role = roles::of_function(&declared, &properties, polls)?;
        let arn = json!({ "Fn::GetAtt": [role.logical_id, "Arn"] });
        entries.push(Entry { key: "Role".to_owned(), line, node: Node::plain(line, &arn) });
        others.push(role);
    }
    let properties = Some(Node { line: own.line, yaml: Yaml::Map(entries) });
    let function = Declared { kind: "AWS::Lambda::Function".to_owned(), properties, ..declared };
    Ok([vec![function], others].concat())
}

fn alias(function: &Declared, name: &str, line: usize) -> Declared {
    let properties = json!({ "FunctionName": { "Ref": function.logical_id }, "Name": name });
    function.beside(&format!("Alias{name}"), "AWS::Lambda::Alias", Node::plain(line, &properties))
}

/// The dead-letter queue without SAM's `Type`.
fn dead_letters(queue: &Node) -> Step<Node> {
    queue.only(&["Type", "TargetArn"])?;
    sqs_only(queue)?;
    let arn = queue.get("TargetArn").ok_or_else(|| Flaw::new(queue.line, Fault::Lacks("TargetArn")))?;
    Ok(Node::map(queue.line, [("TargetArn", arn.clone())]))
}

/// How the function's asynchronous invocations are retried. SAM would make a destination that is not named.
fn event_invoke_config(target: &Target<'_>, config: &Node) -> Step<Declared> {
    const LIMITS: [(&str, &str); 2] = [
        ("MaximumEventAgeInSeconds", "MaximumEventAgeInSeconds"),
        ("MaximumRetryAttempts", "MaximumRetryAttempts"),
    ];
    let line = config.line;
    config.only(&["DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"])?;
    let mut entries = renamed(config, &LIMITS)?;
    let mut entry = |key: &str, node: Node| entries.push(Entry { key: key.to_owned(), line, node });
    entry("FunctionName", Node::plain(line, &json!({ "Ref": target.function.logical_id })));
    entry("Qualifier", Node::text(line, target.alias.unwrap_or("$LATEST").to_owned()));
    if let Some(destinations) = config.get("DestinationConfig") {
        destinations.only(&["OnFailure", "OnSuccess"])?;
        let mut plain = Vec::new();
        for Entry { key, line, node } in destinations.as_map()? {
            node.only(&["Type", "Destination"])?;
            sqs_only(node)?;
            let to = node.get("Destination").ok_or_else(|| Flaw::new(*line, Fault::Lacks("Destination")))?;
            let node = Node::map(*line, [("Destination", to.clone())]);
            plain.push(Entry { key: key.clone(), line: *line, node });
        }
        entry("DestinationConfig", Node { line, yaml: Yaml::Map(plain) });
    }
    let properties = Node { line, yaml: Yaml::Map(entries) };
    let mut made = target.function.beside("EventInvokeConfig", "AWS::Lambda::EventInvokeConfig", properties);
    made.depends_on.extend(target.alias_id());
    Ok(made)
}

fn sqs_only(node: &Node) -> Step<()> {
    match node.get("Type") {
        Some(kind) if kind.as_text()? != "SQS" => Err(kind.not("SQS, which is what the local cloud has")),
        _ => Ok(()),
    }
}
