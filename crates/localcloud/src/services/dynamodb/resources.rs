//! Tables of a template.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::DynamoDb;
use crate::{
    resource::{Flag, ResourceError, read},
    template::{Resource, ResourceType},
    wire::ApiError,
};

pub(crate) const TABLE: ResourceType = ResourceType::new("AWS::DynamoDB::Table", |it| {
    let table = it.arn("dynamodb", format_args!("table/{}", it.name));
    let stream = format!("{table}/stream/2026-01-01T00:00:00.000");
    it.by_name(table, if it.has("StreamSpecification") { vec![("StreamArn", stream)] } else { Vec::new() })
})
.named("TableName", 255);

/// A table: `CreateTable`'s input, but for what belongs to other operations. Streams, imports and replicas are not
/// among these.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Table {
    #[serde(default)]
    deletion_protection_enabled: Flag,
    time_to_live_specification: Option<Expiry>,
    attribute_definitions: Value,
    key_schema: Value,
    billing_mode: Option<String>,
    provisioned_throughput: Option<Value>,
    global_secondary_indexes: Option<Vec<Index>>,
    local_secondary_indexes: Option<Vec<Index>>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Index {
    index_name: String,
    key_schema: Value,
    projection: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisioned_throughput: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Expiry {
    attribute_name: Option<String>,
    enabled: Flag,
}

/// Backups, encryption, metrics and prices mean nothing on one machine.
const PASSED_OVER: [&str; 7] = [
    "ContributorInsightsSpecification",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "SSESpecification",
    "TableClass",
    "TableName",
    "Tags",
];

/// Creates a table with its indexes, and lets its items expire where the template says so.
pub(crate) fn table(dynamodb: &DynamoDb, resource: &Resource) -> Result<(), ResourceError> {
    let table: Table = read(resource, &PASSED_OVER)?;
    dynamodb.create_table(table.creation(&resource.name))?;
    if let Some(request) = table.expiry(&resource.name)? {
        dynamodb.update_time_to_live(request)?;
    }
    Ok(())
}

impl Table {
    /// `CreateTable`'s input.
    fn creation(&self, name: &str) -> Value {
        let mut input = json!({
            "TableName": name,
            "AttributeDefinitions": self.attribute_definitions,
            "KeySchema": self.key_schema,
            "DeletionProtectionEnabled": self.deletion_protection_enabled.0,
        });
        let optional = [
            ("BillingMode", self.billing_mode.as_ref().map(|it| json!(it))),
            ("ProvisionedThroughput", self.provisioned_throughput.clone()),
            ("GlobalSecondaryIndexes", self.global_secondary_indexes.as_ref().map(|it| json!(it))),
            ("LocalSecondaryIndexes", self.local_secondary_indexes.as_ref().map(|it| json!(it))),
        ];
        for (member, value) in optional {
            if let Some(value) = value {
                input[member] = value;
            }
        }
        input
    }

    /// `UpdateTimeToLive`'s input. Nothing has to be done for what does not expire.
    fn expiry(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let Some(expiry) = self.time_to_live_specification.as_ref().filter(|it| it.enabled.0) else {
            return Ok(None);
        };
        let attribute = expiry.attribute_name.as_deref().ok_or_else(|| {
            ApiError::client("ValidationException", "TimeToLiveSpecification needs its AttributeName.")
        })?;
        let specification = json!({ "AttributeName": attribute, "Enabled": true });
        Ok(Some(json!({ "TableName": name, "TimeToLiveSpecification": specification })))
    }
}
