//! What a function's events invoke: the function, or an alias of it.

use serde_json::{Value, json};

use crate::template::{declared::Declared, yaml::Node};

/// What a function's events invoke.
pub(super) struct Target<'d> {
    pub(super) function: &'d Declared,
    /// Then it is what they invoke, and not the function.
    pub(super) alias: Option<&'d str>,
}

impl Target<'_> {
    pub(super) fn alias_id(&self) -> Option<String> {
        self.alias.map(|alias| format!("{}Alias{alias}", self.function.logical_id))
    }

    /// Its name: for an alias its ARN, which says both.
    pub(super) fn name(&self, line: usize) -> Node {
        let id = self.alias_id().unwrap_or_else(|| self.function.logical_id.clone());
        Node::plain(line, &json!({ "Ref": id }))
    }

    pub(super) fn arn(&self) -> Value {
        match self.alias_id() {
            Some(id) => json!({ "Ref": id }),
            None => json!({ "Fn::GetAtt": [self.function.logical_id, "Arn"] }),
        }
    }
}
