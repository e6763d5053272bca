//! The environment variables a function or worker is configured by, read once at start.

use std::collections::BTreeMap;

/// A variable that must be there and is not. Nothing falls back to a made-up value.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error("environment variable {0} is not set: template.yaml sets it for every function and task")]
    Missing(String),
    /// Set to something else than what it must be.
    #[error("environment variable {name} is {found:?}: {expected}")]
    Invalid {
        /// The variable.
        name: String,
        /// What it holds.
        found: String,
        /// What it must hold.
        expected: String,
    },
}

/// A set of environment variables.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// This process's environment. A variable that is not UTF-8 is as good as not set.
    #[must_use]
    pub fn of_process() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(utf8).collect())
    }

    /// The value of a variable.
    ///
    /// # Errors
    /// [`SettingsError::Missing`] when it is not set or empty.
    pub fn require(&self, name: &str) -> Result<&str, SettingsError> {
        let value = self.0.get(name).map(String::as_str).filter(|value| !value.is_empty());
        value.ok_or_else(|| SettingsError::Missing(name.to_owned()))
    }

    /// All variables that are set, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a variable, parsed.
    ///
    /// # Errors
    /// [`SettingsError`] when it is missing or does not parse; `expected` says what it must be.
    pub fn parse<T: std::str::FromStr>(&self, name: &str, expected: &str) -> Result<T, SettingsError> {
        let found = self.require(name)?;
        found.parse().map_err(|_| SettingsError::Invalid {
            name: name.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        })
    }
}

impl From<BTreeMap<String, String>> for Settings {
    fn from(variables: BTreeMap<String, String>) -> Self {
        Self(variables)
    }
}
