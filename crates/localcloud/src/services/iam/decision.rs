//! The decision: an explicit deny wins; then, within one account, the caller's own policy or the resource's allows. A
//! role's permissions boundary grants nothing, but what it does not allow is refused.
//!
//! Two kinds of resources differ. A key is opened by its own policy only; that may leave it to the account, and so to
//! the callers' policies. And a service of AWS has no policies here: the resource has to admit it.

use std::sync::Arc;

use iam_rs::{Context, ContextValue, Principal, PrincipalId};

use super::{
    account::Account,
    grant::{self, Grant},
    required_action::RequiredAction,
    who::Asker,
};
use crate::wire::{ACCOUNT, REGION};

/// May they, and why.
#[derive(Debug)]
pub(super) enum Answer {
    /// By these grants; the owner needs none.
    Allowed(Vec<Arc<Grant>>),
    Refused(Why),
}

/// Why not, as AWS tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    DeniedByCaller,
    DeniedByResource,
    DeniedByBoundary,
    NotAllowedByCaller,
    NotAllowedByResource,
    NotAllowedByBoundary,
}

/// Answers one question.
pub(super) fn decide(account: &Account, who: &Asker, required: &RequiredAction) -> Answer {
    let role = match who {
        Asker::Role(name) => account.roles.get(name),
        Asker::Owner | Asker::Service(_) => None,
    };
    let own = role.map(|role| role.grants.as_slice()).unwrap_or_default();
    let concerned = |grants: &[Arc<Grant>], principal: Principal| -> Vec<Arc<Grant>> {
        let Some(request) =
            grant::request(principal, &required.action, &required.resource, context(who, required))
        else {
            return Vec::new();
        };
        grants.iter().filter(|grant| grant.concerns(&request)).cloned().collect()
    };
    let policy = account.policy_of(&required.resource);
    let by_caller = concerned(own, principal(who));
    let by_resource = concerned(policy, principal(who));
    if by_caller.iter().any(|grant| !grant.allows) {
        return Answer::Refused(Why::DeniedByCaller);
    }
    if by_resource.iter().any(|grant| !grant.allows) {
        return Answer::Refused(Why::DeniedByResource);
    }
    if let Some(boundary) = role.and_then(|role| role.boundary.as_deref()) {
        let by_boundary = concerned(boundary, principal(who));
        if by_boundary.iter().any(|grant| !grant.allows) {
            return Answer::Refused(Why::DeniedByBoundary);
        }
        if by_boundary.is_empty() {
            return Answer::Refused(Why::NotAllowedByBoundary);
        }
    }
    if required.action.starts_with("kms:") {
        return key(who, required, by_caller, by_resource, || concerned(policy, root()));
    }
    match who {
        Asker::Owner => Answer::Allowed(by_resource),
        // The policy that a topic has until it is given one lets alarms of the account publish.
        Asker::Service("cloudwatch.amazonaws.com")
            if required.action == "sns:Publish" && policy.is_empty() =>
        {
            Answer::Allowed(Vec::new())
        }
        Asker::Service(_) if by_resource.is_empty() => Answer::Refused(Why::NotAllowedByResource),
        Asker::Role(_) if by_caller.is_empty() && by_resource.is_empty() => {
            Answer::Refused(Why::NotAllowedByCaller)
        }
        Asker::Role(_) | Asker::Service(_) => Answer::Allowed([by_caller, by_resource].concat()),
    }
}

/// A key: admitted by its policy, or by the caller's if the key's leaves that to the account.
fn key(
    who: &Asker,
    required: &RequiredAction,
    by_caller: Vec<Arc<Grant>>,
    by_key: Vec<Arc<Grant>>,
    by_account: impl FnOnce() -> Vec<Arc<Grant>>,
) -> Answer {
    if required.resource.contains(":alias/aws/") {
        // AWS's own keys are for those of the account, and for no service.
        return match who {
            Asker::Service(_) => Answer::Refused(Why::NotAllowedByResource),
            Asker::Owner | Asker::Role(_) => Answer::Allowed(by_caller),
        };
    }
    if !by_key.is_empty() {
        return Answer::Allowed(by_key);
    }
    let by_account = if matches!(who, Asker::Role(_)) { by_account() } else { Vec::new() };
    if by_account.is_empty() {
        Answer::Refused(Why::NotAllowedByResource)
    } else if by_caller.is_empty() {
        Answer::Refused(Why::NotAllowedByCaller)
    } else {
        Answer::Allowed([by_caller, by_account].concat())
    }
}

fn principal(who: &Asker) -> Principal {
    match who {
        Asker::Owner => root(),
        Asker::Role(name) => Principal::Aws(PrincipalId::String(role_arn(name))),
        Asker::Service(name) => Principal::Service(PrincipalId::String((*name).to_owned())),
    }
}

fn root() -> Principal {
    Principal::Aws(PrincipalId::String(format!("arn:aws:iam::{ACCOUNT}:root")))
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// What conditions can look at: what is so of every call, and what this one brings.
fn context(who: &Asker, required: &RequiredAction) -> Context {
    let mut context = Context::new();
    let mut text = |key: &str, value: &str| {
        context.insert(key.to_owned(), ContextValue::String(value.to_owned()));
    };
    text("aws:RequestedRegion", REGION);
    text("aws:ResourceAccount", ACCOUNT);
    text("s3:TlsVersion", "1.3");
    match who {
        Asker::Owner => text("aws:PrincipalArn", &format!("arn:aws:iam::{ACCOUNT}:root")),
        Asker::Role(name) => text("aws:PrincipalArn", &role_arn(name)),
        Asker::Service(name) => text("aws:PrincipalServiceName", name),
    }
    let is_service = matches!(who, Asker::Service(_));
    if !is_service {
        text("aws:PrincipalAccount", ACCOUNT);
    }
    for (key, value) in &required.context {
        text(key, value);
    }
    let mut flag = |key: &str, value: bool| {
        context.insert(key.to_owned(), ContextValue::Boolean(value));
    };
    // Nothing here leaves the machine; what the SDKs do to AWS is encrypted.
    flag("aws:SecureTransport", true);
    flag("aws:PrincipalIsAWSService", is_service);
    flag("aws:ViaAWSService", false);
    context
}
