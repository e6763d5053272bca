//! Tables of the user's own: their keys, and conditional writes of items to them.

mod written;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType as KeyRole,
        ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TableDescription,
    },
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::Instant;

use super::{
    CallError, Clients,
    attributes::{Item, number, text},
    records::{Batch, Written, from_attribute, to_attribute},
};
use domain::{
    destination::{
        KeyAttribute, KeyType, TableDefinition, TableItem, TableName, TableSchema, WriteMode,
        guard::{self, Provenance, WriteOutcome},
    },
    record::Record,
};

pub use written::TablePage;

/// How long the answer about a table's keys is used: DescribeTable is made for few calls a second, and a worker may have
/// thousands of small objects for one table.
const SCHEMA_AGE: Duration = Duration::from_secs(60);

/// The tables that pipelines write to.
#[derive(Debug, Clone)]
pub struct Tables {
    clients: Clients,
    known: Arc<Mutex<HashMap<TableName, Known>>>,
}

#[derive(Debug, Clone)]
struct Known {
    client: Client,
    schema: Option<(Instant, TableSchema)>,
}

/// Why a table cannot be written to.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is not there.
    #[error("table {0} does not exist; create it, or correct table in the pipelines file")]
    Missing(TableName),
    /// The worker may not use it.
    #[error("the worker may not use table {0}; add its ARN to the stack's parameter TableArns")]
    Denied(TableName, #[source] CallError),
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// One of them, with its keys.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: TableName,
    /// Its keys and their types.
    pub schema: TableSchema,
}

impl Tables {
    /// The tables that these clients reach.
    #[must_use]
    pub fn new(clients: &Clients) -> Self {
        Self { clients: clients.clone(), known: Arc::default() }
    }

    /// The table of this name with its keys, which are at most a minute old.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn open(&self, name: &TableName) -> Result<Table, TableError> {
        let known = self.known(name);
        if let Some((at, schema)) = known.schema
            && at.elapsed() < SCHEMA_AGE
        {
            return Ok(Table { client: known.client, name: name.clone(), schema });
        }
        let attempt = || format!("read the keys of table {name}");
        let answer = known.client.describe_table().table_name(name.as_str()).send().await;
        let answer = answer.map_err(|error| match error.as_service_error() {
            Some(service) if service.is_resource_not_found_exception() => TableError::Missing(name.clone()),
            Some(service) if service.code() == Some("AccessDeniedException") => {
                TableError::Denied(name.clone(), CallError::of(attempt(), error))
            }
            _ => TableError::Call(CallError::of(attempt(), error)),
        })?;
        let schema = answer.table.as_ref().and_then(schema);
        let schema =
            schema.ok_or_else(|| CallError::malformed_response(attempt(), "no keys in the answer"))?;
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(name) {
            known.schema = Some((Instant::now(), schema.clone()));
        }
        Ok(Table { client: known.client, name: name.clone(), schema })
    }

    /// Creates a table with these keys, on demand, unless one of this name is there. For a laptop: tables of a deployment are
    /// their owner's.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn create(&self, definition: &TableDefinition) -> Result<(), CallError> {
        let schema = &definition.schema;
        let attempt = || format!("create table {}", definition.name);
        let failed = |error| CallError::malformed_response(attempt(), error);
        let mut create = self
            .clients
            .dynamodb_adaptive()
            .create_table()
            .table_name(&definition.name)
            .billing_mode(BillingMode::PayPerRequest);
        let sort = schema.sort_key.iter().map(|key| (key, KeyRole::Range));
        for (key, role) in std::iter::once((&schema.partition_key, KeyRole::Hash)).chain(sort) {
            let kind = match key.kind {
                KeyType::S => ScalarAttributeType::S,
                KeyType::N => ScalarAttributeType::N,
                KeyType::B => ScalarAttributeType::B,
            };
            let attribute = AttributeDefinition::builder().attribute_name(&key.name).attribute_type(kind);
            let element = KeySchemaElement::builder().attribute_name(&key.name).key_type(role);
            create = create
                .attribute_definitions(attribute.build().map_err(failed)?)
                .key_schema(element.build().map_err(failed)?);
        }
        match create.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(service) if service.is_resource_in_use_exception() => Ok(()),
                _ => Err(CallError::of(attempt(), error)),
            },
        }
    }

    fn known(&self, name: &TableName) -> Known {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let client = || self.clients.dynamodb_of_region(name.region(), format!("table {name}"));
        all.entry(name.clone()).or_insert_with(|| Known { client: client(), schema: None }).clone()
    }
}

