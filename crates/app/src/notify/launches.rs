//! The mails about launches: that they are paused, and that they work again.

use std::time::Duration;

use aws::{CallError, fleet::Fleet, mail::Mailer};
use domain::{breaker::Breaker, document::Lease, mail};
use jiff::Timestamp;

use crate::launch::breaker;

/// For how long one run may be mailing before another tries.
const MAILING: Duration = Duration::from_secs(60);

/// Mails, once each, that launches are paused and that they work again. `breaker` is what was read of it lately, and
/// `waiting` how many jobs wait. Dying between SNS's answer and the note of it mails twice.
///
/// # Errors
/// [`CallError`]: the mail may be sent; a later run sends it.
pub async fn mail_launches(
    fleet: &Fleet,
    mailer: &Mailer,
    breaker: &Breaker,
    waiting: u64,
    now: Timestamp,
) -> Result<(), CallError> {
    if !breaker.is_news() {
        return Ok(());
    }
    // Sizing the fleet may have changed it.
    let breaker = fleet.breaker().await?;
    let mail = mail::launches(&breaker, waiting, now);
    let Some(mail) = mail.filter(|_| breaker.is_news()) else { return Ok(()) };
    let holder = format!("{:032x}", fastrand::u128(..));
    if !fleet.lease(&Lease::LaunchNotice, &holder, now, now + MAILING).await? {
        return Ok(());
    }
    mailer.send(&mail).await?;
    breaker::mail_sent(fleet, &breaker).await?;
    fleet.release(&Lease::LaunchNotice, &holder).await?;
    Ok(())
}
