//! The interpreter, on small templates and on the one that is deployed.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{ParameterProblem, Stack, Template, TemplateError};

const ENDPOINT: &str = "http://cloud.local";

fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn resolve(text: &str, parameters: &[(&str, &str)]) -> Result<Stack, TemplateError> {
    Template::parse(text, Path::new("t.yaml"))?.resolve(&given(parameters), "tide", ENDPOINT)
}

/// The resolved properties of a queue named `Q` whose only property is `QueueName: <value>`, with room for more.
fn value_of(expression: &str) -> Result<Value, TemplateError> {
    let text = format!(
        "Parameters:\n  Text: {{Type: String, Default: hello}}\n  Texts: {{Type: CommaDelimitedList, Default: 'a, b'}}\n\
         Mappings: {{Zones: {{us-east-1: {{Short: use1}}}}}}\n\
         Conditions:\n  Yes: !Equals [!Ref Text, hello]\n  No: !Not [!Condition Yes]\n\
         Resources:\n  Other: {{Type: AWS::SQS::Queue}}\n  Off: {{Type: AWS::SQS::Queue, Condition: No}}\n  \
         Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      Value: {expression}\n"
    );
    Ok(resolve(&text, &[])?.resources["Q"].properties["Value"].clone())
}

fn deployed() -> Template {
    Template::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"))).unwrap()
}

fn deployed_stack(more: &[(&str, &str)]) -> Result<Stack, TemplateError> {
    let mut parameters = given(&[("NotifyEmail", "ops@example.com"), ("WorkerImage", "worker:1")]);
    parameters.extend(given(more));
    deployed().resolve(&parameters, "tidemill", ENDPOINT)
}

