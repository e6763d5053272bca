//! The storms' document in the fleet table: what has failed lately and what people were told of it.
//!
//! Every change is decided by [`domain::storm`]. No count is lost, however many write at once ([`Fleet::change`]).

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tracing::info;

use crate::item_failures::ItemFailures;
use aws::{CallError, Clients, fleet::Fleet, mail::Post};
use domain::{
    mail,
    storm::{Failure, Folded, Storms as Document, Told, Which},
};

/// Where it is. A document of another layout goes under another name.
const ID: &str = "storms:1";

/// The storms. Clones take turns.
#[derive(Debug, Clone)]
pub struct Storms {
    fleet: Fleet,
    turn: Arc<Mutex<()>>,
}

impl Storms {
    /// Those in this fleet table.
    #[must_use]
    pub fn new(clients: &Clients, table: &str) -> Self {
        Self { fleet: Fleet::new(clients, table), turn: Arc::default() }
    }

    /// Decides how people hear of a failure, and counts it. Durable on return. Whoever dies before he has noted that
    /// people were told asks again: [`Document::tell`] says when that counts twice.
    ///
    /// # Errors
    /// [`CallError`]: it may be counted.
    pub async fn tell(&self, failure: &Failure, now: Timestamp) -> Result<Told, CallError> {
        self.change("count a failure", |storms| storms.tell(failure, now)).await
    }

    /// Sends the folded mails that are to be sent now, one after the other, and says how many. Where nothing is, that is
    /// one read. Each is reserved before it is sent and noted after, so that two flushes at once send it once; one that
    /// dies between SNS's answer and the note leaves it to a later one, which sends it again.
    ///
    /// # Errors
    /// [`CallError`]: of the mails not sent, nothing is lost; a later flush sends them.
    pub async fn flush(&self, post: &Post, which: Which, now: Timestamp) -> Result<usize, CallError> {
        let holder = format!("{:032x}", fastrand::u128(..));
        let folded = self.change("fold mails", |storms| storms.flush(which, &holder, now)).await?;
        let mut failures = ItemFailures::default();
        for one in &folded {
            if failures.should_give_up() {
                break;
            }
            let sent = self.send(post, one, &holder, now).await;
            failures.record(format!("mail about {}", one.code), sent);
        }
        failures.finish().map_err(|failed| CallError::exhausted("send the grouped mails", failed))?;
        Ok(folded.len())
    }

    async fn send(
        &self,
        post: &Post,
        folded: &Folded,
        holder: &str,
        now: Timestamp,
    ) -> Result<(), CallError> {
        post.send(&mail::folded(folded)).await?;
        self.change("note a folded mail", |storms| storms.sent(folded, holder, now)).await?;
        tell(folded);
        Ok(())
    }

    /// Makes a change, until nobody else was faster. One that changes nothing writes nothing.
    async fn change<T>(&self, verb: &str, change: impl Fn(&mut Document) -> T) -> Result<T, CallError> {
        let _turn = self.turn.lock().await;
        self.fleet.change(ID, verb, change).await
    }
}

fn tell(folded: &Folded) {
    let Folded { code, count, total, over, .. } = folded;
    info!(source = folded.source.to_string(), code, count, total, over, "folded mail sent");
}
