//! The real SDK on virtual time.

use std::time::Duration;

use aws_sdk_dynamodb::{config::timeout::TimeoutConfig, types::AttributeValue};
use tokio::time::Instant;

use super::*;
use crate::{
    faults::{Call, Rule},
    frontend::tests::{frontend, table},
    wire::OWNER_KEY,
};

fn dynamodb(frontend: &Frontend) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&sdk_config(frontend, frontend.clock(), OWNER_KEY))
}

async fn put(client: &aws_sdk_dynamodb::Client, id: &str) -> bool {
    let item = AttributeValue::S(id.to_owned());
    client.put_item().table_name("records").item("id", item).send().await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_retried_by_the_sdk_in_virtual_time() {
    let frontend = frontend();
    frontend.services().dynamodb.create_table(table("records")).unwrap();
    frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::LoseAnswer).nth(1));
    frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::Throttle).nth(2));
    let client = dynamodb(&frontend);
    assert!(put(&client, "a").await);
    assert_eq!(frontend.faults().fired(), 2);
    let found = client.scan().table_name("records").send().await.unwrap();
    assert_eq!(found.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_passes_no_real_time() {
    let frontend = frontend();
    frontend.services().dynamodb.create_table(table("records")).unwrap();
    frontend.faults().on(Rule::new("dynamodb", "*", Call::Delay(Duration::from_secs(600))));
    let began = (Instant::now(), std::time::Instant::now());
    assert!(put(&dynamodb(&frontend), "a").await);
    assert!(began.0.elapsed() >= Duration::from_secs(600));
    assert!(began.1.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_hangs_is_never_answered_and_ends_with_the_attempts_timeout() {
    let frontend = frontend();
    frontend.services().dynamodb.create_table(table("records")).unwrap();
    frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::Hang));
    let client = dynamodb(&frontend);
    let waiting = tokio::time::timeout(Duration::from_mins(10), put(&client, "a"));
    assert!(waiting.await.is_err(), "the SDK has no timeout of its own");
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(5)).build();
    let config = aws_sdk_dynamodb::config::Builder::from(&sdk_config(&frontend, frontend.clock(), OWNER_KEY));
    let client = aws_sdk_dynamodb::Client::from_conf(config.timeout_config(timeouts).build());
    frontend.faults().clear();
    frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::HangAnswer).nth(1));
    frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::Hang).nth(2));
    let began = Instant::now();
    assert!(put(&client, "a").await, "the third attempt");
    assert!(began.elapsed() >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_answer_hangs_has_done_its_work() {
    let frontend = frontend();
    frontend.services().dynamodb.create_table(table("records")).unwrap();
    frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::HangAnswer));
    let client = dynamodb(&frontend);
    assert!(tokio::time::timeout(Duration::from_secs(1), put(&client, "a")).await.is_err());
    let found = client.scan().table_name("records").send().await.unwrap();
    assert_eq!(found.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_run() {
    async fn run() -> Duration {
        fastrand::seed(11);
        let frontend = frontend();
        frontend.services().dynamodb.create_table(table("records")).unwrap();
        frontend.faults().on(Rule::new("dynamodb", "PutItem", Call::Throttle).chance(0.3));
        let client = dynamodb(&frontend);
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
    let client = dynamodb(&frontend());
    let error = client.describe_table().table_name("nowhere").send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
}
