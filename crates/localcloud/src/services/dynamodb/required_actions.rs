//! DynamoDB: batches need their own action on each table, transactions the actions of their items and none of their
//! own. <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>

use std::collections::BTreeSet;

use serde_json::Value;

use crate::services::iam::{RequiredAction, arn, text};

pub(crate) fn of(operation: &str, input: &Value) -> Option<Vec<RequiredAction>> {
    let action = |name: &str| format!("dynamodb:{name}");
    let required = match operation {
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
            vec![RequiredAction::new(&action(operation), table(text(input, "TableName")))]
        }
        "Query" | "Scan" => {
            let table = table(text(input, "TableName"));
            let place = match input["IndexName"].as_str() {
                Some(index) => format!("{table}/index/{index}"),
                None => table,
            };
            vec![RequiredAction::new(&action(operation), place)]
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = input["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(name, _)| RequiredAction::new(&action(operation), table(name))).collect()
        }
        "TransactGetItems" | "TransactWriteItems" => of_items(input),
        "ListTables" => vec![RequiredAction::new("dynamodb:ListTables", "*")],
        _ => return None,
    };
    Some(required)
}

/// Each action once on each table, however many items there are.
fn of_items(input: &Value) -> Vec<RequiredAction> {
    let items = input["TransactItems"].as_array().into_iter().flatten();
    let parts = items.filter_map(Value::as_object).flatten();
    let required: BTreeSet<RequiredAction> = parts
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
            Some(RequiredAction::new(action, table(text(part, "TableName"))))
        })
        .collect();
    required.into_iter().collect()
}

/// A table is named by its name or its ARN.
fn table(named: &str) -> String {
    if named.starts_with("arn:") { named.to_owned() } else { arn("dynamodb", format_args!("table/{named}")) }
}
