//! The stack as its callers see it.

use std::collections::BTreeMap;

use super::*;
use crate::template::Template;

const TEMPLATE: &str = "\
AWSTemplateFormatVersion: '2010-09-09'
Description: Two queues & no more.
Parameters:
  Word: { Type: String, Default: yes-or-no }
  Secret: { Type: String, Default: hush, NoEcho: true }
Resources:
  First: { Type: AWS::SQS::Queue }
  Second: { Type: AWS::SQS::Queue, DependsOn: First }
Outputs:
  Url: { Description: 'Where: to send', Value: !Ref First }
  Bare: { Value: !Ref Word }
";

fn built() -> CloudFormation {
    let template =
        Template::parse(TEMPLATE, std::path::Path::new("template.yaml"), crate::resource_types()).unwrap();
    let stack = template.resolve(&BTreeMap::new(), "mill", "http://cloud.local").unwrap();
    let service = CloudFormation::new(Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
    service.complete(&stack);
    service
}

async fn refused(service: &CloudFormation, operation: &str, input: Value) -> String {
    let error = service.call(operation, input).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.status), ("ValidationError", 400));
    error.message
}

#[tokio::test(start_paused = true)]
async fn a_stack_is_told_of_with_its_outputs_and_parameters() {
    let service = built();
    let answer = service.call("DescribeStacks", json!({ "StackName": "mill" })).await.unwrap();
    let stack = &answer["Stacks"][0];
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE");
    assert_eq!(stack["Description"], "Two queues & no more.");
    assert_eq!(stack["CreationTime"], "2026-11-21T08:00:00.000Z");
    let outputs = stack["Outputs"].as_array().unwrap();
    assert_eq!(outputs[0], json!({ "OutputKey": "Bare", "OutputValue": "yes-or-no" }));
    assert_eq!(outputs[1]["Description"], "Where: to send");
    assert!(outputs[1]["OutputValue"].as_str().unwrap().starts_with("http://cloud.local/"));
    let parameters = stack["Parameters"].as_array().unwrap();
    assert_eq!(parameters[0], json!({ "ParameterKey": "Secret", "ParameterValue": "****" }));
    let all = service.call("DescribeStacks", json!({})).await.unwrap();
    assert_eq!(all, answer);
    let by_id = service.call("DescribeStacks", json!({ "StackName": stack["StackId"] })).await.unwrap();
    assert_eq!(by_id, answer);
}

#[tokio::test(start_paused = true)]
async fn its_resources_are_told_in_order() {
    let service = built();
    let all = service.call("DescribeStackResources", json!({ "StackName": "mill" })).await.unwrap();
    let all = all["StackResources"].as_array().unwrap().clone();
    let ids: Vec<_> = all.iter().map(|it| it["LogicalResourceId"].as_str().unwrap()).collect();
    assert_eq!(ids, ["First", "Second"]);
    let one = json!({ "StackName": "mill", "LogicalResourceId": "Second" });
    let one = service.call("DescribeStackResources", one).await.unwrap();
    assert_eq!(one["StackResources"], json!([all[1]]));
    let by_physical = json!({ "PhysicalResourceId": all[0]["PhysicalResourceId"] });
    let by_physical = service.call("DescribeStackResources", by_physical).await.unwrap();
    assert_eq!(by_physical["StackResources"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_refused_in_awss_words() {
    let service = built();
    let none = json!({ "StackName": "none" });
    for operation in ["DescribeStacks", "DescribeStackResources"] {
        assert_eq!(refused(&service, operation, none.clone()).await, "Stack with id none does not exist");
    }
    let resource = json!({ "StackName": "mill", "LogicalResourceId": "Third" });
    let said = refused(&service, "DescribeStackResources", resource).await;
    assert_eq!(said, "Resource Third does not exist for stack mill");
    assert_eq!(refused(&service, "DescribeStackResources", json!({})).await, ONE);
    let fresh = CloudFormation::new(Clock::system());
    assert_eq!(fresh.call("DescribeStacks", json!({})).await.unwrap(), json!({ "Stacks": [] }));
    assert_eq!(fresh.call("CreateStack", json!({})).await.unwrap_err().status, 501);
}
