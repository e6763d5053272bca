//! The records table: rows, natural-key records and manifests.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    operation::put_item::PutItemError,
    primitives::Blob,
    types::{AttributeValue, PutRequest, WriteRequest},
};

use super::{
    CallError, Clients,
    attributes::{Item, number, text},
};
use domain::{
    job::Job,
    manifest::{self, Manifest},
    object,
    record::{Record, Set, Value},
    text::count,
};

/// The table of records and manifests.
#[derive(Debug, Clone)]
pub struct Records {
    clients: Clients,
    pub(super) table: String,
}

/// BatchWriteItem's limit (DynamoDB API reference).
pub const BATCH_ITEMS: usize = 25;

/// Rows on their way into the table in one BatchWriteItem.
#[derive(Debug, Default)]
pub struct Batch(Vec<WriteRequest>);

impl Batch {
    /// How many rows it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These items as they stand. No two of them may have the same key.
    pub(super) fn of_items(items: impl IntoIterator<Item = Item>) -> Self {
        // The builder only fails without an item.
        let put = |item| {
            Some(
                WriteRequest::builder()
                    .put_request(PutRequest::builder().set_item(Some(item)).build().ok()?)
                    .build(),
            )
        };
        Self(items.into_iter().filter_map(put).collect())
    }

    /// Writes it to `table` in one call.
    pub(super) async fn write(self, client: &Client, table: &str) -> Result<Written, CallError> {
        let rows = self.len();
        let answer = client.batch_write_item().request_items(table, self.0).send().await;
        let answer =
            answer.map_err(|e| CallError::of(format!("write {} to {table}", count(rows, "row")), e))?;
        // The answer names the table as the call did, or by its name where the call has its ARN.
        let left = answer.unprocessed_items.unwrap_or_default().into_values().flatten();
        Ok(Written { unprocessed: Self(left.collect()) })
    }

    /// These rows of `job`, which are spread over `shards` partitions. Rows of one job have keys of their own, as
    /// BatchWriteItem demands.
    #[must_use]
    pub fn of(job: &Job, shards: u32, rows: Vec<(u64, Record)>) -> Self {
        let write_epoch = manifest::write_epoch(job);
        Self::of_items(rows.into_iter().map(|(row, record)| {
            item(manifest::rows_partition(&job.id, write_epoch, row, shards), row, record)
        }))
    }
}

/// What became of a batch.
#[derive(Debug)]
pub struct Written {
    /// The rows DynamoDB did not take: to be sent again, later and slower. Empty when it took all.
    pub unprocessed: Batch,
}

/// What became of a record under a natural key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is there now.
    New,
    /// A newer version of its object, a later object, or a later row of this one already wrote this key. That one stays.
    Newer,
}

impl Records {
    /// The records in this table. A call that is throttled whole is repeated by the SDK, whose adaptive mode
    /// slows down all calls of this client until DynamoDB keeps up.
    #[must_use]
    pub fn new(clients: &Clients, table: &str) -> Self {
        Self { clients: clients.clone(), table: table.to_owned() }
    }

    pub(super) fn client(&self) -> &Client {
        self.clients.dynamodb_adaptive()
    }

    /// Writes a batch in one call. Rows are pure functions of their object version, or else of a write epoch of the claim's
    /// own ([`manifest::write_epoch`]). So a repeat, or a worker that lost its claim without noticing, writes the same bytes
    /// again or where nobody looks; this is why no fence is needed here, where BatchWriteItem could not check one.
    ///
    /// # Errors
    /// [`CallError`]: any part of the batch may be written.
    pub async fn write(&self, batch: Batch) -> Result<Written, CallError> {
        batch.write(self.client(), &self.table).await
    }

