//! Where records live in the records table, and the manifest that says which of them are visible.
//!
//! The table has a partition key `_part` (text) and a sort key `_row` (number). It holds three kinds of items:
//!
//! | `_part` | `_row` | what |
//! | --- | --- | --- |
//! | `object:s3://bucket/key` | 0 | the [`Manifest`] of that key; after a deletion, one that names no rows |
//! | `rows:{job}:{n}` | the row | a record, visible while the manifest names its job |
//! | `rows:{job}:{write_epoch}:{n}` | the row | the same of a [write epoch], visible while the manifest names it too |
//! | `key:{pipeline}:{natural key}` | 0 | a record under its natural key, visible at once |
//!
//! [write epoch]: write_epoch()

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    destination::{WriteMode, guard::Provenance},
    events::{DeletedVersion, S3Deleted},
    job::{Job, JobId},
    object::{self, Sequencer},
    pipelines::Pipeline,
};

/// The layout of manifests written today.
pub const LAYOUT: u32 = 1;

/// The partition key attribute of the records table.
pub const PART: &str = "_part";
/// The sort key attribute of the records table.
pub const ROW: &str = "_row";
/// On natural-key records: the object they came from.
pub const OBJECT: &str = "_object";
/// On natural-key records: that object's version.
pub const VERSION: &str = "_version";
/// On natural-key records: that version's place among its key's versions.
pub const SEQUENCER: &str = "_sequencer";
/// On natural-key records: when that version was created ([`Job::version_at`]), in milliseconds since 1970. Of two objects,
/// the later one's record stays, whichever is processed last. Missing on records from before.
pub const VERSION_TIME: &str = "_version_time";
/// On natural-key records: the row they came from.
pub const SOURCE_ROW: &str = "_source_row";

/// On natural-key records: the [`write_epoch()`] they are of, where there are any.
pub const WRITE_EPOCH: &str = "_write_epoch";

/// On repaired records: what was done to the row, where it stands and how it is written there. It is shown with the record.
pub const REPAIRED: &str = "_tidemill";

/// The names above but the last: no column may carry one of them.
pub const RESERVED: [&str; 8] =
    [PART, ROW, OBJECT, VERSION, SEQUENCER, VERSION_TIME, SOURCE_ROW, WRITE_EPOCH];

/// Which records of a key are visible. The field names are the item's attribute names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of this item.
    pub v: u32,
    /// The partition key: [`Manifest::partition`].
    #[serde(rename = "_part")]
    pub part: String,
    /// The sort key: 0.
    #[serde(rename = "_row")]
    pub row: u64,
    /// The job whose records are visible.
    pub job: JobId,
    /// Which of its [`write_epoch()`]s is; 0 where there are none, and in manifests older than write epochs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub write_epoch: u64,
    /// The id of the event of the object ([`Job::trace`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Its pipeline's name.
    pub pipeline: String,
    /// The natural key template, where records lie under natural keys and not under the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub natural_key: Option<String>,
    /// The table of the user's own that has the records, if one has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// How many older versions may have items in that table besides the visible one: published since the key was new or last
    /// deleted, and not replaced by it. Missing where it is not known, and where the records are elsewhere. In the manifest of a
    /// deletion it is that of the version which was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_versions: Option<u64>,
    /// The attribute of that table's items that says which object version wrote them, if they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<String>,
    /// The visible version, where the bucket has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The visible version's place; a publish never goes back.
    pub sequencer: Sequencer,
    /// What the partition keys of the rows begin with; a colon and the partition's number follow. Applications read rows by it
    /// (docs/reading.md), so that they need not know how it is made. Missing where records lie under natural keys or in a table
    /// of the user's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_prefix: Option<String>,
    /// Over how many partitions the rows are spread: row `r` is in partition `r % shards`.
    pub shards: u32,
    /// How many records are visible.
    pub records: u64,
    /// When they became visible.
    pub published_at: Timestamp,
    /// That it has no record and that its pipeline does not expect this: an older version with records takes its place if
    /// its sequencer is above this one ([`publish`](crate::publish)). Missing in manifests from before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yields_above: Option<Sequencer>,
    /// That the object was deleted, and its records with it: no record is visible, and `job` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deleted>,
}

/// That no record of a key is visible because its object was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// When it was deleted, as its event says.
    pub at: Timestamp,
    /// How it came about, in S3's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The job whose records were visible until then. The ledger may not yet have it that they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<JobId>,
}

