//! Reading a whole table of the local cloud.

use futures::FutureExt;
use localcloud::{dynamodb::DynamoDb, wire::Caller};
use serde_json::{Value, json};
use tokio::task::coop::unconstrained;

/// Everything in a table, at once: no time passes.
pub(crate) fn scan(dynamodb: &DynamoDb, table: &str) -> Vec<Value> {
    let (mut items, mut start) = (Vec::new(), Value::Null);
    loop {
        let mut input = json!({ "TableName": table, "ConsistentRead": true });
        if !start.is_null() {
            input["ExclusiveStartKey"] = start;
        }
        // However much this test's task has done since it last yielded.
        let answer = unconstrained(dynamodb.call("Scan", input, &Caller::owner())).now_or_never();
        let mut answer = answer.expect("the table answers at once").expect("a scan");
        items.extend(answer["Items"].as_array_mut().map(std::mem::take).unwrap_or_default());
        start = answer["LastEvaluatedKey"].take();
        if start.is_null() {
            return items;
        }
    }
}
