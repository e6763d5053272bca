//! The breaker in the fleet table.

use jiff::Timestamp;
use tracing::{info, warn};

use super::{CallError, fleet::Fleet};
use domain::breaker::{Breaker, Gate, Sign};

/// Its place in the fleet table.
pub(super) const BREAKER: &str = "breaker:1";

impl Fleet {
    /// The breaker as it stands; closed, if there was never reason to keep one.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn breaker(&self) -> Result<Breaker, CallError> {
        Ok(self.kept(BREAKER).await?.unwrap_or_default())
    }

    /// Until when a launch has to wait, if it has to. `breaker` is what was read of it: while it is closed, nothing is
    /// asked. Of several that come when one may try, one is let through; a repeat by the same one waits for the next turn.
    ///
    /// # Errors
    /// [`CallError`]: the turn may be taken.
    pub async fn gate(&self, breaker: &Breaker, now: Timestamp) -> Result<Option<Timestamp>, CallError> {
        match breaker.gate(now) {
            Gate::Go => return Ok(None),
            Gate::Parked(until) => return Ok(Some(until)),
            Gate::Probe(_) => {}
        }
        let take = |breaker: &mut Breaker| match breaker.gate(now) {
            Gate::Go => None,
            Gate::Parked(until) => Some(until),
            Gate::Probe(next) => {
                *breaker = *next;
                None
            }
        };
        self.change(BREAKER, "take the turn to launch", take).await
    }

    /// Tells the breaker what is seen of a launch, and returns it as it stands then. A repeat says nothing new.
    ///
    /// # Errors
    /// [`CallError`]: the sign may be noted.
    pub async fn sign(&self, sign: &Sign, now: Timestamp) -> Result<Breaker, CallError> {
        let note = |breaker: &mut Breaker| {
            let was_open = breaker.is_open();
            if let Some(next) = breaker.after(sign, now) {
                *breaker = next;
            }
            (was_open, breaker.clone())
        };
        let (was_open, breaker) = self.change(BREAKER, "note how a launch went", note).await?;
        match (was_open, breaker.is_open()) {
            (false, true) => warn!(cause = breaker.words(), "launches are held back until this is mended"),
            (true, false) => info!("launches work again"),
            _ => {}
        }
        Ok(breaker)
    }

    /// Notes that people were told that the breaker opened or closed, as it was read. Where it has opened or closed again
    /// since, that is still to be told.
    ///
    /// # Errors
    /// [`CallError`]: it may be noted.
    pub async fn told_of(&self, told: &Breaker) -> Result<(), CallError> {
        let note = |breaker: &mut Breaker| {
            if (breaker.opened_at, breaker.closed) == (told.opened_at, told.closed) {
                breaker.told = true;
            }
        };
        self.change(BREAKER, "note that people were told of launches", note).await
    }
}
