//! What a resource is called: the one table of the types known here, of what `Ref` and `Fn::GetAtt` give for each,
//! and of the names that CloudFormation would have made up.
//!
//! | type | `Ref` | `Fn::GetAtt` |
//! | --- | --- | --- |
//! | S3 Bucket | name | Arn, DomainName, RegionalDomainName |
//! | SQS Queue | URL | Arn, QueueName, QueueUrl |
//! | SNS Topic | ARN | TopicArn, TopicName |
//! | SNS Subscription | ARN | Arn |
//! | DynamoDB Table | name | Arn, and StreamArn with a stream |
//! | Events Rule | name | Arn |
//! | Scheduler Schedule | name | Arn |
//! | ECS Cluster | name | Arn |
//! | ECS TaskDefinition | ARN with revision 1 | TaskDefinitionArn |
//! | Lambda Function | name | Arn |
//! | Lambda Alias | ARN | AliasArn |
//! | Lambda LayerVersion | ARN with version 1 | LayerVersionArn |
//! | Lambda EventSourceMapping | id | Id, EventSourceMappingArn |
//! | Lambda EventInvokeConfig, Permission | id | |
//! | Logs LogGroup | name | Arn |
//! | CloudWatch Alarm | name | Arn |
//! | IAM Role | name | Arn, RoleId |
//! | passed over: EC2, ECR, KMS, policies | id, name or ARN | the id or ARN, under its usual name |
//!
//! Names are the same for the same stack name and logical id, so that a data folder fits the next start.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::wire::{ACCOUNT, REGION};

/// The types that the local cloud runs.
pub(super) const RUN: [&str; 18] = [
    "AWS::CloudWatch::Alarm",
    "AWS::DynamoDB::Table",
    "AWS::ECS::Cluster",
    "AWS::ECS::TaskDefinition",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::Scheduler::Schedule",
];

/// The types that mean nothing on one machine: they resolve to ids, and that is all; but keys and policies are read by
/// [`crate::iam`].
pub(super) const PASSED_OVER: [&str; 29] = [
    "AWS::CloudFormation::WaitConditionHandle",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::EC2::EIP",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::NatGateway",
    "AWS::EC2::Route",
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::EC2::VPCEndpoint",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::ECR::Repository",
    "AWS::ECS::ClusterCapacityProviderAssociations",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::KMS::Alias",
    "AWS::KMS::Key",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
];

/// The property that names a resource of this type, if its author chose to.
pub(super) fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::S3::Bucket" => "BucketName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::DynamoDB::Table" => "TableName",
        "AWS::Events::Rule" | "AWS::Scheduler::Schedule" | "AWS::SSM::Parameter" => "Name",
        "AWS::ECS::Cluster" => "ClusterName",
        "AWS::ECS::TaskDefinition" => "Family",
        "AWS::Lambda::Function" => "FunctionName",
        "AWS::Lambda::LayerVersion" => "LayerName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::IAM::ManagedPolicy" => "ManagedPolicyName",
        "AWS::ECR::Repository" => "RepositoryName",
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => "AlarmName",
        "AWS::CloudWatch::Dashboard" => "DashboardName",
        _ => return None,
    })
}

/// The longest name that AWS takes for this type.
fn longest_name(kind: &str) -> usize {
    match kind {
        "AWS::S3::Bucket" => 63,
        "AWS::SQS::Queue" => 80,
        "AWS::SNS::Topic" | "AWS::ECR::Repository" => 256,
        "AWS::CloudWatch::Alarm"
        | "AWS::DynamoDB::Table"
        | "AWS::ECS::Cluster"
        | "AWS::ECS::TaskDefinition" => 255,
        "AWS::Lambda::LayerVersion" => 140,
        "AWS::Logs::LogGroup" => 512,
        _ => 64,
    }
}

/// Where the names are to be valid.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    pub(super) stack: String,
    /// What queue URLs begin with.
    pub(super) endpoint: String,
}

/// What a resource is called.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// What `Ref` gives.
    pub(super) physical_id: String,
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) attributes: Vec<(&'static str, String)>,
}

