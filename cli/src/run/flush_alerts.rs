//! Sends the grouped mails at the end of a run, since the run is over before they are due.

use anyhow::Context;
use app::notify::Alerts;
use aws::{Clients, mail::Mailer};
use domain::alerts::Which;
use futures::FutureExt;
use jiff::Timestamp;

use crate::local::Plan;

/// Sends a mail for everything that alerts have counted and not mailed yet.
pub(crate) async fn send(clients: &Clients, plan: &Plan) -> anyhow::Result<()> {
    let alerts = Alerts::new(clients, plan.output("FleetTable")?);
    let mailer = Mailer::new(clients, plan.output("MailTopic")?);
    // Each flush sends a limited number of mails.
    while alerts
        .flush(&mailer, Which::All, Timestamp::now(), |_| async { None }.boxed())
        .await
        .context("cannot send the grouped mails")?
        > 0
    {}
    Ok(())
}
