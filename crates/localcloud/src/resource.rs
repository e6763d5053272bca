//! Creating a resource of a template: reading its properties strictly, and why it fails.
//!
//! A property that the local cloud would not heed is an error, unless the service lists it as meaning nothing on one
//! machine: what is silently ignored here works differently on AWS.

use std::{error::Error, time::Duration};

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::{template::Resource, wire::ApiError};

/// Why a resource of the template cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// A property that the local cloud would not heed, or cannot read.
    #[error("the local cloud does not support these properties of {kind}")]
    Properties {
        /// The resource's type.
        kind: String,
        /// Which property, and why.
        #[source]
        source: serde_json::Error,
    },
    /// The service refuses it, as AWS's would.
    #[error(transparent)]
    Refused(#[from] ApiError),
    /// A part of it that has a language of its own, such as a rule's pattern, is not valid.
    #[error("its {part} is not valid")]
    Invalid {
        /// Which part.
        part: &'static str,
        /// What is wrong, and what is allowed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Nothing was given to run its code.
    #[error("the {what} {name} has no host: nothing was given to run it")]
    NoHost {
        /// `function` or `container`.
        what: &'static str,
        /// The function's logical id or the container's name.
        name: String,
    },
}

impl ResourceError {
    /// That a part of the resource is not valid.
    pub(crate) fn invalid(part: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Invalid { part, source: Box::new(source) }
    }
}

/// The properties of a resource as `T`, which denies unknown fields; those named in `passed_over` are dropped
/// first.
pub(crate) fn read<T: de::DeserializeOwned>(
    resource: &Resource,
    passed_over: &[&str],
) -> Result<T, ResourceError> {
    let mut properties = match &resource.properties {
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other.clone(),
    };
    if let Some(members) = properties.as_object_mut() {
        members.retain(|key, _| !passed_over.contains(&key.as_str()));
    }
    serde_json::from_value(properties)
        .map_err(|source| ResourceError::Properties { kind: resource.kind.clone(), source })
}

/// A number as templates have it: `180` or, from a parameter, `"180"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u32);

impl Count {
    pub(crate) fn seconds(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = match &value {
            Value::Number(number) => number.as_u64().and_then(|it| u32::try_from(it).ok()),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| de::Error::custom(format!("{value} is not a whole number from 0")))
    }
}

/// A boolean as templates have it: `true` or, from a parameter, `"true"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flag(pub(crate) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match &value {
            Value::Bool(it) => Ok(Self(*it)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Self(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Self(false)),
            _ => Err(de::Error::custom(format!("{value} is not true or false"))),
        }
    }
}

/// How often and how long delivery to a target is retried.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct RetryPolicy {
    pub(crate) maximum_event_age_in_seconds: Option<Count>,
    pub(crate) maximum_retry_attempts: Option<Count>,
}

/// The queue for what was not delivered.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct DeadLetter {
    pub(crate) arn: String,
}
