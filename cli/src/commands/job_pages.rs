//! Reads jobs through the ledger's index, page by page: the open jobs, and the settled ones from the newest back. An item
//! that cannot be read as a job is recorded among the caller's failures and left out.

use std::collections::{HashMap, VecDeque};

use app::item_failures::ItemFailures;
use aws::{
    CallError,
    ledger::{IndexEntry, Ledger, StatusPage},
};
use domain::{
    job::{Job, JobId, STATUS_SHARDS, collected_shard, open_shard, settled_shard},
    sweep::{HOUR, KEPT, hour_of},
};
use futures::future::try_join_all;
use jiff::Timestamp;

/// How many jobs are read at once.
const BATCH: usize = 100;

/// The jobs that have not settled, in no order.
pub(super) struct OpenJobs<'l> {
    ledger: &'l Ledger,
    parts: std::slice::Iter<'static, char>,
    page: Option<(char, StatusPage)>,
}

impl<'l> OpenJobs<'l> {
    /// All of them.
    pub(super) fn new(ledger: &'l Ledger) -> Self {
        Self { ledger, parts: STATUS_SHARDS.iter(), page: None }
    }

    /// The next page; none at the end. A page may be empty.
    pub(super) async fn next(&mut self, failures: &mut ItemFailures) -> Result<Option<Vec<Job>>, CallError> {
        let (part, from) = match self.page.take() {
            Some((part, from)) => (part, Some(from)),
            None => match self.parts.next() {
                Some(part) => (*part, None),
                None => return Ok(None),
            },
        };
        let (ids, more) = self.ledger.by_status(&open_shard(part), from).await?;
        self.page = more.map(|more| (part, more));
        let mut jobs = failures.read_jobs(self.ledger.read_all(&ids).await?);
        // The index is a moment behind: some have settled by now.
        jobs.retain(|job| !job.state().is_settled());
        Ok(Some(jobs))
    }
}

/// The jobs that settled since a time, newest first. A job whose records were replaced comes at the time of that.
pub(super) struct SettledJobs<'l> {
    ledger: &'l Ledger,
    since: Timestamp,
    now: Timestamp,
    /// The hour that is next, going back.
    hour: Option<Timestamp>,
    shards: Vec<Shard>,
}

impl<'l> SettledJobs<'l> {
    /// Those of this time.
    pub(super) fn since(ledger: &'l Ledger, since: Timestamp, now: Timestamp) -> Self {
        Self { ledger, since, now, hour: Some(hour_of(now)), shards: Vec::new() }
    }

    /// The next page; none at the end. A page may be empty.
    pub(super) async fn next(&mut self, failures: &mut ItemFailures) -> Result<Option<Vec<Job>>, CallError> {
        loop {
            let ids = self.some_ids().await?;
            if !ids.is_empty() {
                let found = failures.read_jobs(self.ledger.read_all(&ids).await?).into_iter();
                let mut found: HashMap<JobId, Job> = found.map(|job| (job.id.clone(), job)).collect();
                let since = self.since;
                let settled = |job: &Job| job.settled_at().is_some_and(|at| at >= since);
                return Ok(Some(ids.iter().filter_map(|id| found.remove(id)).filter(settled).collect()));
            }
            let Some(hour) = self.hour.filter(|hour| *hour >= hour_of(self.since)) else { return Ok(None) };
            self.hour = hour.checked_sub(HOUR).ok();
            let shards =
                self.shards_of(hour).into_iter().map(|name| Shard::open(self.ledger, name, self.since));
            self.shards = try_join_all(shards).await?;
        }
    }

    /// The names of an hour's shards. Rows are collected a day later at the earliest, and their job changes its shard.
    fn shards_of(&self, hour: Timestamp) -> Vec<String> {
        let settled = STATUS_SHARDS.map(|part| settled_shard(part, hour));
        let old = hour.checked_add(KEPT).is_ok_and(|at| at <= self.now);
        let collected = settled.iter().filter_map(|shard| collected_shard(shard)).filter(|_| old);
        let collected: Vec<String> = collected.collect();
        settled.into_iter().chain(collected).collect()
    }

    /// The next ids of this hour's shards, the newest first.
    async fn some_ids(&mut self) -> Result<Vec<JobId>, CallError> {
        let mut ids = Vec::new();
        while ids.len() < BATCH {
            let newest = |shard: &&mut Shard| shard.page.front().map(|(_, at)| *at);
            let shard = self.shards.iter_mut().filter(|shard| !shard.page.is_empty()).max_by_key(newest);
            let Some(shard) = shard else { break };
            ids.extend(shard.page.pop_front().map(|(id, _)| id));
            if shard.page.is_empty() {
                shard.turn(self.ledger).await?;
            }
        }
        Ok(ids)
    }
}

/// A shard that is read backwards, a page at a time.
struct Shard {
    name: String,
    since: Timestamp,
    page: VecDeque<IndexEntry>,
    next: Option<StatusPage>,
}

impl Shard {
    async fn open(ledger: &Ledger, name: String, since: Timestamp) -> Result<Self, CallError> {
        let (page, next) = ledger.by_status_backwards(&name, since, None).await?;
        Ok(Self { name, since, page: page.into(), next })
    }

    /// Goes on to the next page that holds something.
    async fn turn(&mut self, ledger: &Ledger) -> Result<(), CallError> {
        while let (true, Some(from)) = (self.page.is_empty(), self.next.take()) {
            let (page, next) = ledger.by_status_backwards(&self.name, self.since, Some(from)).await?;
            (self.page, self.next) = (page.into(), next);
        }
        Ok(())
    }
}
