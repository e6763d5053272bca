//! Receiving: short polls, long ones, and what both leave to the dead-letter queue.

use std::{sync::Arc, time::Duration};

use super::{
    Received, Sqs,
    queue::{Handed, Queue, Takes},
    settings::{self, name_of},
};
use crate::wire::ApiError;

impl Sqs {
    /// Receives up to `max` messages (at most 10), waiting up to `wait` for the first. `visibility` and `wait`
    /// default to the queue's settings. A dropped future has taken nothing.
    ///
    /// # Errors
    /// `QueueDoesNotExist` (also when the queue goes while waiting), `OverLimit` (too many in flight; only when
    /// not waiting), or values out of range.
    pub async fn receive(
        &self,
        arn: &str,
        max: usize,
        wait: Option<Duration>,
        visibility: Option<Duration>,
    ) -> Result<Vec<Received>, ApiError> {
        self.receive_by_name(name_of(arn)?, max, wait, visibility).await
    }

    /// Resolves when a receive would find a message. Another receiver may be quicker: be ready to get none.
    ///
    /// # Errors
    /// `QueueDoesNotExist`, also when the queue goes while waiting.
    pub async fn available(&self, arn: &str) -> Result<(), ApiError> {
        let name = name_of(arn)?;
        self.until(name, |queue, now| queue.is_ready(now).then_some(Ok(()))).await
    }

    pub(super) async fn receive_by_name(
        &self,
        name: &str,
        max: usize,
        wait: Option<Duration>,
        visibility: Option<Duration>,
    ) -> Result<Vec<Received>, ApiError> {
        settings::check_receive(max, wait, visibility)?;
        let wait = match wait {
            Some(wait) => wait,
            None => self.state().queue(name)?.settings.receive_wait,
        };
        let takes = Takes { max, visibility };
        let got = self.take(name, takes, wait.is_zero())?;
        if !got.is_empty() || wait.is_zero() {
            return Ok(got);
        }
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            match tokio::time::timeout_at(
                deadline,
                self.until(name, |q, now| q.is_ready(now).then_some(Ok(()))),
            )
            .await
            {
                Err(_elapsed) => return Ok(Vec::new()),
                Ok(ready) => ready?,
            }
            let got = self.take(name, takes, false)?;
            if !got.is_empty() {
                return Ok(got);
            }
        }
    }

    /// One short poll. Messages received too often go to the dead-letter queue instead of to the caller.
    fn take(&self, name: &str, takes: Takes, refuses: bool) -> Result<Vec<Received>, ApiError> {
        self.change(|state, now| {
            let faults = state.delivery_faults;
            let dead_letters = state.dead_letters_of(name)?;
            let queue = state.queue(name)?;
            if refuses && queue.is_full(now) {
                return Err(ApiError::client(
                    "OverLimit",
                    "Too many messages in flight: at most 120,000 per queue.",
                ));
            }
            let Handed { received, dead } = queue.receive(takes, dead_letters.is_some(), faults, now);
            if let Some(dead_letters) = dead_letters {
                let target = state.queue(&dead_letters)?;
                for message in dead {
                    target.add_dead_letter(message, &Self::arn(name), now);
                }
            }
            Ok(received)
        })
    }

    /// Waits until `look` finds something in the queue: it is asked again whenever the queue changes or a time
    /// comes at which a message becomes visible.
    async fn until<T>(
        &self,
        name: &str,
        look: impl Fn(&mut Queue, jiff::Timestamp) -> Option<Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        loop {
            let (changed, next) = {
                let now = self.clock.now();
                let mut state = self.state();
                let queue = state.queue(name)?;
                if let Some(found) = look(queue, now) {
                    return found;
                }
                // Registered under the lock, so that no change between this look and the wait is missed.
                let mut changed = Box::pin(Arc::clone(&queue.changed).notified_owned());
                changed.as_mut().enable();
                (changed, queue.next_visible())
            };
            match next.map(|at| self.clock.instant(at)) {
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }
}
