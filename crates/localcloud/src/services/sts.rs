//! STS, as far as telling a caller who it is.

use serde_json::{Value, json};

use crate::{
    services::iam::RequiredAction,
    wire::{ACCOUNT, ApiError, Caller},
};

/// The service; it keeps nothing.
#[derive(Debug, Clone, Default)]
pub struct Sts;

impl Sts {
    /// Answers one operation.
    ///
    /// # Errors
    /// For every operation but `GetCallerIdentity`.
    pub async fn call(&self, operation: &str, _input: Value, caller: &Caller) -> Result<Value, ApiError> {
        match operation {
            "GetCallerIdentity" => Ok(identity(caller)),
            other => Err(ApiError::unsupported("STS", other)),
        }
    }
}

/// The actions that an operation requires: everybody may ask who they are.
pub(crate) fn required_actions(operation: &str) -> Option<Vec<RequiredAction>> {
    (operation == "GetCallerIdentity").then(Vec::new)
}

fn identity(caller: &Caller) -> Value {
    let key = &caller.access_key;
    match &caller.role {
        None => {
            json!({ "Arn": format!("arn:aws:iam::{ACCOUNT}:root"), "UserId": ACCOUNT, "Account": ACCOUNT })
        }
        Some(role) => {
            let role = role.rsplit('/').next().unwrap_or_default();
            json!({
                "Arn": format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{key}"),
                "UserId": format!("{key}:{key}"),
                "Account": ACCOUNT,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_role_is_named_as_assumed_and_the_owner_as_root() {
        let owner = Sts.call("GetCallerIdentity", Value::Null, &Caller::owner()).await.unwrap();
        assert_eq!(owner["Arn"], "arn:aws:iam::123456789012:root");
        let caller =
            Caller { role: Some("arn:aws:iam::123456789012:role/WorkerRole".into()), ..Caller::owner() };
        let role = Sts.call("GetCallerIdentity", Value::Null, &caller).await.unwrap();
        assert_eq!(role["Arn"], "arn:aws:sts::123456789012:assumed-role/WorkerRole/tidemill");
    }
}
