//! The table, and what all its items have in common: an id, and writes that a condition may refuse.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    types::{AttributeValue, ReturnValue},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    CallError, Clients,
    attributes::{Item, text},
};

/// The attribute that every write of a shared document draws anew.
pub(super) const STAMP: &str = "stamp";

/// The fleet table.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(super) client: Client,
    pub(super) table: String,
}

impl Fleet {
    /// The fleet in this table.
    #[must_use]
    pub fn new(clients: &Clients, table: &str) -> Self {
        Self { client: clients.dynamodb().clone(), table: table.to_owned() }
    }

    /// An update of the item of this id.
    pub(super) fn of_item(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key(id)))
    }
}

/// Makes a conditional update; false when its condition refused it.
pub(super) async fn made(
    update: UpdateItemFluentBuilder,
    attempt: impl Fn() -> String,
) -> Result<bool, CallError> {
    match update.return_values(ReturnValue::None).send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(CallError::of(attempt(), error)),
        },
    }
}

/// The key of the item of this id.
pub(super) fn key(id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), text(id))])
}

/// A document as the item of this id.
pub(super) fn encode<T: Serialize>(
    id: &str,
    document: &T,
    attempt: impl Fn() -> String,
) -> Result<Item, CallError> {
    let mut item: Item =
        serde_dynamo::to_item(document).map_err(|e| CallError::malformed_response(attempt(), e))?;
    item.insert("id".into(), text(id));
    Ok(item)
}

/// An item as the document it holds.
pub(super) fn decode<T: DeserializeOwned>(
    mut item: Item,
    attempt: impl Fn() -> String,
) -> Result<T, CallError> {
    item.remove("id");
    item.remove(STAMP);
    serde_dynamo::from_item(item).map_err(|e| CallError::malformed_response(attempt(), e))
}
