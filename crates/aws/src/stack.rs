//! CloudFormation: where a deployment has its parts.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::{Client, config::Builder};

use super::{CallError, SdkConfig, timeouts::Timeouts};

/// What CloudFormation says of a deployed stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployed {
    /// The stack's name.
    pub name: String,
    /// Its outputs, by name.
    pub outputs: BTreeMap<String, String>,
    /// What it was deployed with, by name.
    pub parameters: BTreeMap<String, String>,
}

/// Why a deployment was not found.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// There is no such stack in this account and region.
    #[error("there is no stack {0:?} here")]
    NoSuch(String),
    /// The stack is another system's, or of an older template.
    #[error("the stack {stack} has no output {output}: it is not Tidemill's, or older than this command")]
    NoOutput {
        /// The stack's name.
        stack: String,
        /// The output's name.
        output: String,
    },
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Deployed {
    /// The stack of this name, from one DescribeStacks.
    ///
    /// # Errors
    /// [`StackError`]
    pub async fn find(config: &SdkConfig, name: &str) -> Result<Self, StackError> {
        let attempt = || format!("look up the stack {name:?}");
        let timeouts = Timeouts::QUICK.of(config);
        let client = Client::from_conf(Builder::from(config).timeout_config(timeouts).build());
        let answer = client.describe_stacks().stack_name(name).send().await;
        let answer = answer.map_err(|error| match CallError::of(attempt(), error) {
            // With nothing but a name in the call, it is the name that does not do.
            error if error.code() == Some("ValidationError") => StackError::NoSuch(name.to_owned()),
            error => StackError::Call(error),
        })?;
        let stack = answer.stacks().first().ok_or_else(|| StackError::NoSuch(name.to_owned()))?;
        let outputs = stack.outputs().iter();
        let parameters = stack.parameters().iter();
        Ok(Self {
            name: stack.stack_name().unwrap_or(name).to_owned(),
            outputs: outputs.filter_map(|it| pair(it.output_key(), it.output_value())).collect(),
            parameters: parameters.filter_map(|it| pair(it.parameter_key(), it.parameter_value())).collect(),
        })
    }

    /// The value of an output.
    ///
    /// # Errors
    /// [`StackError::NoOutput`]
    pub fn output(&self, name: &str) -> Result<&str, StackError> {
        let found = self.outputs.get(name).map(String::as_str);
        found.ok_or_else(|| StackError::NoOutput { stack: self.name.clone(), output: name.to_owned() })
    }
}

fn pair(key: Option<&str>, value: Option<&str>) -> Option<(String, String)> {
    Some((key?.to_owned(), value?.to_owned()))
}
