//! An environment variable, and what can be wrong with one.

use std::fmt;

/// An environment variable: its name, and how its value is read.
#[derive(Debug)]
pub struct Variable<T> {
    pub(super) name: &'static str,
    pub(super) set_by: SetBy,
    pub(super) expected: &'static str,
    pub(super) parse: fn(&str) -> Option<T>,
}

/// Who sets a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetBy {
    /// `template.yaml`, for functions and tasks.
    Template,
    /// The function that launches a task, as an override of its container.
    Launch,
    /// A person who wants something else than usual.
    Person,
}

impl fmt::Display for SetBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Template => "template.yaml",
            Self::Launch => "the function that launches the task",
            Self::Person => "a person",
        })
    }
}

impl<T> Variable<T> {
    /// Its name in the environment, to set it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The value that a text stands for; `None` if it is not what the variable must be.
    pub fn parse(&self, text: &str) -> Option<T> {
        (self.parse)(text)
    }

    pub(super) fn invalid(&self, found: &str) -> SettingsError {
        SettingsError::Invalid {
            name: self.name,
            found: found.to_owned(),
            expected: self.expected.to_owned(),
        }
    }
}

/// Why a program cannot start: a variable is missing or holds something else than it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error("environment variable {name} is not set: {set_by} sets it")]
    Missing {
        /// The name of the variable.
        name: &'static str,
        /// Who should have set it.
        set_by: SetBy,
    },
    /// Set to something else than what it must be.
    #[error("environment variable {name} is {found:?}: {expected}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it holds.
        found: String,
        /// What it must hold.
        expected: String,
    },
}
