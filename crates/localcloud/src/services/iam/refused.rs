//! A refusal: in AWS's words for the caller, and in ours for the person who fixes the template.

use super::{Who, account::Account, decision::Why, required_action::RequiredAction};
use crate::wire::{ACCOUNT, ApiError};

/// How a service answers a caller who lacks a permission.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessDenied {
    pub(crate) code: &'static str,
    pub(crate) status: u16,
}

impl AccessDenied {
    /// As services answer that speak AWS JSON.
    pub(crate) const JSON: Self = Self { code: "AccessDeniedException", status: 400 };
    /// As most others answer.
    pub(crate) const QUERY: Self = Self { code: "AccessDenied", status: 403 };
}

/// Who was refused what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    /// The logical id of the role that lacks it; of a service, its name.
    pub holder: String,
    /// The action.
    pub action: String,
    /// The resource it was to be done on.
    pub resource: String,
    /// AWS's sentence.
    pub message: String,
    why: &'static str,
    /// Whether the resource's policy would have to allow it, and not the caller's.
    of_resource: bool,
}

impl Refused {
    pub(super) fn new(account: &Account, who: &Who, required: &RequiredAction, why: Why) -> Self {
        let RequiredAction { action, resource, .. } = required;
        let (holder, user) = match who {
            Who::Owner => ("the account's owner".to_owned(), format!("User: arn:aws:iam::{ACCOUNT}:root")),
            Who::Role { name, session } => {
                let holder = account.roles.get(name).map_or(name, |role| &role.logical_id);
                (holder.clone(), format!("User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}"))
            }
            Who::Service(name) => ((*name).to_owned(), format!("Service: {name}")),
        };
        let because = match why {
            Why::NotAllowedByCaller => format!("because no identity-based policy allows the {action} action"),
            Why::NotAllowedByResource => {
                format!("because no resource-based policy allows the {action} action")
            }
            Why::NotAllowedByBoundary => {
                format!("because no permissions boundary allows the {action} action")
            }
            Why::DeniedByBoundary => "with an explicit deny in a permissions boundary".to_owned(),
            Why::DeniedByCaller => "with an explicit deny in an identity-based policy".to_owned(),
            Why::DeniedByResource => "with an explicit deny in a resource-based policy".to_owned(),
        };
        // S3 alone puts it in quotes.
        let on = if action.starts_with("s3:") { format!("\"{resource}\"") } else { resource.clone() };
        let message = format!("{user} is not authorized to perform: {action} on resource: {on} {because}");
        Self {
            holder,
            action: action.clone(),
            resource: resource.clone(),
            message,
            why: match why {
                Why::NotAllowedByCaller | Why::NotAllowedByResource => "lacks",
                Why::NotAllowedByBoundary => "has a permissions boundary that does not allow",
                Why::DeniedByCaller | Why::DeniedByResource | Why::DeniedByBoundary => "is denied",
            },
            of_resource: matches!(why, Why::NotAllowedByResource | Why::DeniedByResource),
        }
    }

    /// The refusal of a call whose needs nobody has written down.
    pub(crate) fn unknown(who: &Who, service: &str, operation: &str) -> Self {
        let holder = match who {
            Who::Role { name, .. } => name.clone(),
            Who::Owner => "the account's owner".to_owned(),
            Who::Service(name) => (*name).to_owned(),
        };
        let message = format!(
            "the local cloud does not know which permissions {service} {operation} needs, so it cannot allow it"
        );
        Self {
            holder,
            action: format!("{service}:{operation}"),
            resource: "*".to_owned(),
            message,
            why: "is not known to have",
            of_resource: false,
        }
    }

    /// Whether the resource's own policy decided it, such as a queue's or a key's.
    #[must_use]
    pub fn is_by_resource(&self) -> bool {
        self.of_resource
    }

    /// What to do about it, on one line: whatever an object is called, it stays one.
    #[must_use]
    pub fn advice(&self) -> String {
        let Self { holder, action, why, .. } = self;
        let on = self.resource.escape_debug();
        if self.of_resource {
            return format!("{holder} {why} {action} on {on}: see that resource's policy in template.yaml");
        }
        let what = if *why == "lacks" { "add it to its policy" } else { "see its policy" };
        format!("role {holder} {why} {action} on {on}: {what} in template.yaml")
    }

    /// The resource without what differs from one object or task to the next.
    pub(super) fn place(&self) -> &str {
        let varies = self.resource.starts_with("arn:aws:s3:::") || self.resource.contains(":task/");
        let end = if varies { self.resource.find('/') } else { None };
        end.map_or(&self.resource, |end| &self.resource[..end])
    }

    /// The answer to a call, as a service gives it.
    #[must_use]
    pub(crate) fn api_error(&self, denied: AccessDenied) -> ApiError {
        ApiError::client(denied.code, self.message.clone()).with_status(denied.status)
    }
}
