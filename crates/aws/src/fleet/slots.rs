//! Slots: reserved for a task, held while it runs, and free again. A write of a slot is for one generation of it.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::builders::UpdateItemFluentBuilder},
    types::ReturnValuesOnConditionCheckFailure,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::table::{Fleet, decode, encode, key, made};
use crate::{
    CallError,
    attributes::{Item, number, text, time},
    batch_get::batch_get,
};
use domain::{
    breaker::Breaker,
    document::{StoredDocument, document_id, slot_id},
    fleet::{LAYOUT, Occupant, Slot},
};

/// A worker's own counts since it began, which each heartbeat sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Messages settled.
    pub done: u64,
    /// For how long it had something to do, until now: what it has in hand counts, so that one that is stuck says so.
    pub busy: Duration,
}

/// What a worker reports of itself, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The number of its slot.
    pub slot: u32,
    /// The generation of the slot that the worker was launched for.
    pub generation: u64,
    /// When it reports.
    pub at: Timestamp,
    /// What it has done by then.
    pub stats: WorkerStats,
}

impl Fleet {
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
        let attempt = || format!("read {} of {}", domain::text::count(count, "slot"), self.table);
        let mut slots: Vec<Slot> = (1..=count).map(Slot::untouched).collect();
        let keys = slots.iter().map(|slot| key(&slot_id(slot.number)));
        let keys = keys.chain(ids.iter().map(|id| key(id))).collect();
        let mut found = HashMap::new();
        for item in batch_get(&self.client, &self.table, keys, attempt).await? {
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
        let item = encode(&slot_id(slot.number), &reserved, attempt)?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let answer = put
            .condition_expression("attribute_not_exists(id) OR (generation = :generation AND phase = :free)")
            .expression_attribute_values(":generation", number(slot.generation))
            .expression_attribute_values(":free", text("free"))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
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

    /// A worker reports that it polls, first and with every heartbeat. False when the slot is no longer its own: then it
    /// must receive no more messages.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<bool, CallError> {
        let update = self.reported(
            heartbeat,
            "SET phase = :phase, last_heartbeat_at = :now, polling_at = if_not_exists(polling_at, :now), done = :done, \
             busy_ms = :busy",
            "phase IN (:launching, :phase)",
        );
        let update = update
            .expression_attribute_values(":phase", text("polling"))
            .expression_attribute_values(":launching", text("launching"));
        self.update(update, "check in at", heartbeat.slot).await
    }

    /// A worker reports that it receives no more messages, before its final poll: a function that queues a message
    /// after that finds no worker polling and launches one. Repeated while it finishes what it has.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn leaving(&self, heartbeat: &Heartbeat) -> Result<bool, CallError> {
        let set = "SET phase = :phase, last_heartbeat_at = :now, done = :done, busy_ms = :busy";
        let update = self
            .reported(heartbeat, set, "phase <> :free")
            .expression_attribute_values(":phase", text("leaving"))
            .expression_attribute_values(":free", text("free"));
        self.update(update, "leave", heartbeat.slot).await
    }

    /// The slot's task has stopped, or there never was one. Its worker's counts stay, for the estimates.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn free(&self, slot: u32, generation: u64) -> Result<bool, CallError> {
        let update = self.of_generation(slot, generation, "SET phase = :phase", "attribute_exists(phase)");
        self.update(update.expression_attribute_values(":phase", text("free")), "free", slot).await
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

    /// An update of a worker's slot with what it reports.
    fn reported(&self, heartbeat: &Heartbeat, update: &str, condition: &str) -> UpdateItemFluentBuilder {
        let Heartbeat { slot, generation, at, stats } = *heartbeat;
        self.of_generation(slot, generation, update, condition)
            .expression_attribute_values(":now", time(at))
            .expression_attribute_values(":done", number(stats.done))
            .expression_attribute_values(":busy", number(stats.busy.as_millis()))
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