#[test]
fn functions_give_what_cloudformation_gives() {
    for (expression, expected) in [
        ("!Ref Text", json!("hello")),
        ("!Ref Texts", json!(["a", "b"])),
        ("{Ref: AWS::Region}", json!("us-east-1")),
        ("!Sub '${Text}-${AWS::AccountId}-${!Text}-$x'", json!("hello-123456789012-${Text}-$x")),
        ("!Sub ['${a}/${Text}', {a: !Ref AWS::Partition}]", json!("aws/hello")),
        ("!Join ['-', [a, 1, true, !Ref Text]]", json!("a-1-true-hello")),
        ("!Join [',', !Ref Texts]", json!("a,b")),
        ("!Select [1, !Ref Texts]", json!("b")),
        ("!Select ['0', !GetAZs '']", json!("us-east-1a")),
        ("!Split ['|', 'a|b|']", json!(["a", "b", ""])),
        ("!If [Yes, 1, 2]", json!(1)),
        ("!If [No, 1, !Ref AWS::NoValue]", Value::Null),
        ("[a, !If [No, b, !Ref AWS::NoValue], c]", json!(["a", "c"])),
        ("!FindInMap [Zones, !Ref AWS::Region, Short]", json!("use1")),
        ("!Select [1, !Cidr [10.0.0.0/16, 2, 8]]", json!("10.0.1.0/24")),
        ("!Base64 hi", json!("aGk=")),
        ("{Fn::GetAtt: Other.Arn}", json!("arn:aws:sqs:us-east-1:123456789012:tide-Other-11ec1e0eefe5")),
        ("2012-10-17", json!("2012-10-17")),
        ("012345678901", json!("012345678901")),
        ("'5'", json!("5")),
    ] {
        let found = value_of(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(found, expected, "{expression}");
    }
}

#[test]
fn what_cannot_be_computed_is_refused_with_file_line_and_path() {
    for (expression, expected) in [
        ("!Ref Nobody", "there is no parameter or resource `Nobody`"),
        ("!Ref Off", "the resource `Off` is not created here, since its condition `No` is false"),
        (
            "!GetAtt Other.Colour",
            "AWS::SQS::Queue has no attribute `Colour`; it has Arn, QueueName, QueueUrl",
        ),
        ("!Sub '${Texts}'", "text is needed here"),
        ("!ImportValue x", "there is nothing to import"),
        ("!Transform x", "no function !Transform"),
        ("{Fn::Length: []}", "no function Fn::Length"),
        ("!Select [7, !Ref Texts]", "no item 7 in 2 items"),
        ("!Join [a]", "this must be a delimiter and a list, and is a list"),
        ("!If [Maybe, 1, 2]", "there is no condition `Maybe` in this template; there are No, Yes"),
        (
            "!FindInMap [Zones, mars, Short]",
            "there is no mapping entry `mars` in this template; there are us-east-1",
        ),
        ("!GetAtt Q.Arn", "these need each other first: Q -> Q"),
        ("&anchor x", "CloudFormation refuses this YAML: anchors"),
        ("{a: 1, a: 2}", "the key `a` is here twice"),
        ("[", "not valid YAML"),
    ] {
        let error = value_of(expression).expect_err(expression).to_string();
        assert!(error.contains(expected), "{expression}: {error}");
        assert!(error.starts_with("t.yaml:"), "{expression}: {error}");
    }
    let error = value_of("!Ref Nobody").unwrap_err().to_string();
    assert!(error.starts_with("t.yaml:14: Resources.Q.Properties.Value.Ref: "), "{error}");
}

#[test]
fn resources_that_need_each_other_are_named() {
    let text = "Resources:\n  A: {Type: AWS::SNS::Topic, DependsOn: B}\n  \
                B: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Sub '${C.TopicName}'}}\n  \
                C: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref A}}\n";
    let error = resolve(text, &[]).unwrap_err().to_string();
    assert!(error.contains("these need each other first: A -> B -> C -> A"), "{error}");
}

#[test]
fn a_condition_that_needs_itself_is_an_error() {
    let text = "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n\
                Resources:\n  Q: {Type: AWS::SQS::Queue, Condition: A}\n";
    assert!(resolve(text, &[]).unwrap_err().to_string().contains("these need each other first: A -> B"));
}

#[test]
fn an_unknown_type_is_named_with_what_there_is() {
    let error = resolve("Resources:\n  Db:\n    Type: AWS::RDS::DBInstance\n", &[]).unwrap_err().to_string();
    assert!(
        error
            .starts_with("t.yaml:2: Resources.Db: the local cloud has no AWS::RDS::DBInstance; it has AWS::")
    );
    assert!(error.contains("AWS::Serverless::Function"), "{error}");
}

#[test]
fn a_misspelt_key_is_not_passed_over() {
    let error = resolve("Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Propertys: {}\n", &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("t.yaml:4: Resources.Q: `Propertys` is not known here; known are Type,")
    );
}

#[test]
fn a_missing_file_is_said_plainly() {
    let error = Template::load(Path::new("/nowhere/template.yaml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no template at /nowhere/template.yaml: name the template.yaml to run"
    );
}

#[test]
fn parameters_are_checked_all_at_once() {
    let text = "Parameters:\n  Mail: {Type: String, Description: Who is told.}\n  \
                Mode: {Type: String, AllowedValues: [all, some], Default: all}\n  \
                Days: {Type: Number, MinValue: 1, MaxValue: 9, Default: 3}\n  \
                Code: {Type: String, AllowedPattern: '[a-z]+', NoEcho: true, MaxLength: 3, Default: abc}\n\
                Resources:\n  Q: {Type: AWS::SQS::Queue}\n";
    let problems = |parameters: &[(&str, &str)]| match resolve(text, parameters) {
        Err(TemplateError::Parameters { problems, .. }) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(problems(&[]), ["the parameter Mail needs a value: Who is told."]);
    assert_eq!(
        problems(&[("Mail", "x"), ("Mode", "none"), ("Days", "12"), ("Code", "s3cret"), ("Colour", "red")]),
        [
            "the parameter Mode must be one of all, some; it is \"none\"",
            "the parameter Days must be at most 9; it is \"12\"",
            "the parameter Code must match the pattern [a-z]+; it is ****",
            "there is no parameter Colour; there are Mail, Mode, Days, Code",
        ]
    );
    assert_eq!(
        problems(&[("Mail", "x"), ("Days", "many")]),
        ["the parameter Days must be a number; it is \"many\""]
    );
    assert!(matches!(
        resolve(text, &[("Mail", "x"), ("Code", "abcd")]),
        Err(TemplateError::Parameters { problems, .. })
            if matches!(&problems[..], [ParameterProblem::Refused { must, .. }] if must == "must have at most 3 characters")
    ));
    assert!(resolve(text, &[("Mail", "x")]).is_ok());
}

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

#[test]
fn made_up_names_fit_their_type_and_stay_the_same() {
    let bucket =
        "Resources:\n  AnExtremelyLongLogicalIdThatWouldNotFitIntoABucketsNameAtAll: {Type: AWS::S3::Bucket}";
    let template = Template::parse(bucket, Path::new("t.yaml")).unwrap();
    let name = |stack: &str| {
        let stack = template.resolve(&BTreeMap::new(), stack, ENDPOINT).unwrap();
        stack.resources.into_values().next().unwrap().physical_id
    };
    let long = name(&"Stack".repeat(20));
    assert!(
        long.len() <= 63
            && long.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
    );
    assert_eq!(long, name(&"Stack".repeat(20)));
    assert_ne!(name("a"), name("b"));
    assert!(matches!(
        template.resolve(&BTreeMap::new(), "no spaces", ENDPOINT),
        Err(TemplateError::StackName { .. })
    ));
}

#[test]
fn the_deployed_template_says_what_to_ask_for() {
    let error = deployed().resolve(&BTreeMap::new(), "tidemill", ENDPOINT).unwrap_err().to_string();
    assert!(
        error.contains("NotifyEmail needs a value: The e-mail address that hears how jobs end"),
        "{error}"
    );
    assert!(!error.contains(';'), "the others have defaults: {error}");
}

#[test]
fn the_deployed_template_resolves_into_one_connected_system() {
    let stack = deployed_stack(&[]).unwrap();
    let of = |id: &str| &stack.resources[id];
    let target = &of("UploadsRule").properties["Targets"][0];
    assert_eq!(target["Arn"], of("UploadsQueue").arn.as_str());
    assert_eq!(target["DeadLetterConfig"]["Arn"], of("DeadLetterQueue").arn.as_str());
    let pattern = &of("UploadsRule").properties["EventPattern"]["detail"];
    assert_eq!(pattern["bucket"]["name"][0], of("Bucket").physical_id.as_str());
    assert_eq!(pattern["object"]["key"][0]["prefix"], "uploads/");
    let environment = &of("UploadsFunction").properties["Environment"]["Variables"];
    assert_eq!(environment["LEDGER_TABLE"], of("LedgerTable").physical_id.as_str());
    assert_eq!(environment["TASK_DEFINITION"], of("WorkerTask").arn.as_str());
    assert_eq!(environment["UPLOADS_QUEUE_URL"], stack.outputs["UploadsQueue"].as_str());
    assert!(
        stack.outputs["UploadsQueue"].starts_with("http://cloud.local/123456789012/tidemill-UploadsQueue-")
    );
    assert_eq!(environment["SUBNETS"].as_str().unwrap().split(',').count(), 3);
    assert_eq!(of("WorkerTask").arn, "arn:aws:ecs:us-east-1:123456789012:task-definition/tidemill-worker:1");
    assert_eq!(of("UploadsFunction").metadata["BuildMethod"], "rust-cargolambda");
}

#[test]
fn the_deployed_queues_wait_six_times_their_functions_timeout() {
    let stack = deployed_stack(&[]).unwrap();
    let mappings = stack.resources.values().filter(|it| it.kind == "AWS::Lambda::EventSourceMapping");
    for mapping in mappings {
        let by = |id: &Value| stack.resources.values().find(|it| *id == it.arn || *id == it.name).unwrap();
        let queue = &by(&mapping.properties["EventSourceArn"]).properties;
        let alias = &by(&mapping.properties["FunctionName"]).properties;
        let function = &by(&alias["FunctionName"]).properties;
        assert!(queue["VisibilityTimeout"].as_u64().unwrap() >= 6 * function["Timeout"].as_u64().unwrap());
        assert!(queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap() >= 5);
        assert_eq!(mapping.properties["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    }
}

#[test]
fn watching_what_is_written_by_ourselves_is_refused() {
    for own in ["rejects/", "reports/"] {
        let error = deployed_stack(&[("WatchedPrefix", own)]).unwrap_err().to_string();
        let words = format!("Rules.OwnOutputIsNotWatched: WatchedPrefix cannot be {own}");
        assert!(error.contains(&words), "{error}");
    }
    assert!(deployed_stack(&[("WatchedPrefix", "incoming")]).is_err());
    assert!(deployed_stack(&[("WatchedPrefix", "incoming/a/")]).is_ok());
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

#[test]
fn the_network_is_new_or_named() {
    let existing =
        [("Network", "existing"), ("VpcId", "vpc-0a1b2c3d"), ("SubnetIds", "subnet-0a1b2c3d,subnet-0b")];
    let stack = deployed_stack(&existing).unwrap();
    let environment = &stack.resources["UploadsFunction"].properties["Environment"]["Variables"];
    assert_eq!(environment["SUBNETS"], "subnet-0a1b2c3d,subnet-0b");
    assert_eq!(environment["ASSIGN_PUBLIC_IP"], "DISABLED");
    assert_eq!(stack.resources["WorkerSecurityGroup"].properties["VpcId"], "vpc-0a1b2c3d");
    let made = |stack: &Stack, kind: &str| stack.resources.values().filter(|it| it.kind == kind).count();
    assert_eq!(made(&stack, "AWS::EC2::Subnet") + made(&stack, "AWS::EC2::VPCEndpoint"), 0);

    let stack = deployed_stack(&[("Network", "private"), ("Zones", "2")]).unwrap();
    assert_eq!((made(&stack, "AWS::EC2::Subnet"), made(&stack, "AWS::EC2::VPCEndpoint")), (2, 8));
    assert_eq!((made(&stack, "AWS::EC2::InternetGateway"), made(&stack, "AWS::EC2::Route")), (0, 0));
    let stack = deployed_stack(&[]).unwrap();
    assert_eq!((made(&stack, "AWS::EC2::Subnet"), made(&stack, "AWS::EC2::VPCEndpoint")), (3, 2));
    let environment = &stack.resources["UploadsFunction"].properties["Environment"]["Variables"];
    assert_eq!(environment["ASSIGN_PUBLIC_IP"], "ENABLED");
}

#[test]
fn combinations_that_cannot_work_are_refused_with_what_to_do() {
    for (parameters, words) in [
        (&[("Network", "existing")][..], "VpcId must name the VPC"),
        (&[("Network", "existing"), ("VpcId", "vpc-0a1b2c3d")], "SubnetIds must name the subnets"),
        (&[("VpcId", "vpc-0a1b2c3d")], "leave them empty or choose existing"),
        (&[("ImageTag", "latest")], "tags cannot be moved"),
        (&[("FleetMemory", "4096")], "FleetMemory must be 512, 1024 or 2048"),
        (&[("FleetCpu", "4096"), ("FleetMemory", "8193")], "a multiple of 1024 from 8192 to 30720"),
    ] {
        let error = deployed_stack(parameters).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let sizes = [("256", "512"), ("512", "4096"), ("1024", "2048"), ("2048", "16384"), ("4096", "30720")];
    for (cpu, memory) in sizes {
        assert!(deployed_stack(&[("FleetCpu", cpu), ("FleetMemory", memory)]).is_ok(), "{cpu} {memory}");
    }
}