impl Manifest {
    /// What publishes `job`'s records.
    #[must_use]
    pub fn of(job: &Job, shards: u32, records: u64, now: Timestamp) -> Self {
        Self {
            v: LAYOUT,
            part: Self::partition(&job.object.bucket, &job.object.key),
            row: 0,
            job: job.id.clone(),
            write_epoch: write_epoch(job),
            trace: job.trace.clone(),
            pipeline: job.pipeline.name.clone(),
            natural_key: job.pipeline.key.as_ref().map(ToString::to_string),
            table: job.pipeline.destination.as_ref().map(|destination| destination.table.to_string()),
            provenance: job
                .pipeline
                .destination
                .as_ref()
                .and_then(|destination| destination.provenance.clone()),
            older_versions: job
                .pipeline
                .destination
                .as_ref()
                .filter(|destination| destination.write == WriteMode::Replace)
                .map(|_| 0),
            version_id: job.object.version_id.clone(),
            sequencer: job.object.sequencer.clone(),
            rows_prefix: job.pipeline.publishes_at_once().then(|| rows_prefix(&job.id, write_epoch(job))),
            shards,
            records,
            published_at: now,
            yields_above: (records == 0 && !job.pipeline.allow_empty).then(Sequencer::default),
            deleted: None,
        }
    }

    /// What makes the records of a deleted object invisible, in place of `before`. `sequencer` is the place from which on
    /// later versions become visible again.
    ///
    /// It names a job that has no rows, so a reader that does not know of deletions finds none either: the one that removes items
    /// from a table of the user's own, or none at all.
    #[must_use]
    pub fn deleted(
        before: Option<&Self>,
        deletion: &S3Deleted,
        sequencer: Sequencer,
        now: Timestamp,
    ) -> Self {
        let replaced = before.and_then(|before| before.replaceable_job()).cloned();
        let at = deletion.at.unwrap_or(now);
        let version_id = match &deletion.version {
            DeletedVersion::Hidden(id) => id.clone(),
            DeletedVersion::Version(id) => Some(id.clone()),
            DeletedVersion::Unversioned => None,
        };
        Self {
            v: LAYOUT,
            part: Self::partition(&deletion.bucket, &deletion.key),
            row: 0,
            job: JobId::of_deletion(deletion),
            write_epoch: 0,
            trace: deletion.event_id.clone(),
            pipeline: before.map(|before| before.pipeline.clone()).unwrap_or_default(),
            natural_key: None,
            table: None,
            older_versions: before
                .and_then(|before| before.versions())
                .map(|versions| versions.saturating_sub(1)),
            provenance: None,
            version_id,
            sequencer,
            rows_prefix: None,
            shards: 1,
            records: 0,
            published_at: now,
            yields_above: None,
            deleted: Some(Deleted { at, reason: deletion.reason.clone(), replaced }),
        }
    }

    /// The same manifest in the place of `before`. What `before` has hidden stays hidden from versions that this one yields
    /// to.
    #[must_use]
    pub fn in_place_of(mut self, before: Option<&Self>) -> Self {
        if self.table.is_some() && self.older_versions.is_none() {
            self.older_versions = match before {
                Some(before) if before.deleted.is_some() => Some(0),
                Some(before) if before.version_id.is_some() && before.version_id == self.version_id => {
                    before.older_versions
                }
                Some(before) => before.versions(),
                None => Some(0),
            };
        }
        if let (Some(above), Some(before)) = (&mut self.yields_above, before) {
            *above = before.yields_above.as_ref().unwrap_or(&before.sequencer).clone();
        }
        self
    }

    /// How many versions may have items in a table of the user's own, the visible one included, if that is known.
    #[must_use]
    pub fn versions(&self) -> Option<u64> {
        self.older_versions.map(|older| older + 1)
    }

    /// Whether a version from this place may take the place of this one, although it is older, if it has records.
    #[must_use]
    pub fn yields_to(&self, place: &Sequencer) -> bool {
        self.yields_above.as_ref().is_some_and(|above| place > above)
    }

    /// The job whose rows nobody sees any more once another manifest takes the place of this one. Records under natural keys
    /// and in tables of the user's own are replaced one by one.
    #[must_use]
    pub fn replaceable_job(&self) -> Option<&JobId> {
        match &self.deleted {
            Some(deleted) => deleted.replaced.as_ref(),
            None => Some(&self.job).filter(|_| self.has_rows_of_job()),
        }
    }

    /// The name of the pipeline whose records are visible, or were until the object was deleted.
    #[must_use]
    pub fn visible_pipeline(&self) -> Option<&str> {
        Some(self.pipeline.as_str()).filter(|name| !name.is_empty())
    }

    /// Whether the records are rows of the job, which become visible and invisible with this manifest.
    #[must_use]
    pub fn has_rows_of_job(&self) -> bool {
        self.natural_key.is_none() && self.table.is_none()
    }

