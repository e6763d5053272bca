//! The environment variables that a function or worker is configured by, read once when it starts. [`variables`] lists
//! them; nothing falls back to a made-up value.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use domain::settings::{Settings, variables};
//!
//! let settings = Settings::from(BTreeMap::from([("SPOT_SHARE".to_owned(), "101".to_owned())]));
//! let error = settings.get(variables::SPOT_SHARE).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "environment variable SPOT_SHARE is \"101\": it must be a percentage from 0 to 100",
//! );
//! ```

mod variable;
pub mod variables;

use std::collections::BTreeMap;

use crate::{
    fargate::Size,
    watched::{Place, Watched},
};
pub use variable::{SetBy, SettingsError, Variable};

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

    /// The value of a variable that the program needs.
    ///
    /// # Errors
    /// [`SettingsError`] when it is missing or invalid. Both name the variable.
    pub fn get<T>(&self, variable: Variable<T>) -> Result<T, SettingsError> {
        let missing = SettingsError::Missing { name: variable.name(), set_by: variable.set_by };
        self.optional(variable)?.ok_or(missing)
    }

    /// The value of a variable that the program can do without; `None` when it is not set or empty.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`]: a wrong value is an error here too.
    pub fn optional<T>(&self, variable: Variable<T>) -> Result<Option<T>, SettingsError> {
        let found = self.0.get(variable.name()).filter(|value| !value.is_empty());
        found.map(|found| variable.parse(found).ok_or_else(|| variable.invalid(found))).transpose()
    }

    /// The size of pooled workers, which two variables hold.
    ///
    /// # Errors
    /// [`SettingsError`] when one is missing or invalid, or when Fargate has no such size.
    pub fn fleet_size(&self) -> Result<Size, SettingsError> {
        let (cpu, memory) = (self.get(variables::FLEET_CPU)?, self.get(variables::FLEET_MEMORY)?);
        Size::new(cpu, memory).map_err(|error| SettingsError::Invalid {
            name: variables::FLEET_MEMORY.name(),
            found: memory.to_string(),
            expected: error.to_string(),
        })
    }

    /// The places that are watched, which three variables hold.
    ///
    /// # Errors
    /// [`SettingsError`] when one is missing or invalid.
    pub fn watched(&self) -> Result<Watched, SettingsError> {
        let (bucket, prefix) = (self.get(variables::BUCKET)?, self.get(variables::WATCHED_PREFIX)?);
        Ok(Watched::new(Place { bucket, prefix }, self.get(variables::EXISTING_BUCKETS)?))
    }

    /// All variables that are set, with their values, whether or not [`variables`] lists them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl From<BTreeMap<String, String>> for Settings {
    fn from(variables: BTreeMap<String, String>) -> Self {
        Self(variables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(values: &[(&str, &str)]) -> Settings {
        Settings(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_missing_variable_is_named_with_who_sets_it() {
        let error = |settings: Settings| settings.get(variables::LEDGER_TABLE).unwrap_err().to_string();
        for settings in [settings(&[]), settings(&[("LEDGER_TABLE", "")])] {
            assert_eq!(
                error(settings),
                "environment variable LEDGER_TABLE is not set: template.yaml sets it"
            );
        }
        assert_eq!(
            settings(&[]).get(variables::TIDEMILL_JOB).unwrap_err().to_string(),
            "environment variable TIDEMILL_JOB is not set: the function that launches the task sets it"
        );
    }

    #[test]
    fn an_optional_variable_may_be_missing_but_not_wrong() {
        assert_eq!(settings(&[]).optional(variables::TIDEMILL_SLOT), Ok(None));
        assert_eq!(settings(&[("TIDEMILL_SLOT", "3")]).optional(variables::TIDEMILL_SLOT), Ok(Some(3)));
        assert_eq!(
            settings(&[("TIDEMILL_SLOT", "three")])
                .optional(variables::TIDEMILL_SLOT)
                .unwrap_err()
                .to_string(),
            "environment variable TIDEMILL_SLOT is \"three\": it must be the number of a slot"
        );
    }

    #[test]
    fn values_are_held_to_their_ranges() {
        let invalid = |name: &'static str, value: &str, result: Result<(), SettingsError>| {
            let error = result.expect_err(value);
            assert!(matches!(&error, SettingsError::Invalid { name: it, .. } if *it == name), "{error}");
        };
        let share = |value| settings(&[("SPOT_SHARE", value)]).get(variables::SPOT_SHARE);
        assert_eq!((share("0"), share("100")), (Ok(0), Ok(100)));
        for value in ["101", "-1", "50 %"] {
            invalid("SPOT_SHARE", value, share(value).map(drop));
        }
        let maximum = |value| settings(&[("MAXIMUM_TASKS", value)]).get(variables::MAXIMUM_TASKS);
        assert_eq!(maximum("1"), Ok(1));
        invalid("MAXIMUM_TASKS", "0", maximum("0").map(drop));
        let public = |value| settings(&[("ASSIGN_PUBLIC_IP", value)]).get(variables::ASSIGN_PUBLIC_IP);
        assert_eq!((public("ENABLED"), public("DISABLED")), (Ok(true), Ok(false)));
        invalid("ASSIGN_PUBLIC_IP", "true", public("true").map(drop));
        let subnets = |value| settings(&[("SUBNETS", value)]).get(variables::SUBNETS);
        assert_eq!(subnets("a, b"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        invalid("SUBNETS", "a,,b", subnets("a,,b").map(drop));
        let attempt = |value| settings(&[("TIDEMILL_ATTEMPT", value)]).get(variables::TIDEMILL_ATTEMPT);
        invalid("TIDEMILL_ATTEMPT", "0", attempt("0").map(drop));
    }

    #[test]
    fn the_size_of_pooled_workers_is_one_that_fargate_has() {
        let size = |cpu, memory| settings(&[("FLEET_CPU", cpu), ("FLEET_MEMORY", memory)]).fleet_size();
        assert_eq!(size("256", "512"), Ok(Size::new(256, 512).unwrap()));
        let error = size("256", "4096").unwrap_err().to_string();
        assert!(error.starts_with("environment variable FLEET_MEMORY is \"4096\": "), "{error}");
    }
}
