//! What a function is made of, and what Lambda refuses of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde_json::Value;

use super::{
    invocation::{FunctionError, Invocation},
    refusal::invalid,
};
use crate::{host::Runner, wire::ApiError};

/// The most that a function's own environment variables may take.
const ENVIRONMENT_BYTES: usize = 4096;

/// Names that a function may not set, because Lambda does.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const RESERVED: [&str; 11] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_TASK_ROOT",
    "LAMBDA_RUNTIME_DIR",
];

/// A function that runs in this process.
pub type DirectFunction =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Value, FunctionError>> + Send + Sync>;

/// Environment that every environment of a function gets, such as its role's credentials.
pub type FunctionEnvironment = Arc<dyn Fn(&str) -> BTreeMap<String, String> + Send + Sync>;

/// A function's configuration.
#[derive(Debug, Clone)]
pub struct FunctionSettings {
    /// 1 to 64 letters, digits, `-` and `_`.
    pub name: String,
    /// Its environment variables.
    pub environment: BTreeMap<String, String>,
    /// How long an invocation may take: 1 s to 15 min.
    pub timeout: Duration,
    /// MiB: 128 to 10,240.
    pub memory: u32,
    /// The most invocations of it at once, if it has a number of its own; 0 turns it off.
    pub reserved_concurrency: Option<usize>,
    /// The queue that gets the events of asynchronous invocations that failed for good.
    pub dead_letter_arn: Option<String>,
    /// What runs it.
    pub host: FunctionHost,
}

/// What runs a function.
#[derive(Clone)]
pub enum FunctionHost {
    /// A function of this process.
    Direct(DirectFunction),
    /// A program that polls the Runtime API; a process for each invocation at a time.
    Environment(Runner),
}

impl std::fmt::Debug for FunctionHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct(_) => "Direct",
            Self::Environment(_) => "Environment",
        })
    }
}

pub(super) fn check(settings: &FunctionSettings) -> Result<(), ApiError> {
    let name = &settings.name;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(invalid(format!(
            "A function's name has 1 to 64 letters, numbers, hyphens and underscores: {name}"
        )));
    }
    if !(1..=900).contains(&settings.timeout.as_secs()) {
        return Err(invalid(format!("The timeout of {name} must be between 1 and 900 seconds.")));
    }
    if !(128..=10_240).contains(&settings.memory) {
        return Err(invalid(format!("The memory of {name} must be between 128 and 10240 MB.")));
    }
    if let Some(key) = settings.environment.keys().find(|key| RESERVED.contains(&key.as_str())) {
        return Err(invalid(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used \
             in this request: {key}"
        )));
    }
    let bytes: usize = settings.environment.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > ENVIRONMENT_BYTES {
        return Err(invalid(format!("The environment variables of {name} exceed the 4KB limit.")));
    }
    Ok(())
}
