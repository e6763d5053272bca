//! `--watch`: every file that is put or changed in a folder is uploaded.
//!
//! The folder is looked at again and again; what is seen there is compared with what was seen before by plain functions
//! of values, and a file is uploaded once its size and time have been still for a while: whoever writes it is done.

mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Context;
use aws_sdk_s3::Client;
use futures::{StreamExt, stream};
use tokio::time::Instant;

use self::scan::{Found, scan};
use super::event::{Event, Teller};
use crate::{files::Upload, upload};

/// How often the folder is looked at.
const ROUND: Duration = Duration::from_millis(300);

/// For so long a file's size and time must not change before it is uploaded.
const STILL: Duration = Duration::from_secs(1);

/// After so long a file that could not be uploaded is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How many files are uploaded or looked for at once.
const AT_ONCE: usize = 8;

/// What tells that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: SystemTime,
}

/// What is known of a file, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// It is so since then; it may still be written.
    Changing(Stamp, Instant),
    /// It was uploaded so.
    Uploaded(Stamp),
    /// It could not be, so, and this was told; it is tried again then.
    Refused(Stamp, Instant, String),
}

/// A folder whose files are uploaded.
pub(super) struct Watched<'w> {
    root: &'w Path,
    prefix: &'w str,
    client: Client,
    bucket: &'w str,
    known: BTreeMap<String, Known>,
    /// What was told of files and folders that cannot be looked at.
    problems: BTreeSet<String>,
}

/// What a look at the folder leads to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Steps {
    /// These keys are to be uploaded.
    upload: Vec<(String, Stamp)>,
    /// These are no longer there.
    gone: Vec<String>,
}

impl<'w> Watched<'w> {
    /// Nothing is known of this folder yet. Keys are paths below it, after the prefix.
    pub(super) fn new(root: &'w Path, prefix: &'w str, client: Client, bucket: &'w str) -> Self {
        Self { root, prefix, client, bucket, known: BTreeMap::new(), problems: BTreeSet::new() }
    }

    /// Finds out which files are in the bucket already, as they are.
    pub(super) async fn compare(&mut self, teller: &Teller<'_>) -> anyhow::Result<()> {
        let found = self.look(teller).await?;
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

    /// Uploads what is put there, until telling fails.
    pub(super) async fn run(&mut self, teller: &Teller<'_>) -> anyhow::Result<()> {
        loop {
            let found = self.look(teller).await?;
            let steps = step(&mut self.known, &found.files, !found.is_partial, Instant::now());
            for key in &steps.gone {
                teller.tell(&Event::Gone { key })?;
            }
            self.upload(steps.upload, teller).await?;
            tokio::time::sleep(ROUND).await;
        }
    }

    /// What is in the folder now. What cannot be looked at is told once.
    async fn look(&mut self, teller: &Teller<'_>) -> anyhow::Result<Found> {
        let (root, prefix) = (self.root.to_owned(), self.prefix.to_owned());
        let found = tokio::task::spawn_blocking(move || scan(&root, &prefix)).await;
        let found = found.context("cannot look at the folder")?;
        for words in found.problems.difference(&self.problems) {
            teller.tell(&Event::Problem { words })?;
        }
        self.problems.clone_from(&found.problems);
        Ok(found)
    }

    async fn upload(&mut self, files: Vec<(String, Stamp)>, teller: &Teller<'_>) -> anyhow::Result<()> {
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
                teller.tell(&Event::Uploaded { key: &key, bytes: stamp.bytes })?;
                became.push((key, Known::Uploaded(stamp)));
                continue;
            };
            let words = format!("{error:#}");
            let before = self.known.get(&key);
            if !matches!(before, Some(Known::Refused(_, _, told)) if *told == words) {
                teller.tell(&Event::Problem { words: &words })?;
            }
            became.push((key, Known::Refused(stamp, Instant::now() + AGAIN, words)));
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

/// What is to be done about what is in the folder now, and what is known of it from now on. A look that did not see all
/// says nothing about what is gone.
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
                steps.gone.push(key.clone());
            }
            is_there
        });
    }
    for (key, &stamp) in found {
        let is_due = match known.get(key) {
            Some(Known::Uploaded(before)) if *before == stamp => false,
            Some(Known::Changing(before, since)) if *before == stamp => now >= *since + STILL,
            Some(Known::Refused(before, again, _)) if *before == stamp => now >= *again,
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
    use super::*;

    fn stamp(bytes: u64) -> Stamp {
        Stamp { bytes, modified: SystemTime::UNIX_EPOCH }
    }

    fn found(files: &[(&str, u64)]) -> BTreeMap<String, Stamp> {
        files.iter().map(|(key, bytes)| ((*key).to_owned(), stamp(*bytes))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_uploaded_once_it_is_still() {
        let (mut known, begun) = (BTreeMap::new(), Instant::now());
        let mut at = |files: &[(&str, u64)], ms| {
            let steps = step(&mut known, &found(files), true, begun + Duration::from_millis(ms));
            for (key, stamp) in &steps.upload {
                known.insert(key.clone(), Known::Uploaded(*stamp));
            }
            (steps.upload.into_iter().map(|(key, stamp)| (key, stamp.bytes)).collect::<Vec<_>>(), steps.gone)
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
        assert_eq!(at(&[], 11_500), none, "it was never uploaded, so nobody misses it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_cannot_be_uploaded_is_tried_again_and_a_partial_look_misses_nothing() {
        let now = Instant::now();
        let refused = || Known::Refused(stamp(1), now + AGAIN, "no".into());
        let mut known = BTreeMap::from([("a".to_owned(), refused())]);
        assert_eq!(step(&mut known, &found(&[]), false, now), Steps::default());
        assert_eq!(step(&mut known, &found(&[("a", 1)]), true, now), Steps::default());
        let later = step(&mut known, &found(&[("a", 1)]), true, now + AGAIN);
        assert_eq!(later.upload, [("a".to_owned(), stamp(1))]);
        assert_eq!(step(&mut known, &found(&[("a", 2)]), true, now), Steps::default());
        assert_eq!(known["a"], Known::Changing(stamp(2), now), "it was mended");
    }
}
