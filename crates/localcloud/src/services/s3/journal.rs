//! The journal of a data folder: one line of JSON per change, which replayed gives the buckets again.
//!
//! A line is written before the change is visible. It survives the end of the process; against a power cut it is
//! as safe as the file system makes it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    blob_store::FileName,
    bucket::{Version, Versioning},
    destinations::Destination,
};

/// The objects' folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be created, read or written.
    #[error("failed to open the object storage in {}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its journal has a line that this version cannot read. The last line, cut by a crash, is not such a one.
    #[error("line {line} of {} is damaged: move the folder away to start anew", journal.display())]
    Damaged {
        /// The journal.
        journal: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A change of the buckets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Change {
    /// A bucket was made or set anew.
    Bucket {
        name: String,
        created: Timestamp,
        versioning: Versioning,
        eventbridge: bool,
        /// Missing in journals from before.
        #[serde(default)]
        destinations: Vec<Destination>,
    },
    /// A bucket was deleted.
    Drop { name: String },
    /// A key got a version.
    Put { bucket: String, key: String, version: Box<Version>, files: Vec<FileName> },
    /// A key lost a version.
    Remove { bucket: String, key: String, id: Option<String> },
}

/// The open journal.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Up to here it has whole lines.
    length: u64,
}

impl Journal {
    /// Opens or begins a journal and gives its changes. A last line without an end was never visible and goes.
    pub(super) fn open(path: &Path) -> Result<(Self, Vec<Change>), OpenError> {
        let failed = |source| OpenError::Folder { folder: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut changes = Vec::new();
        let lines = bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n');
        for (index, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let change = serde_json::from_slice(line).map_err(|source| OpenError::Damaged {
                journal: path.to_owned(),
                line: index + 1,
                source,
            })?;
            changes.push(change);
        }
        let mut journal = Self { file, length: whole as u64 };
        journal.rewind().map_err(failed)?;
        Ok((journal, changes))
    }

    /// Writes a change. When that fails, as on a full disk, the journal is as it was.
    pub(super) fn append(&mut self, change: &Change) -> io::Result<()> {
        let mut line = serde_json::to_vec(change)?;
        line.push(b'\n');
        match self.file.write_all(&line) {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.rewind()?;
                Err(error)
            }
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length)).map(drop)
    }
}
