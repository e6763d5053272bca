//! The interpreter of `template.yaml`: what CloudFormation and SAM would make of it, as plain values.
//!
//! ```text
//! file ── yaml ──▶ tree with lines ── sam ──▶ plain resources ── parameters, intrinsics, names ──▶ Stack
//! ```
//!
//! [`Template::load`] does what needs no choices; [`Template::resolve`] takes the parameters and gives a [`Stack`]
//! in which no function is left. Nothing is created here; the deployment does that.
//!
//! It is strict: a key, a type or a function that it does not know is an error with file, line and path, since
//! whatever was passed over silently would work here and fail there, or the other way round.

mod cidr;
mod declared;
mod error;
mod flaws;
mod intrinsics;
mod made;
mod names;
mod order;
mod parameters;
mod problems;
mod sam;
mod stack;
#[cfg(test)]
mod tests;
mod yaml;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub(crate) use self::names::Identity;
use self::{
    declared::Declared,
    error::{Flaw, Step},
    flaws::Flaws,
    intrinsics::Scope,
    names::Naming,
    parameters::Parameter,
    yaml::{Entry, Node},
};
pub use self::{
    error::{Fault, ParameterProblem, TemplateError},
    names::ResourceType,
    stack::{Resource, Stack},
};

/// A template, read and understood as far as it can be without its parameters.
#[derive(Debug, Clone)]
pub struct Template {
    file: PathBuf,
    root: Node,
    parameters: Vec<Parameter>,
    resources: Vec<Declared>,
    types: Vec<ResourceType>,
}

const SECTIONS: [&str; 11] = [
    "AWSTemplateFormatVersion",
    "Transform",
    "Description",
    "Metadata",
    "Parameters",
    "Rules",
    "Mappings",
    "Conditions",
    "Globals",
    "Resources",
    "Outputs",
];

impl Template {
    /// Reads the template at `file`, for a cloud that creates resources of these types
    /// ([`resource_types`](crate::resource_types)).
    ///
    /// # Errors
    ///
    /// When there is no such file, or it is not a template that the local cloud can run.
    pub fn load(file: &Path, types: Vec<ResourceType>) -> Result<Self, TemplateError> {
        Self::parse(&read(file)?, file, types)
    }

    /// Reads a template from its text; `file` is what errors call it, and what its folders are relative to.
    ///
    /// # Errors
    ///
    /// When it is not a template that the local cloud can run.
    pub fn parse(text: &str, file: &Path, types: Vec<ResourceType>) -> Result<Self, TemplateError> {
        Self::understood(text, file, types, &mut Flaws::First).map_err(|flaw| flaw.in_file(file))
    }

    fn understood(text: &str, file: &Path, types: Vec<ResourceType>, flaws: &mut Flaws) -> Step<Self> {
        let root = Node::parse(text)?;
        flaws.take(root.only(&SECTIONS))?;
        let mut parameters = Vec::new();
        for entry in section(&root, "Parameters")? {
            let declared = Parameter::declared(&entry.key, &entry.node);
            let declared = declared.map_err(|flaw| flaw.within(&entry.key).within("Parameters"));
            parameters.extend(flaws.take(declared)?);
        }
        let globals = sam::Globals::read(root.get("Globals")).map_err(|flaw| flaw.within("Globals"));
        let globals = match flaws.take(globals)? {
            Some(globals) => globals,
            None => sam::Globals::read(None)?,
        };
        let mut resources: Vec<Declared> = Vec::new();
        let entries = section(&root, "Resources")?;
        for entry in entries {
            let made = made::made(entry, &globals, &resources, &types);
            let made = made.map_err(|flaw| flaw.within(&entry.key).within("Resources"));
            resources.extend(flaws.take(made)?.into_iter().flatten());
        }
        if entries.is_empty() {
            return Err(Flaw::new(1, Fault::Lacks("Resources")));
        }
        Ok(Self { file: file.to_owned(), root, parameters, resources, types })
    }

    /// The file it was read from. Its relative paths, such as `CodeUri`, start beside it.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What the template comes to with these parameters, in a stack of this name, at a cloud whose address is
    /// `endpoint` (such as `http://127.0.0.1:4566`; queue URLs begin with it).
    ///
    /// # Errors
    ///
    /// When the parameters do not fit, or something in the template cannot be computed from them.
    pub fn resolve(
        &self,
        parameters: &BTreeMap<String, String>,
        stack: &str,
        endpoint: &str,
    ) -> Result<Stack, TemplateError> {
        let letters = |it: char| it.is_ascii_alphanumeric() || it == '-';
        if !stack.starts_with(|it: char| it.is_ascii_alphabetic())
            || !stack.chars().all(letters)
            || stack.len() > 128
        {
            return Err(TemplateError::StackName { name: stack.to_owned() });
        }
        let parameters = parameters::read(&self.parameters, parameters)
            .map_err(|problems| TemplateError::Parameters { file: self.file.clone(), problems })?;
        let naming = self.naming(stack, endpoint);
        self.resolved(parameters, &naming, &mut Flaws::First).map_err(|flaw| flaw.in_file(&self.file))
    }

