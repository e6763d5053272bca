//! The SAM transform: the `AWS::Serverless` types become the plain CloudFormation resources that they stand for,
//! under the logical ids that SAM gives them.
//!
//! | in the template | becomes |
//! | --- | --- |
//! | Function `F` | Lambda Function `F`, and Role `FRole` unless it names one |
//! | its AutoPublishAlias `a` | Lambda Alias `FAliasa`, which all of its events invoke |
//! | its EventInvokeConfig | Lambda EventInvokeConfig `FEventInvokeConfig` |
//! | its event `E` of type SQS | Lambda EventSourceMapping `FE` |
//! | of type EventBridgeRule, CloudWatchEvent, Schedule | Events Rule `FE`, Lambda Permission `FEPermission` |
//! | of type ScheduleV2 | Scheduler Schedule `FE`, and Role `FERole` unless it names one |
//! | LayerVersion `L` | Lambda LayerVersion `L` |
//!
//! `Code` and `Content` of what they become are the folders of the template, since nothing is zipped here. There is one
//! version of everything, so the versions that an alias would go through, and how fast, are read and not made.

use serde_json::{Value, json};

use super::{
    Declared,
    error::{Fault, Flaw, Step},
    intrinsics::call,
    yaml::{Entry, Node, Yaml},
};

/// Function properties that mean the same to Lambda, as (SAM's name, Lambda's name).
const FUNCTION: [(&str, &str); 19] = [
    ("Architectures", "Architectures"),
    ("CodeUri", "Code"),
    ("Description", "Description"),
    ("Environment", "Environment"),
    ("EphemeralStorage", "EphemeralStorage"),
    ("FunctionName", "FunctionName"),
    ("Handler", "Handler"),
    ("KmsKeyArn", "KmsKeyArn"),
    ("Layers", "Layers"),
    ("LoggingConfig", "LoggingConfig"),
    ("MemorySize", "MemorySize"),
    ("PackageType", "PackageType"),
    ("ReservedConcurrentExecutions", "ReservedConcurrentExecutions"),
    ("Role", "Role"),
    ("Runtime", "Runtime"),
    ("Tags", "Tags"),
    ("Timeout", "Timeout"),
    ("Tracing", "TracingConfig"),
    ("VpcConfig", "VpcConfig"),
];

/// Function properties that the transform itself reads.
const READ_HERE: [&str; 8] = [
    "AutoPublishAlias",
    "AutoPublishAliasAllProperties",
    "DeadLetterQueue",
    "DeploymentPreference",
    "EventInvokeConfig",
    "Events",
    "Policies",
    "VersionDescription",
];

/// What `DeploymentPreference` may say. It is about the moments between two versions.
const PREFERENCE: [&str; 5] = ["Alarms", "Enabled", "Hooks", "Role", "Type"];

const LAYER: [(&str, &str); 6] = [
    ("CompatibleArchitectures", "CompatibleArchitectures"),
    ("CompatibleRuntimes", "CompatibleRuntimes"),
    ("ContentUri", "Content"),
    ("Description", "Description"),
    ("LayerName", "LayerName"),
    ("LicenseInfo", "LicenseInfo"),
];

const PATTERN_RULE: [(&str, &str); 4] =
    [("EventBusName", "EventBusName"), ("Pattern", "EventPattern"), ("RuleName", "Name"), ("State", "State")];

const SCHEDULED_RULE: [(&str, &str); 4] = [
    ("Description", "Description"),
    ("Name", "Name"),
    ("Schedule", "ScheduleExpression"),
    ("State", "State"),
];

/// The `Globals` section.
pub(super) struct Globals<'t>(Option<&'t Node>);

impl<'t> Globals<'t> {
    pub(super) fn read(node: Option<&'t Node>) -> Step<Self> {
        let function = match node {
            None => None,
            Some(node) => {
                node.only(&["Function"])?;
                node.get("Function")
            }
        };
        if let Some(function) = function {
            let also = [
                "AutoPublishAlias",
                "AutoPublishAliasAllProperties",
                "DeploymentPreference",
                "EventInvokeConfig",
            ];
            let known = FUNCTION.iter().map(|(name, _)| *name).chain(also);
            let known: Vec<&str> = known.collect();
            function.only(&known).map_err(|flaw| flaw.within("Function"))?;
        }
        Ok(Self(function))
    }
}

/// What one declared resource becomes; anything but the `AWS::Serverless` types stays as it is.
pub(super) fn transform(declared: Declared, globals: &Globals<'_>) -> Step<Vec<Declared>> {
    match declared.kind.as_str() {
        "AWS::Serverless::Function" => function(declared, globals),
        "AWS::Serverless::LayerVersion" => layer(declared),
        _ => Ok(vec![declared]),
    }
}

