//! Layers, which are Lambda's own under other names.

use super::properties::renamed;
use crate::template::{
    declared::Declared,
    error::{Fault, Flaw, Step},
    yaml::{Node, Yaml},
};

const LAYER: [(&str, &str); 6] = [
    ("CompatibleArchitectures", "CompatibleArchitectures"),
    ("CompatibleRuntimes", "CompatibleRuntimes"),
    ("ContentUri", "Content"),
    ("Description", "Description"),
    ("LayerName", "LayerName"),
    ("LicenseInfo", "LicenseInfo"),
];

/// The layer under Lambda's names.
pub(super) fn transform(declared: Declared) -> Step<Vec<Declared>> {
    let line = declared.line;
    let own = declared.properties.as_ref().ok_or_else(|| Flaw::new(line, Fault::Lacks("Properties")))?;
    let known: Vec<&str> =
        LAYER.iter().map(|(name, _)| *name).chain(["PublishLambdaVersion", "RetentionPolicy"]).collect();
    own.only(&known).map_err(|flaw| flaw.within("Properties"))?;
    if own.get("ContentUri").is_none() {
        return Err(Flaw::new(line, Fault::Lacks("ContentUri")).within("Properties"));
    }
    let properties = Some(Node { line: own.line, yaml: Yaml::Map(renamed(own, &LAYER)?) });
    Ok(vec![Declared { kind: "AWS::Lambda::LayerVersion".to_owned(), properties, ..declared }])
}
