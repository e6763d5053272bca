//! What SAM's types become.

use serde_json::json;

use super::resolve;

const SERVERLESS: &str = "
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Timeout: 3
    Layers: [one]
    Environment: {Variables: {A: '1', B: '2'}}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      Handler: bootstrap
      Runtime: provided.al2023
      Layers: [two]
      Environment: {Variables: {B: '3', C: !GetAtt FRole.Arn}}
      Policies:
        - AmazonS3ReadOnlyAccess
        - Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}]
      Events:
        Pull: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 5}}
        Hour: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), RetryPolicy: {MaximumRetryAttempts: 2}}}
        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute), Input: '{}'}}
        Seen: {Type: EventBridgeRule, Properties: {Pattern: {source: [x]}}}
";

#[test]
fn a_serverless_function_becomes_the_resources_it_stands_for() {
    let stack = resolve(SERVERLESS, &[]).unwrap();
    let kinds: Vec<(&str, &str)> =
        stack.resources.iter().map(|(id, it)| (id.as_str(), it.kind.as_str())).collect();
    assert_eq!(
        kinds,
        [
            ("F", "AWS::Lambda::Function"),
            ("FHour", "AWS::Scheduler::Schedule"),
            ("FHourRole", "AWS::IAM::Role"),
            ("FPull", "AWS::Lambda::EventSourceMapping"),
            ("FRole", "AWS::IAM::Role"),
            ("FSeen", "AWS::Events::Rule"),
            ("FSeenPermission", "AWS::Lambda::Permission"),
            ("FTick", "AWS::Events::Rule"),
            ("FTickPermission", "AWS::Lambda::Permission"),
            ("Queue", "AWS::SQS::Queue"),
        ]
    );
    let of = |id: &str| &stack.resources[id].properties;
    let function = of("F");
    assert_eq!(function["Timeout"], 3);
    assert_eq!(function["Layers"], json!(["one", "two"]));
    assert_eq!(function["Environment"]["Variables"]["A"], "1");
    assert_eq!(function["Environment"]["Variables"]["B"], "3");
    assert_eq!(function["Environment"]["Variables"]["C"], stack.resources["FRole"].arn.as_str());
    assert_eq!(function["Role"], stack.resources["FRole"].arn.as_str());
    assert_eq!(function["Code"], "functions/f");
    assert_eq!(
        *of("FPull"),
        json!({
            "EventSourceArn": stack.resources["Queue"].arn, "BatchSize": 5,
            "FunctionName": stack.resources["F"].name,
        })
    );
    assert_eq!(of("FHour")["Target"]["Arn"], stack.resources["F"].arn.as_str());
    assert_eq!(of("FHour")["Target"]["RetryPolicy"]["MaximumRetryAttempts"], 2);
    assert_eq!(of("FHour")["Target"].get("Id"), None);
    assert_eq!(of("FTick")["Targets"][0]["Input"], "{}");
    assert_eq!(of("FTick")["Targets"][0]["Id"], "FTick");
    assert_eq!(of("FSeen")["EventPattern"], json!({ "source": ["x"] }));
    let managed = of("FRole")["ManagedPolicyArns"].as_array().unwrap();
    assert_eq!(managed.len(), 3);
    assert_eq!(of("FRole")["Policies"][0]["PolicyDocument"]["Statement"][0]["Action"], "sqs:SendMessage");
}

#[test]
fn a_serverless_function_says_what_becomes_of_its_asynchronous_invocations() {
    let more = "      Runtime: provided.al2023
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Queue.Arn}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}}
";
    let text = SERVERLESS.replace("      Runtime: provided.al2023\n", more);
    let stack = resolve(&text, &[]).unwrap();
    let queue = stack.resources["Queue"].arn.as_str();
    let function = &stack.resources["F"];
    assert_eq!(function.properties["DeadLetterConfig"], json!({ "TargetArn": queue }));
    let config = &stack.resources["FEventInvokeConfig"];
    assert_eq!(config.kind, "AWS::Lambda::EventInvokeConfig");
    assert_eq!(
        config.properties,
        json!({
            "FunctionName": function.name,
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 1,
            "DestinationConfig": { "OnFailure": { "Destination": queue } },
        })
    );
    for (from, to, part) in [
        ("Type: SQS, TargetArn", "Type: SNS, TargetArn", "Properties.DeadLetterQueue"),
        ("OnFailure: {Type: SQS, Destination: !GetAtt Queue.Arn}", "OnFailure: {Type: SQS}", "`Destination`"),
    ] {
        let error = resolve(&text.replace(from, to), &[]).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_function_without_its_code_is_refused() {
    let text = SERVERLESS.replace("      CodeUri: functions/f\n", "");
    assert!(
        resolve(&text, &[]).unwrap_err().to_string().contains("Resources.F.Properties: the key `CodeUri`")
    );
}

/// The function of a template that publishes an alias, invoked by each kind of event.
const ALIASED: &str = "Globals:
  Function: {AutoPublishAlias: live, DeploymentPreference: {Type: AllAtOnce}}
Resources:
  Q: {Type: AWS::SQS::Queue}
  R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: f
      Handler: bootstrap
      Runtime: provided.al2023
      VersionDescription: what it was published for
      EventInvokeConfig: {MaximumRetryAttempts: 0}
      Events:
        Batch: {Type: SQS, Properties: {Queue: !GetAtt Q.Arn}}
        Rule: {Type: EventBridgeRule, Properties: {Pattern: {source: [a]}}}
        Hourly: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 hour), OmitName: true, RoleArn: !GetAtt R.Arn}}
        Daily: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day)}}
";

#[test]
fn whatever_invokes_a_function_that_has_an_alias_invokes_the_alias() {
    let stack = resolve(ALIASED, &[]).unwrap();
    let of = |id: &str| &stack.resources[id];
    let alias = of("FAliaslive");
    assert_eq!(alias.arn, format!("{}:live", of("F").arn));
    for invoked in [
        &of("FBatch").properties["FunctionName"],
        &of("FRule").properties["Targets"][0]["Arn"],
        &of("FRulePermission").properties["FunctionName"],
        &of("FHourly").properties["Target"]["Arn"],
        &of("FDaily").properties["Target"]["Arn"],
        &of("FDailyRole").properties["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"],
    ] {
        assert_eq!(*invoked, alias.arn.as_str());
    }
    assert_eq!(of("FEventInvokeConfig").properties["Qualifier"], "live");
    assert_eq!(of("FHourly").properties["Target"]["RoleArn"], of("R").arn.as_str());
    assert!(!stack.resources.contains_key("FHourlyRole"), "it names one");
    let place = |id: &str| stack.order.iter().position(|it| it == id);
    assert!(place("FAliaslive") < place("FEventInvokeConfig"));
}

#[test]
fn a_deployment_preference_without_an_alias_is_refused() {
    let text = ALIASED.replace("AutoPublishAlias: live, ", "");
    let error = resolve(&text, &[]).unwrap_err().to_string();
    assert!(error.contains("AutoPublishAlias"), "{error}");
}
