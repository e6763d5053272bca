//! The names of Lambda's things.

use crate::wire::{ACCOUNT, REGION};

/// The ARN of a function, without a qualifier.
pub(super) fn function(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}
