//! The fleet: numbered slots, each of which holds at most one live task.
//!
//! ```text
//!        reserve          RunTask          checks in         idle            task STOPPED
//! Free ──────────▶ Launching ──▶ Launching ─────────▶ Polling ────▶ Leaving ─────────────▶ Free
//!                  (no task)      (task)  └──────────── task STOPPED, whatever came before ───▶
//! ```
//!
//! A slot is reserved by a conditional write before its task is launched, so however many functions launch at once,
//! and wherever one dies, there are never more tasks than slots. A reservation raises the slot's *generation*, by
//! which later messages by or about an earlier task are recognised and refused.
//!
//! Pooled workers take slots from the lowest up and objects' own tasks from the highest down, and each kind leaves
//! one place to the other where there are two or more: neither can starve the other.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::JobId;

/// Where a slot is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing holds it.
    Free,
    /// Its task is being launched or is starting. An object's own task stays here until it stops.
    Launching,
    /// Its worker takes jobs.
    Polling,
    /// Its worker takes no more.
    Leaving,
}

/// What holds a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occupant {
    /// A pooled worker.
    Drain,
    /// The task of this attempt of a job.
    Job {
        /// The id of the job.
        job: JobId,
        /// The number of the attempt, from 1.
        attempt: u32,
    },
}

/// A slot as the fleet table holds it. The field names are the table's attribute names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The layout of this item.
    pub v: u32,
    /// Which slot, from 1.
    pub number: u32,
    /// Raised by every reservation.
    pub generation: u64,
    /// Where it is.
    pub phase: Phase,
    /// What holds it, or held it last.
    pub occupant: Occupant,
    /// A random number of the reservation: by it, a repeat of a write whose answer was lost recognises its own write.
    #[serde(default)]
    pub reservation: u64,
    /// When it was reserved.
    pub launched_at: Timestamp,
    /// Its task, once RunTask has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// When its worker first polled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polling_at: Option<Timestamp>,
    /// When its worker was last heard of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_heartbeat_at: Option<Timestamp>,
    /// Messages its worker has settled.
    #[serde(default)]
    pub done: u64,
    /// Messages settled by the workers of all earlier generations: with `done`, a number that only grows. Items of
    /// before this was kept have none.
    #[serde(default)]
    pub done_before: u64,
    /// For how long its worker has had something to do, what it has in hand included, in milliseconds.
    #[serde(default)]
    pub busy_ms: u64,
}

/// The layout of [`Slot`] items written today. An attribute that older programs can do without, and that newer ones
/// can miss, is added without a new one: workers of the old layout must be able to say that they leave.
pub const LAYOUT: u32 = 1;

/// How often a worker sends a heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(20);
/// A worker not heard of for this long is asked about: three heartbeats and a little.
const SILENT: Duration = Duration::from_secs(75);
/// A task that has not polled for this long is asked about. Fargate needs about a minute.
const SLOW: Duration = Duration::from_secs(300);
/// A task that does not start, or a worker that is silent, for this long is stopped: it holds a place and does
/// nothing. About 1 % of tasks never start.
const HOPELESS: Duration = Duration::from_secs(600);
/// After this time, another run launches into a slot that was reserved and has no task: its launcher died.
const UNANSWERED: Duration = Duration::from_secs(60);

/// How λ scaler repairs a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotRepair {
    /// The slot needs no repair.
    None,
    /// Ask ECS whether its task still lives, and free it if not.
    Check,
    /// Ask, and if it still lives, stop it.
    CheckAndStop,
    /// Nobody noted its task: launch again under the same client token, which finds the task if there is one.
    Launch,
    /// Its launcher died, and what it launched for is launched again by a message of its own: free it.
    Free,
}

impl Slot {
    /// A slot that nothing ever held.
    #[must_use]
    pub fn untouched(number: u32) -> Self {
        Self {
            v: LAYOUT,
            number,
            generation: 0,
            phase: Phase::Free,
            occupant: Occupant::Drain,
            reservation: 0,
            launched_at: Timestamp::UNIX_EPOCH,
            task: None,
            polling_at: None,
            last_heartbeat_at: None,
            done: 0,
            done_before: 0,
            busy_ms: 0,
        }
    }

