//! The one place where buckets change, and the source of version ids and sequencers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use s3s::S3Result;

use super::{
    blob_store::BlobStore,
    bucket::{Bucket, Version, Versioning},
    journal::{Change, Journal},
    refuse,
};

/// Letters of version ids: those of URLs.
const ID_LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// All buckets.
#[derive(Debug)]
pub(super) struct Buckets {
    pub(super) named: BTreeMap<String, Bucket>,
    journal: Option<Journal>,
    last_sequence: u64,
}

/// The buckets and where their objects' bytes are.
#[derive(Debug)]
pub(super) struct Store {
    buckets: Mutex<Buckets>,
    blobs: BlobStore,
}

impl Store {
    pub(super) fn new(blobs: BlobStore, journal: Option<Journal>) -> Self {
        let buckets = Buckets { named: BTreeMap::new(), journal, last_sequence: 0 };
        Self { buckets: Mutex::new(buckets), blobs }
    }

    pub(super) fn set_vault(&mut self, blobs: BlobStore) {
        self.blobs = blobs;
    }

    /// Where bytes go.
    pub(super) fn blobs(&self) -> &BlobStore {
        &self.blobs
    }

    /// The buckets, to be looked at and decided upon without waiting in between.
    pub(super) fn lock(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change that the journal already has.
    pub(super) fn replay(&mut self, mut change: Change, blobs: &BlobStore) {
        let buckets = self.buckets.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Change::Put { version, files, .. } = &mut change
            && let Some(object) = &mut version.object
        {
            object.content = blobs.recall(files);
            let sequence = object.sequencer.get(..16).and_then(|text| u64::from_str_radix(text, 16).ok());
            buckets.last_sequence = buckets.last_sequence.max(sequence.unwrap_or_default());
        }
        buckets.apply(change);
    }

    /// The names of all files in use.
    pub(super) fn files(&self) -> BTreeSet<String> {
        let buckets = self.lock();
        let versions = buckets.named.values().flat_map(|bucket| bucket.keys.values()).flatten();
        let files =
            versions.filter_map(|version| version.object.as_ref()).flat_map(|object| object.content.files());
        files.map(|file| file.name).collect()
    }
}

impl Buckets {
    /// The bucket of this name.
    pub(super) fn bucket(&self, name: &str) -> S3Result<&Bucket> {
        self.named.get(name).ok_or_else(refuse::no_such_bucket)
    }

    /// The same, to change what the journal does not have.
    pub(super) fn bucket_mut(&mut self, name: &str) -> S3Result<&mut Bucket> {
        self.named.get_mut(name).ok_or_else(refuse::no_such_bucket)
    }

    /// Makes a change durable (in a data folder) and then visible; on an error nothing has happened.
    pub(super) fn commit(&mut self, change: Change) -> io::Result<()> {
        if let Some(journal) = &mut self.journal {
            journal.append(&change)?;
        }
        self.apply(change);
        Ok(())
    }

    /// Adds `version` to a key.
    pub(super) fn put(&mut self, bucket: &str, key: &str, version: Version) -> S3Result<()> {
        let files = version.object.as_ref().map(|object| object.content.files()).unwrap_or_default();
        let version = Box::new(version);
        self.commit(Change::Put { bucket: bucket.to_owned(), key: key.to_owned(), version, files })
            .map_err(refuse::storage)
    }

    /// A new version's id in a bucket of this kind.
    pub(super) fn draw_version_id(versioning: Versioning) -> Option<String> {
        (versioning == Versioning::Enabled).then(|| draw_id(32))
    }

    /// A text that is greater than all before, padded with zeros on the right: which is how readers must compare
    /// them, since lengths differ, as AWS's do.
    pub(super) fn draw_sequencer(&mut self, now: Timestamp) -> String {
        let now = u64::try_from(now.as_microsecond()).unwrap_or_default();
        self.last_sequence = now.max(self.last_sequence + 1);
        let mut text = format!("{:016X}", self.last_sequence);
        for _ in 0..fastrand::usize(..=2) {
            text.extend(char::from_digit(fastrand::u32(..16), 16).map(|digit| digit.to_ascii_uppercase()));
        }
        text
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Bucket { name, created, versioning, eventbridge, destinations } => {
                let bucket = self.named.entry(name).or_insert_with(|| Bucket {
                    created,
                    versioning,
                    eventbridge,
                    destinations: Vec::new(),
                    keys: BTreeMap::new(),
                    uploads: BTreeMap::new(),
                });
                bucket.versioning = versioning;
                bucket.eventbridge = eventbridge;
                bucket.destinations = destinations;
            }
            Change::Drop { name } => {
                self.named.remove(&name);
            }
            Change::Put { bucket, key, version, .. } => {
                if let Some(bucket) = self.named.get_mut(&bucket) {
                    bucket.put(key, *version);
                }
            }
            Change::Remove { bucket, key, id } => {
                if let Some(bucket) = self.named.get_mut(&bucket) {
                    bucket.remove(&key, id.as_deref());
                }
            }
        }
    }
}

/// A random id of URL-safe characters.
pub(super) fn draw_id(length: usize) -> String {
    (0..length).map(|_| char::from(ID_LETTERS[fastrand::usize(..ID_LETTERS.len())])).collect()
}
