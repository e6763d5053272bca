//! DynamoDB: the storage, expressions and errors are [`dynoxide`]'s; this adds the cloud's clock, the template's
//! tables, and the failures inside good answers that the real service has and an emulator has not.

mod existing;
pub(crate) mod required_actions;
pub(crate) mod resources;
mod tokens;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use clock::Clock;
use dynoxide::{Database, DynoxideError, storage_backend};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use self::tokens::Tokens;
use crate::{
    disk,
    faults::Partial,
    usage::{Calls, Usage, count},
    wire::{ApiError, Caller},
};

/// The tables' file in a data folder.
const FILE: &str = "dynamodb.sqlite";

/// How often what has expired is deleted. AWS takes up to two days
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/howitworks-ttl.html>).
const EXPIRY: SignedDuration = SignedDuration::from_hours(1);

/// The tables cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to open the DynamoDB tables{}", place.as_deref().map(|place| format!(" in {place}")).unwrap_or_default())]
pub struct OpenError {
    place: Option<String>,
    #[source]
    source: DynoxideError,
}

/// The tables. Clones share them.
#[derive(Clone)]
pub struct DynamoDb {
    database: Database,
    /// Calls take their turns in the order they came. The library's own lock blocks a thread and is not fair: under
    /// the writes of a few workers, a read waited for seconds.
    turn: Arc<tokio::sync::Mutex<()>>,
    tokens: Arc<Mutex<Tokens>>,
    /// When what had expired was last deleted.
    expired: Arc<Mutex<Timestamp>>,
    /// Where the tables' file is.
    folder: Option<Arc<PathBuf>>,
    clock: Clock,
}

impl std::fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoDb").finish_non_exhaustive()
    }
}

/// Opens the tables' file so that a write waits for no disk. It is in the write-ahead log when its call is answered, and so
/// outlives this process, however that ends; a power cut may take the last moments, and leaves whole calls before them.
fn open(place: &str) -> dynoxide::Result<Database> {
    let database = Database::new(place)?;
    // SQLite flushes the log to the disk after each write unless told otherwise (`PRAGMA synchronous`), which took a run
    // nearly twenty times as long as in memory. The library sets the pragma nowhere else.
    database.disable_bulk_loading()?;
    Ok(database)
}

struct TableClock(Clock);

impl storage_backend::Clock for TableClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_second()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_duration().as_secs_f64()
    }
}

/// How DynamoDB says that it is called too often.
pub(crate) fn throttled() -> ApiError {
    ApiError::client(
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
         provisioning level with the UpdateTable API.",
    )
}

/// Adds request units. A write to ledger or fleet is below 1 KB unless keys are long. A ledger write that records or
/// settles writes its index too. The publish transaction counts twice for both items.
pub(crate) fn usage(calls: &Calls, usage: &mut Usage) {
    let count = |operations: &[&str]| count(calls, "dynamodb", operations);
    usage.write_units +=
        2 * count(&["PutItem"]) + count(&["UpdateItem"]) + 6 * count(&["TransactWriteItems"]);
    usage.read_units += count(&["GetItem", "Query"]) + 10 * count(&["BatchGetItem"]);
}

impl DynamoDb {
    /// Tables in memory, or in a file of the folder `data`, where they outlive the process.
    ///
    /// # Errors
    /// When the folder or its file cannot be used.
    pub fn new(clock: Clock, data: Option<&Path>) -> Result<Self, OpenError> {
        let database = match data {
            None => Database::memory_with_clock(Arc::new(TableClock(clock)))
                .map_err(|source| OpenError { place: None, source })?,
            Some(folder) => {
                let place = folder.join(FILE).display().to_string();
                open(&place).map_err(|source| OpenError { place: Some(place), source })?
            }
        };
        let (turn, tokens, expired) = (Arc::default(), Arc::default(), Arc::default());
        let folder = data.map(|folder| Arc::new(folder.to_owned()));
        Ok(Self { database, turn, tokens, expired, folder, clock })
    }

    /// Creates a table of the template, given `CreateTable`'s input. One that exists, from an earlier run on the
    /// same data folder, is kept with what is in it; indexes that the template has gained since are made of its
    /// items, and those it has lost are dropped.
    ///
    /// # Errors
    /// What `CreateTable` would refuse, or of a table that exists, `UpdateTable`: other keys.
    pub fn create_table(&self, input: Value) -> Result<(), ApiError> {
        match self.perform("CreateTable", input.clone()) {
            Ok(_) => Ok(()),
            Err(error) if error.code.ends_with("ResourceInUseException") => {
                let found = self.perform("DescribeTable", json!({ "TableName": input["TableName"] }))?;
                let updates = existing::updates(&input, &found["Table"])?;
                updates.into_iter().try_for_each(|update| self.perform("UpdateTable", update).map(drop))
            }
            Err(error) => Err(error),
        }
    }

