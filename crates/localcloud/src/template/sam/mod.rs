//! The SAM transform: the `AWS::Serverless` types become the plain CloudFormation resources that they stand for,
//! under the logical ids that SAM gives them.
//!
//! | in the template | becomes |
//! | --- | --- |
//! | Function `F` | Lambda Function `F`, and Role `FRole` unless it names one |
//! | its AutoPublishAlias `a` | Lambda Alias `FAliasa`, which all of its events invoke |
//! | its EventInvokeConfig | Lambda EventInvokeConfig `FEventInvokeConfig` |
//! | its event `E` of type SQS | Lambda EventSourceMapping `FE` |
//! | of type EventBridgeRule, CloudWatchEvent, Schedule | Events Rule `FE`, Lambda Permission `FEPermission` |
//! | of type ScheduleV2 | Scheduler Schedule `FE`, and Role `FERole` unless it names one |
//! | LayerVersion `L` | Lambda LayerVersion `L` |
//!
//! `Code` and `Content` of what they become are the folders of the template, since nothing is zipped here. There is one
//! version of everything, so the versions that an alias would go through, and how fast, are read and not made.

mod events;
mod function;
mod globals;
mod layer;
mod properties;
mod roles;
mod target;

pub(super) use self::globals::Globals;
use super::{declared::Declared, error::Step};

/// What one declared resource becomes; anything but the `AWS::Serverless` types stays as it is.
pub(super) fn transform(declared: Declared, globals: &Globals<'_>) -> Step<Vec<Declared>> {
    match declared.kind.as_str() {
        "AWS::Serverless::Function" => function::transform(declared, globals),
        "AWS::Serverless::LayerVersion" => layer::transform(declared),
        _ => Ok(vec![declared]),
    }
}
