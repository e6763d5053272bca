//! Tables of an earlier run, brought up to a template that has changed since.

use serde_json::{Value, json};

use crate::wire::ApiError;

/// The `UpdateTable` inputs after which the table `found` (as `DescribeTable` has it) is what `wanted`
/// (`CreateTable`'s input) asks for. Items stay: a new index is filled with those there are.
///
/// # Errors
/// `ValidationException` for what cannot be changed on AWS either: keys, and an index of the same name.
pub(super) fn updates(wanted: &Value, found: &Value) -> Result<Vec<Value>, ApiError> {
    let table = &wanted["TableName"];
    if wanted["KeySchema"] != found["KeySchema"] || key_types(wanted, wanted) != key_types(wanted, found) {
        return Err(ApiError::client(
            "ValidationException",
            format!(
                "the table {table} of the data folder has other keys than the template's: start with another folder"
            ),
        ));
    }
    let mut updates = Vec::new();
    let update = |action: Value, attributes: Value| {
        let mut input = json!({ "TableName": table, "GlobalSecondaryIndexUpdates": [action] });
        if !attributes.is_null() {
            input["AttributeDefinitions"] = attributes;
        }
        input
    };
    let (asked, there) = (indexes(wanted), indexes(found));
    let named = |indexes: &[&Value], name: &Value| indexes.iter().any(|it| it["IndexName"] == *name);
    for old in there.iter().filter(|old| !named(&asked, &old["IndexName"])) {
        updates.push(update(json!({ "Delete": { "IndexName": old["IndexName"] } }), Value::Null));
    }
    for index in asked {
        let name = &index["IndexName"];
        match there.iter().find(|old| old["IndexName"] == *name) {
            Some(old) if same(index, old) && key_types(index, wanted) == key_types(index, found) => {}
            Some(_) => {
                return Err(ApiError::client(
                    "ValidationException",
                    format!(
                        "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights \
                         Specification. You can create a new GSI with a different name. (index {name} of {table})"
                    ),
                ));
            }
            None => updates.push(update(json!({ "Create": index }), key_types(index, wanted).into())),
        }
    }
    let protected = |table: &Value| table["DeletionProtectionEnabled"].as_bool().unwrap_or_default();
    if protected(wanted) != protected(found) {
        updates.push(json!({ "TableName": table, "DeletionProtectionEnabled": protected(wanted) }));
    }
    Ok(updates)
}

fn indexes(table: &Value) -> Vec<&Value> {
    table["GlobalSecondaryIndexes"].as_array().into_iter().flatten().collect()
}

fn same(index: &Value, other: &Value) -> bool {
    let attributes = |index: &Value| {
        let named = index["Projection"]["NonKeyAttributes"].as_array().into_iter().flatten();
        let mut attributes: Vec<String> = named.map(ToString::to_string).collect();
        attributes.sort();
        attributes
    };
    index["KeySchema"] == other["KeySchema"]
        && index["Projection"]["ProjectionType"] == other["Projection"]["ProjectionType"]
        && attributes(index) == attributes(other)
}

/// The definitions that `table` has of the attributes in the keys of `keyed`, a table or an index.
fn key_types(keyed: &Value, table: &Value) -> Vec<Value> {
    let keys = keyed["KeySchema"].as_array().into_iter().flatten();
    let definitions = table["AttributeDefinitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    keys.filter_map(|key| definitions.iter().find(|it| it["AttributeName"] == key["AttributeName"]))
        .cloned()
        .collect()
}