    /// This slot as its next occupant reserves it; `reservation` is drawn.
    #[must_use]
    pub fn reserved(&self, occupant: Occupant, reservation: u64, now: Timestamp) -> Self {
        Self {
            generation: self.generation + 1,
            phase: Phase::Launching,
            occupant,
            reservation,
            launched_at: now,
            done_before: self.done_ever(),
            ..Self::untouched(self.number)
        }
    }

    /// Messages that its workers have settled, over all generations.
    #[must_use]
    pub fn done_ever(&self) -> u64 {
        self.done_before.saturating_add(self.done)
    }

    /// Whether nothing holds it.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.phase == Phase::Free
    }

    /// Whether a pooled worker holds it.
    #[must_use]
    pub fn is_drain(&self) -> bool {
        !self.is_free() && self.occupant == Occupant::Drain
    }

    /// Whether the task of this attempt holds it.
    #[must_use]
    pub fn is_of(&self, job: &JobId, attempt: u32) -> bool {
        let same = |occupant: &Occupant| matches!(occupant, Occupant::Job { job: j, attempt: a } if j == job && *a == attempt);
        !self.is_free() && same(&self.occupant)
    }

    /// How long its last worker took from launch to first poll, if it came that far.
    #[must_use]
    pub fn startup(&self) -> Option<Duration> {
        Duration::try_from(self.polling_at?.duration_since(self.launched_at)).ok()
    }

    /// How it is repaired now.
    #[must_use]
    pub fn repair(&self, now: Timestamp) -> SlotRepair {
        let since = |at: Timestamp| Duration::try_from(now.duration_since(at)).unwrap_or_default();
        let age = since(self.launched_at);
        if self.phase == Phase::Free {
            return SlotRepair::None;
        }
        if self.task.is_none() && self.phase == Phase::Launching {
            return match self.occupant {
                _ if age < UNANSWERED => SlotRepair::None,
                Occupant::Drain => SlotRepair::Launch,
                // Longer than a message stays hidden: its launch was tried again, and found this slot.
                Occupant::Job { .. } if age >= HOPELESS => SlotRepair::Free,
                Occupant::Job { .. } => SlotRepair::None,
            };
        }
        let repair = match (&self.occupant, self.phase) {
            // It works for as long as its pipeline lets it; only the sweep stops it.
            (Occupant::Job { .. }, _) if age >= SLOW => SlotRepair::Check,
            (Occupant::Drain, Phase::Launching) if age >= HOPELESS => SlotRepair::CheckAndStop,
            (Occupant::Drain, Phase::Launching) if age >= SLOW => SlotRepair::Check,
            (Occupant::Drain, Phase::Polling | Phase::Leaving) => {
                match since(self.last_heartbeat_at.unwrap_or(self.launched_at)) {
                    silent if silent >= HOPELESS => SlotRepair::CheckAndStop,
                    silent if silent >= SILENT => SlotRepair::Check,
                    _ => SlotRepair::None,
                }
            }
            _ => SlotRepair::None,
        };
        match repair {
            // Its launcher died before it could note the task, which then began to work: there is nobody to ask about.
            SlotRepair::Check | SlotRepair::CheckAndStop if self.task.is_none() => SlotRepair::Launch,
            repair => repair,
        }
    }
}

/// The free slots that a pooled worker may take, the first to take first. `slots` are all of them, in order.
pub fn free_for_drain(slots: &[Slot]) -> impl Iterator<Item = &Slot> {
    let own = slots.len().saturating_sub(usize::from(slots.len() > 1));
    slots.iter().take(own).filter(|slot| slot.is_free())
}