    /// Writes one record under its natural key, unless a newer version of the same object, another object whose event is
    /// later, or of this version a later write epoch or a later row, has. Visible at once.
    ///
    /// # Errors
    /// [`CallError`]: the record may be written; a repeat changes nothing more.
    pub async fn upsert_by_key(
        &self,
        job: &Job,
        key: &str,
        row: u64,
        record: Record,
    ) -> Result<Kept, CallError> {
        let part = manifest::natural_partition(&job.pipeline, key);
        let attempt = format!("write {part} to {}", self.table);
        let mut item = item(part, 0, record);
        item.insert(manifest::OBJECT.into(), text(job.object.uri()));
        item.insert(manifest::SEQUENCER.into(), text(job.object.sequencer.padded()));
        item.insert(manifest::SOURCE_ROW.into(), number(row));
        let time = job.version_at().as_millisecond();
        item.insert(manifest::VERSION_TIME.into(), number(time));
        if let Some(version) = &job.object.version_id {
            item.insert(manifest::VERSION.into(), text(version));
        }
        let write_epoch = manifest::write_epoch(job);
        let mut put = self.client().put_item().table_name(&self.table);
        // Which row is the later one can only be said within a write epoch.
        let mut later = "attribute_not_exists(#write_epoch) AND #row <= :row";
        if write_epoch > 0 {
            item.insert(manifest::WRITE_EPOCH.into(), number(write_epoch));
            later = "attribute_not_exists(#write_epoch) OR #write_epoch < :write_epoch OR (#write_epoch = :write_epoch AND #row <= :row)";
            put = put.expression_attribute_values(":write_epoch", number(write_epoch));
        }
        let answer = put
            .set_item(Some(item))
            // The rule of `domain::destination::guard`, for attributes that are not in a map of their own, and where the
            // time is missing on records from before it was written.
            .condition_expression(format!(
                "attribute_not_exists(#part) \
                 OR (#object = :object AND (#sequencer < :sequencer OR (#sequencer = :sequencer AND ({later})))) \
                 OR (#object <> :object AND (attribute_not_exists(#time) OR #time < :time \
                 OR (#time = :time AND #object < :object)))"
            ))
            .expression_attribute_names("#write_epoch", manifest::WRITE_EPOCH)
            .expression_attribute_names("#time", manifest::VERSION_TIME)
            .expression_attribute_values(":time", number(time))
            .expression_attribute_names("#part", manifest::PART)
            .expression_attribute_names("#object", manifest::OBJECT)
            .expression_attribute_names("#sequencer", manifest::SEQUENCER)
            .expression_attribute_names("#row", manifest::SOURCE_ROW)
            .expression_attribute_values(":object", text(job.object.uri()))
            .expression_attribute_values(":sequencer", text(job.object.sequencer.padded()))
            .expression_attribute_values(":row", number(row))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Kept::New),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Kept::Newer),
                _ => Err(CallError::of(attempt, error)),
            },
        }
    }

    /// The manifest of a key, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn manifest(&self, bucket: &str, key: &str) -> Result<Option<Manifest>, CallError> {
        let attempt = || format!("read the manifest of {}", object::uri(bucket, key));
        let get = self.client().get_item().table_name(&self.table).consistent_read(true);
        let get = get.key(manifest::PART, text(Manifest::partition(bucket, key)));
        let answer = get.key(manifest::ROW, number(0)).send().await;
        let item = answer.map_err(|e| CallError::of(attempt(), e))?.item;
        item.map(serde_dynamo::from_item).transpose().map_err(|e| CallError::malformed_response(attempt(), e))
    }

    /// Visible rows of one partition, in row order, a page at a time: those after `after`, with their rows'
    /// numbers. An empty page is the end.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn rows(
        &self,
        manifest: &Manifest,
        partition: u32,
        after: Option<u64>,
    ) -> Result<Vec<(u64, Record)>, CallError> {
        let (job, write_epoch) = (&manifest.job, manifest.write_epoch);
        let part = manifest::rows_partition(job, write_epoch, u64::from(partition), manifest.shards);
        let attempt = || format!("read the rows of {part}");
        let answer = self
            .client()
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("#part = :part AND #row > :after")
            .expression_attribute_names("#part", manifest::PART)
            .expression_attribute_names("#row", manifest::ROW)
            .expression_attribute_values(":part", text(&part))
            .expression_attribute_values(":after", after.map_or_else(|| number(-1), number))
            .send()
            .await
            .map_err(|e| CallError::of(attempt(), e))?;
        answer.items.unwrap_or_default().into_iter().map(|item| row(item, manifest::ROW, attempt)).collect()
    }

    /// A page of the records under natural keys that this manifest's version wrote and that are still its own,
    /// with the token of the next page. Reads the whole table: for a laptop, not for production.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn natural(
        &self,
        manifest: &Manifest,
        uri: &str,
        page: Option<NaturalPage>,
    ) -> Result<(Vec<(u64, Record)>, Option<NaturalPage>), CallError> {
        let attempt = || format!("read the records of {uri}");
        let answer = self
            .client()
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression("#object = :object AND #sequencer = :sequencer AND begins_with(#part, :part)")
            .expression_attribute_names("#part", manifest::PART)
            .expression_attribute_names("#object", manifest::OBJECT)
            .expression_attribute_names("#sequencer", manifest::SEQUENCER)
            .expression_attribute_values(":object", text(uri))
            .expression_attribute_values(":sequencer", text(manifest.sequencer.padded()))
            .expression_attribute_values(":part", text(format!("key:{}:", manifest.pipeline)))
            .set_exclusive_start_key(page.map(|page| page.0))
            .send()
            .await
            .map_err(|e| CallError::of(attempt(), e))?;
        let items = answer.items.unwrap_or_default().into_iter();
        let rows = items.map(|item| row(item, manifest::SOURCE_ROW, attempt)).collect::<Result<_, _>>()?;
        Ok((rows, answer.last_evaluated_key.map(NaturalPage)))
    }
}

