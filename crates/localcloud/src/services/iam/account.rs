//! The policies of an account, as the template's resources have them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    grant::{self, Grant, GrantId, Place},
    managed,
    required_action::RequiredAction,
};
use crate::{
    template::{Resource, Stack},
    wire::{ACCOUNT, REGION},
};

/// A policy that cannot be enforced as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {resource}: its policy cannot be enforced: {why}")]
pub struct PolicyError {
    /// The logical id of what it belongs to.
    pub resource: String,
    /// The line that is declared on.
    pub line: usize,
    /// What is wrong, and what to do.
    pub why: String,
}

/// Who a function is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The ARN of its role.
    pub role: String,
    /// The log group it writes to.
    pub log_group: String,
}

/// All policies.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// By the role's name.
    pub(super) roles: HashMap<String, Role>,
    /// What belongs to a resource, by its ARN; of a role, whom it trusts.
    resources: HashMap<String, Vec<Arc<Grant>>>,
    /// The ARN of the key that encrypts what is in a queue or topic, by its ARN.
    keys: HashMap<String, String>,
    /// By the function's name.
    pub(super) functions: HashMap<String, Identity>,
}

/// A role and what its policies say.
#[derive(Debug, Default)]
pub(super) struct Role {
    pub(super) logical_id: String,
    pub(super) grants: Vec<Arc<Grant>>,
    /// What the permissions boundary says, if the role has one.
    pub(super) boundary: Option<Vec<Arc<Grant>>>,
}

impl Account {
    /// Reads the stack's policies, without the grants named.
    pub(super) fn read(stack: &Stack, without: &[GrantId]) -> Result<Self, PolicyError> {
        let mut account = Self::default();
        // Roles first: other resources' policies are attached to them.
        let (roles, others): (Vec<_>, Vec<_>) =
            stack.resources.values().partition(|it| it.kind == "AWS::IAM::Role");
        for resource in roles.into_iter().chain(others) {
            account.add(stack, resource).map_err(|why| PolicyError {
                resource: resource.logical_id.clone(),
                line: resource.line,
                why,
            })?;
        }
        let stays = |grant: &Arc<Grant>| !without.contains(&grant.id);
        account.roles.values_mut().for_each(|role| role.grants.retain(stays));
        account.resources.values_mut().for_each(|grants| grants.retain(stays));
        Ok(account)
    }

