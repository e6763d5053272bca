//! Whether a caller is allowed to make a call, which is asked before the service sees it.

use serde_json::Value;

use super::Frontend;
use crate::{
    registry::Api,
    services::iam::{Refused, Who},
    wire::{ApiError, Caller},
};

impl Frontend {
    /// Lets a call through, or answers as its service does to a caller who lacks a permission.
    pub(super) fn authorize(
        &self,
        (service, api): (&str, &Api),
        operation: &str,
        input: &Value,
        caller: &Caller,
    ) -> Result<(), ApiError> {
        let iam = &self.services.iam;
        if !iam.enforces() {
            return Ok(());
        }
        let who = Who::from(caller);
        let allowed = match (api.required_actions)(&self.services, operation, input) {
            Some(required) => iam.authorize(&who, &required),
            // The owner is denied only what a policy denies to everybody, and operations that are not known have none.
            None if caller.role.is_none() => Ok(()),
            None => Err(iam.refuse(Refused::unknown(&who, service, operation))),
        };
        allowed.map_err(|refused| refused.api_error(api.access_denied))
    }
}
