//! The bytes of objects: small ones in memory, larger ones in files, none whole in memory.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

/// From this size on, an object of a cloud in memory is a file after all.
const MEMORY_LIMIT_BYTES: usize = 64 * 1024;

/// How much is read at once.
const READ_BYTES: u64 = 128 * 1024;

/// A file as the journal names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileName {
    pub(super) name: String,
    pub(super) size: u64,
}

/// Where files are.
#[derive(Debug)]
pub(super) struct BlobStore {
    place: Place,
    next: AtomicU64,
}

#[derive(Debug)]
enum Place {
    /// Made when the first file is, removed with the blobs.
    Temporary(Mutex<Option<TempDir>>),
    Lasting(PathBuf),
}

impl BlobStore {
    /// A folder of this process only.
    pub(super) fn temporary() -> Self {
        Self { place: Place::Temporary(Mutex::default()), next: AtomicU64::new(1) }
    }

    /// A folder that stays.
    pub(super) fn lasting(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { place: Place::Lasting(folder.to_owned()), next: AtomicU64::new(1) })
    }

    /// Removes every file but these: what an earlier run had not finished when it ended.
    pub(super) fn keep_only(&mut self, names: &std::collections::BTreeSet<String>) -> io::Result<()> {
        let Place::Lasting(folder) = &self.place else { return Ok(()) };
        let mut next = 1;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            match name.to_str() {
                Some(name) if names.contains(name) => {
                    next = next.max(u64::from_str_radix(name, 16).map_or(1, |number| number + 1));
                }
                _ => fs::remove_file(entry.path())?,
            }
        }
        self.next = AtomicU64::new(next);
        Ok(())
    }

    /// The content that the journal names.
    pub(super) fn recall(&self, files: &[FileName]) -> Content {
        let Place::Lasting(folder) = &self.place else { return Content::default() };
        let pieces = files.iter().map(|file| {
            let path = folder.join(&file.name);
            Piece::File(Arc::new(StoredFile { path, size: file.size, doomed: AtomicBool::new(false) }))
        });
        Content(pieces.collect())
    }

    /// Begins a new content.
    pub(super) fn writer(&self) -> Writer<'_> {
        Writer { blobs: self, memory: Vec::new(), file: None, size: 0 }
    }

    /// A content of the same bytes that lives and dies on its own.
    pub(super) fn copy(&self, content: &Content) -> io::Result<Content> {
        let mut copied = Content::default();
        for piece in &content.0 {
            copied.0.push(match piece {
                Piece::Memory(bytes) => Piece::Memory(bytes.clone()),
                Piece::File(file) => {
                    let path = self.fresh_path()?;
                    if fs::hard_link(&file.path, &path).is_err() {
                        // Not every file system has links.
                        fs::copy(&file.path, &path)?;
                    }
                    Piece::File(Arc::new(StoredFile {
                        path,
                        size: file.size,
                        doomed: AtomicBool::new(false),
                    }))
                }
            });
        }
        Ok(copied)
    }

    fn fresh_path(&self) -> io::Result<PathBuf> {
        let name = format!("{:016x}", self.next.fetch_add(1, Ordering::Relaxed));
        match &self.place {
            Place::Lasting(folder) => Ok(folder.join(name)),
            Place::Temporary(folder) => {
                let mut folder = folder.lock().unwrap_or_else(PoisonError::into_inner);
                let folder = match &mut *folder {
                    Some(folder) => folder,
                    none => none.insert(tempfile::Builder::new().prefix("tidemill-s3-").tempdir()?),
                };
                Ok(folder.path().join(name))
            }
        }
    }

    fn keeps_in_memory(&self, size: usize) -> bool {
        matches!(self.place, Place::Temporary(_)) && size < MEMORY_LIMIT_BYTES
    }
}

/// The bytes of one object or part.
#[derive(Debug, Clone, Default)]
pub(super) struct Content(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Memory(Bytes),
    File(Arc<StoredFile>),
}

#[derive(Debug)]
struct StoredFile {
    path: PathBuf,
    size: u64,
    /// Removed when its last reader is done.
    doomed: AtomicBool,
}