fn schema(table: &TableDescription) -> Option<TableSchema> {
    let attributes = table.attribute_definitions().iter().filter_map(|attribute| {
        let kind = match attribute.attribute_type() {
            ScalarAttributeType::S => KeyType::S,
            ScalarAttributeType::N => KeyType::N,
            ScalarAttributeType::B => KeyType::B,
            _ => return None,
        };
        Some(KeyAttribute { name: attribute.attribute_name().to_owned(), kind })
    });
    let (keys, index_keys): (Vec<_>, Vec<_>) = attributes
        .partition(|attribute| table.key_schema().iter().any(|key| key.attribute_name() == attribute.name));
    let key = |role: &KeyRole| {
        let name = table.key_schema().iter().find(|key| key.key_type() == role)?.attribute_name();
        keys.iter().find(|key| key.name == name).cloned()
    };
    Some(TableSchema { partition_key: key(&KeyRole::Hash)?, sort_key: key(&KeyRole::Range), index_keys })
}

/// A condition with the names and values that stand in it.
struct Condition {
    text: &'static str,
    names: HashMap<String, String>,
    values: Item,
}

impl Table {
    /// Its name, as the pipeline has it.
    #[must_use]
    pub fn name(&self) -> &TableName {
        &self.name
    }

    /// Writes an item, if it may be written over what is there: see [`guard`]. `attribute` is the one that gets the
    /// provenance. Durable on return. A repeat changes nothing more.
    ///
    /// # Errors
    /// [`CallError`]: the item may be written.
    pub async fn write(
        &self,
        write: WriteMode,
        item: TableItem,
        attribute: &str,
        provenance: &Provenance,
    ) -> Result<WriteOutcome, CallError> {
        match write {
            WriteMode::Merge => self.merge(item, attribute, provenance).await,
            WriteMode::Upsert | WriteMode::Replace | WriteMode::Insert => {
                self.put(write, item, attribute, provenance).await
            }
        }
    }

