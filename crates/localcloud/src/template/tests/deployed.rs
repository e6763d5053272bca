//! The template that is deployed.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

use super::{ENDPOINT, Stack, Template, TemplateError, given};

fn deployed() -> Template {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml"));
    Template::load(file, crate::resource_types()).unwrap()
}

fn deployed_stack(more: &[(&str, &str)]) -> Result<Stack, TemplateError> {
    let mut parameters = given(&[("NotifyEmail", "ops@example.com"), ("WorkerImage", "worker:1")]);
    parameters.extend(given(more));
    deployed().resolve(&parameters, "tidemill", ENDPOINT)
}

#[test]
fn the_deployed_template_says_what_to_ask_for() {
    let error = deployed().resolve(&BTreeMap::new(), "tidemill", ENDPOINT).unwrap_err().to_string();
    assert!(error.contains("NotifyEmail needs a value: The e-mail address for mails about jobs"), "{error}");
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