    /// Lets items of a table expire, given `UpdateTimeToLive`'s input.
    pub(crate) fn update_time_to_live(&self, input: Value) -> Result<(), ApiError> {
        self.perform("UpdateTimeToLive", input).map(drop)
    }

    /// Answers one operation.
    ///
    /// # Errors
    /// DynamoDB's own.
    pub async fn call(&self, operation: &str, input: Value, caller: &Caller) -> Result<Value, ApiError> {
        let answer = self.answer(operation, input, caller).await;
        answer.map_err(|error| match &self.folder {
            // The library does not say why SQLite failed.
            Some(folder) if error.status == 500 && disk::is_full(folder) => disk::full(folder),
            _ => error,
        })
    }

    async fn answer(&self, operation: &str, mut input: Value, caller: &Caller) -> Result<Value, ApiError> {
        let _turn = self.turn.lock().await;
        self.expire()?;
        let Some(Partial::Unprocessed { share }) = caller.partial else {
            return self.perform(operation, input);
        };
        let (undone, member) = match operation {
            "BatchWriteItem" => (withhold_writes(&mut input, share), "UnprocessedItems"),
            "BatchGetItem" => (withhold_gets(&mut input, share), "UnprocessedKeys"),
            _ => return self.perform(operation, input),
        };
        let none_left = input["RequestItems"].as_object().is_none_or(Map::is_empty);
        if none_left {
            // "If none of the items can be processed": no 200 then.
            return Err(throttled());
        }
        let mut answer = self.perform(operation, input)?;
        answer[member] = undone.into();
        Ok(answer)
    }

    /// Deletes what has expired, before the first call of every hour.
    fn expire(&self) -> Result<(), ApiError> {
        let now = self.clock.now();
        let mut expired = self.expired.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*expired) < EXPIRY {
            return Ok(());
        }
        *expired = now;
        self.database.sweep_ttl().map(drop).map_err(|error| api_error(&error))
    }

    fn perform(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        let tables = &self.database;
        match operation {
            "CreateTable" => run(input, |request| tables.create_table(request)),
            "DescribeTable" => run(input, |request| tables.describe_table(request)),
            "UpdateTable" => run(input, |request| tables.update_table(request)),
            "ListTables" => run(input, |request| tables.list_tables(request)),
            "DeleteTable" => run(input, |request| tables.delete_table(request)),
            "UpdateTimeToLive" => run(input, |request| tables.update_time_to_live(request)),
            "DescribeTimeToLive" => run(input, |request| tables.describe_time_to_live(request)),
            "PutItem" => run(input, |request| tables.put_item(request)),
            "GetItem" => run(input, |request| tables.get_item(request)),
            "UpdateItem" => run(input, |request| tables.update_item(request)),
            "DeleteItem" => run(input, |request| tables.delete_item(request)),
            "BatchWriteItem" => run(input, |request| tables.batch_write_item(request)),
            "BatchGetItem" => run(input, |request| tables.batch_get_item(request)),
            "Query" => run(input, |request| tables.query(request)),
            "Scan" => run(input, |request| tables.scan(request)),
            "ExecuteStatement" => run(input, |request| tables.execute_statement(request)),
            "BatchExecuteStatement" => run(input, |request| tables.batch_execute_statement(request)),
            "TransactWriteItems" => self.transact(input),
            "TransactGetItems" => run(input, |request| tables.transact_get_items(request)),
            // What the SDK's clients ask on their own, and what the answer is where there is no other endpoint.
            "DescribeEndpoints" => {
                Ok(json!({ "Endpoints": [{ "Address": "cloud.local", "CachePeriodInMinutes": 1440 }] }))
            }
            other => Err(ApiError::unsupported("DynamoDB", other)),
        }
    }
}

/// DynamoDB's limit for a client token; the library refuses others.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 1..=36;

impl DynamoDb {
    /// `TransactWriteItems`, whose repeat under the same token is the same transaction.
    fn transact(&self, mut input: Value) -> Result<Value, ApiError> {
        let legal = |token: &str| TOKEN_BYTES.contains(&token.len());
        let token = input["ClientRequestToken"].as_str().filter(|token| legal(token)).map(str::to_owned);
        let Some(token) = token else {
            return run(input, |request| self.database.transact_write_items(request));
        };
        if let Some(members) = input.as_object_mut() {
            members.remove("ClientRequestToken");
        }
        let now = self.clock.now();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = tokens.find(&token, &input, now)? {
            return Ok(answer);
        }
        let answer = run(input.clone(), |request| self.database.transact_write_items(request))?;
        tokens.keep(token, input, answer.clone(), now);
        Ok(answer)
    }
}