/// What Globals say, overridden by what the resource says: mappings are merged key by key, lists are appended to,
/// and anything else is replaced.
fn merged(global: &Node, own: &Node) -> Node {
    let is_call = |node| call(node).is_some();
    let yaml = match (&global.yaml, &own.yaml) {
        (Yaml::Map(_), Yaml::Map(_)) if is_call(global) || is_call(own) => return own.clone(),
        (Yaml::Map(globals), Yaml::Map(owns)) => {
            let mut entries: Vec<Entry> = globals.clone();
            for entry in owns {
                match entries.iter_mut().find(|it| it.key == entry.key) {
                    Some(there) => there.node = merged(&there.node, &entry.node),
                    None => entries.push(entry.clone()),
                }
            }
            Yaml::Map(entries)
        }
        (Yaml::List(globals), Yaml::List(owns)) => Yaml::List([globals.as_slice(), owns].concat()),
        _ => return own.clone(),
    };
    Node { line: own.line, yaml }
}

/// The properties under the names that the plain type has for them.
fn renamed(properties: &Node, names: &[(&str, &str)]) -> Step<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in properties.as_map()? {
        if let Some((_, name)) = names.iter().find(|(sam, _)| *sam == entry.key) {
            entries.push(Entry { key: (*name).to_owned(), ..entry.clone() });
        }
    }
    Ok(entries)
}

fn function(declared: Declared, globals: &Globals<'_>) -> Step<Vec<Declared>> {
    let line = declared.line;
    let own = declared.properties.as_ref().ok_or_else(|| Flaw::new(line, Fault::Lacks("Properties")))?;
    let known: Vec<&str> = FUNCTION.iter().map(|(name, _)| *name).chain(READ_HERE).collect();
    let properties = match globals.0 {
        Some(global) => merged(global, own),
        None => own.clone(),
    };
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
            let made = self::event(&target, event)
                .map_err(|flaw| flaw.within(&event.key).within("Events").within("Properties"))?;
            polls |= made.iter().any(|it| it.kind == "AWS::Lambda::EventSourceMapping");
            others.extend(made);
        }
    }
    if properties.get("Role").is_none() {
        let role = role(&declared, &properties, polls)?;
        let arn = json!({ "Fn::GetAtt": [role.logical_id, "Arn"] });
        entries.push(Entry { key: "Role".to_owned(), line, node: Node::plain(line, &arn) });
        others.push(role);
    }
    let properties = Some(Node { line: own.line, yaml: Yaml::Map(entries) });
    let function = Declared { kind: "AWS::Lambda::Function".to_owned(), properties, ..declared };
    Ok([vec![function], others].concat())
}

/// What a function's events invoke.
struct Target<'d> {
    function: &'d Declared,
    /// Then it is what they invoke, and not the function.
    alias: Option<&'d str>,
}

impl Target<'_> {
    fn alias_id(&self) -> Option<String> {
        self.alias.map(|alias| format!("{}Alias{alias}", self.function.logical_id))
    }

    /// Its name: for an alias its ARN, which says both.
    fn name(&self, line: usize) -> Node {
        let id = self.alias_id().unwrap_or_else(|| self.function.logical_id.clone());
        Node::plain(line, &json!({ "Ref": id }))
    }

    fn arn(&self) -> Value {
        match self.alias_id() {
            Some(id) => json!({ "Ref": id }),
            None => json!({ "Fn::GetAtt": [self.function.logical_id, "Arn"] }),
        }
    }
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

fn layer(declared: Declared) -> Step<Vec<Declared>> {
    let line = declared.line;
    let own = declared.properties.as_ref().ok_or_else(|| Flaw::new(line, Fault::Lacks("Properties")))?;
    let known: Vec<&str> =
        LAYER.iter().map(|(name, _)| *name).chain(["PublishLambdaVersion", "RetentionPolicy"]).collect();
    own.only(&known).map_err(|flaw| flaw.within("Properties"))?;
    if own.get("ContentUri").is_none() {
        return Err(Flaw::new(line, Fault::Lacks("ContentUri")).within("Properties"));
    }
    let properties = Some(Node { line: own.line, yaml: Yaml::Map(renamed(own, &LAYER)?) });
    Ok(vec![Declared { kind: "AWS::Lambda::LayerVersion".to_owned(), properties, ..declared }])
}

/// The role that SAM makes for a function: its own statements, sending to the queues that hear of its failures, and
/// AWS's policies for what Lambda does in its name.
fn role(function: &Declared, properties: &Node, polls: bool) -> Step<Declared> {
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
        // Only where the destination's type is told does SAM know what to allow.
        let typed = destination.filter(|it| it.get("Type").is_some());
        if let Some(arn) = typed.and_then(|it| it.get("Destination")) {
            let name = format!("{}EventInvokeConfig{outcome}SQSPolicy", function.logical_id);
            inline.push(sending(line, name, arn));
        }
    }
    let properties = [
        ("AssumeRolePolicyDocument", trust(line, "lambda.amazonaws.com")),
        ("ManagedPolicyArns", Node::list(line, managed)),
        ("Policies", Node::list(line, inline)),
    ];
    Ok(function.beside("Role", "AWS::IAM::Role", Node::map(line, properties)))
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

fn event(invoked: &Target<'_>, event: &Entry) -> Step<Vec<Declared>> {
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
                    let properties = invoker(invoked, line, letters, sending);
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

/// The role in which Scheduler invokes the function, and sends what it cannot deliver to a queue, if there is one.
fn invoker(invoked: &Target<'_>, line: usize, dead_letters: Option<&Node>, sending: String) -> Node {
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