impl Drop for StoredFile {
    fn drop(&mut self) {
        if *self.doomed.get_mut()
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "failed to remove a deleted object's file");
        }
    }
}

impl Content {
    /// These contents one after the other.
    pub(super) fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// Its files go when nobody reads them any more.
    pub(super) fn discard(&self) {
        for piece in &self.0 {
            if let Piece::File(file) = piece {
                file.doomed.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Its files, for the journal.
    pub(super) fn files(&self) -> Vec<FileName> {
        let names = self.0.iter().filter_map(|piece| match piece {
            Piece::Memory(_) => None,
            Piece::File(file) => {
                let name = file.path.file_name()?.to_str()?.to_owned();
                Some(FileName { name, size: file.size })
            }
        });
        names.collect()
    }

    /// The bytes of `range`, piece by piece.
    pub(super) fn read(&self, range: Range<u64>) -> Reader {
        let mut rest = Vec::new();
        let mut start = 0;
        for piece in &self.0 {
            let end = start + piece.size();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                rest.push((piece.clone(), from - start..to - start));
            }
            start = end;
        }
        rest.reverse();
        Reader { rest, open: None }
    }
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.size,
        }
    }
}

/// Reads a content; holds what it has not read yet, the next last.
#[derive(Debug)]
pub(super) struct Reader {
    rest: Vec<(Piece, Range<u64>)>,
    /// The file at its position, and how much of it is still wanted.
    open: Option<(File, u64, Arc<StoredFile>)>,
}

impl Iterator for Reader {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((mut file, left, stored)) = self.open.take() {
                let mut buffer = vec![0; usize::try_from(left.min(READ_BYTES)).unwrap_or_default()];
                return Some(match file.read_exact(&mut buffer) {
                    Ok(()) => {
                        let left = left - buffer.len() as u64;
                        self.open = (left > 0).then_some((file, left, stored));
                        Ok(buffer.into())
                    }
                    Err(error) => {
                        self.rest.clear();
                        Err(error)
                    }
                });
            }
            let (piece, range) = self.rest.pop()?;
            let length = range.end - range.start;
            match piece {
                Piece::Memory(bytes) => {
                    let start = usize::try_from(range.start).unwrap_or_default();
                    let end = usize::try_from(range.end).unwrap_or_default();
                    return Some(Ok(bytes.slice(start..end)));
                }
                Piece::File(stored) => {
                    let opened = File::open(&stored.path)
                        .and_then(|mut file| file.seek(SeekFrom::Start(range.start)).map(|_| file));
                    match opened {
                        Ok(file) => self.open = Some((file, length, stored)),
                        Err(error) => {
                            self.rest.clear();
                            return Some(Err(error));
                        }
                    }
                }
            }
        }
    }
}

/// Writes a content. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Writer<'v> {
    blobs: &'v BlobStore,
    memory: Vec<u8>,
    file: Option<(File, PathBuf)>,
    size: u64,
}

impl Writer<'_> {
    /// Appends.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.memory.extend_from_slice(bytes);
        if self.memory.len() >= MEMORY_LIMIT_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// How much was written so far.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Ends it.
    pub(super) fn finish(mut self) -> io::Result<Content> {
        if self.file.is_none() && self.blobs.keeps_in_memory(self.memory.len()) {
            let bytes = Bytes::from(std::mem::take(&mut self.memory));
            return Ok(Content(if bytes.is_empty() { Vec::new() } else { vec![Piece::Memory(bytes)] }));
        }
        self.flush()?;
        let Some((_, path)) = self.file.take() else { return Ok(Content::default()) };
        let stored = StoredFile { path, size: self.size, doomed: AtomicBool::new(false) };
        Ok(Content(vec![Piece::File(Arc::new(stored))]))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.memory.is_empty() {
            return Ok(());
        }
        let (file, _) = match &mut self.file {
            Some(open) => open,
            none => {
                let path = self.blobs.fresh_path()?;
                none.insert((File::create_new(&path)?, path))
            }
        };
        file.write_all(&self.memory)?;
        self.memory.clear();
        Ok(())
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some((_, path)) = self.file.take()
            && let Err(error) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), %error, "failed to remove an unfinished object's file");
        }
    }
}