/// The identity of a resource of a known type.
pub(super) fn identify(kind: &str, logical_id: &str, properties: &Value, naming: &Naming) -> Identity {
    let given = name_property(kind).and_then(|it| properties.get(it)).and_then(Value::as_str);
    let name = given.map_or_else(|| made_up(kind, logical_id, naming), ToOwned::to_owned);
    let arn = |service: &str, resource: String| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}");
    let hash = hash(&naming.stack, logical_id);
    let by_name = |arn: String, more: Vec<(&'static str, String)>| Identity {
        physical_id: name.clone(),
        name: name.clone(),
        attributes: [vec![("Arn", arn.clone())], more].concat(),
        arn,
    };
    let by_arn = |arn: String, attributes: Vec<(&'static str, String)>| Identity {
        physical_id: arn.clone(),
        name: name.clone(),
        arn,
        attributes,
    };
    let by_id = |prefix: &str, attributes: fn(String) -> Vec<(&'static str, String)>| {
        let id = format!("{prefix}-0{}", &hash[..16]);
        let arn = arn("ec2", format!("resource/{id}"));
        Identity { physical_id: id.clone(), name: id.clone(), arn, attributes: attributes(id) }
    };
    let property = |key: &str| properties.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind {
        "AWS::S3::Bucket" => by_name(
            format!("arn:aws:s3:::{name}"),
            vec![
                ("DomainName", format!("{name}.s3.amazonaws.com")),
                ("RegionalDomainName", format!("{name}.s3.{REGION}.amazonaws.com")),
            ],
        ),
        "AWS::SQS::Queue" => {
            let url = format!("{}/{ACCOUNT}/{name}", naming.endpoint.trim_end_matches('/'));
            let arn = arn("sqs", name.clone());
            Identity {
                physical_id: url.clone(),
                name: name.clone(),
                attributes: vec![("Arn", arn.clone()), ("QueueName", name.clone()), ("QueueUrl", url)],
                arn,
            }
        }
        "AWS::SNS::Topic" => {
            let arn = arn("sns", name.clone());
            by_arn(arn.clone(), vec![("TopicArn", arn), ("TopicName", name.clone())])
        }
        "AWS::SNS::Subscription" => {
            let arn = format!("{}:{}", property("TopicArn"), uuid_like(&hash));
            by_arn(arn.clone(), vec![("Arn", arn)])
        }
        "AWS::DynamoDB::Table" => {
            let table = arn("dynamodb", format!("table/{name}"));
            let stream = format!("{table}/stream/2026-01-01T00:00:00.000");
            let streams = properties.get("StreamSpecification").is_some();
            by_name(table, if streams { vec![("StreamArn", stream)] } else { Vec::new() })
        }
        "AWS::Events::Rule" => by_name(arn("events", format!("rule/{name}")), Vec::new()),
        "AWS::Scheduler::Schedule" => {
            by_name(arn("scheduler", format!("schedule/default/{name}")), Vec::new())
        }
        "AWS::ECS::Cluster" => by_name(arn("ecs", format!("cluster/{name}")), Vec::new()),
        "AWS::ECS::TaskDefinition" => {
            let arn = arn("ecs", format!("task-definition/{name}:1"));
            by_arn(arn.clone(), vec![("TaskDefinitionArn", arn)])
        }
        "AWS::Lambda::Function" => by_name(arn("lambda", format!("function:{name}")), Vec::new()),
        "AWS::Lambda::Alias" => {
            let arn = arn("lambda", format!("function:{}:{}", property("FunctionName"), property("Name")));
            by_arn(arn.clone(), vec![("AliasArn", arn)])
        }
        "AWS::Lambda::LayerVersion" => {
            let arn = arn("lambda", format!("layer:{name}:1"));
            by_arn(arn.clone(), vec![("LayerVersionArn", arn)])
        }
        "AWS::Lambda::EventSourceMapping" => {
            let id = uuid_like(&hash);
            let arn = arn("lambda", format!("event-source-mapping:{id}"));
            let attributes = vec![("Id", id.clone()), ("EventSourceMappingArn", arn.clone())];
            Identity { physical_id: id.clone(), name: id, arn, attributes }
        }
        "AWS::Logs::LogGroup" => by_name(arn("logs", format!("log-group:{name}:*")), Vec::new()),
        "AWS::IAM::Role" => by_name(
            format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            vec![("RoleId", format!("AROA{}", hash[..17].to_uppercase()))],
        ),
        "AWS::IAM::ManagedPolicy" => {
            let arn = format!("arn:aws:iam::{ACCOUNT}:policy/{name}");
            by_arn(arn.clone(), vec![("PolicyArn", arn)])
        }
        "AWS::EC2::VPC" => by_id("vpc", |id| vec![("VpcId", id)]),
        "AWS::EC2::Subnet" => by_id("subnet", |id| vec![("SubnetId", id)]),
        "AWS::EC2::SecurityGroup" => by_id("sg", |id| vec![("GroupId", id.clone()), ("Id", id)]),
        "AWS::EC2::InternetGateway" => by_id("igw", |id| vec![("InternetGatewayId", id)]),
        "AWS::EC2::RouteTable" => by_id("rtb", |id| vec![("RouteTableId", id)]),
        "AWS::EC2::VPCEndpoint" => by_id("vpce", |id| vec![("Id", id)]),
        "AWS::EC2::NatGateway" => by_id("nat", |id| vec![("NatGatewayId", id)]),
        "AWS::EC2::EIP" => by_id("eipalloc", |id| vec![("AllocationId", id)]),
        "AWS::KMS::Key" => {
            let id = uuid_like(&hash);
            let arn = arn("kms", format!("key/{id}"));
            let attributes = vec![("Arn", arn.clone()), ("KeyId", id.clone())];
            Identity { physical_id: id.clone(), name: id, arn, attributes }
        }
        "AWS::ECR::Repository" => by_name(
            arn("ecr", format!("repository/{name}")),
            vec![("RepositoryUri", format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}"))],
        ),
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::CompositeAlarm" => {
            by_name(arn("cloudwatch", format!("alarm:{name}")), Vec::new())
        }
        _ => Identity {
            physical_id: name.clone(),
            arn: arn("cloudformation", format!("resource/{name}")),
            name,
            attributes: Vec::new(),
        },
    }
}

/// `stack-LogicalId-0123456789ab`, cut to the type's length and put into its alphabet.
fn made_up(kind: &str, logical_id: &str, naming: &Naming) -> String {
    let hash = hash(&naming.stack, logical_id);
    let suffix = &hash[..12];
    let room = longest_name(kind) - suffix.len() - 2;
    // Both halves stay recognisable; a stack's name may be longer than all the room there is.
    let id = &logical_id[..logical_id.len().min(room / 2)];
    let stack = &naming.stack[..naming.stack.len().min(room - id.len())];
    let name = format!("{stack}-{id}-{suffix}");
    if matches!(kind, "AWS::S3::Bucket" | "AWS::ECR::Repository") { name.to_lowercase() } else { name }
}

fn hash(stack: &str, logical_id: &str) -> String {
    hex::encode(Sha256::digest(format!("{stack}/{logical_id}")))
}

fn uuid_like(hash: &str) -> String {
    let part = |from: usize, to: usize| &hash[from..to];
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
