//! What a template comes to: plain values, in which no function is left.

use std::collections::BTreeMap;

use serde_json::Value;

use super::names;

/// What a template comes to with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// By logical id.
    pub resources: BTreeMap<String, Resource>,
    /// Logical ids in an order in which each comes after those it depends on.
    pub order: Vec<String>,
    /// By name.
    pub outputs: BTreeMap<String, String>,
    /// What the template says of each output, where it says something.
    pub output_words: BTreeMap<String, String>,
    /// The parameters' values, by name; asterisks for a secret one.
    pub parameters: BTreeMap<String, String>,
    /// What the template says of itself.
    pub description: Option<String>,
}

/// One resource of a [`Stack`].
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its CloudFormation type, such as `AWS::SQS::Queue`.
    pub kind: String,
    /// Its name in the template.
    pub logical_id: String,
    /// What `Ref` gives for it.
    pub physical_id: String,
    /// Its own name, such as a queue's, where [`Self::physical_id`] is the URL.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its properties, resolved.
    pub properties: Value,
    /// Its metadata, as written, or null.
    pub metadata: Value,
    /// The line it is declared on.
    pub line: usize,
}

impl Resource {
    /// Whether its type means nothing on one machine.
    #[must_use]
    pub fn is_passed_over(&self) -> bool {
        names::is_passed_over(&self.kind)
    }
}
