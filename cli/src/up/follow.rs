//! Follows the local cloud: the jobs that settle, whichever client uploaded their objects, and the mails that are sent.

use std::{collections::HashMap, time::Duration};

use aws::{CallError, Clients, ledger::Ledger};
use domain::{
    job::{Job, JobId, STATUS_SHARDS, settled_shard},
    sweep::{HOUR, hour_of},
};
use jiff::Timestamp;
use localcloud::{Cloud, sns::Mail};
use tokio::time::Instant;

use super::event::{Event, Printer};
use crate::local::Plan;

/// The time between two rounds.
const ROUND: Duration = Duration::from_millis(250);

/// Each round reads this far back, because a settled job carries the time when its last write began.
const OVERLAP: Duration = Duration::from_secs(30);

/// Follows the ledger's shards and the mailbox of a cloud.
pub(crate) struct Follow<'c> {
    cloud: &'c Cloud,
    ledger: Ledger,
    /// Jobs that settled earlier are not printed.
    began_at: Timestamp,
    looked_at: Timestamp,
    /// Of the last [`OVERLAP`]: when the job settled, and when it was put on its shard.
    printed: HashMap<JobId, (Timestamp, Timestamp)>,
    writes: Calls,
    publishes: Calls,
    mails: usize,
}

/// The number of calls of some kind, and when it last changed.
#[derive(Debug, Default)]
struct Calls {
    count: u64,
    still_since: Option<Instant>,
}

/// A call is counted when it arrives; its effect is visible within this time.
const STILL: Duration = Duration::from_secs(10);

impl Calls {
    /// Whether there may be something new, given the number of calls by now.
    fn moved(&mut self, count: u64, now: Instant) -> bool {
        if count != self.count {
            (self.count, self.still_since) = (count, Some(now));
        }
        self.still_since.is_some_and(|since| now < since + STILL)
    }
}

impl<'c> Follow<'c> {
    /// Follows the cloud from now on.
    pub(crate) fn new(cloud: &'c Cloud, plan: &Plan) -> anyhow::Result<Self> {
        let now = cloud.clock().now();
        Ok(Self {
            cloud,
            // Not through the socket, so that reading four times a second does not count as the system's own calls.
            ledger: Ledger::new(&Clients::new(&cloud.sdk_config()), plan.output("LedgerTable")?),
            began_at: now,
            looked_at: now,
            printed: HashMap::new(),
            writes: Calls::default(),
            publishes: Calls::default(),
            mails: cloud.services().sns.mails().len(),
        })
    }

    /// Prints every job that settles and every mail, until printing fails.
    pub(crate) async fn run(&mut self, printer: &Printer<'_>) -> anyhow::Result<()> {
        loop {
            // Read first and printed last: a job fails before its mail is sent.
            let mails = self.new_mails();
            let (settled, unreadable) = self.settled().await?;
            for message in &unreadable {
                printer.print(&Event::Problem { message })?;
            }
            for job in &settled {
                printer.print(&Event::Settled(job))?;
            }
            for mail in &mails {
                printer.print(&Event::Mail(mail))?;
            }
            tokio::time::sleep(ROUND).await;
        }
    }

    /// The jobs that settled since the last round, in order, and what is wrong with items that cannot be read as jobs.
    async fn settled(&mut self) -> Result<(Vec<Job>, Vec<String>), CallError> {
        let writes = self.count("dynamodb", &["UpdateItem", "TransactWriteItems"]);
        if !self.writes.moved(writes, Instant::now()) {
            return Ok(Default::default());
        }
        let now = self.cloud.clock().now();
        let from = self.looked_at.checked_sub(OVERLAP).unwrap_or(Timestamp::MIN).max(self.began_at);
        self.looked_at = now;
        self.printed.retain(|_, (_, status_at)| *status_at >= from);
        let (mut settled, mut unreadable) = (Vec::new(), Vec::new());
        let mut hour = hour_of(from);
        while hour <= now {
            for part in STATUS_SHARDS {
                self.look(&settled_shard(part, hour), from, &mut settled, &mut unreadable).await?;
            }
            hour = hour.checked_add(HOUR).unwrap_or(Timestamp::MAX);
        }
        settled.sort_by_key(Job::settled_at);
        Ok((settled, unreadable))
    }

    /// Adds the jobs of a shard that were not printed yet.
    async fn look(
        &mut self,
        status_shard: &str,
        from: Timestamp,
        settled: &mut Vec<Job>,
        unreadable: &mut Vec<String>,
    ) -> Result<(), CallError> {
        let mut next = None;
        loop {
            let (found, more) = self.ledger.by_status_since(status_shard, from, next).await?;
            let is_new =
                |(id, at): &(JobId, Timestamp)| self.printed.get(id).is_none_or(|(_, printed)| printed != at);
            let new: HashMap<JobId, Timestamp> = found.into_iter().filter(is_new).collect();
            let ids: Vec<JobId> = new.keys().cloned().collect();
            for found in self.ledger.read_all(&ids).await? {
                let job = match found {
                    Ok(job) => job,
                    Err(error) => {
                        // Told once, while it is where it is.
                        let id = JobId::parse(error.job());
                        let told = id.and_then(|id| new.get_key_value(&id));
                        self.printed.extend(told.map(|(id, at)| (id.clone(), (*at, *at))));
                        unreadable.push(telemetry::causes(&error));
                        continue;
                    }
                };
                let (Some(settled_at), Some(status_at)) = (job.settled_at(), new.get(&job.id)) else {
                    continue;
                };
                let before = self.printed.insert(job.id.clone(), (settled_at, *status_at));
                // One that a newer version replaced is put on a shard once more.
                let again = before.is_some_and(|(printed, _)| printed == settled_at);
                if settled_at >= from && !again {
                    settled.push(job);
                }
            }
            match more {
                Some(more) => next = Some(more),
                None => return Ok(()),
            }
        }
    }

    /// The mails that were sent since the last round.
    fn new_mails(&mut self) -> Vec<Mail> {
        let publishes = self.count("sns", &["Publish"]);
        if !self.publishes.moved(publishes, Instant::now()) {
            return Vec::new();
        }
        let mut mails = self.cloud.services().sns.mails();
        let new = mails.split_off(self.mails.min(mails.len()));
        self.mails += new.len();
        new
    }

    fn count(&self, service: &str, operations: &[&str]) -> u64 {
        let calls = self.cloud.frontend().calls();
        let wanted = |operation: &&str| calls.get(&(service.to_owned(), (*operation).to_owned()));
        operations.iter().filter_map(wanted).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_last_call_rounds_go_on_for_a_while() {
        let (mut calls, begun) = (Calls::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        assert!(!calls.moved(0, at(0)), "nothing has happened yet");
        assert!(calls.moved(1, at(1)) && calls.moved(1, at(10)), "it may still be under way");
        assert!(!calls.moved(1, at(11)));
        assert!(calls.moved(2, at(60)));
    }
}
