//! The local cloud: the AWS services that Tidemill uses, in one process, on one clock.
//!
//! A call arrives at the [`frontend`] (from the [`server`] or, in process, from the [`connector`]). The frontend finds out
//! the service and the caller, lets [`faults`] interfere, asks [`iam`] whether the caller is allowed to make the call, and
//! hands it to the service. All that it knows of a service stands in the [`registry`].
//!
//! Services call each other directly, as AWS's do: S3 and ECS emit events to [`events`], whose rules feed [`sqs`] and
//! [`lambda`], as do the schedules of [`scheduler`]; queues feed [`lambda`]; [`cloudwatch`] watches queues and notifies
//! [`events`] and [`sns`], which writes mails to a [`mailbox`].
//!
//! What the cloud contains is described by a [`template`] only: [`Cloud::builder`] reads it and creates its resources.
//!
//! The README of this crate says what each service does, and the steps to add one.

pub mod connector;
pub mod credentials;
mod deploy;
mod disk;
pub mod faults;
pub mod frontend;
pub mod host;
mod in_flight;
pub mod mailbox;
pub mod registry;
pub mod resource;
mod rest;
pub mod server;
pub mod services;
pub mod template;
mod usage;
pub mod wire;

pub use deploy::{Builder, Cloud, DeployError};
pub use frontend::MAILS_PATH;
pub use registry::resource_types;
pub use services::*;
