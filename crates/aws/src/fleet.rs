//! The fleet table: the [slots](Slot), the [leases](Lease), and the small [documents](StoredDocument) that one program
//! leaves for another ([`Fleet::put_document`]) or that several change ([`Fleet::update_document`]). Which item has which
//! id is decided in [`domain::document`].

mod documents;

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    operation::{
        put_item::PutItemError,
        update_item::{UpdateItemError, builders::UpdateItemFluentBuilder},
    },
    types::{AttributeValue, ReturnValue},
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use self::documents::decode;
use super::{
    CallError, Clients,
    attributes::{Item, number, text, time},
};
use domain::{
    breaker::Breaker,
    document::{Lease, StoredDocument, document_id, slot_id},
    fleet::{LAYOUT, Occupant, Slot},
};

/// The fleet table.
#[derive(Debug, Clone)]
pub struct Fleet {
    client: Client,
    table: String,
}

/// What a worker tells of itself with a heartbeat, since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Messages settled.
    pub done: u64,
    /// For how long it had something to do, until now: what it has in hand counts, so that one that is stuck says so.
    pub busy: Duration,
}

impl Fleet {
    /// The fleet in this table.
    #[must_use]
    pub fn new(clients: &Clients, table: &str) -> Self {
        Self { client: clients.dynamodb().clone(), table: table.to_owned() }
    }

