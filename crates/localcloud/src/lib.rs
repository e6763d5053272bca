//! The local cloud: the AWS services Tidemill uses, in one process, on one clock.
//!
//! A call arrives at the [`frontend`] (from the [`server`] or, in process, from the [`connector`]), which names its
//! service and caller, lets the [`faults`] spoil it, and hands it to the service's module. Services call each
//! other directly, as AWS's do: S3 and ECS emit events to [`events`], whose rules feed [`sqs`] and [`lambda`], as do
//! the schedules of [`scheduler`]; queues feed [`lambda`]; [`cloudwatch`] watches queues and tells [`events`] and
//! [`sns`], which writes mails to a mailbox.
//!
//! Who may do what is decided by [`iam`], for calls and for what services do for each other.
//!
//! What there is, is said by a [`template`] only: [`Cloud::builder`] reads it and builds the cloud it describes, and
//! [`cloudformation`] tells of it.

pub mod cloudformation;
pub mod cloudwatch;
pub mod connector;
pub mod credentials;
mod deploy;
pub mod dynamodb;
pub mod ecs;
pub mod events;
pub mod faults;
pub mod frontend;
pub mod host;
pub mod iam;
mod in_flight;
pub mod lambda;
pub mod logs;
pub mod mailbox;
pub mod s3;
pub mod scheduler;
pub mod server;
pub mod sns;
pub mod sqs;
pub mod sts;
pub mod template;
mod usage;
pub mod wire;

pub use deploy::{Builder, Cloud, DeployError, NotInLayers};
