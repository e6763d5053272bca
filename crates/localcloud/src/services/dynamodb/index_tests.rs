//! Indexes, batches and pages, by way of the real SDK.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes},
};

use super::*;
use crate::{
    connector::sdk_config,
    faults::{Call, Rule},
    frontend::{Frontend, tests::frontend},
    wire::OWNER_KEY,
};

/// Jobs by id; `due` finds those of a state by time, `slim` their keys only.
fn ledger() -> Value {
    let index = |name: &str, projection: Value| {
        json!({
            "IndexName": name,
            "KeySchema": [
                { "AttributeName": "state", "KeyType": "HASH" },
                { "AttributeName": "due", "KeyType": "RANGE" },
            ],
            "Projection": projection,
        })
    };
    json!({
        "TableName": "ledger",
        "KeySchema": [{ "AttributeName": "job", "KeyType": "HASH" }],
        "AttributeDefinitions": [
            { "AttributeName": "job", "AttributeType": "S" },
            { "AttributeName": "state", "AttributeType": "S" },
            { "AttributeName": "due", "AttributeType": "N" },
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            index("due", json!({ "ProjectionType": "ALL" })),
            index("slim", json!({ "ProjectionType": "KEYS_ONLY" })),
            index("some", json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"] })),
        ],
    })
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: u32) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

async fn setup() -> (Frontend, Client) {
    let frontend = frontend();
    frontend.services().dynamodb.create_table(ledger()).unwrap();
    let client = Client::new(&sdk_config(&frontend, frontend.clock(), OWNER_KEY));
    (frontend, client)
}

async fn put(client: &Client, job: &str, state: Option<&str>, due: u32) {
    let mut put = client.put_item().table_name("ledger").item("job", text(job)).item("due", number(due));
    put = put.item("note", text("n")).item("more", text("m"));
    if let Some(state) = state {
        put = put.item("state", text(state));
    }
    put.send().await.unwrap();
}

/// The jobs of a state, in the order of the index.
async fn of_state(client: &Client, index: &str, state: &str) -> Vec<HashMap<String, AttributeValue>> {
    let query = client.query().table_name("ledger").index_name(index);
    let query = query.key_condition_expression("#s = :s").expression_attribute_names("#s", "state");
    query.expression_attribute_values(":s", text(state)).send().await.unwrap().items.unwrap()
}

fn jobs(items: &[HashMap<String, AttributeValue>]) -> Vec<&str> {
    items.iter().map(|item| item["job"].as_s().unwrap().as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_index_has_what_has_its_keys_in_its_order_and_projection() {
    let (_frontend, client) = setup().await;
    put(&client, "late", Some("waiting"), 30).await;
    put(&client, "early", Some("waiting"), 4).await;
    put(&client, "done", Some("done"), 1).await;
    put(&client, "sparse", None, 2).await;
    let waiting = of_state(&client, "due", "waiting").await;
    assert_eq!(jobs(&waiting), ["early", "late"]);
    assert_eq!(waiting[0].len(), 5);
    let members = |items: &[HashMap<String, AttributeValue>]| {
        let mut members: Vec<String> = items[0].keys().cloned().collect();
        members.sort();
        members
    };
    assert_eq!(members(&of_state(&client, "slim", "waiting").await), ["due", "job", "state"]);
    assert_eq!(members(&of_state(&client, "some", "waiting").await), ["due", "job", "note", "state"]);
    let all = client.scan().table_name("ledger").index_name("due").send().await.unwrap();
    assert_eq!(all.count(), 3);
    assert_eq!(client.scan().table_name("ledger").send().await.unwrap().count(), 4);
    let consistent = client.query().table_name("ledger").index_name("due").consistent_read(true);
    let consistent =
        consistent.key_condition_expression("due = :d").expression_attribute_values(":d", number(1));
    assert!(consistent.send().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_update_moves_an_item_between_the_partitions_of_an_index_and_out_of_it() {
    let (_frontend, client) = setup().await;
    put(&client, "a", Some("waiting"), 1).await;
    let update = |expression: &str| {
        let update = client.update_item().table_name("ledger").key("job", text("a"));
        update.update_expression(expression).expression_attribute_names("#s", "state")
    };
    let run = update("SET #s = :s, due = :d").expression_attribute_values(":s", text("running"));
    run.expression_attribute_values(":d", number(9)).send().await.unwrap();
    assert_eq!(jobs(&of_state(&client, "due", "waiting").await), Vec::<&str>::new());
    assert_eq!(jobs(&of_state(&client, "due", "running").await), ["a"]);
    update("REMOVE #s").send().await.unwrap();
    assert_eq!(jobs(&of_state(&client, "due", "running").await), Vec::<&str>::new());
    let wrong = update("SET #s = :s").expression_attribute_values(":s", number(5)).send().await;
    assert!(wrong.is_err(), "an index key of another type is refused");
}

#[tokio::test(start_paused = true)]
async fn a_query_of_an_index_pages_to_its_end() {
    let (_frontend, client) = setup().await;
    for n in 0..25 {
        put(&client, &format!("job-{n:02}"), Some("waiting"), n / 3).await;
    }
    let mut seen = Vec::new();
    let mut pages = 0;
    let mut start = None;
    loop {
        let query = client.query().table_name("ledger").index_name("slim").limit(10);
        let query = query.key_condition_expression("#s = :s").expression_attribute_names("#s", "state");
        let query = query.expression_attribute_values(":s", text("waiting"));
        let page = query.set_exclusive_start_key(start).send().await.unwrap();
        seen.extend(page.items().iter().map(|item| item["job"].as_s().unwrap().clone()));
        pages += 1;
        start = page.last_evaluated_key;
        match &start {
            // Where a page ended is said by the keys of the index and of the table.
            Some(key) => assert_eq!(key.len(), 3),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    seen.sort();
    let expected: Vec<String> = (0..25).map(|n| format!("job-{n:02}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_keys_are_got_in_spite_of_unprocessed_ones() {
    fastrand::seed(4);
    let (frontend, client) = setup().await;
    for n in 0..100 {
        put(&client, &n.to_string(), None, 1).await;
    }
    let fault = || Call::Part(Partial::Unprocessed { share: 0.5 });
    frontend.faults().on(Rule::new("dynamodb", "BatchGetItem", fault()).first(3));
    let keys = (0..100).map(|n| HashMap::from([("job".to_owned(), text(&n.to_string()))]));
    let all = KeysAndAttributes::builder().set_keys(Some(keys.collect())).projection_expression("job");
    let mut rest = Some(HashMap::from([("ledger".to_owned(), all.build().unwrap())]));
    let (mut got, mut calls) = (Vec::new(), 0);
    while let Some(request) = rest.take().filter(|rest| !rest.is_empty()) {
        let answer = client.batch_get_item().set_request_items(Some(request)).send().await.unwrap();
        got.extend(answer.responses.unwrap_or_default().remove("ledger").unwrap_or_default());
        calls += 1;
        rest = answer.unprocessed_keys;
    }
    assert_eq!((got.len(), calls), (100, 4));
    assert!(got.iter().all(|item| item.len() == 1));
    let keys = (0..101).map(|n| HashMap::from([("job".to_owned(), text(&n.to_string()))]));
    let too_many = KeysAndAttributes::builder().set_keys(Some(keys.collect())).build().unwrap();
    assert!(client.batch_get_item().request_items("ledger", too_many).send().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_table_of_an_earlier_run_gains_and_loses_indexes() {
    let (frontend, client) = setup().await;
    let dynamodb = &frontend.services().dynamodb;
    put(&client, "a", Some("waiting"), 1).await;
    let mut changed = ledger();
    let mut indexes = changed["GlobalSecondaryIndexes"].take();
    indexes[1]["IndexName"] = "thin".into();
    changed["GlobalSecondaryIndexes"] = indexes;
    changed["DeletionProtectionEnabled"] = true.into();
    for _ in 0..2 {
        dynamodb.create_table(changed.clone()).unwrap();
    }
    assert_eq!(jobs(&of_state(&client, "thin", "waiting").await), ["a"]);
    let gone = client.scan().table_name("ledger").index_name("slim").send().await;
    assert!(gone.is_err());
    assert!(client.delete_table().table_name("ledger").send().await.is_err());

    changed["GlobalSecondaryIndexes"][0]["Projection"] = json!({ "ProjectionType": "KEYS_ONLY" });
    let error = dynamodb.create_table(changed.clone()).unwrap_err();
    assert!(error.message.starts_with("Cannot update GSI's properties"), "{error}");
    changed["KeySchema"][0]["AttributeName"] = "state".into();
    changed["AttributeDefinitions"].as_array_mut().unwrap().remove(0);
    let error = dynamodb.create_table(changed).unwrap_err();
    assert!(error.message.contains("other keys"), "{error}");
}
