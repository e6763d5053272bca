//! The folded mails: a run is over before they are due, so they are sent now.

use anyhow::Context;
use app::notify::Alerts;
use aws::{Clients, mail::Mailer};
use domain::alerts::Which;
use jiff::Timestamp;

use crate::local::Plan;

/// Sends what has been counted and not mailed of.
pub(crate) async fn send(clients: &Clients, plan: &Plan) -> anyhow::Result<()> {
    let alerts = Alerts::new(clients, plan.output("FleetTable")?);
    let post = Mailer::new(clients, plan.output("MailTopic")?);
    // Some at a time, until there are none.
    while alerts.flush(&post, Which::All, Timestamp::now()).await.context("cannot send the folded mails")? > 0
    {
    }
    Ok(())
}
