//! Whether who calls may: asked of every call before its service sees it.

use serde_json::Value;

use super::Frontend;
use crate::{
    iam::{Refused, Who, required_actions},
    wire::{ApiError, Caller},
};

impl Frontend {
    /// Lets a call through, or answers as its service would: AWS tells who lacks what.
    pub(super) fn authorize(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
        caller: &Caller,
    ) -> Result<(), ApiError> {
        let iam = &self.services.iam;
        if !iam.enforces() {
            return Ok(());
        }
        let who = who(caller);
        let definition = |named: &str| self.services.ecs.handed_over(named);
        let allowed = match required_actions::required_actions(service, operation, input, definition) {
            Some(required) => iam.authorize(&who, &required),
            // The owner meets only what is forbidden to all, and that is said of operations that are known.
            None if caller.role.is_none() => Ok(()),
            None => Err(iam.refuse(Refused::unknown(&who, service, operation))),
        };
        allowed.map_err(|refused| refused.api_error(service))
    }

    /// Whether who did not find an object may learn that it is missing; else they are told no more than that it is
    /// kept from them.
    pub(super) fn may_miss(&self, input: &Value, caller: &Caller) -> Result<(), ApiError> {
        let required = required_actions::s3::to_know_what_is_missing(input);
        self.services.iam.authorize(&who(caller), &[required]).map_err(|refused| refused.api_error("s3"))
    }
}

fn who(caller: &Caller) -> Who {
    match &caller.role {
        None => Who::Owner,
        Some(role) => Who::role(role, &caller.access_key),
    }
}
