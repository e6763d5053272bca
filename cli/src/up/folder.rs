//! `--watch`: uploads every file that is added or changed in a folder.
//!
//! The folder is scanned again and again, and [`step`] compares each scan with what is known. A file is uploaded once its
//! size and its time of change have stayed the same for a while, since its writer has finished then.

mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use aws_sdk_s3::Client;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use self::scan::{Found, Stamp, scan};
use super::event::{Event, Printer};
use crate::{files::Upload, upload};

/// The time between two scans.
const ROUND: Duration = Duration::from_millis(300);

/// How long a file's size and time of change must stay the same before it is uploaded.
const STILL: Duration = Duration::from_secs(1);

/// A failed upload is tried again after this time.
const AGAIN: Duration = Duration::from_secs(5);

/// How many files are uploaded or compared at once.
const AT_ONCE: usize = 8;

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// It was first seen like this then; it may still be written.
    Changing(Stamp, Instant),
    /// It was uploaded like this.
    Uploaded(Stamp),
    /// Its upload failed like this; it is tried again then. The message was printed.
    Failed(Stamp, Instant, String),
}

/// A folder whose files are uploaded.
pub(super) struct Watched<'w> {
    root: &'w Path,
    prefix: &'w str,
    client: Client,
    bucket: &'w str,
    known: BTreeMap<String, Known>,
    /// The problems that were printed.
    problems: BTreeSet<String>,
}

/// What to do after a scan.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    /// Files to upload.
    upload: Vec<(String, Stamp)>,
    /// Keys of files that were removed.
    removed: Vec<String>,
}

impl<'w> Watched<'w> {
    /// A folder of which nothing is known yet. A file's key is the prefix and its path inside the folder.
    pub(super) fn new(root: &'w Path, prefix: &'w str, client: Client, bucket: &'w str) -> Self {
        Self { root, prefix, client, bucket, known: BTreeMap::new(), problems: BTreeSet::new() }
    }

    /// Finds the files that are in the bucket already, so that they are not uploaded again.
    pub(super) async fn compare(&mut self, printer: &Printer<'_>) -> anyhow::Result<()> {
        let found = self.scan(printer).await?;
        let mut looks = stream::iter(found.files)
            .map(|(key, stamp)| {
                let (client, bucket) = (self.client.clone(), self.bucket);
                let upload = self.upload_of(&key, stamp);
                async move { (key, stamp, upload::is_there(&client, bucket, &upload, stamp.modified).await) }
            })
            .buffer_unordered(AT_ONCE);
        let mut there = Vec::new();
        while let Some((key, stamp, is_there)) = looks.next().await {
            if is_there? {
                there.push((key, Known::Uploaded(stamp)));
            }
        }
        drop(looks);
        self.known.extend(there);
        Ok(())
    }

