//! The folded mails: a run is over before they are due, so they are sent now.

use anyhow::Context;
use app::notify::Storms;
use aws::{Clients, mail::Post};
use domain::storm::Which;
use jiff::Timestamp;

use crate::local::Plan;

/// Sends what has been counted and not mailed of.
pub(crate) async fn send(clients: &Clients, plan: &Plan) -> anyhow::Result<()> {
    let storms = Storms::new(clients, plan.output("FleetTable")?);
    let post = Post::new(clients, plan.output("MailTopic")?);
    // Some at a time, until there are none.
    while storms.flush(&post, Which::All, Timestamp::now()).await.context("cannot send the folded mails")? > 0
    {
    }
    Ok(())
}
