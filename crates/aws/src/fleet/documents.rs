//! Small documents in the fleet table.
//!
//! Those that several programs change carry a `stamp`, drawn anew by every write. A change reads the document, decides and
//! writes it whole, on the condition that the stamp is still what was read: no change is lost, however many are made at
//! once; a writer that comes too late reads again.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{operation::put_item::PutItemError, types::ReturnValuesOnConditionCheckFailure};
use serde::{Serialize, de::DeserializeOwned};

use super::table::{Fleet, STAMP, decode, encode, key};
use crate::{
    CallError,
    attributes::{Item, text},
};
use domain::{
    document::{StoredDocument, document_id, keyed_document_id},
    retry::UPDATE_DOCUMENT,
};

/// For how long a function's start waits for its first connection. Lambda gives the start ten seconds.
const WARMING: Duration = Duration::from_secs(2);

impl Fleet {
    /// Connects to DynamoDB by reading a document that nobody keeps. For a function's start, which has the whole processor
    /// whatever memory the function has; the first event then finds the connection made and encrypted. Failing changes
    /// nothing: the first call that matters makes the connection.
    pub async fn warm(&self) {
        let read = self.item("warm", || format!("read nothing of {}", self.table));
        match tokio::time::timeout(WARMING, read).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::info!(error = telemetry::causes(&error), "no connection to begin with");
            }
            Err(_) => tracing::info!("no connection to begin with: it takes too long"),
        }
    }

    /// Reads the document of this type, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn get_document<T: StoredDocument + DeserializeOwned>(&self) -> Result<Option<T>, CallError> {
        self.get(&document_id::<T>()).await
    }

    /// Reads the document of this type for this key, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn get_document_for<T: StoredDocument + DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, CallError> {
        self.get(&keyed_document_id::<T>(key)).await
    }

    async fn get<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, CallError> {
        let attempt = || format!("read {id} of {}", self.table);
        self.item(id, attempt).await?.map(|item| decode(item, attempt)).transpose()
    }

    /// Writes the document of this type, and replaces one that is there. Durable on return.
    ///
    /// # Errors
    /// [`CallError`]: it may be written; a repeat writes the same.
    pub async fn put_document<T: StoredDocument + Serialize>(&self, document: &T) -> Result<(), CallError> {
        self.put(&document_id::<T>(), document).await
    }

    /// Writes the document of this type for this key, and replaces one that is there. Durable on return.
    ///
    /// # Errors
    /// [`CallError`]: it may be written; a repeat writes the same.
    pub async fn put_document_for<T: StoredDocument + Serialize>(
        &self,
        key: &str,
        document: &T,
    ) -> Result<(), CallError> {
        self.put(&keyed_document_id::<T>(key), document).await
    }

    async fn put<T: Serialize>(&self, id: &str, document: &T) -> Result<(), CallError> {
        let attempt = || format!("write {id} to {}", self.table);
        let item = encode(id, document, attempt)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(|e| CallError::of(attempt(), e))
    }

    /// Updates the document of this type, or its default where none is there, and returns what `change` returns. Durable
    /// on return; a change that leaves the document as it was writes nothing. When somebody else was faster, the document
    /// is read again and `change` is called again. `verb` begins the attempt that an error names ("count a failure").
    ///
    /// # Errors
    /// [`CallError`]: it may be updated.
    pub async fn update_document<T, R>(
        &self,
        verb: &str,
        change: impl Fn(&mut T) -> R,
    ) -> Result<R, CallError>
    where
        T: StoredDocument + Clone + Default + PartialEq + Serialize + DeserializeOwned,
    {
        self.change(&document_id::<T>(), verb, change).await
    }

    /// The same for the document of this type for this key.
    ///
    /// # Errors
    /// [`CallError`]: it may be updated.
    pub async fn update_document_for<T, R>(
        &self,
        key: &str,
        verb: &str,
        change: impl Fn(&mut T) -> R,
    ) -> Result<R, CallError>
    where
        T: StoredDocument + Clone + Default + PartialEq + Serialize + DeserializeOwned,
    {
        self.change(&keyed_document_id::<T>(key), verb, change).await
    }

    async fn change<T, R>(&self, id: &str, verb: &str, change: impl Fn(&mut T) -> R) -> Result<R, CallError>
    where
        T: Clone + Default + PartialEq + Serialize + DeserializeOwned,
    {
        let attempt = || format!("{verb} in {id} of {}", self.table);
        for n in 0..UPDATE_DOCUMENT.attempts {
            let item = self.item(id, attempt).await?;
            let stamp = item.as_ref().and_then(|item| item.get(STAMP)).cloned();
            let before: T = match item {
                Some(item) => decode(item, attempt)?,
                None => T::default(),
            };
            let mut after = before.clone();
            let made = change(&mut after);
            if after == before || self.write(id, &after, stamp, attempt).await? {
                return Ok(made);
            }
            tokio::time::sleep(UPDATE_DOCUMENT.delay(n, fastrand::f64())).await;
        }
        Err(CallError::retries_exhausted(attempt(), "others were faster every time"))
    }

    /// The item of this id, strongly consistent.
    async fn item(&self, id: &str, attempt: impl Fn() -> String) -> Result<Option<Item>, CallError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(key(id))).consistent_read(true);
        Ok(get.send().await.map_err(|e| CallError::of(attempt(), e))?.item)
    }

    /// False when it is not what it was when it was read.
    async fn write<T: Serialize>(
        &self,
        id: &str,
        document: &T,
        read: Option<aws_sdk_dynamodb::types::AttributeValue>,
        attempt: impl Fn() -> String,
    ) -> Result<bool, CallError> {
        let mut item = encode(id, document, &attempt)?;
        let stamp = text(format!("{:032x}", fastrand::u128(..)));
        item.insert(STAMP.into(), stamp.clone());
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match read {
            Some(read) => {
                put.condition_expression("stamp = :read").expression_attribute_values(":read", read)
            }
            None => put.condition_expression("attribute_not_exists(id)"),
        };
        let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = put.send().await else { return Ok(true) };
        match error.as_service_error() {
            // The SDK repeats a write whose answer was lost: then it is our own that refuses.
            Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                Ok(refusal.item().and_then(|found| found.get(STAMP)) == Some(&stamp))
            }
            _ => Err(CallError::of(attempt(), error)),
        }
    }

    /// The document of this type among those found, if it is there.
    pub(super) fn document<T: StoredDocument + DeserializeOwned>(
        &self,
        found: &mut HashMap<String, Item>,
    ) -> Result<Option<T>, CallError> {
        let id = document_id::<T>();
        let attempt = || format!("read {id} of {}", self.table);
        found.remove(&id).map(|item| decode(item, attempt)).transpose()
    }
}