    /// The slots 1 to `count`, in order, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn slots(&self, count: u32) -> Result<Vec<Slot>, CallError> {
        Ok(self.read(count, &[]).await?.0)
    }

    /// The slots 1 to `count`, in order, and the breaker: in one call up to 99 slots, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn slots_and_breaker(&self, count: u32) -> Result<(Vec<Slot>, Breaker), CallError> {
        let (slots, mut found) = self.read(count, &[document_id::<Breaker>()]).await?;
        Ok((slots, self.document(&mut found)?.unwrap_or_default()))
    }

    /// The slots 1 to `count`, in order, the document of type `T`, and the breaker: in one call up to 98 slots, strongly
    /// consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn slots_and<T: StoredDocument + DeserializeOwned>(
        &self,
        count: u32,
    ) -> Result<(Vec<Slot>, Option<T>, Breaker), CallError> {
        let ids = [document_id::<T>(), document_id::<Breaker>()];
        let (slots, mut found) = self.read(count, &ids).await?;
        let document = self.document(&mut found)?;
        Ok((slots, document, self.document(&mut found)?.unwrap_or_default()))
    }

    /// The breaker as it stands; closed where none was ever stored.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn breaker(&self) -> Result<Breaker, CallError> {
        Ok(self.get_document().await?.unwrap_or_default())
    }

    /// Slots, and whichever of these documents are there, by their ids.
    async fn read(
        &self,
        count: u32,
        ids: &[String],
    ) -> Result<(Vec<Slot>, HashMap<String, Item>), CallError> {
        let attempt = || format!("read {count} slots of {}", self.table);
        let mut slots: Vec<Slot> = (1..=count).map(Slot::untouched).collect();
        let keys = slots.iter().map(|slot| key(&slot_id(slot.number)));
        let keys = keys.chain(ids.iter().map(|id| key(id))).collect();
        let mut found = HashMap::new();
        for item in super::batch_get(&self.client, &self.table, keys, attempt).await? {
            let id = item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
            if ids.contains(&id) {
                found.insert(id, item);
                continue;
            }
            let slot: Slot = decode(item, attempt)?;
            if let Some(place) = slots.get_mut((slot.number as usize).wrapping_sub(1)) {
                *place = slot;
            }
        }
        Ok((slots, found))
    }

    /// Reserves a free slot, as it was read, for this occupant. `None`: somebody else was faster, and launches.
    ///
    /// # Errors
    /// [`CallError`]: it may be reserved; until it is found unanswered, nobody launches into it.
    pub async fn reserve(
        &self,
        slot: &Slot,
        occupant: Occupant,
        now: Timestamp,
    ) -> Result<Option<Slot>, CallError> {
        let attempt = || format!("reserve slot {} of {}", slot.number, self.table);
        let reserved = slot.reserved(occupant, fastrand::u64(..), now);
        let mut item: Item =
            serde_dynamo::to_item(&reserved).map_err(|e| CallError::malformed_response(attempt(), e))?;
        item.insert("id".into(), text(slot_id(slot.number)));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let answer = put
            .condition_expression("attribute_not_exists(id) OR (generation = :generation AND phase = :free)")
            .expression_attribute_values(":generation", number(slot.generation))
            .expression_attribute_values(":free", text("free"))
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            )
            .send()
            .await;
        let Err(error) = answer else { return Ok(Some(reserved)) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(found)) => {
                // The SDK repeats a write whose answer was lost: then it is our own that refuses.
                let found = found.item().cloned().map(|item| decode::<Slot>(item, attempt)).transpose()?;
                Ok(found.filter(|found| *found == reserved))
            }
            _ => Err(CallError::of(attempt(), error)),
        }
    }

    /// Notes the task that was launched into a slot. False when this generation is past.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn launched(&self, slot: u32, generation: u64, task: &str) -> Result<bool, CallError> {
        let update = self.of_generation(slot, generation, "SET task = :task", "phase <> :free");
        let update = update.expression_attribute_values(":task", text(task));
        self.update(update.expression_attribute_values(":free", text("free")), "note the task of", slot).await
    }

    /// A worker tells that it polls, first and with every heartbeat. False when the slot is no longer its own: it is
    /// to take no more.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn heartbeat(
        &self,
        slot: u32,
        generation: u64,
        now: Timestamp,
        stats: WorkerStats,
    ) -> Result<bool, CallError> {
        let update = self.of_generation(
            slot,
            generation,
            "SET phase = :phase, last_heartbeat_at = :now, polling_at = if_not_exists(polling_at, :now), done = :done, \
             busy_ms = :busy",
            "phase IN (:launching, :phase)",
        );
        let update = update
            .expression_attribute_values(":phase", text("polling"))
            .expression_attribute_values(":launching", text("launching"));
        self.update(told(update, now, stats), "check in at", slot).await
    }

    /// A worker tells that it takes no more, before it looks at the queue for the last time: whoever queues a message
    /// after that finds no worker polling and launches one. Repeated while it finishes what it has.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn leaving(
        &self,
        slot: u32,
        generation: u64,
        now: Timestamp,
        stats: WorkerStats,
    ) -> Result<bool, CallError> {
        let set = "SET phase = :phase, last_heartbeat_at = :now, done = :done, busy_ms = :busy";
        let update = self.of_generation(slot, generation, set, "phase <> :free");
        let update = update
            .expression_attribute_values(":phase", text("leaving"))
            .expression_attribute_values(":free", text("free"));
        self.update(told(update, now, stats), "leave", slot).await
    }

    /// The slot's task is no more, or there never was one. What its worker told of itself stays, to learn from.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn free(&self, slot: u32, generation: u64) -> Result<bool, CallError> {
        let update = self.of_generation(slot, generation, "SET phase = :phase", "attribute_exists(phase)");
        self.update(update.expression_attribute_values(":phase", text("free")), "free", slot).await
    }

    /// Takes or renews this lease until `until`. False: another holder has it.
    ///
    /// # Errors
    /// [`CallError`]: it may be taken.
    pub async fn lease(
        &self,
        lease: &Lease<'_>,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, CallError> {
        let update = self
            .of_item(&lease.id())
            .update_expression("SET holder = :holder, lease_until = :until")
            .condition_expression("attribute_not_exists(id) OR holder = :holder OR lease_until < :now")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":until", time(until))
            .expression_attribute_values(":now", time(now));
        made(update, || format!("take {} in {}", lease.id(), self.table)).await
    }

    /// Gives the lease back, if it is still this holder's.
    ///
    /// # Errors
    /// [`CallError`]: the lease may still be held, until it runs out.
    pub async fn release(&self, lease: &Lease<'_>, holder: &str) -> Result<bool, CallError> {
        let update = self
            .of_item(&lease.id())
            .update_expression("SET lease_until = :never")
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", text(holder))
            .expression_attribute_values(":never", time(Timestamp::UNIX_EPOCH));
        made(update, || format!("give back {} in {}", lease.id(), self.table)).await
    }

    fn of_item(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).set_key(Some(key(id)))
    }

    /// An update of a slot that only its present generation may make.
    fn of_generation(
        &self,
        slot: u32,
        generation: u64,
        update: &str,
        condition: &str,
    ) -> UpdateItemFluentBuilder {
        self.of_item(&slot_id(slot))
            .update_expression(update)
            .condition_expression(format!("v = :layout AND generation = :generation AND {condition}"))
            .expression_attribute_values(":layout", number(LAYOUT))
            .expression_attribute_values(":generation", number(generation))
    }

    async fn update(
        &self,
        update: UpdateItemFluentBuilder,
        verb: &str,
        slot: u32,
    ) -> Result<bool, CallError> {
        made(update, || format!("{verb} slot {slot} of {}", self.table)).await
    }
}

fn told(update: UpdateItemFluentBuilder, now: Timestamp, stats: WorkerStats) -> UpdateItemFluentBuilder {
    update
        .expression_attribute_values(":now", time(now))
        .expression_attribute_values(":done", number(stats.done))
        .expression_attribute_values(":busy", number(stats.busy.as_millis()))
}

/// Makes a conditional update; false when its condition refused it.
async fn made(update: UpdateItemFluentBuilder, attempt: impl Fn() -> String) -> Result<bool, CallError> {
    match update.return_values(ReturnValue::None).send().await {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
            _ => Err(CallError::of(attempt(), error)),
        },
    }
}

fn key(id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("id".to_owned(), text(id))])
}
