//! Reading many items by their keys.

use aws_sdk_dynamodb::{Client, types::KeysAndAttributes};

use super::{CallError, attributes::Item, unprocessed::Unprocessed};

/// BatchGetItem's limit (DynamoDB API reference).
const KEYS: usize = 100;

/// The items of these keys, without those that are not there, in no order, strongly consistent. Keys that an answer
/// leaves unread are asked for again.
pub(super) async fn batch_get(
    client: &Client,
    table: &str,
    mut keys: Vec<Item>,
    attempt: impl Fn() -> String,
) -> Result<Vec<Item>, CallError> {
    let mut items = Vec::with_capacity(keys.len());
    let mut unprocessed = Unprocessed::default();
    while !keys.is_empty() {
        let batch: Vec<Item> = keys.drain(..keys.len().min(KEYS)).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(batch)).consistent_read(true).build();
        let wanted = wanted.map_err(|e| CallError::malformed_response(attempt(), e))?;
        let answer = client.batch_get_item().request_items(table, wanted).send().await;
        let answer = answer.map_err(|e| CallError::of(attempt(), e))?;
        items.extend(answer.responses.unwrap_or_default().into_values().flatten());
        let unread = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys);
        let before = keys.len();
        keys.extend(unread);
        unprocessed.after(keys.len() > before, &attempt).await?;
    }
    Ok(items)
}
