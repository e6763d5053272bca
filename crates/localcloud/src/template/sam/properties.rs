//! The names of properties: SAM's, and those of the plain types.

use crate::template::{
    error::Step,
    yaml::{Entry, Node},
};

/// Function properties that mean the same to Lambda, as (SAM's name, Lambda's name).
pub(super) const FUNCTION: [(&str, &str); 19] = [
    ("Architectures", "Architectures"),
    ("CodeUri", "Code"),
    ("Description", "Description"),
    ("Environment", "Environment"),
    ("EphemeralStorage", "EphemeralStorage"),
    ("FunctionName", "FunctionName"),
    ("Handler", "Handler"),
    ("KmsKeyArn", "KmsKeyArn"),
    ("Layers", "Layers"),
    ("LoggingConfig", "LoggingConfig"),
    ("MemorySize", "MemorySize"),
    ("PackageType", "PackageType"),
    ("ReservedConcurrentExecutions", "ReservedConcurrentExecutions"),
    ("Role", "Role"),
    ("Runtime", "Runtime"),
    ("Tags", "Tags"),
    ("Timeout", "Timeout"),
    ("Tracing", "TracingConfig"),
    ("VpcConfig", "VpcConfig"),
];

/// The properties under the names that the plain type has for them.
pub(super) fn renamed(properties: &Node, names: &[(&str, &str)]) -> Step<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in properties.as_map()? {
        if let Some((_, name)) = names.iter().find(|(sam, _)| *sam == entry.key) {
            entries.push(Entry { key: (*name).to_owned(), ..entry.clone() });
        }
    }
    Ok(entries)
}