/// The free slots that an object's own task may take, the first to take first.
pub fn free_for_job(slots: &[Slot]) -> impl Iterator<Item = &Slot> {
    let skip = usize::from(slots.len() > 1);
    slots.iter().skip(skip).rev().filter(|slot| slot.is_free())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(phases: &[Phase]) -> Vec<Slot> {
        phases.iter().zip(1..).map(|(&phase, number)| Slot { phase, ..Slot::untouched(number) }).collect()
    }

    #[test]
    fn each_kind_leaves_one_place_to_the_other() {
        use Phase::{Free, Polling};
        let all = slots(&[Free, Polling, Free, Free]);
        assert_eq!(free_for_drain(&all).map(|slot| slot.number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(free_for_job(&all).map(|slot| slot.number).collect::<Vec<_>>(), [4, 3]);
        let one = slots(&[Free]);
        assert_eq!((free_for_drain(&one).count(), free_for_job(&one).count()), (1, 1));
    }

    #[test]
    fn a_silent_slot_is_asked_about_and_a_hopeless_one_stopped() {
        let now = Timestamp::from_second(100_000).unwrap();
        let ago = |seconds: i64| Timestamp::from_second(100_000 - seconds).unwrap();
        let launching = |seconds, task: Option<&str>| Slot {
            phase: Phase::Launching,
            launched_at: ago(seconds),
            task: task.map(str::to_owned),
            ..Slot::untouched(1)
        };
        assert_eq!(launching(59, None).repair(now), SlotRepair::None);
        assert_eq!(launching(60, None).repair(now), SlotRepair::Launch);
        assert_eq!(launching(299, Some("t")).repair(now), SlotRepair::None);
        assert_eq!(launching(300, Some("t")).repair(now), SlotRepair::Check);
        assert_eq!(launching(600, Some("t")).repair(now), SlotRepair::CheckAndStop);
        let polling = |heard| Slot {
            phase: Phase::Polling,
            last_heartbeat_at: Some(ago(heard)),
            ..launching(9_000, Some("t"))
        };
        assert_eq!(
            [polling(74), polling(75), polling(600)].map(|slot| slot.repair(now)),
            [SlotRepair::None, SlotRepair::Check, SlotRepair::CheckAndStop]
        );
        let unnoted = |heard| Slot { task: None, ..polling(heard) };
        assert_eq!(
            [unnoted(74), unnoted(75), unnoted(600)].map(|slot| slot.repair(now)),
            [SlotRepair::None, SlotRepair::Launch, SlotRepair::Launch]
        );
        let job = JobId::parse("00112233445566778899aabbccddeeff").unwrap();
        let own = |seconds, task| Slot {
            occupant: Occupant::Job { job: job.clone(), attempt: 1 },
            ..launching(seconds, task)
        };
        assert_eq!(own(100_000, Some("t")).repair(now), SlotRepair::Check, "only the sweep stops those");
        assert_eq!(
            [own(599, None), own(600, None)].map(|slot| slot.repair(now)),
            [SlotRepair::None, SlotRepair::Free]
        );
        assert_eq!(Slot::untouched(1).repair(now), SlotRepair::None);
    }

    #[test]
    fn a_slot_stored_without_done_before_is_read_and_counted_on() {
        let old = serde_json::json!({
            "v": 1, "number": 3, "generation": 7, "phase": "free", "occupant": "drain",
            "launched_at": "2026-01-01T00:00:00Z", "task": "arn", "done": 12, "busy_ms": 900,
        });
        let old: Slot = serde_json::from_value(old).unwrap();
        assert_eq!((old.done_before, old.done_ever()), (0, 12));
        let next = old.reserved(Occupant::Drain, 1, Timestamp::UNIX_EPOCH);
        assert_eq!((next.generation, next.done, next.done_before, next.busy_ms), (8, 0, 12, 0));
        let next = Slot { done: 5, ..next }.reserved(Occupant::Drain, 1, Timestamp::UNIX_EPOCH);
        assert_eq!((next.number, next.done_ever(), next.task), (3, 17, None));
    }
}
