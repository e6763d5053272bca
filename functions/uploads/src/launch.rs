//! A task for one object alone.

use std::time::Duration;

use tidemill_core::{
    adapter::tasks::{LaunchError, Order},
    backoff,
    fleet::{Occupant, Slot, free_for_job},
    job::Job,
    message::JobMessage,
    placement::Why,
};
use tracing::info;

use crate::{Outcome, ProcessError, Uploads};

/// The first wait after a launch that found no room, and the longest: SQS delays a message by 15 minutes at most.
const FIRST_DEFERRAL: Duration = Duration::from_secs(5);
const LONGEST_DEFERRAL: Duration = Duration::from_secs(900);

/// After so many deferrals, about a minute, an object that is only large goes to the pooled workers: they stream, and
/// are there when no other task can be.
const PATIENCE: u32 = 4;

impl Uploads {
    /// Launches the task of the job's present attempt into a slot of its own. What cannot launch now waits in the
    /// queue under a message of its own, so that a shortage of hours uses up none of the original's receives.
    pub(crate) async fn launch(&self, job: &Job, why: Why, deferrals: u32) -> Result<Outcome, ProcessError> {
        let Some((slot, is_new)) = self.slot(job).await? else {
            return self.put_off(job, why, deferrals, "every place for tasks is taken").await;
        };
        let refused = match self.tasks.launch(&Order::of_job(job)).await {
            Ok(task) => {
                self.fleet.launched(slot.number, slot.generation, &task).await?;
                // Refused when the task already stopped and the attempt is past: nothing is left to note.
                self.ledger.launched(&job.id, job.attempt, &task).await?;
                return Ok(Outcome::Launched { job: job.id.clone(), task });
            }
            Err(refused) => refused,
        };
        // After a call that was not answered, this one or that of an earlier try, the task may exist and holds its slot;
        // the next try finds both. If none comes of it, λ scaler frees the slot.
        let is_answered = !matches!(&refused, LaunchError::Call(error) if error.is_retryable());
        if is_new && is_answered {
            self.fleet.free(slot.number, slot.generation).await?;
        }
        match refused {
            LaunchError::Call(source) if !source.is_retryable() => {
                Err(ProcessError::Launch { job: job.id.clone(), source })
            }
            refused => {
                let reason = tidemill_core::logging::chain(&refused);
                self.put_off(job, why, deferrals, &reason).await
            }
        }
    }

    /// The slot for this attempt, and whether it is new: a free one, or the one that an earlier try reserved.
    async fn slot(&self, job: &Job) -> Result<Option<(Slot, bool)>, ProcessError> {
        let slots = self.fleet.slots(self.maximum_tasks).await?;
        if let Some(own) = slots.iter().find(|slot| slot.is_of(&job.id, job.attempt)) {
            return Ok(Some((own.clone(), false)));
        }
        for slot in free_for_job(&slots) {
            let occupant = Occupant::Job { job: job.id.clone(), attempt: job.attempt };
            // Refused: another launch was faster. The next one may still be free.
            if let Some(reserved) = self.fleet.reserve(slot, occupant, self.clock.now()).await? {
                return Ok(Some((reserved, true)));
            }
        }
        Ok(None)
    }

    async fn put_off(
        &self,
        job: &Job,
        why: Why,
        deferrals: u32,
        reason: &str,
    ) -> Result<Outcome, ProcessError> {
        if why == Why::Large && deferrals >= PATIENCE {
            info!(job.id = %job.id, reason, "no task of its own: given to the pooled workers");
            return self.queue(job).await;
        }
        let delay = backoff::delay(deferrals, FIRST_DEFERRAL, LONGEST_DEFERRAL, fastrand::f64());
        let again = JobMessage::new(job.id.clone(), job.attempt, deferrals.saturating_add(1));
        info!(job.id = %job.id, delay_s = delay.as_secs(), reason, "launch put off");
        self.uploads.send(&again.to_body(), delay).await?;
        Ok(Outcome::Deferred { job: job.id.clone() })
    }
}
