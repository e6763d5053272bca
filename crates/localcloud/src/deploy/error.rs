//! Why a cloud could not be started.

use std::{io, path::PathBuf};

use super::layers::NotInLayers;
use crate::{
    dynamodb, ecs::DefinitionError, events::PatternError, iam::PolicyError, s3, scheduler::ExpressionError,
    server::BindError, template::TemplateError, wire::ApiError,
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
    /// The data folder cannot be made.
    #[error("failed to make the data folder {}", folder.display())]
    Data {
        /// The folder.
        folder: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The tables cannot be opened.
    #[error(transparent)]
    Tables(#[from] dynamodb::OpenError),
    /// The objects cannot be opened.
    #[error(transparent)]
    Objects(#[from] s3::OpenError),
    /// A bucket cannot be written down.
    #[error("failed to create the bucket {resource}")]
    Bucket {
        /// Its logical id.
        resource: String,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// A property that the local cloud would not heed, or cannot read.
    #[error("line {line}: {resource}: the local cloud cannot take these properties of {kind}")]
    Properties {
        /// The resource's logical id.
        resource: String,
        /// Its type.
        kind: String,
        /// The line it is declared on.
        line: usize,
        /// What it stumbled over.
        #[source]
        source: serde_json::Error,
    },
    /// A service refuses what the template asks for, as AWS's would.
    #[error("line {line}: {resource} was refused")]
    Refused {
        /// The resource's logical id.
        resource: String,
        /// The line it is declared on.
        line: usize,
        /// The service's answer.
        #[source]
        source: ApiError,
    },
    /// A policy that the local cloud could not enforce.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// ECS refuses a task definition.
    #[error("line {line}: {resource} was refused")]
    TaskDefinition {
        /// The resource's logical id.
        resource: String,
        /// The line it is declared on.
        line: usize,
        /// Why.
        #[source]
        source: DefinitionError,
    },
    /// A rule's pattern is not one.
    #[error("line {line}: {resource} has a pattern that EventBridge refuses")]
    Pattern {
        /// The rule's logical id.
        resource: String,
        /// The line it is declared on.
        line: usize,
        /// Why.
        #[source]
        source: PatternError,
    },
    /// A schedule's expression or time zone is not one.
    #[error("line {line}: {resource} has a schedule that EventBridge refuses")]
    Schedule {
        /// The schedule's or rule's logical id.
        resource: String,
        /// The line it is declared on.
        line: usize,
        /// Why, and what is allowed.
        #[source]
        source: ExpressionError,
    },
    /// A function's environment names a file that its layers lack.
    #[error("the function {function} names a file that is not there")]
    Layers {
        /// The function's logical id.
        function: String,
        /// Which file.
        #[source]
        source: NotInLayers,
    },
    /// The template has a function or container, and nothing was given to run it.
    #[error("the template has the {what} {name}, and nothing was given to run it")]
    NoHost {
        /// `function` or `container`.
        what: &'static str,
        /// The function's logical id or the container's name.
        name: String,
    },
    /// Something was given to run what the template does not have.
    #[error("there is no {what} {name} in the template to run")]
    NothingToHost {
        /// `function` or `container`.
        what: &'static str,
        /// What was named.
        name: String,
    },
    /// The template has a resource that the interpreter knows and this cloud does not run yet.
    #[error("line {line}: {resource}: the local cloud does not run {kind} yet")]
    NotRun {
        /// The resource's logical id.
        resource: String,
        /// Its type.
        kind: String,
        /// The line it is declared on.
        line: usize,
    },
}