    fn naming(&self, stack: &str, endpoint: &str) -> Naming {
        Naming { stack: stack.to_owned(), endpoint: endpoint.to_owned(), types: self.types.clone() }
    }

    fn resolved(
        &self,
        parameters: BTreeMap<String, Value>,
        naming: &Naming,
        flaws: &mut Flaws,
    ) -> Step<Stack> {
        let shown = self
            .parameters
            .iter()
            .filter_map(|it| Some((it.name.clone(), it.shown(parameters.get(&it.name)?))));
        let shown = shown.collect();
        let mut scope = Scope {
            stack: &naming.stack,
            parameters,
            mappings: self.root.get("Mappings"),
            conditions: section(&self.root, "Conditions")?
                .iter()
                .map(|it| (it.key.clone(), &it.node))
                .collect(),
            computing: RefCell::new(BTreeSet::new()),
            declared: self.resources.iter().map(Declared::heading).collect(),
            identities: BTreeMap::new(),
        };
        flaws.take(self.assert_rules(&scope).map_err(|flaw| flaw.within("Rules")))?;

        let mut created = BTreeMap::new();
        for resource in &self.resources {
            let wanted = match &resource.condition {
                Some(condition) => scope.condition(condition, resource.line)?,
                None => true,
            };
            if wanted {
                created.insert(resource.logical_id.as_str(), resource);
            }
        }
        let mut stack = Stack {
            name: naming.stack.clone(),
            resources: BTreeMap::new(),
            order: Vec::new(),
            outputs: BTreeMap::new(),
            output_words: BTreeMap::new(),
            parameters: shown,
            description: self.root.get("Description").map(Node::scalar).transpose()?,
        };
        for declared in order::ordered(&created)? {
            let resource = declared
                .resolved(&mut scope, naming)
                .map_err(|flaw| flaw.within(&declared.logical_id).within("Resources"));
            let Some(resource) = flaws.take(resource)? else {
                // So that what refers to it is not said to be wrong too.
                let identity = names::identify(&declared.kind, &declared.logical_id, &Value::Null, naming);
                scope.identities.insert(declared.logical_id.clone(), identity);
                continue;
            };
            stack.order.push(declared.logical_id.clone());
            stack.resources.insert(declared.logical_id.clone(), resource);
        }
        for entry in section(&self.root, "Outputs")? {
            let read = output(&scope, &entry.node);
            let read = flaws.take(read.map_err(|flaw| flaw.within(&entry.key).within("Outputs")))?;
            let Some((value, words)) = read.flatten() else { continue };
            stack.outputs.insert(entry.key.clone(), value);
            stack.output_words.extend(words.map(|words| (entry.key.clone(), words)));
        }
        Ok(stack)
    }

    fn assert_rules(&self, scope: &Scope<'_>) -> Step<()> {
        for rule in section(&self.root, "Rules")? {
            let node = &rule.node;
            let applies = node.get("RuleCondition").map_or(Ok(true), |it| scope.holds(it));
            if !applies.map_err(|flaw| flaw.within(&rule.key))? {
                continue;
            }
            let assertions =
                node.get("Assertions").ok_or_else(|| Flaw::new(rule.line, Fault::Lacks("Assertions")))?;
            for assertion in assertions.as_list()? {
                let test = assertion
                    .get("Assert")
                    .ok_or_else(|| Flaw::new(assertion.line, Fault::Lacks("Assert")))?;
                if !scope.holds(test).map_err(|flaw| flaw.within(&rule.key))? {
                    let text =
                        assertion.get("AssertDescription").map_or(Ok("this does not hold"), Node::as_text)?;
                    return Err(Flaw::new(assertion.line, Fault::Refuted(text.to_owned())).within(&rule.key));
                }
            }
        }
        Ok(())
    }
}

/// An output's value and what is said of it; none when its condition is false.
fn output(scope: &Scope<'_>, node: &Node) -> Step<Option<(String, Option<String>)>> {
    node.only(&["Description", "Value", "Export", "Condition"])?;
    if let Some(condition) = node.get("Condition")
        && !scope.condition(condition.as_text()?, condition.line)?
    {
        return Ok(None);
    }
    let value = node.get("Value").ok_or_else(|| Flaw::new(node.line, Fault::Lacks("Value")))?;
    let words = node.get("Description").map(Node::scalar).transpose()?;
    Ok(Some((scope.text(value)?, words)))
}

fn read(file: &Path) -> Result<String, TemplateError> {
    fs::read_to_string(file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => TemplateError::Missing { file: file.to_owned() },
        _ => TemplateError::Unreadable { file: file.to_owned(), source },
    })
}

fn section<'n>(root: &'n Node, name: &str) -> Step<&'n [Entry]> {
    match root.get(name) {
        Some(node) => node.as_map().map_err(|flaw| flaw.within(name)),
        None => Ok(&[]),
    }
}
