//! Whether who calls may: asked of every call before its service sees it.

use serde_json::Value;

use super::Gate;
use crate::{
    iam::{Refused, Who, needs},
    wire::{Caller, Refusal},
};

impl Gate {
    /// Lets a call through, or answers as its service would: AWS tells who lacks what.
    pub(super) fn authorize(
        &self,
        service: &str,
        operation: &str,
        input: &Value,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let iam = &self.services.iam;
        if !iam.enforces() {
            return Ok(());
        }
        let who = who(caller);
        let definition = |named: &str| self.services.ecs.handed_over(named);
        let allowed = match needs::needs(service, operation, input, definition) {
            Some(needs) => iam.authorize(&who, &needs),
            // The owner meets only what is forbidden to all, and that is said of operations that are known.
            None if caller.role.is_none() => Ok(()),
            None => Err(iam.refuse(Refused::unknown(&who, service, operation))),
        };
        allowed.map_err(|refused| refused.refusal(service))
    }

    /// Whether who did not find an object may learn that it is missing; else they are told no more than that it is
    /// kept from them.
    pub(super) fn may_miss(&self, input: &Value, caller: &Caller) -> Result<(), Refusal> {
        let need = needs::s3::to_know_what_is_missing(input);
        self.services.iam.authorize(&who(caller), &[need]).map_err(|refused| refused.refusal("s3"))
    }
}

fn who(caller: &Caller) -> Who {
    match &caller.role {
        None => Who::Owner,
        Some(role) => Who::role(role, &caller.access_key),
    }
}
