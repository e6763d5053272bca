//! DynamoDB: batches need their own action on each table, transactions the actions of their items and none of their
//! own. <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Need, arn, text};

pub(super) fn needs(operation: &str, input: &Value) -> Option<Vec<Need>> {
    let action = |name: &str| format!("dynamodb:{name}");
    let needs = match operation {
        "GetItem"
        | "PutItem"
        | "UpdateItem"
        | "DeleteItem"
        | "DescribeTable"
        | "CreateTable"
        | "DeleteTable"
        | "UpdateTable"
        | "DescribeTimeToLive"
        | "UpdateTimeToLive"
        | "DescribeContinuousBackups" => {
            vec![Need::new(&action(operation), table(text(input, "TableName")))]
        }
        "Query" | "Scan" => {
            let table = table(text(input, "TableName"));
            let place = match input["IndexName"].as_str() {
                Some(index) => format!("{table}/index/{index}"),
                None => table,
            };
            vec![Need::new(&action(operation), place)]
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = input["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(name, _)| Need::new(&action(operation), table(name))).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => of_items(input),
        "ListTables" => vec![Need::new("dynamodb:ListTables", "*")],
        _ => return None,
    };
    Some(needs)
}

/// Each action once on each table, however many items there are.
fn of_items(input: &Value) -> Vec<Need> {
    let items = input["TransactItems"].as_array().into_iter().flatten();
    let parts = items.filter_map(Value::as_object).flatten();
    let needs: BTreeSet<Need> = parts
        .filter_map(|(kind, part)| {
            let action = match kind.as_str() {
                "Get" => "dynamodb:GetItem",
                "Put" => "dynamodb:PutItem",
                "Update" => "dynamodb:UpdateItem",
                "Delete" => "dynamodb:DeleteItem",
                "ConditionCheck" => "dynamodb:ConditionCheckItem",
                // DynamoDB refuses it.
                _ => return None,
            };
            Some(Need::new(action, table(text(part, "TableName"))))
        })
        .collect();
    needs.into_iter().collect()
}

/// A table is named by its name or its ARN.
fn table(named: &str) -> String {
    if named.starts_with("arn:") { named.to_owned() } else { arn("dynamodb", format_args!("table/{named}")) }
}
