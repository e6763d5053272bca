//! Where an object's bytes come from: a stream from the first to the last, or ranges at any place of it.
//!
//! Text is read as a stream. Formats with an index at their end, as Parquet and zip, need [`RandomAccess`], and are refused
//! where there is none: what a command prints has no end to begin with.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

use super::decompress::BUFFER_BYTES;
use super::detect;
use super::permits::Permit;
use super::reason::{BadInput, ReadError, Reason};

/// What is read of a local file at once.
const FILE_PIECE_BYTES: usize = 256 * 1024;

/// The most that is asked of [`RandomAccess::read_at`] at once: 8 MiB.
pub const MOST_RANGE_BYTES: usize = 8 << 20;

/// An object's bytes in order.
pub type Stream = Pin<Box<dyn AsyncRead + Send>>;

/// An object of known length whose bytes can be read at any place, more than once and several ranges at a time. All that
/// is read of it are the bytes of one version.
pub trait RandomAccess: Send + Sync {
    /// Opens a stream from the first byte to the last. Nothing is fetched before it is polled.
    fn open(&self) -> Stream;

    /// The length in bytes.
    fn length(&self) -> BoxFuture<'_, io::Result<u64>>;

    /// The `length` bytes from `offset` on, which all are within the object; at most [`MOST_RANGE_BYTES`]. Each call may be
    /// a request over the network.
    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>>;
}

/// The raw bytes of an object, for one reading.
///
/// Anything that is [`AsyncRead`] converts into a source without random access.
pub struct Source(Kind);

enum Kind {
    Stream(Stream),
    RandomAccess(Arc<dyn RandomAccess>),
}

impl<R: AsyncRead + Send + 'static> From<R> for Source {
    fn from(stream: R) -> Self {
        Self(Kind::Stream(Box::pin(stream)))
    }
}

impl Source {
    /// An object with random access.
    pub fn random_access(object: impl RandomAccess + 'static) -> Self {
        Self(Kind::RandomAccess(Arc::new(object)))
    }

    /// Bytes in memory, with random access.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::random_access(InMemory(bytes.into()))
    }

    /// A local file, with random access. What is read are the bytes that it has at that time.
    ///
    /// # Errors
    /// When the file's length cannot be found out.
    pub fn file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::random_access(LocalFile { file: Arc::new(file), length }))
    }

    /// Begins to read the stream, as far as the signatures of [`detect`] need.
    pub(super) async fn begin(self) -> Result<Begun, ReadError> {
        let (stream, access) = match self.0 {
            Kind::Stream(stream) => (stream, None),
            Kind::RandomAccess(access) => (access.open(), Some(access)),
        };
        let first = Vec::with_capacity(BUFFER_BYTES);
        let mut begun = Begun { stream, access, first, ended: false, packed: None, permit: None };
        while begun.first.len() < detect::SIGNATURE_BYTES && !begun.ended {
            let received = begun.stream.read_buf(&mut begun.first).await.map_err(ReadError::received)?;
            begun.ended = received == 0;
        }
        Ok(begun)
    }

    /// The object by ranges, for a reader of `what` ("a Parquet file").
    ///
    /// # Errors
    /// [`Reason::UnsupportedFormat`] when there is only a stream.
    pub async fn ranges(self, what: &str) -> Result<Ranges, ReadError> {
        match self.0 {
            Kind::Stream(_) => Err(without_random_access(what).into()),
            Kind::RandomAccess(access) => Ranges::open(access).await,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Stream(_) => "Source(stream)",
            Kind::RandomAccess(_) => "Source(random access)",
        })
    }
}

fn without_random_access(what: &str) -> BadInput {
    BadInput::new(
        Reason::UnsupportedFormat,
        format!(
            "the object is {what}, which is not read in order, and there is only a stream of it: \
                 the output of a command must be JSON Lines"
        ),
    )
}

/// What the bytes of a member take in their zip archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedBytes {
    /// The compressed bytes of this member and of all before it.
    pub(super) bytes: u64,
    /// What was made of the members before it.
    pub(super) made_before: u64,
}