    /// The partition key of a key's manifest.
    #[must_use]
    pub fn partition(bucket: &str, key: &str) -> String {
        format!("object:{}", object::uri(bucket, key))
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Which write epoch of its rows the holder of this job's claim writes.
///
/// Where rows are a pure function of the object version every claim writes the same ones, and there is one write epoch, 0.
/// A command may answer differently each time: then each claim writes under a write epoch of its own, its fence, so that
/// a worker which lost its claim and goes on writing touches nothing that the next one publishes. A replay's are above those
/// of the jobs before it: under natural keys its records take the place of theirs.
#[must_use]
pub fn write_epoch(job: &Job) -> u64 {
    if job.pipeline.format.is_repeatable() { before_first(job) } else { before_first(job) + job.fence }
}

/// All write epochs that a job may have rows of.
#[must_use]
pub fn write_epochs(job: &Job) -> RangeInclusive<u64> {
    let before = before_first(job);
    if job.pipeline.format.is_repeatable() { before..=before } else { before + 1..=before + job.fence }
}

/// No job has as many claims as lie between the write epochs of two replays.
fn before_first(job: &Job) -> u64 {
    u64::from(job.replay) << 32
}

/// Where an item in a table of the user's own comes from that is made of row `row` of a job.
#[must_use]
pub fn provenance(job: &Job, row: u64) -> Provenance {
    Provenance::of(&job.object, job.version_at().as_millisecond(), row, write_epoch(job))
}

/// The partition key of row `row` of a write epoch of a job's rows that are spread over `shards` partitions.
#[must_use]
pub fn rows_partition(job: &JobId, write_epoch: u64, row: u64, shards: u32) -> String {
    format!("{}:{}", rows_prefix(job, write_epoch), row % u64::from(shards.max(1)))
}

/// What the partition keys of a write epoch of a job's rows begin with.
fn rows_prefix(job: &JobId, write_epoch: u64) -> String {
    match write_epoch {
        0 => format!("rows:{job}"),
        write_epoch => format!("rows:{job}:{write_epoch}"),
    }
}

/// The partition key of a record under a natural key.
#[must_use]
pub fn natural_partition(pipeline: &Pipeline, key: &str) -> String {
    format!("key:{}:{key}", pipeline.name)
}

/// Over how many partitions to spread rows that take this many write units.
///
/// A partition takes 1,000 write units a second, a fresh on-demand table 4,000 and the default quota is 40,000
/// (DynamoDB developer guide, "Burst and adaptive capacity" and "Initial throughput for on-demand capacity mode"),
/// so more than 40 would not be faster. One partition per 5,000 units keeps small objects in one query.
#[must_use]
pub fn shards(write_units: u64) -> u32 {
    u32::try_from(write_units.div_ceil(5_000)).unwrap_or(u32::MAX).clamp(1, MAX_SHARDS)
}

/// The widest [`shards`].
pub const MAX_SHARDS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{object::Object, pipelines::Pipelines};

    #[test]
    fn small_objects_stay_in_one_partition_and_large_ones_spread_no_wider_than_helps() {
        assert_eq!([0, 1, 5_000, 5_001, 10_000_000].map(shards), [1, 1, 1, 2, 40]);
    }

    fn object() -> Object {
        Object {
            bucket: "b".into(),
            key: "k".into(),
            version_id: Some("v".into()),
            etag: None,
            sequencer: Sequencer::default(),
            size_bytes: None,
        }
    }

    #[test]
    fn rows_of_one_job_take_turns_over_its_partitions() {
        let job = JobId::derive("p", &object());
        assert_eq!(rows_partition(&job, 0, 7, 3), format!("rows:{job}:1"));
        assert_eq!(rows_partition(&job, 0, 7, 1), format!("rows:{job}:0"));
        assert_eq!(rows_partition(&job, 12, 7, 3), format!("rows:{job}:12:1"));
    }

    #[test]
    fn only_commands_have_write_epochs_and_old_manifests_have_none() {
        let text = "version = 1\n[[pipeline]]\nname = \"p\"\n";
        let pipelines = |more: &str| Pipelines::parse(&format!("{text}{more}"), "p.toml").unwrap();
        let of = |more: &str| {
            let pipeline = pipelines(more).get("p").unwrap().clone();
            let mut job = Job::new(object(), pipeline, Timestamp::UNIX_EPOCH);
            job.fence = 3;
            serde_json::to_value(Manifest::of(&job, 1, 2, Timestamp::UNIX_EPOCH)).unwrap()
        };
        let mut command = of("format = \"command\"\ncommand = [\"cat\"]\n");
        assert_eq!(command["write_epoch"], 3);
        for repeatable in ["", "format = \"object\"\n"] {
            assert!(of(repeatable).get("write_epoch").is_none());
        }
        assert!(command["rows_prefix"].as_str().unwrap().ends_with(":3"), "{command}");
        for elsewhere in ["key = \"{id}\"\n", "table = \"shop\"\n"] {
            assert!(of(elsewhere).get("rows_prefix").is_none());
        }
        for newer in ["write_epoch", "rows_prefix"] {
            command.as_object_mut().unwrap().remove(newer);
        }
        assert_eq!(serde_json::from_value::<Manifest>(command).unwrap().write_epoch, 0);
    }
}
