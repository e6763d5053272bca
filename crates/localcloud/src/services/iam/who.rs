//! Who asks.

use crate::wire::Caller;

/// Who asks for something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// The account's owner, who may do all that no resource's policy forbids.
    Owner,
    /// A role, by its name, and the session that acts in it: the name of a function, a task's access key.
    Role {
        /// The role's name.
        name: String,
        /// The session's name.
        session: String,
    },
    /// A service of AWS, such as `events.amazonaws.com`.
    Service(&'static str),
}

impl Who {
    /// A session of a role, given by name or ARN.
    #[must_use]
    pub fn role(role: &str, session: &str) -> Self {
        let name = role.rsplit('/').next().unwrap_or_default().to_owned();
        Self::Role { name, session: session.to_owned() }
    }
}

impl From<&Caller> for Who {
    fn from(caller: &Caller) -> Self {
        match &caller.role {
            None => Self::Owner,
            Some(role) => Self::role(role, &caller.access_key),
        }
    }
}

/// Who asks, without the session: its role is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Asker {
    Owner,
    Role(String),
    Service(&'static str),
}

impl From<&Who> for Asker {
    fn from(who: &Who) -> Self {
        match who {
            Who::Owner => Self::Owner,
            Who::Role { name, .. } => Self::Role(name.clone()),
            Who::Service(name) => Self::Service(name),
        }
    }
}
