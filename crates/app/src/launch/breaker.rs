//! The breaker in the fleet table: [`domain::breaker`] decides, and each decision is written by one optimistic update.

use aws::{CallError, fleet::Fleet};
use domain::breaker::{Breaker, Permit, Signal};
use jiff::Timestamp;
use tracing::{info, warn};

/// Until when a launch has to wait, if it has to. `breaker` is what was read of it: while it is closed, nothing is
/// written. Of several that come when a probe is due, one is let through; a repeat by the same one waits for the next
/// probe.
///
/// # Errors
/// [`CallError`]: the probe may be taken.
pub async fn paused_until(
    fleet: &Fleet,
    breaker: &Breaker,
    now: Timestamp,
) -> Result<Option<Timestamp>, CallError> {
    match breaker.permit(now) {
        Permit::Allowed => return Ok(None),
        Permit::Paused(until) => return Ok(Some(until)),
        Permit::Probe(_) => {}
    }
    let take = |breaker: &mut Breaker| match breaker.permit(now) {
        Permit::Allowed => None,
        Permit::Paused(until) => Some(until),
        Permit::Probe(next) => {
            *breaker = *next;
            None
        }
    };
    fleet.update_document("take the turn to launch", take).await
}

/// Records what is seen of a launch, and returns the breaker as it stands then. A repeat changes nothing.
///
/// # Errors
/// [`CallError`]: it may be recorded.
pub async fn record(fleet: &Fleet, signal: &Signal, now: Timestamp) -> Result<Breaker, CallError> {
    let note = |breaker: &mut Breaker| {
        let was_open = breaker.is_open();
        if let Some(next) = breaker.after(signal, now) {
            *breaker = next;
        }
        (was_open, breaker.clone())
    };
    let (was_open, breaker) = fleet.update_document("record how a launch went", note).await?;
    match (was_open, breaker.is_open()) {
        (false, true) => warn!(cause = breaker.words(), "launches are paused until this is fixed"),
        (true, false) => info!("launches work again"),
        _ => {}
    }
    Ok(breaker)
}

/// Records that a mail said that the breaker opened or closed, as it was read. If it has opened or closed again since,
/// that still needs a mail.
///
/// # Errors
/// [`CallError`]: it may be recorded.
pub(crate) async fn mail_sent(fleet: &Fleet, mailed: &Breaker) -> Result<(), CallError> {
    let note = |breaker: &mut Breaker| {
        if (breaker.opened_at, breaker.closed) == (mailed.opened_at, mailed.closed) {
            breaker.notified = true;
        }
    };
    fleet.update_document("record the mail about launches", note).await
}
