//! The alerts' document in the fleet table: what has failed lately, and which mails were sent of it.
//!
//! Every change is decided by [`domain::alerts`]. No count is lost, however many write at once ([`Fleet::update_document`]).

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tracing::info;

use crate::item_failures::ItemFailures;
use aws::{CallError, Clients, fleet::Fleet, mail::Mailer};
use domain::{
    alerts::{AlertState as Document, Delivery, Failure, GroupedMail, Which},
    mail::{self, Mail},
};

/// The alerts. Clones take turns.
#[derive(Debug, Clone)]
pub struct Alerts {
    fleet: Fleet,
    turn: Arc<Mutex<()>>,
}

impl Alerts {
    /// Those in this fleet table.
    #[must_use]
    pub fn new(clients: &Clients, table: &str) -> Self {
        Self { fleet: Fleet::new(clients, table), turn: Arc::default() }
    }

    /// Counts a failure, and decides whether it is mailed at once or with others. Durable on return. A repeat, after a
    /// crash, may count it twice: see [`Document::record`].
    ///
    /// # Errors
    /// [`CallError`]: it may be counted.
    pub async fn record(&self, failure: &Failure, now: Timestamp) -> Result<Delivery, CallError> {
        self.change("count a failure", |alerts| alerts.record(failure, now)).await
    }

    /// Sends the grouped mails that are due, one after the other, and returns how many. If none is due, this is one read.
    /// Each is reserved before it is sent and recorded after, so that two flushes at once send it once. If a flush dies
    /// between SNS's answer and the record, a later one sends the mail again.
    ///
    /// A group of one job is mailed as that job's own mail, which `single` writes for its id; where it cannot, as a group.
    ///
    /// # Errors
    /// [`CallError`]: of the mails not sent, nothing is lost; a later flush sends them.
    pub async fn flush<'s>(
        &self,
        mailer: &Mailer,
        which: Which,
        now: Timestamp,
        single: impl Fn(String) -> BoxFuture<'s, Option<Mail>>,
    ) -> Result<usize, CallError> {
        let holder = format!("{:032x}", fastrand::u128(..));
        let grouped = self.change("group mails", |alerts| alerts.flush(which, &holder, now)).await?;
        let mut failures = ItemFailures::default();
        for one in &grouped {
            if failures.should_give_up() {
                break;
            }
            let mail = match one.only_job() {
                Some(job) => single(job.to_owned()).await,
                None => None,
            };
            let mail = mail.unwrap_or_else(|| mail::grouped_failures(one));
            let sent = self.send(mailer, one, &mail, &holder, now).await;
            failures.record(format!("mail about {}", one.code), sent);
        }
        failures.finish().map_err(|failed| CallError::retries_exhausted("send the grouped mails", failed))?;
        Ok(grouped.len())
    }

    async fn send(
        &self,
        mailer: &Mailer,
        grouped: &GroupedMail,
        mail: &Mail,
        holder: &str,
        now: Timestamp,
    ) -> Result<(), CallError> {
        mailer.send(mail).await?;
        self.change("note a grouped mail", |alerts| alerts.sent(grouped, holder, now)).await?;
        log_sent(grouped);
        Ok(())
    }

    /// Makes a change, until nobody else was faster. One that changes nothing writes nothing.
    async fn change<T>(&self, verb: &str, change: impl Fn(&mut Document) -> T) -> Result<T, CallError> {
        let _turn = self.turn.lock().await;
        self.fleet.update_document(verb, change).await
    }
}

fn log_sent(grouped: &GroupedMail) {
    let GroupedMail { code, count, total, over, .. } = grouped;
    info!(source = grouped.source.to_string(), code = code.as_str(), count, total, over, "grouped mail sent");
}