/// Where the next page of [`Records::natural`] starts.
#[derive(Debug)]
pub struct NaturalPage(Item);

fn item(part: String, row: u64, record: Record) -> Item {
    let mut item: Item = HashMap::with_capacity(record.len() + 2);
    item.extend(record.into_iter().map(|(name, value)| (name.to_string(), to_attribute(value))));
    item.insert(manifest::PART.to_owned(), AttributeValue::S(part));
    item.insert(manifest::ROW.to_owned(), number(row));
    item
}

/// The row's number, from the attribute of this name, and the record without our own attributes, by name.
fn row(mut item: Item, number: &str, attempt: impl Fn() -> String) -> Result<(u64, Record), CallError> {
    let row = item.get(number).and_then(|value| value.as_n().ok()).and_then(|n| n.parse().ok());
    let row =
        row.ok_or_else(|| CallError::malformed_response(attempt(), format!("an item without {number}")))?;
    for ours in manifest::RESERVED {
        item.remove(ours);
    }
    Ok((row, record(item).map_err(|e| CallError::malformed_response(attempt(), e))?))
}

/// The attributes of an item, by name.
pub(super) fn record(item: Item) -> Result<Record, UnknownAttribute> {
    let attributes = item.into_iter().map(|(name, value)| Ok((name.into(), from_attribute(value)?)));
    let mut record = attributes.collect::<Result<Record, UnknownAttribute>>()?;
    record.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(record)
}

pub(super) fn to_attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(bool) => AttributeValue::Bool(bool),
        Value::Number(digits) => AttributeValue::N(digits),
        Value::Text(text) => AttributeValue::S(text),
        Value::Binary(bytes) => AttributeValue::B(Blob::new(bytes)),
        Value::Set(Set::Text(texts)) => AttributeValue::Ss(texts),
        Value::Set(Set::Number(numbers)) => AttributeValue::Ns(numbers),
        Value::Set(Set::Binary(members)) => AttributeValue::Bs(members.into_iter().map(Blob::new).collect()),
        Value::List(values) => AttributeValue::L(values.into_iter().map(to_attribute).collect()),
        Value::Map(entries) => {
            AttributeValue::M(entries.into_iter().map(|(name, value)| (name, to_attribute(value))).collect())
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("an attribute of a type that records do not have: {0:?}")]
pub(super) struct UnknownAttribute(AttributeValue);

pub(super) fn from_attribute(value: AttributeValue) -> Result<Value, UnknownAttribute> {
    Ok(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(bool) => Value::Bool(bool),
        AttributeValue::N(digits) => Value::Number(digits),
        AttributeValue::S(text) => Value::Text(text),
        AttributeValue::B(bytes) => Value::Binary(bytes.into_inner()),
        AttributeValue::Ss(texts) => Value::Set(Set::Text(texts)),
        AttributeValue::Ns(numbers) => Value::Set(Set::Number(numbers)),
        AttributeValue::Bs(members) => {
            Value::Set(Set::Binary(members.into_iter().map(Blob::into_inner).collect()))
        }
        AttributeValue::L(values) => {
            Value::List(values.into_iter().map(from_attribute).collect::<Result<_, _>>()?)
        }
        AttributeValue::M(entries) => {
            let mut entries = entries
                .into_iter()
                .map(|(name, value)| Ok((name, from_attribute(value)?)))
                .collect::<Result<Vec<_>, UnknownAttribute>>()?;
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Map(entries)
        }
        other => return Err(UnknownAttribute(other)),
    })
}