    fn add(&mut self, stack: &Stack, resource: &Resource) -> Result<(), String> {
        let properties = &resource.properties;
        match resource.kind.as_str() {
            "AWS::IAM::Role" => self.role(stack, resource),
            "AWS::IAM::Policy" | "AWS::IAM::RolePolicy" | "AWS::IAM::ManagedPolicy" => {
                self.policy_of_roles(resource)
            }
            "AWS::S3::BucketPolicy" => {
                let arn = format!("arn:aws:s3:::{}", text(properties, "Bucket")?);
                self.admits(resource, arn, &properties["PolicyDocument"])
            }
            "AWS::SQS::QueuePolicy" => {
                for url in list(&properties["Queues"]) {
                    let queue = stack.resources.values().find(|it| it.physical_id == *url);
                    let queue = queue.ok_or_else(|| format!("{url} is no queue of the template"))?;
                    self.admits(resource, queue.arn.clone(), &properties["PolicyDocument"])?;
                }
                Ok(())
            }
            "AWS::SNS::TopicPolicy" => {
                for arn in list(&properties["Topics"]) {
                    self.admits(resource, arn.to_owned(), &properties["PolicyDocument"])?;
                }
                Ok(())
            }
            "AWS::KMS::Key" => self.admits(resource, resource.arn.clone(), &properties["KeyPolicy"]),
            "AWS::Lambda::Permission" => self.permission(resource),
            "AWS::SQS::Queue" | "AWS::SNS::Topic" => self.encrypted(stack, resource),
            "AWS::Lambda::Function" => {
                let group = properties["LoggingConfig"]["LogGroup"].as_str();
                let log_group = group.map_or_else(|| format!("/aws/lambda/{}", resource.name), str::to_owned);
                let role = text(properties, "Role")?.to_owned();
                self.functions.insert(resource.name.clone(), Identity { role, log_group });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn role(&mut self, stack: &Stack, resource: &Resource) -> Result<(), String> {
        let properties = &resource.properties;
        let holder = resource.logical_id.as_str();
        self.admits_as(resource, "trust", resource.arn.clone(), &properties["AssumeRolePolicyDocument"])?;
        let mut grants = Vec::new();
        for policy in properties["Policies"].as_array().into_iter().flatten() {
            let name = policy["PolicyName"].as_str().unwrap_or("inline");
            let place = Place { holder, name, managed: None, admits: false };
            grants.extend(grant::read(&place, &policy["PolicyDocument"])?);
        }
        for arn in list(&properties["ManagedPolicyArns"]) {
            grants.extend(managed_policy(stack, holder, arn)?);
        }
        let boundary = properties["PermissionsBoundary"].as_str();
        let boundary = boundary.map(|arn| managed_policy(stack, holder, arn)).transpose()?;
        let role = Role { logical_id: holder.to_owned(), grants, boundary };
        self.roles.insert(resource.name.clone(), role);
        Ok(())
    }

    /// A policy that names the roles it is for.
    fn policy_of_roles(&mut self, resource: &Resource) -> Result<(), String> {
        let properties = &resource.properties;
        let named = list(&properties["Roles"]).into_iter().chain(properties["RoleName"].as_str());
        let named: Vec<&str> = named.collect();
        for name in named {
            let role =
                self.roles.get_mut(name).ok_or_else(|| format!("{name} is no role of the template"))?;
            let holder = role.logical_id.clone();
            let place = Place { holder: &holder, name: &resource.logical_id, managed: None, admits: false };
            role.grants.extend(grant::read(&place, &properties["PolicyDocument"])?);
        }
        Ok(())
    }

    fn admits(&mut self, resource: &Resource, arn: String, document: &Value) -> Result<(), String> {
        self.admits_as(resource, &resource.logical_id, arn, document)
    }

    fn admits_as(
        &mut self,
        resource: &Resource,
        name: &str,
        arn: String,
        document: &Value,
    ) -> Result<(), String> {
        let place = Place { holder: &resource.logical_id, name, managed: None, admits: true };
        let grants = grant::read(&place, document)?;
        self.resources.entry(arn).or_default().extend(grants);
        Ok(())
    }

    /// The policy of a resource from now on.
    pub(super) fn attach(&mut self, arn: &str, policy: Option<&Value>) -> Result<(), String> {
        let holder = arn.rsplit(':').next().unwrap_or_default();
        let place = Place { holder, name: "Policy", managed: None, admits: true };
        match policy {
            Some(document) => self.resources.insert(arn.to_owned(), grant::read(&place, document)?),
            None => self.resources.remove(arn),
        };
        Ok(())
    }

    /// A statement of a function's own policy.
    fn permission(&mut self, resource: &Resource) -> Result<(), String> {
        let properties = &resource.properties;
        let function = text(properties, "FunctionName")?;
        let arn = if function.starts_with("arn:") { function.to_owned() } else { function_arn(function) };
        let principal = match text(properties, "Principal")? {
            "*" => json!("*"),
            service if service.ends_with(".amazonaws.com") => json!({ "Service": service }),
            account => json!({ "AWS": account }),
        };
        let mut condition = serde_json::Map::new();
        if let Some(source) = properties["SourceArn"].as_str() {
            condition.insert("ArnLike".to_owned(), json!({ "aws:SourceArn": source }));
        }
        if let Some(account) = properties.get("SourceAccount").filter(|it| !it.is_null()) {
            let account = account.as_str().map_or_else(|| account.to_string(), str::to_owned);
            condition.insert("StringEquals".to_owned(), json!({ "aws:SourceAccount": account }));
        }
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": principal,
            "Action": text(properties, "Action")?,
            "Resource": arn,
        });
        if !condition.is_empty() {
            statement["Condition"] = condition.into();
        }
        self.admits(resource, arn, &json!({ "Statement": [statement] }))
    }

    /// Notes which key encrypts a queue or topic.
    fn encrypted(&mut self, stack: &Stack, resource: &Resource) -> Result<(), String> {
        let Some(named) = resource.properties["KmsMasterKeyId"].as_str() else { return Ok(()) };
        let of_aws = named
            .rsplit_once("alias/aws/")
            .map(|(_, service)| format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/{service}"));
        let by_name = |kind: &str, name: &str| {
            let mut found = stack.resources.values().filter(move |it| it.kind == kind);
            let name = name.to_owned();
            found.find(|it| {
                it.arn == name || it.physical_id == name || it.properties["AliasName"] == name.as_str()
            })
        };
        let alias = by_name("AWS::KMS::Alias", named).and_then(|it| it.properties["TargetKeyId"].as_str());
        let own = by_name("AWS::KMS::Key", alias.unwrap_or(named)).map(|key| key.arn.clone());
        let key = of_aws.or(own).ok_or_else(|| format!("its key {named} is no key of the template"))?;
        self.keys.insert(resource.arn.clone(), key);
        Ok(())
    }

    /// The statements of the policy that belongs to this resource; of an object, its bucket's.
    pub(super) fn policy_of(&self, resource: &str) -> &[Arc<Grant>] {
        let arn = match resource.strip_prefix("arn:aws:s3:::") {
            Some(place) => {
                let bucket = place.split('/').next().unwrap_or_default();
                &resource[..resource.len() - place.len() + bucket.len()]
            }
            None => resource,
        };
        self.resources.get(arn).map(Vec::as_slice).unwrap_or_default()
    }

    /// What else is needed because the queue or topic is encrypted with a key of its own: a sender has a data key
    /// made and checked, a receiver has it decrypted.
    pub(super) fn encryption(&self, required: &RequiredAction) -> Vec<RequiredAction> {
        let Some(key) = self.keys.get(&required.resource) else { return Vec::new() };
        let (actions, of): (&[&str], _) = match required.action.as_str() {
            "sqs:SendMessage" => {
                (&["kms:GenerateDataKey", "kms:Decrypt"], "kms:EncryptionContext:aws:sqs:arn")
            }
            "sqs:ReceiveMessage" => (&["kms:Decrypt"], "kms:EncryptionContext:aws:sqs:arn"),
            "sns:Publish" => {
                (&["kms:GenerateDataKey", "kms:Decrypt"], "kms:EncryptionContext:aws:sns:topicArn")
            }
            _ => return Vec::new(),
        };
        let service = required.action.split(':').next().unwrap_or_default();
        let needed = actions.iter().map(|action| {
            let mut more = RequiredAction::new(action, key);
            more.context.clone_from(&required.context);
            more.with("kms:ViaService", format!("{service}.{REGION}.amazonaws.com"))
                .with("kms:CallerAccount", ACCOUNT)
                .with(of, required.resource.clone())
        });
        needed.collect()
    }

    /// All grants that allow something, by holder.
    pub(super) fn grants(&self) -> impl Iterator<Item = &Arc<Grant>> {
        let of_roles = self.roles.values().flat_map(|role| &role.grants);
        let all = of_roles.chain(self.resources.values().flatten()).filter(|grant| grant.allows);
        // A policy of two queues is there twice; its grants are told apart by their resources.
        let ordered: BTreeMap<&GrantId, &Arc<Grant>> = all.map(|grant| (&grant.id, grant)).collect();
        ordered.into_values()
    }
}

/// What a managed policy says, which the template or AWS has, for the role that holds it.
fn managed_policy(stack: &Stack, holder: &str, arn: &str) -> Result<Vec<Arc<Grant>>, String> {
    let own = stack.resources.values().find(|it| it.kind == "AWS::IAM::ManagedPolicy" && it.arn == arn);
    if let Some(policy) = own {
        let place = Place { holder, name: &policy.logical_id, managed: None, admits: false };
        return grant::read(&place, &policy.properties["PolicyDocument"]);
    }
    let name = arn.rsplit('/').next().unwrap_or_default();
    let document = managed::document(name).ok_or_else(|| {
        let known = managed::names().join(", ");
        format!(
            "the local cloud does not know the managed policy {arn}; it knows {known}. Write its statements out"
        )
    })?;
    grant::read(&Place { holder, name, managed: Some(name), admits: false }, &document)
}

/// The ARN of a function of this name.
pub(super) fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

fn text<'v>(properties: &'v Value, name: &str) -> Result<&'v str, String> {
    properties[name].as_str().ok_or_else(|| format!("it needs {name}"))
}

/// One text or a list of them.
fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}
