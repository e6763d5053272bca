//! In which order resources are made: each after those it names.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    declared::Declared,
    error::{Fault, Flaw, Step},
    intrinsics::{Piece, call, pieces},
    yaml::{Node, Yaml},
};

/// The resources, each after all that it depends on; otherwise in the order of their logical ids.
pub(super) fn ordered<'t>(declared: &BTreeMap<&'t str, &'t Declared>) -> Step<Vec<&'t Declared>> {
    let mut search = DepthFirst { declared, done: BTreeSet::new(), ancestors: Vec::new(), order: Vec::new() };
    for name in declared.keys() {
        search.visit(name)?;
    }
    Ok(search.order)
}

struct DepthFirst<'w, 't> {
    declared: &'w BTreeMap<&'t str, &'t Declared>,
    done: BTreeSet<&'t str>,
    ancestors: Vec<&'t str>,
    order: Vec<&'t Declared>,
}

impl<'t> DepthFirst<'_, 't> {
    fn visit(&mut self, name: &'t str) -> Step<()> {
        // A name that is no resource, or one that is not created here: found out where it is used.
        let Some(resource) = self.declared.get(name).copied() else { return Ok(()) };
        if self.done.contains(name) {
            return Ok(());
        }
        if let Some(start) = self.ancestors.iter().position(|it| *it == name) {
            let cycle = self.ancestors[start..].iter().chain([&name]).map(|it| (*it).to_owned()).collect();
            return Err(Flaw::new(resource.line, Fault::Cycle(cycle)));
        }
        self.ancestors.push(name);
        let mut needs: BTreeSet<&str> = resource.depends_on.iter().map(String::as_str).collect();
        if let Some(properties) = &resource.properties {
            names_in(properties, &mut needs);
        }
        for need in needs {
            self.visit(need)?;
        }
        self.ancestors.pop();
        self.done.insert(name);
        self.order.push(resource);
        Ok(())
    }
}

/// Every name that the functions in a node refer to.
fn names_in<'t>(node: &'t Node, names: &mut BTreeSet<&'t str>) {
    if let Some((function, entry)) = call(node) {
        let first = match &entry.node.yaml {
            Yaml::Text(text) => Some(text.as_str()),
            Yaml::List(items) => items.first().and_then(|it| it.as_text().ok()),
            _ => None,
        };
        match (function, first) {
            ("Ref", Some(name)) => drop(names.insert(name)),
            ("Fn::GetAtt", Some(name)) => drop(names.insert(before_dot(name))),
            ("Fn::Sub", Some(text)) => {
                names.extend(pieces(text).into_iter().filter_map(|piece| match piece {
                    Piece::Name(name) => Some(before_dot(name)),
                    Piece::Text(_) => None,
                }))
            }
            _ => {}
        }
    }
    match &node.yaml {
        Yaml::List(items) => items.iter().for_each(|it| names_in(it, names)),
        Yaml::Map(entries) => entries.iter().for_each(|it| names_in(&it.node, names)),
        _ => {}
    }
}

fn before_dot(name: &str) -> &str {
    name.split_once('.').map_or(name, |(id, _)| id)
}
