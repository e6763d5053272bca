//! Reading many items by their keys.

use std::time::Duration;

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};

use super::{CallError, ledger::Item};
use crate::backoff;

/// BatchGetItem's limit (DynamoDB API reference).
const KEYS: usize = 100;

/// How often in a row DynamoDB may leave keys unread: with the back-off, some eight seconds.
const TRIES: u32 = 8;

/// The items of these keys, without those that are not there, in no order, strongly consistent. Keys that an answer
/// leaves unread are asked for again.
pub(super) async fn batch_get(
    client: &Client,
    table: &str,
    mut keys: Vec<Item>,
    attempt: impl Fn() -> String,
) -> Result<Vec<Item>, CallError> {
    let mut items = Vec::with_capacity(keys.len());
    let mut tries = 0;
    while !keys.is_empty() {
        let batch: Vec<Item> = keys.drain(..keys.len().min(KEYS)).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(batch)).consistent_read(true).build();
        let wanted = wanted.map_err(|e| CallError::nonsense(attempt(), e))?;
        let answer = client.batch_get_item().request_items(table, wanted).send().await;
        let answer = answer.map_err(|e| CallError::of(attempt(), e))?;
        items.extend(answer.responses.unwrap_or_default().into_values().flatten());
        let unread = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys);
        let before = keys.len();
        keys.extend(unread);
        if keys.len() == before {
            tries = 0;
            continue;
        }
        tries += 1;
        if tries == TRIES {
            return Err(CallError::exhausted(attempt(), "DynamoDB leaves keys unread"));
        }
        let (first, longest) = (Duration::from_millis(50), Duration::from_secs(2));
        tokio::time::sleep(backoff::delay(tries, first, longest, fastrand::f64())).await;
    }
    Ok(items)
}
