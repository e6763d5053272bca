//! The `Globals` section, and how it comes together with what a resource says.

use super::properties::FUNCTION;
use crate::template::{
    error::Step,
    intrinsics::call,
    yaml::{Entry, Node, Yaml},
};

/// The `Globals` section.
pub(in crate::template) struct Globals<'t>(Option<&'t Node>);

impl<'t> Globals<'t> {
    pub(in crate::template) fn read(node: Option<&'t Node>) -> Step<Self> {
        let function = match node {
            None => None,
            Some(node) => {
                node.only(&["Function"])?;
                node.get("Function")
            }
        };
        if let Some(function) = function {
            let also = [
                "AutoPublishAlias",
                "AutoPublishAliasAllProperties",
                "DeploymentPreference",
                "EventInvokeConfig",
                "PermissionsBoundary",
            ];
            let known = FUNCTION.iter().map(|(name, _)| *name).chain(also);
            let known: Vec<&str> = known.collect();
            function.only(&known).map_err(|flaw| flaw.within("Function"))?;
        }
        Ok(Self(function))
    }
    /// A function's properties with these beneath them.
    pub(super) fn beneath(&self, own: &Node) -> Node {
        match self.0 {
            Some(global) => merged(global, own),
            None => own.clone(),
        }
    }
}

/// What Globals say, overridden by what the resource says: mappings are merged key by key, lists are appended to,
/// and anything else is replaced.
fn merged(global: &Node, own: &Node) -> Node {
    let is_call = |node| call(node).is_some();
    let yaml = match (&global.yaml, &own.yaml) {
        (Yaml::Map(_), Yaml::Map(_)) if is_call(global) || is_call(own) => return own.clone(),
        (Yaml::Map(globals), Yaml::Map(owns)) => {
            let mut entries: Vec<Entry> = globals.clone();
            for entry in owns {
                match entries.iter_mut().find(|it| it.key == entry.key) {
                    Some(there) => there.node = merged(&there.node, &entry.node),
                    None => entries.push(entry.clone()),
                }
            }
            Yaml::Map(entries)
        }
        (Yaml::List(globals), Yaml::List(owns)) => Yaml::List([globals.as_slice(), owns].concat()),
        _ => return own.clone(),
    };
    Node { line: own.line, yaml }
}