    /// Uploads added and changed files until printing fails.
    pub(super) async fn run(&mut self, printer: &Printer<'_>) -> anyhow::Result<()> {
        loop {
            let found = self.scan(printer).await?;
            let steps = step(&mut self.known, &found.files, !found.is_partial, Instant::now());
            for key in &steps.removed {
                printer.print(&Event::Removed { key })?;
            }
            self.upload(steps.upload, printer).await?;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// Scans the folder. Each problem is printed once.
    async fn scan(&mut self, printer: &Printer<'_>) -> anyhow::Result<Found> {
        let (root, prefix) = (self.root.to_owned(), self.prefix.to_owned());
        let found = tokio::task::spawn_blocking(move || scan(&root, &prefix)).await;
        let found = found.context("cannot scan the folder")?;
        for message in found.problems.difference(&self.problems) {
            printer.print(&Event::Problem { message })?;
        }
        self.problems.clone_from(&found.problems);
        Ok(found)
    }

    async fn upload(&mut self, files: Vec<(String, Stamp)>, printer: &Printer<'_>) -> anyhow::Result<()> {
        let mut uploads = stream::iter(files)
            .map(|(key, stamp)| {
                let (client, bucket) = (self.client.clone(), self.bucket);
                let upload = self.upload_of(&key, stamp);
                async move {
                    let put = upload::put(&client, bucket, &upload, Some(stamp.modified)).await;
                    (key, stamp, put.map(drop))
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut became = Vec::new();
        while let Some((key, stamp, put)) = uploads.next().await {
            let Err(error) = put else {
                printer.print(&Event::Uploaded { key: &key, bytes: stamp.bytes })?;
                became.push((key, Known::Uploaded(stamp)));
                continue;
            };
            let message = format!("{error:#}");
            let before = self.known.get(&key);
            if !matches!(before, Some(Known::Failed(_, _, printed)) if *printed == message) {
                printer.print(&Event::Problem { message: &message })?;
            }
            became.push((key, Known::Failed(stamp, Instant::now() + AGAIN, message)));
        }
        drop(uploads);
        self.known.extend(became);
        Ok(())
    }

    fn upload_of(&self, key: &str, stamp: Stamp) -> Upload {
        let below = key.strip_prefix(self.prefix).unwrap_or(key);
        Upload { path: PathBuf::from(self.root).join(below), key: key.to_owned(), bytes: stamp.bytes }
    }
}

/// Compares a scan with what is known, updates that, and returns what to do. A partial scan does not show which files
/// were removed.
fn step(
    known: &mut BTreeMap<String, Known>,
    found: &BTreeMap<String, Stamp>,
    is_whole: bool,
    now: Instant,
) -> Steps {
    let mut steps = Steps::default();
    if is_whole {
        known.retain(|key, known| {
            let is_there = found.contains_key(key);
            if !is_there && !matches!(known, Known::Changing(..)) {
                steps.removed.push(key.clone());
            }
            is_there
        });
    }
    for (key, &stamp) in found {
        let is_due = match known.get(key) {
            Some(Known::Uploaded(before)) if *before == stamp => false,
            Some(Known::Changing(before, since)) if *before == stamp => now >= *since + STILL,
            Some(Known::Failed(before, again, _)) if *before == stamp => now >= *again,
            _ => {
                known.insert(key.clone(), Known::Changing(stamp, now));
                false
            }
        };
        if is_due {
            steps.upload.push((key.clone(), stamp));
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn stamp(bytes: u64) -> Stamp {
        Stamp { bytes, modified: SystemTime::UNIX_EPOCH }
    }

    fn found(files: &[(&str, u64)]) -> BTreeMap<String, Stamp> {
        files.iter().map(|(key, bytes)| ((*key).to_owned(), stamp(*bytes))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_uploaded_once_it_stops_changing() {
        let (mut known, begun) = (BTreeMap::new(), Instant::now());
        let mut at = |files: &[(&str, u64)], ms| {
            let steps = step(&mut known, &found(files), true, begun + Duration::from_millis(ms));
            for (key, stamp) in &steps.upload {
                known.insert(key.clone(), Known::Uploaded(*stamp));
            }
            (
                steps.upload.into_iter().map(|(key, stamp)| (key, stamp.bytes)).collect::<Vec<_>>(),
                steps.removed,
            )
        };
        let none = (vec![], vec![]);
        assert_eq!(at(&[("a", 1)], 0), none);
        assert_eq!(at(&[("a", 2)], 900), none, "it grows");
        assert_eq!(at(&[("a", 2)], 1_800), none);
        assert_eq!(at(&[("a", 2)], 1_900), (vec![("a".to_owned(), 2)], vec![]));
        assert_eq!(at(&[("a", 2)], 9_000), none, "once");
        assert_eq!(at(&[("a", 3)], 9_100), none);
        assert_eq!(at(&[("a", 3)], 10_100), (vec![("a".to_owned(), 3)], vec![]), "a new version");
        // Renamed: one is gone, another is there.
        assert_eq!(at(&[("b", 3)], 11_000), (vec![], vec!["a".to_owned()]));
        assert_eq!(at(&[], 11_500), none, "it was never uploaded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_uploaded_is_tried_again_and_a_partial_look_misses_nothing() {
        let now = Instant::now();
        let refused = || Known::Failed(stamp(1), now + AGAIN, "no".into());
        let mut known = BTreeMap::from([("a".to_owned(), refused())]);
        assert_eq!(step(&mut known, &found(&[]), false, now), Steps::default());
        assert_eq!(step(&mut known, &found(&[("a", 1)]), true, now), Steps::default());
        let later = step(&mut known, &found(&[("a", 1)]), true, now + AGAIN);
        assert_eq!(later.upload, [("a".to_owned(), stamp(1))]);
        assert_eq!(step(&mut known, &found(&[("a", 2)]), true, now), Steps::default());
        assert_eq!(known["a"], Known::Changing(stamp(2), now), "it was fixed");
    }
}