    async fn put(
        &self,
        write: WriteMode,
        item: TableItem,
        attribute: &str,
        provenance: &Provenance,
    ) -> Result<WriteOutcome, CallError> {
        let condition = self.condition(write, attribute, provenance);
        let mut item = whole(item);
        item.insert(attribute.to_owned(), to_attribute(provenance.value()));
        let answer = self
            .client
            .put_item()
            .table_name(self.name.as_str())
            .set_item(Some(item))
            .condition_expression(condition.text)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(_) => return Ok(WriteOutcome::Written),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(refused)) => {
                Ok(guard::refused(write, provenance, found(refused.item(), attribute).as_ref()))
            }
            _ => Err(CallError::of(format!("write an item to table {}", self.name), error)),
        }
    }

    async fn merge(
        &self,
        item: TableItem,
        attribute: &str,
        provenance: &Provenance,
    ) -> Result<WriteOutcome, CallError> {
        let mut condition = self.condition(WriteMode::Merge, attribute, provenance);
        let mut set = "SET #provenance = :provenance".to_owned();
        condition.values.insert(":provenance".to_owned(), to_attribute(provenance.value()));
        for (at, (name, value)) in item.attributes.into_iter().enumerate() {
            set.push_str(&format!(", #a{at} = :a{at}"));
            condition.names.insert(format!("#a{at}"), name.to_string());
            condition.values.insert(format!(":a{at}"), to_attribute(value));
        }
        let answer = self
            .client
            .update_item()
            .table_name(self.name.as_str())
            .set_key(Some(key(item.key)))
            .update_expression(set)
            .condition_expression(condition.text)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match answer {
            Ok(_) => return Ok(WriteOutcome::Written),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                Ok(guard::refused(WriteMode::Merge, provenance, found(refused.item(), attribute).as_ref()))
            }
            _ => Err(CallError::of(format!("merge a record into table {}", self.name), error)),
        }
    }

    /// Deletes the item of this key, if `condition` holds: [`guard::OLDER_VERSION`], [`guard::THIS_OR_OLDER_VERSION`],
    /// [`guard::THIS_VERSION`] or [`guard::ANY_VERSION`]. Whether it was there to delete. A repeat deletes nothing.
    ///
    /// # Errors
    /// [`CallError`]: it may be deleted.
    pub async fn delete(
        &self,
        item_key: Record,
        condition: &'static str,
        attribute: &str,
        provenance: &Provenance,
    ) -> Result<bool, CallError> {
        let condition = self.stated(condition, attribute, provenance);
        let answer = self
            .client
            .delete_item()
            .table_name(self.name.as_str())
            .set_key(Some(key(item_key)))
            .condition_expression(condition.text)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(Some(condition.values))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(CallError::of(format!("delete an item of table {}", self.name), error)),
            },
        }
    }

    /// A batch of items without provenance. No two of them may have the same key.
    #[must_use]
    pub fn batch(items: Vec<TableItem>) -> Batch {
        Batch::of_items(items.into_iter().map(whole))
    }

    /// Writes a batch in one call, whatever is there. A repeat writes the same again.
    ///
    /// # Errors
    /// [`CallError`]: any part of the batch may be written.
    pub async fn write_batch(&self, batch: Batch) -> Result<Written, CallError> {
        batch.write(&self.client, self.name.as_str()).await
    }

    fn condition(&self, write: WriteMode, attribute: &str, provenance: &Provenance) -> Condition {
        self.stated(guard::condition(write, provenance.epoch > 0), attribute, provenance)
    }

    /// A condition of [`guard`] with the names and values that stand in it.
    fn stated(&self, text_of: &'static str, attribute: &str, provenance: &Provenance) -> Condition {
        let names = [
            ("#part", self.schema.partition_key.name.as_str()),
            ("#provenance", attribute),
            ("#object", guard::OBJECT),
            ("#sequencer", guard::SEQUENCER),
            ("#time", guard::TIME),
            ("#row", guard::ROW),
            ("#epoch", guard::EPOCH),
        ];
        let values = [
            (":object", text(&provenance.object)),
            (":sequencer", text(&provenance.sequencer)),
            (":time", number(provenance.time)),
            (":row", number(provenance.row)),
            (":epoch", number(provenance.epoch)),
        ];
        // DynamoDB refuses names and values that stand nowhere. `:row` ends no other name, nor does any of the others.
        let stands = |name: &str| text_of.contains(name);
        Condition {
            text: text_of,
            names: names
                .into_iter()
                .filter(|(name, _)| stands(name))
                .map(|(name, attribute)| (name.to_owned(), attribute.to_owned()))
                .collect(),
            values: values
                .into_iter()
                .filter(|(name, _)| stands(name))
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

fn key(key: Record) -> Item {
    key.into_iter().map(|(name, value)| (name.to_string(), to_attribute(value))).collect()
}

fn whole(item: TableItem) -> Item {
    let mut whole: Item = HashMap::with_capacity(item.key.len() + item.attributes.len() + 1);
    let all = item.key.into_iter().chain(item.attributes);
    whole.extend(all.map(|(name, value)| (name.to_string(), to_attribute(value))));
    whole
}

/// The provenance of the item that refused a write.
fn found(item: Option<&HashMap<String, AttributeValue>>, attribute: &str) -> Option<Provenance> {
    let value = from_attribute(item?.get(attribute)?.clone()).ok()?;
    Provenance::read(&value)
}
