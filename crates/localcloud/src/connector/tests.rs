//! The real SDK on virtual time.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use tokio::time::Instant;

use super::*;
use crate::{
    faults::{Fault, Rule},
    gate::tests::{gate, table},
    wire::OWNER_KEY,
};

fn dynamodb(gate: &Gate) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&sdk_config(gate, gate.clock(), OWNER_KEY))
}

async fn put(client: &aws_sdk_dynamodb::Client, id: &str) -> bool {
    let item = AttributeValue::S(id.to_owned());
    client.put_item().table_name("records").item("id", item).send().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_retried_by_the_sdk_in_virtual_time() {
    let gate = gate();
    gate.services().dynamodb.create_table(table("records")).await.unwrap();
    gate.faults().on(Rule::new("dynamodb", "PutItem", Fault::LoseAnswer).nth(1));
    gate.faults().on(Rule::new("dynamodb", "PutItem", Fault::Throttle).nth(2));
    let client = dynamodb(&gate);
    assert!(put(&client, "a").await);
    assert_eq!(gate.faults().fired(), 2);
    let found = client.scan().table_name("records").send().await.unwrap();
    assert_eq!(found.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_passes_no_real_time() {
    let gate = gate();
    gate.services().dynamodb.create_table(table("records")).await.unwrap();
    gate.faults().on(Rule::new("dynamodb", "*", Fault::Delay(Duration::from_secs(600))));
    let began = (Instant::now(), std::time::Instant::now());
    assert!(put(&dynamodb(&gate), "a").await);
    assert!(began.0.elapsed() >= Duration::from_secs(600));
    assert!(began.1.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    async fn run() -> Duration {
        fastrand::seed(11);
        let gate = gate();
        gate.services().dynamodb.create_table(table("records")).await.unwrap();
        gate.faults().on(Rule::new("dynamodb", "PutItem", Fault::Throttle).chance(0.3));
        let client = dynamodb(&gate);
        let began = Instant::now();
        for id in 0..50 {
            put(&client, &id.to_string()).await;
        }
        began.elapsed()
    }
    let once = run().await;
    assert!(once > Duration::ZERO);
    assert_eq!(once, run().await);
}

#[tokio::test(start_paused = true)]
async fn errors_arrive_typed() {
    let client = dynamodb(&gate());
    let error = client.describe_table().table_name("nowhere").send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
}
