//! Why a cloud could not be started.

use super::data_lock::LockError;
use crate::{
    resource::ResourceError,
    server::BindError,
    services::{OpenError, iam::PolicyError},
    template::TemplateError,
};

/// Why a cloud could not be started. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The template cannot be used, or not with these parameters.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The data folder is another cloud's, or cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The data folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A policy that the local cloud could not enforce.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A resource cannot be created.
    #[error("line {line}: failed to create {resource}")]
    Resource {
        /// The resource's logical id.
        resource: String,
        /// The line it is declared on.
        line: usize,
        /// Why.
        #[source]
        source: ResourceError,
    },
    /// Something was given to run what the template does not have.
    #[error("the template has no {what} {name} to run")]
    NothingToHost {
        /// `function` or `container`.
        what: &'static str,
        /// What was named.
        name: String,
    },
}
