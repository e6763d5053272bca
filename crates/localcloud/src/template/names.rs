//! What a resource is called: its name, what `Ref` and `Fn::GetAtt` give for it, and its ARN.
//!
//! The services say it of the types that they create ([`ResourceType`]); here it is said of those that mean nothing on one
//! machine, and of the names that CloudFormation would have made up.
//!
//! Names are the same for the same stack name and logical id, so that a data folder fits the next start.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::wire::{ACCOUNT, REGION};

/// A type of resources, as far as names go.
#[derive(Debug, Clone, Copy)]
pub struct ResourceType {
    /// Its CloudFormation name, such as `AWS::SQS::Queue`.
    pub kind: &'static str,
    /// The property by which a template's author may name a resource of it.
    name_property: Option<&'static str>,
    /// The longest name that AWS takes.
    longest_name: usize,
    /// Whether names have no capitals.
    lower_case: bool,
    identity: fn(&Named<'_>) -> Identity,
}

impl ResourceType {
    /// A type whose resources have names of up to 64 characters, which CloudFormation makes up.
    pub(crate) const fn new(kind: &'static str, identity: fn(&Named<'_>) -> Identity) -> Self {
        Self { kind, name_property: None, longest_name: 64, lower_case: false, identity }
    }

    /// The same with a property that names a resource, and the longest name that AWS takes.
    pub(crate) const fn named(mut self, property: &'static str, longest_name: usize) -> Self {
        self.name_property = Some(property);
        self.longest_name = longest_name;
        self
    }

    /// The same with names that have no capitals.
    pub(crate) const fn lower_case(mut self) -> Self {
        self.lower_case = true;
        self
    }

    /// `stack-LogicalId-0123456789ab`, cut to the type's length and put into its alphabet.
    fn made_up(&self, logical_id: &str, naming: &Naming) -> String {
        let hash = hash(&naming.stack, logical_id);
        let suffix = &hash[..12];
        let room = self.longest_name - suffix.len() - 2;
        // Both halves stay recognisable; a stack's name may be longer than all the room there is.
        let id = &logical_id[..logical_id.len().min(room / 2)];
        let stack = &naming.stack[..naming.stack.len().min(room - id.len())];
        let name = format!("{stack}-{id}-{suffix}");
        if self.lower_case { name.to_lowercase() } else { name }
    }
}

/// What the names are made for.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    pub(super) stack: String,
    /// What queue URLs begin with.
    pub(super) endpoint: String,
    /// The types that the services create.
    pub(super) types: Vec<ResourceType>,
}

/// What a resource is called.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// What `Ref` gives.
    pub(crate) physical_id: String,
    pub(crate) name: String,
    pub(crate) arn: String,
    /// What `Fn::GetAtt` gives.
    pub(crate) attributes: Vec<(&'static str, String)>,
}

/// A resource that has its name, to be given its identity.
pub(crate) struct Named<'r> {
    pub(crate) name: String,
    /// Of its stack and logical id, in hexadecimal digits.
    pub(crate) hash: String,
    properties: &'r Value,
    endpoint: &'r str,
}

