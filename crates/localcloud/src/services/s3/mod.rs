//! S3: the protocol, signatures and XML are [`s3s`]'s; buckets, versions, conditions and events are here.
//!
//! A write streams its body to where it will stay (`content`) while hashing it (`receive_body`), and only then
//! becomes visible, in one step (`store`) that checks its conditions, records it in the journal of a data folder
//! (`journal`) and changes the buckets (`bucket`). The event follows: to EventBridge (`notification`), and to the queues and
//! topics that the bucket names itself (`classic`, `destinations`).

mod blob_store;
mod bucket;
mod classic;
mod destinations;
mod headers;
mod journal;
mod listing;
mod members;
mod multipart;
mod notification;
mod objects;
mod operations;
mod reading;
mod receive_body;
mod refuse;
pub(crate) mod required_actions;
pub(crate) mod resources;
pub(crate) mod rest;
mod store;

#[cfg(test)]
mod tests;

use std::{io, path::PathBuf, sync::Arc};

use clock::Clock;
use s3s::{
    config::{S3Config, StaticConfigProvider},
    service::{S3Service, S3ServiceBuilder},
};

pub use self::journal::OpenError;
use self::{
    blob_store::BlobStore,
    bucket::Versioning,
    journal::{Change, Journal},
    store::Store,
};
use crate::{
    credentials::Credentials,
    services::{events::EventBridge, iam::AccessDenied, sns::Sns, sqs::Sqs},
    usage::{Calls, Usage, count},
};

/// How S3 answers a caller who lacks a permission.
pub(crate) const ACCESS_DENIED: AccessDenied = AccessDenied::QUERY;

/// Adds the requests.
pub(crate) fn usage(calls: &Calls, usage: &mut Usage) {
    let writes =
        ["PutObject", "CompleteMultipartUpload", "CreateMultipartUpload", "UploadPart", "ListObjectVersions"];
    usage.s3_writes += count(calls, "s3", &writes);
    usage.s3_reads += count(calls, "s3", &["GetObject", "HeadObject"]);
}

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory, the larger ones in a temporary folder that goes with the process.
    Memory,
    /// In this folder, which outlives the process. Uploads in parts that were not completed do not.
    Folder(PathBuf),
}

/// A bucket of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// Its name.
    pub name: String,
    /// Whether it keeps versions.
    pub versioned: bool,
    /// Whether it tells EventBridge what happens to its objects.
    pub eventbridge: bool,
}

/// The buckets. Clones share them.
#[derive(Debug, Clone)]
pub struct S3 {
    store: Arc<Store>,
    events: EventBridge,
    /// Where buckets' own notifications go.
    queues: Option<Sqs>,
    topics: Option<Sns>,
    clock: Clock,
}

impl S3 {
    /// The buckets kept in `storage`, from an earlier run on the same folder or none.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn new(clock: Clock, events: EventBridge, storage: Storage) -> Result<Self, OpenError> {
        let store = match storage {
            Storage::Memory => Store::new(BlobStore::temporary(), None),
            Storage::Folder(folder) => {
                let failed = |source| OpenError::Folder { folder: folder.clone(), source };
                let mut blobs = BlobStore::lasting(&folder.join("objects")).map_err(failed)?;
                let (journal, changes) = Journal::open(&folder.join("s3.jsonl"))?;
                let mut store = Store::new(BlobStore::temporary(), Some(journal));
                for change in changes {
                    store.replay(change, &blobs);
                }
                blobs.keep_only(&store.files()).map_err(failed)?;
                store.set_vault(blobs);
                store
            }
        };
        Ok(Self { store: Arc::new(store), events, queues: None, topics: None, clock })
    }

    /// The same, with queues and topics that buckets can notify.
    #[must_use]
    pub(crate) fn with_destinations(self, queues: Sqs, topics: Sns) -> Self {
        Self { queues: Some(queues), topics: Some(topics), ..self }
    }

    /// Creates a bucket of the template. One that exists is kept with its objects and takes on these settings.
    ///
    /// # Errors
    /// When the data folder cannot be written.
    pub fn create_bucket(&self, settings: BucketSettings) -> io::Result<()> {
        let versioning = if settings.versioned { Versioning::Enabled } else { Versioning::Off };
        let mut buckets = self.store.lock();
        // A template's deployment leaves alone what it does not name.
        let known = buckets.named.get(&settings.name).map(|bucket| bucket.destinations.clone());
        buckets.commit(Change::Bucket {
            name: settings.name,
            created: self.clock.now(),
            versioning,
            eventbridge: settings.eventbridge,
            destinations: known.unwrap_or_default(),
        })
    }

    /// The S3 protocol on these buckets, for callers who sign with a key of `credentials`.
    pub(crate) fn service(&self, credentials: Credentials) -> S3Service {
        let mut config = S3Config::default();
        // The library compares signing times with the machine's clock; the cloud's may be anywhere.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        let mut builder = S3ServiceBuilder::new(self.clone());
        builder.set_auth(credentials);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.build()
    }
}