/// The beginning of a stream, and what comes after it.
pub(super) struct Begun {
    pub(super) stream: Stream,
    /// The first bytes: [`detect::SIGNATURE_BYTES`] and more, or all there are.
    pub(super) first: Vec<u8>,
    /// There are no more.
    pub(super) ended: bool,
    access: Option<Arc<dyn RandomAccess>>,
    /// What it takes in the zip archive that it is a member of.
    pub(super) packed: Option<PackedBytes>,
    /// A permit for what is held of it, if it takes more than any reader may hold.
    pub(super) permit: Option<Permit>,
}

impl Begun {
    /// Drops the stream and goes on by ranges: see [`Source::ranges`].
    pub(super) async fn into_ranges(self, what: &str) -> Result<Ranges, ReadError> {
        match self.access {
            None => Err(without_random_access(what).into()),
            Some(access) => Ranges::open(access).await,
        }
    }
}

/// An object that is read by ranges. Whatever the file itself says about places in it, a read beyond its end is refused.
pub struct Ranges {
    access: Arc<dyn RandomAccess>,
    length: u64,
    received: AtomicU64,
}

impl Ranges {
    async fn open(access: Arc<dyn RandomAccess>) -> Result<Self, ReadError> {
        let length = access.length().await.map_err(ReadError::Source)?;
        Ok(Self { access, length, received: AtomicU64::new(0) })
    }

    /// The object's length in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes were received so far, those that were read twice counted twice.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The `length` bytes from `offset` on, however many; in calls of at most [`MOST_RANGE_BYTES`].
    ///
    /// # Errors
    /// When they cannot be received, or [`Reason::DamagedFile`] when they reach beyond the object's end.
    pub async fn read(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        if offset.checked_add(length as u64).is_none_or(|end| end > self.length) {
            return Err(BadInput::new(
                Reason::DamagedFile,
                format!(
                    "the file refers to {length} bytes from byte {offset} on, but it has only {} bytes",
                    self.length
                ),
            )
            .into());
        }
        if length <= MOST_RANGE_BYTES {
            return self.call(offset, length).await;
        }
        let mut all = Vec::with_capacity(length);
        while all.len() < length {
            let next = (length - all.len()).min(MOST_RANGE_BYTES);
            all.extend_from_slice(&self.call(offset + all.len() as u64, next).await?);
        }
        Ok(all.into())
    }

    async fn call(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        // An object in memory answers at once. Its reader would keep this task running, and a lease unrenewed.
        tokio::task::coop::consume_budget().await;
        if length == 0 {
            return Ok(Bytes::new());
        }
        let bytes = self.access.read_at(offset, length).await.map_err(ReadError::Source)?;
        if bytes.len() != length {
            let short = format!("asked for {length} bytes from byte {offset} on and got {}", bytes.len());
            return Err(ReadError::Source(io::Error::new(io::ErrorKind::UnexpectedEof, short)));
        }
        self.received.fetch_add(length as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl fmt::Debug for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranges").field("length", &self.length).finish_non_exhaustive()
    }
}

struct InMemory(Bytes);

impl RandomAccess for InMemory {
    fn open(&self) -> Stream {
        Box::pin(Cursor::new(self.0.clone()))
    }

    fn length(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async { Ok(self.0.len() as u64) })
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async move {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let end = start.saturating_add(length).min(self.0.len());
            Ok(self.0.slice(start.min(end)..end))
        })
    }
}

struct LocalFile {
    file: Arc<File>,
    length: u64,
}

impl RandomAccess for LocalFile {
    fn open(&self) -> Stream {
        let file = Arc::clone(&self.file);
        let pieces = stream::try_unfold(0, move |offset| {
            let file = Arc::clone(&file);
            async move {
                let read = move || {
                    let mut piece = vec![0; FILE_PIECE_BYTES];
                    let read = file.read_at(&mut piece, offset)?;
                    piece.truncate(read);
                    Ok::<_, io::Error>(Bytes::from(piece))
                };
                let piece = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
                let next = offset + piece.len() as u64;
                Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, next)))
            }
        });
        Box::pin(StreamReader::new(Box::pin(pieces)))
    }

    fn length(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async { Ok(self.length) })
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        let file = Arc::clone(&self.file);
        Box::pin(async move {
            let read = move || {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(Bytes::from(bytes))
            };
            tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
        })
    }
}
