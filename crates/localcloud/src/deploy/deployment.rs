//! One deployment in flight: each resource of the stack, handed to its service.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{DeployError, layers::Layers};
use crate::{
    credentials::Credentials,
    frontend::Services,
    lambda::FunctionHost,
    template::{Resource, Stack},
    wire::ApiError,
};

/// What a deployment needs to know.
pub(super) struct Deployment<'c> {
    pub(super) services: &'c Services,
    pub(super) credentials: &'c Credentials,
    /// The template's, beside which the layers' folders are.
    pub(super) folder: PathBuf,
    pub(super) layers: Layers,
    /// By logical id; taken out as they are used.
    pub(super) functions: BTreeMap<String, FunctionHost>,
    /// The containers that have something to run them.
    pub(super) containers: BTreeSet<String>,
}

impl Deployment<'_> {
    /// Creates all of the stack, each resource after those it depends on.
    pub(super) async fn deploy(mut self, stack: &Stack) -> Result<(), DeployError> {
        for resource in stack.order.iter().filter_map(|id| stack.resources.get(id)) {
            self.create(resource).await?;
        }
        match self.functions.into_keys().next() {
            Some(name) => Err(DeployError::NothingToHost { what: "function", name }),
            None => Ok(()),
        }
    }

    async fn create(&mut self, resource: &Resource) -> Result<(), DeployError> {
        match resource.kind.as_str() {
            "AWS::S3::Bucket" => self.bucket(resource),
            "AWS::DynamoDB::Table" => self.table(resource).await,
            "AWS::Logs::LogGroup" => {
                self.services.logs.create_group(&resource.name);
                Ok(())
            }
            "AWS::SQS::Queue" => self.queue(resource),
            "AWS::SNS::Topic" => self.topic(resource),
            "AWS::SNS::Subscription" => self.subscription(resource),
            "AWS::Events::Rule" => self.rule(resource),
            "AWS::CloudWatch::Alarm" => self.alarm(resource),
            "AWS::ECS::Cluster" => self.cluster(resource),
            "AWS::ECS::TaskDefinition" => self.task_definition(resource),
            "AWS::Lambda::LayerVersion" => self.layer(resource),
            "AWS::Lambda::Function" => self.function(resource),
            "AWS::Lambda::Alias" => self.alias(resource),
            "AWS::Lambda::EventSourceMapping" => self.event_source(resource),
            "AWS::Lambda::EventInvokeConfig" => self.event_invoke_config(resource),
            "AWS::Lambda::Permission" => self.permission(resource),
            "AWS::Scheduler::Schedule" => self.schedule(resource),
            "AWS::IAM::Role" => {
                self.role(resource);
                Ok(())
            }
            _ if resource.is_passed_over() => Ok(()),
            _ => Err(DeployError::NotRun {
                resource: resource.logical_id.clone(),
                kind: resource.kind.clone(),
                line: resource.line,
            }),
        }
    }

    pub(super) fn refused(&self, resource: &Resource, source: ApiError) -> DeployError {
        DeployError::Refused { resource: resource.logical_id.clone(), line: resource.line, source }
    }
}
