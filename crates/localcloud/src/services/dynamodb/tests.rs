//! What this adds to the library: faults, errors on the wire, tables that stay.

use super::*;
use crate::frontend::tests::table;

fn tables() -> DynamoDb {
    DynamoDb::new(Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()), None).unwrap()
}

fn puts(count: usize) -> Value {
    let puts: Vec<Value> =
        (0..count).map(|n| json!({ "PutRequest": { "Item": { "id": { "S": n.to_string() } } } })).collect();
    json!({ "RequestItems": { "records": puts } })
}

fn with(partial: Partial) -> Caller {
    Caller { partial: Some(partial), ..Caller::owner() }
}

#[tokio::test]
async fn unprocessed_items_are_given_back_and_the_others_are_stored() {
    fastrand::seed(3);
    let dynamodb = tables();
    dynamodb.create_table(table("records")).unwrap();
    let caller = with(Partial::Unprocessed { share: 0.3 });
    let answer = dynamodb.call("BatchWriteItem", puts(20), &caller).await.unwrap();
    let back = answer["UnprocessedItems"]["records"].as_array().unwrap();
    assert!((1..20).contains(&back.len()));
    assert!(back[0]["PutRequest"]["Item"]["id"]["S"].is_string());
    let stored = dynamodb.call("Scan", json!({ "TableName": "records" }), &Caller::owner()).await.unwrap();
    assert_eq!(stored["Count"].as_u64().unwrap(), 20 - back.len() as u64);
}

#[tokio::test]
async fn a_batch_of_which_nothing_could_be_done_is_an_error() {
    let dynamodb = tables();
    dynamodb.create_table(table("records")).unwrap();
    let caller = with(Partial::Unprocessed { share: 1.0 });
    let error = dynamodb.call("BatchWriteItem", puts(2), &caller).await.unwrap_err();
    assert_eq!(error.code, "ProvisionedThroughputExceededException");
}

#[tokio::test]
async fn a_refused_condition_names_its_error_and_gives_the_item() {
    let dynamodb = tables();
    dynamodb.create_table(table("ledger")).unwrap();
    let put = json!({
        "TableName": "ledger",
        "Item": { "id": { "S": "a" } },
        "ConditionExpression": "attribute_not_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    dynamodb.call("PutItem", put.clone(), &Caller::owner()).await.unwrap();
    let error = dynamodb.call("PutItem", put, &Caller::owner()).await.unwrap_err();
    assert_eq!(error.status, 400);
    assert!(error.code.ends_with("#ConditionalCheckFailedException"), "{}", error.code);
    assert_eq!(error.detail["Item"]["id"]["S"], "a");
}

#[tokio::test]
async fn hostile_input_is_refused() {
    let dynamodb = tables();
    for (input, code) in [
        (json!({}), "ValidationException"),
        (json!({ "TableName": 5 }), "SerializationException"),
        (json!({ "TableName": "nowhere", "Item": { "id": { "S": "a" } } }), "ResourceNotFoundException"),
    ] {
        let error = dynamodb.call("PutItem", input.clone(), &Caller::owner()).await.unwrap_err();
        assert!(error.code.ends_with(code), "{input}: {error:?}");
    }
}

#[tokio::test]
async fn a_data_folder_keeps_tables_and_items() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap());
    let item = json!({ "TableName": "ledger", "Item": { "id": { "S": "a" } } });
    let first = DynamoDb::new(clock, Some(folder.path())).unwrap();
    first.create_table(table("ledger")).unwrap();
    first.call("PutItem", item, &Caller::owner()).await.unwrap();
    drop(first);
    let second = DynamoDb::new(clock, Some(folder.path())).unwrap();
    second.create_table(table("ledger")).unwrap();
    let key = json!({ "TableName": "ledger", "Key": { "id": { "S": "a" } } });
    assert_eq!(second.call("GetItem", key, &Caller::owner()).await.unwrap()["Item"]["id"]["S"], "a");
}
