//! Reading a resource's properties strictly: what the local cloud would not heed is an error, unless it is listed
//! as meaning nothing on one machine.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::DeployError;
use crate::template::Resource;

/// The properties of a resource as `T`, which denies unknown fields; those named in `passed_over` are dropped
/// first.
pub(super) fn read<T: de::DeserializeOwned>(
    resource: &Resource,
    passed_over: &[&str],
) -> Result<T, DeployError> {
    let mut properties = match &resource.properties {
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other.clone(),
    };
    if let Some(members) = properties.as_object_mut() {
        members.retain(|key, _| !passed_over.contains(&key.as_str()));
    }
    serde_json::from_value(properties).map_err(|source| DeployError::Properties {
        resource: resource.logical_id.clone(),
        kind: resource.kind.clone(),
        line: resource.line,
        source,
    })
}

/// A number as templates have it: `180` or, from a parameter, `"180"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count(pub(super) u32);

impl Count {
    pub(super) fn seconds(self) -> Duration {
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
pub(super) struct Flag(pub(super) bool);

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
