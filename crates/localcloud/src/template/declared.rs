//! A resource as the template declares it: read, transformed, and resolved when its turn comes.

use serde_json::Value;

use super::{
    Resource,
    error::{Fault, Flaw, Step},
    intrinsics::Scope,
    names::{self, Identity, Naming},
    yaml::Node,
};

/// One resource as the template declares it, after the SAM transform.
#[derive(Debug, Clone)]
pub(super) struct Declared {
    pub(super) logical_id: String,
    pub(super) line: usize,
    pub(super) kind: String,
    pub(super) properties: Option<Node>,
    pub(super) condition: Option<String>,
    pub(super) depends_on: Vec<String>,
    pub(super) metadata: Option<Node>,
}

const RESOURCE_KEYS: [&str; 10] = [
    "Type",
    "Properties",
    "Metadata",
    "Condition",
    "DependsOn",
    "DeletionPolicy",
    "UpdateReplacePolicy",
    "UpdatePolicy",
    "CreationPolicy",
    "Connectors",
];

impl Declared {
    pub(super) fn read(logical_id: &str, line: usize, node: &Node) -> Step<Self> {
        if logical_id.is_empty() || !logical_id.chars().all(|it| it.is_ascii_alphanumeric()) {
            return Err(Flaw::new(line, Fault::Value("a logical id has only letters and digits".to_owned())));
        }
        node.only(&RESOURCE_KEYS)?;
        let kind = node.get("Type").ok_or_else(|| Flaw::new(line, Fault::Lacks("Type")))?;
        let depends_on = match node.get("DependsOn") {
            None => Vec::new(),
            Some(one) if one.as_text().is_ok() => vec![one.scalar()?],
            Some(many) => many.as_list()?.iter().map(Node::scalar).collect::<Step<_>>()?,
        };
        Ok(Self {
            logical_id: logical_id.to_owned(),
            line,
            kind: kind.as_text()?.to_owned(),
            properties: node.get("Properties").cloned(),
            condition: node.get("Condition").map(Node::scalar).transpose()?,
            depends_on,
            metadata: node.get("Metadata").cloned(),
        })
    }

    /// A resource that SAM makes to go with this one.
    pub(super) fn beside(&self, suffix: &str, kind: &str, properties: Node) -> Self {
        Self {
            logical_id: format!("{}{suffix}", self.logical_id),
            line: properties.line,
            kind: kind.to_owned(),
            properties: Some(properties),
            condition: self.condition.clone(),
            depends_on: Vec::new(),
            metadata: None,
        }
    }

    pub(super) fn heading(&self) -> (String, (&str, Option<&str>)) {
        (self.logical_id.clone(), (self.kind.as_str(), self.condition.as_deref()))
    }

    pub(super) fn resolved(&self, scope: &mut Scope<'_>, naming: &Naming) -> Step<Resource> {
        for name in &self.depends_on {
            if !scope.declared.contains_key(name) {
                let known = scope.declared.keys().cloned().collect();
                let fault = Fault::UnknownName { what: "resource", name: name.clone(), known };
                return Err(Flaw::new(self.line, fault).within("DependsOn"));
            }
        }
        let value = |node: &Option<Node>| match node {
            Some(node) => Ok(scope.value(node)?.unwrap_or_default()),
            None => Ok(Value::Null),
        };
        let properties = value(&self.properties).map_err(|flaw: Box<Flaw>| flaw.within("Properties"))?;
        let metadata = value(&self.metadata).map_err(|flaw: Box<Flaw>| flaw.within("Metadata"))?;
        let Identity { physical_id, name, arn, attributes } =
            names::identify(&self.kind, &self.logical_id, &properties, naming);
        let resource = Resource {
            kind: self.kind.clone(),
            logical_id: self.logical_id.clone(),
            physical_id: physical_id.clone(),
            name: name.clone(),
            arn: arn.clone(),
            properties,
            metadata,
            line: self.line,
        };
        scope.identities.insert(self.logical_id.clone(), Identity { physical_id, name, arn, attributes });
        Ok(resource)
    }
}