impl Named<'_> {
    /// The ARN of something in this account and region.
    pub(crate) fn arn(&self, service: &str, resource: impl std::fmt::Display) -> String {
        format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}")
    }

    /// A property that is text; empty where it is missing, which the service will refuse.
    pub(crate) fn property(&self, key: &str) -> &str {
        self.properties.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the resource has this property.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.properties.get(key).is_some()
    }

    /// The cloud's address, without a slash at its end.
    pub(crate) fn endpoint(&self) -> &str {
        self.endpoint.trim_end_matches('/')
    }

    /// An id in the shape of a UUID.
    pub(crate) fn uuid(&self) -> String {
        let part = |from: usize, to: usize| &self.hash[from..to];
        format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
    }

    /// The identity of a resource whose `Ref` is its name, with the attribute `Arn` and more.
    pub(crate) fn by_name(&self, arn: String, more: Vec<(&'static str, String)>) -> Identity {
        Identity {
            physical_id: self.name.clone(),
            name: self.name.clone(),
            attributes: [vec![("Arn", arn.clone())], more].concat(),
            arn,
        }
    }

    /// The identity of a resource whose `Ref` is its ARN, which is the attribute of this name too.
    pub(crate) fn by_arn(&self, arn: String, attribute: &'static str) -> Identity {
        Identity {
            physical_id: arn.clone(),
            name: self.name.clone(),
            attributes: vec![(attribute, arn.clone())],
            arn,
        }
    }

    /// The identity of a resource whose `Ref` is its name, without attributes.
    pub(crate) fn plain(&self) -> Identity {
        Identity {
            physical_id: self.name.clone(),
            name: self.name.clone(),
            arn: self.arn("cloudformation", format_args!("resource/{}", self.name)),
            attributes: Vec::new(),
        }
    }

    /// The identity of something of EC2's, whose `Ref` is an id with this prefix.
    fn ec2(&self, prefix: &str, attributes: &[&'static str]) -> Identity {
        let id = format!("{prefix}-0{}", &self.hash[..16]);
        Identity {
            physical_id: id.clone(),
            name: id.clone(),
            arn: self.arn("ec2", format_args!("resource/{id}")),
            attributes: attributes.iter().map(|attribute| (*attribute, id.clone())).collect(),
        }
    }
}

/// The types that mean nothing on one machine: they resolve to ids, and that is all; but keys and policies are read by
/// [`crate::services::iam`].
pub(super) const PASSED_OVER: [ResourceType; 29] = [
    ResourceType::new("AWS::CloudFormation::WaitConditionHandle", |it| it.plain()),
    ResourceType::new("AWS::CloudWatch::CompositeAlarm", |it| {
        it.by_name(it.arn("cloudwatch", format_args!("alarm:{}", it.name)), Vec::new())
    })
    .named("AlarmName", 64),
    ResourceType::new("AWS::CloudWatch::Dashboard", |it| it.plain()).named("DashboardName", 64),
    ResourceType::new("AWS::EC2::EIP", |it| it.ec2("eipalloc", &["AllocationId"])),
    ResourceType::new("AWS::EC2::InternetGateway", |it| it.ec2("igw", &["InternetGatewayId"])),
    ResourceType::new("AWS::EC2::NatGateway", |it| it.ec2("nat", &["NatGatewayId"])),
    ResourceType::new("AWS::EC2::Route", |it| it.plain()),
    ResourceType::new("AWS::EC2::RouteTable", |it| it.ec2("rtb", &["RouteTableId"])),
    ResourceType::new("AWS::EC2::SecurityGroup", |it| it.ec2("sg", &["GroupId", "Id"])),
    ResourceType::new("AWS::EC2::SecurityGroupEgress", |it| it.plain()),
    ResourceType::new("AWS::EC2::SecurityGroupIngress", |it| it.plain()),
    ResourceType::new("AWS::EC2::Subnet", |it| it.ec2("subnet", &["SubnetId"])),
    ResourceType::new("AWS::EC2::SubnetRouteTableAssociation", |it| it.plain()),
    ResourceType::new("AWS::EC2::VPC", |it| it.ec2("vpc", &["VpcId"])),
    ResourceType::new("AWS::EC2::VPCEndpoint", |it| it.ec2("vpce", &["Id"])),
    ResourceType::new("AWS::EC2::VPCGatewayAttachment", |it| it.plain()),
    ResourceType::new("AWS::ECR::Repository", |it| {
        let address = format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{}", it.name);
        it.by_name(it.arn("ecr", format_args!("repository/{}", it.name)), vec![("RepositoryUri", address)])
    })
    .named("RepositoryName", 256)
    .lower_case(),
    ResourceType::new("AWS::ECS::ClusterCapacityProviderAssociations", |it| it.plain()),
    ResourceType::new("AWS::IAM::ManagedPolicy", |it| {
        it.by_arn(format!("arn:aws:iam::{ACCOUNT}:policy/{}", it.name), "PolicyArn")
    })
    .named("ManagedPolicyName", 64),
    ResourceType::new("AWS::IAM::Policy", |it| it.plain()),
    ResourceType::new("AWS::IAM::RolePolicy", |it| it.plain()),
    ResourceType::new("AWS::KMS::Alias", |it| it.plain()),
    ResourceType::new("AWS::KMS::Key", |it| {
        let id = it.uuid();
        let arn = it.arn("kms", format_args!("key/{id}"));
        let attributes = vec![("Arn", arn.clone()), ("KeyId", id.clone())];
        Identity { physical_id: id.clone(), name: id, arn, attributes }
    }),
    ResourceType::new("AWS::Logs::MetricFilter", |it| it.plain()),
    ResourceType::new("AWS::Logs::QueryDefinition", |it| it.plain()),
    ResourceType::new("AWS::S3::BucketPolicy", |it| it.plain()),
    ResourceType::new("AWS::SNS::TopicPolicy", |it| it.plain()),
    ResourceType::new("AWS::SQS::QueuePolicy", |it| it.plain()),
    ResourceType::new("AWS::SSM::Parameter", |it| it.plain()).named("Name", 64),
];

/// Whether a type means nothing on one machine.
pub(super) fn is_passed_over(kind: &str) -> bool {
    PASSED_OVER.iter().any(|it| it.kind == kind)
}

/// The identity of a resource of a known type.
pub(super) fn identify(kind: &str, logical_id: &str, properties: &Value, naming: &Naming) -> Identity {
    let known = naming.types.iter().chain(&PASSED_OVER).find(|it| it.kind == kind).copied();
    let of = known.unwrap_or(ResourceType::new("", |it| it.plain()));
    let given = of.name_property.and_then(|it| properties.get(it)).and_then(Value::as_str);
    (of.identity)(&Named {
        name: given.map_or_else(|| of.made_up(logical_id, naming), ToOwned::to_owned),
        hash: hash(&naming.stack, logical_id),
        properties,
        endpoint: &naming.endpoint,
    })
}

fn hash(stack: &str, logical_id: &str) -> String {
    hex::encode(Sha256::digest(format!("{stack}/{logical_id}")))
}