fn run<I: DeserializeOwned, O: Serialize>(
    input: Value,
    operation: impl FnOnce(I) -> dynoxide::Result<O>,
) -> Result<Value, ApiError> {
    let input: I = serde_json::from_value(input).map_err(|error| misshapen(&error))?;
    let output = operation(input).map_err(|error| api_error(&error))?;
    serde_json::to_value(output)
        .map_err(|error| ApiError::client("InternalServerError", error.to_string()).with_status(500))
}

/// An input that does not fit: for DynamoDB a missing member or an unknown word is a validation error, another
/// JSON type is not.
fn misshapen(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    for (mark, code) in MARKS {
        if let Some(message) = text.strip_prefix(mark) {
            return ApiError::client(code, message);
        }
    }
    let wrong_type = text.starts_with("invalid type") && !text.starts_with("invalid type: null");
    ApiError::client(if wrong_type { "SerializationException" } else { "ValidationException" }, text)
}

/// The library's types put the class of an error before its message; its own HTTP server, which is not built
/// here, takes it off again.
const MARKS: [(&str, &str); 5] = [
    ("VALIDATION:", "ValidationException"),
    ("VALIDATION_REQUEST:", "ValidationException"),
    ("VALIDATION_AS_READ:", "ValidationException"),
    ("SERIALIZATION:", "SerializationException"),
    ("SERIALIZATION_AS_READ:", "SerializationException"),
];

fn api_error(error: &DynoxideError) -> ApiError {
    let mut members: Map<String, Value> = serde_json::from_str(&error.to_json()).unwrap_or_default();
    members.remove("__type");
    members.remove("message");
    members.remove("Message");
    ApiError {
        status: error.status_code(),
        code: error.error_type().to_owned(),
        message: error.to_string(),
        detail: members.into(),
    }
}

/// Takes a share of the puts and deletes out of a `BatchWriteItem`: in the shape in which `UnprocessedItems` gives
/// them back.
fn withhold_writes(input: &mut Value, share: f64) -> Map<String, Value> {
    let Some(tables) = input["RequestItems"].as_object_mut() else { return Map::new() };
    let mut undone = Map::new();
    let must = draw_one(tables.values().filter_map(Value::as_array).map(Vec::len).sum());
    let mut index = 0;
    for (table, requests) in tables.iter_mut() {
        let Some(requests) = requests.as_array_mut() else { continue };
        let (held, kept) = split(std::mem::take(requests), share, must, &mut index);
        *requests = kept;
        if !held.is_empty() {
            undone.insert(table.clone(), held.into());
        }
    }
    tables.retain(|_, requests| requests.as_array().is_none_or(|requests| !requests.is_empty()));
    undone
}

/// The same with the keys of a `BatchGetItem`, whose tables carry their projection along.
fn withhold_gets(input: &mut Value, share: f64) -> Map<String, Value> {
    let Some(tables) = input["RequestItems"].as_object_mut() else { return Map::new() };
    let mut undone = Map::new();
    let must = draw_one(tables.values().filter_map(|table| table["Keys"].as_array()).map(Vec::len).sum());
    let mut index = 0;
    for (name, table) in tables.iter_mut() {
        let mut rest = table.clone();
        let Some(keys) = table["Keys"].as_array_mut() else { continue };
        let (held, kept) = split(std::mem::take(keys), share, must, &mut index);
        *keys = kept;
        if !held.is_empty() {
            rest["Keys"] = held.into();
            undone.insert(name.clone(), rest);
        }
    }
    tables.retain(|_, table| table["Keys"].as_array().is_none_or(|keys| !keys.is_empty()));
    undone
}

/// The entry that is withheld whatever the share says, since a fault was asked for.
fn draw_one(entries: usize) -> usize {
    if entries == 0 { 0 } else { fastrand::usize(..entries) }
}

/// Entries withheld and kept. `index` counts on over a batch's tables.
fn split(entries: Vec<Value>, share: f64, must: usize, index: &mut usize) -> (Vec<Value>, Vec<Value>) {
    entries.into_iter().partition(|_| {
        let this = *index;
        *index += 1;
        this == must || fastrand::f64() < share
    })
}

#[cfg(test)]
mod index_tests;
#[cfg(test)]
mod tests;
