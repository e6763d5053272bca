//! The repair of slots: each slot comes free again, even if its task stopped unseen or its launcher died.

use std::collections::HashSet;

use jiff::Timestamp;
use tracing::info;

use super::{Launched, Scaled, Scaling};
use crate::{item_failures::ItemFailures, launch::breaker};
use aws::CallError;
use domain::{
    breaker::{Breaker, Signal},
    fleet::{Phase, Slot, SlotRepair},
    verdict,
};

impl Scaling {
    /// Does for each slot what [`Slot::repair`] says, and notes in `slots` which are free now. One DescribeTasks answers
    /// for all that are asked about.
    ///
    /// A task that is stopped keeps its slot until it has stopped: its event frees it, or the next run.
    pub(super) async fn repair_slots(
        &self,
        slots: &mut [Slot],
        breaker: &Breaker,
        now: Timestamp,
        scaled: &mut Scaled,
    ) -> Result<(), CallError> {
        let repairs: Vec<SlotRepair> = slots.iter().map(|slot| slot.repair(now)).collect();
        let asks = |repair: SlotRepair| matches!(repair, SlotRepair::Check | SlotRepair::CheckAndStop);
        let asked = slots.iter().zip(&repairs).filter(|(_, repair)| asks(**repair));
        let live = self.live(asked.filter_map(|(slot, _)| slot.task.clone()).collect()).await?;
        let mut failures = ItemFailures::default();
        for (slot, repair) in slots.iter_mut().zip(repairs) {
            if failures.should_give_up() {
                break;
            }
            let is_live = slot.task.as_ref().is_some_and(|task| live.contains(task));
            let repaired = match repair {
                SlotRepair::CheckAndStop if is_live => self.stop_overdue(slot, scaled).await,
                SlotRepair::Check | SlotRepair::CheckAndStop if !is_live => {
                    self.give_back(slot, scaled).await
                }
                SlotRepair::Free => self.give_back(slot, scaled).await,
                // Launches are paused.
                SlotRepair::Launch if breaker.is_open() => Ok(()),
                SlotRepair::Launch => self.recover(slot, now, scaled).await,
                SlotRepair::None | SlotRepair::Check | SlotRepair::CheckAndStop => Ok(()),
            };
            failures.record(format!("slot {}", slot.number), repaired);
        }
        failures.finish().map_err(|failed| CallError::retries_exhausted("repair the slots", failed))
    }

    async fn stop_overdue(&self, slot: &Slot, scaled: &mut Scaled) -> Result<(), CallError> {
        self.launcher.stop(slot.task.as_deref().unwrap_or_default(), &overdue(slot)).await?;
        scaled.stopped += 1;
        Ok(())
    }

    /// The tasks among these that have not stopped.
    async fn live(&self, tasks: Vec<String>) -> Result<HashSet<String>, CallError> {
        let known = self.launcher.describe(&tasks).await?;
        Ok(known.into_iter().filter(|known| known.is_live).map(|known| known.task).collect())
    }

    async fn give_back(&self, slot: &mut Slot, scaled: &mut Scaled) -> Result<(), CallError> {
        // Refused: the slot has another generation by now, and may not be free.
        if self.fleet.free(slot.number, slot.generation).await? {
            info!(slot = slot.number, task = slot.task.as_deref(), "freed a slot whose task is no more");
            slot.phase = Phase::Free;
            scaled.freed += 1;
        }
        Ok(())
    }

    /// Repeats the launch of a slot that has no task, since its launcher died or got no answer. If there is no task, one is
    /// launched even if its work is done by now: only RunTask knows whether there is one.
    ///
    /// The slot is not freed when that fails: an earlier launch of it, or one that another run makes now, may succeed.
    async fn recover(&self, slot: &mut Slot, now: Timestamp, scaled: &mut Scaled) -> Result<(), CallError> {
        match self.launch(slot).await? {
            Launched::Task(task) => {
                info!(slot = slot.number, task, "found the task of a slot that was reserved without one");
                slot.task = Some(task);
                scaled.recovered += 1;
            }
            Launched::NoRoom(reason) => info!(slot = slot.number, reason, "a slot still waits for its task"),
            Launched::Refused(reason) => {
                breaker::record(&self.fleet, &Signal::Refused(reason), now).await?;
            }
            Launched::Unanswered => {}
        }
        Ok(())
    }
}

/// Why a slot's task is stopped, as its stop will show it.
fn overdue(slot: &Slot) -> String {
    let why = if slot.polling_at.is_none() { "never started" } else { "not heard of" };
    format!("{}: {why}", verdict::OVERDUE)
}
