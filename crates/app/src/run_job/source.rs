//! The bytes of an object, fetched ahead of the reader that parses them, or by ranges.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use aws::objects::{Objects, Ranges, ReadError};
use bytes::{Bytes, BytesMut};
use domain::object::Object;
use futures::{StreamExt, future::BoxFuture, stream};
use readers::RandomAccess;
use tokio::{io::AsyncRead, sync::mpsc};
use tokio_util::{io::StreamReader, task::AbortOnDropHandle};

use super::job_progress::JobProgress;

/// How many chunks are fetched ahead. A chunk is what one read of the connection returns, at most about 400 KB.
const CHUNKS_AHEAD: usize = 8;

/// An object that can be read more than once.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    objects: Objects,
    object: Object,
    keep_bytes: u64,
    kept: Arc<Mutex<Kept>>,
    ranges: Arc<Ranges>,
    /// One reader fetches a small object whole; the others wait for it.
    keeping: Arc<tokio::sync::Mutex<()>>,
    /// What counts the bytes of readings from the first to the last byte.
    progress: Option<Arc<JobProgress>>,
}

/// The bytes of the first read, if the object is small.
#[derive(Debug, Default)]
struct Kept {
    chunks: VecDeque<Bytes>,
    whole: bool,
}

impl Kept {
    /// The `length` bytes from `offset` on, or those that there are.
    fn range(&self, offset: u64, length: usize) -> Bytes {
        let mut before = usize::try_from(offset).unwrap_or(usize::MAX);
        let mut range = BytesMut::with_capacity(length);
        for chunk in &self.chunks {
            let start = before.min(chunk.len());
            let end = chunk.len().min(start + length - range.len());
            if range.is_empty() && end - start == length {
                return chunk.slice(start..end);
            }
            range.extend_from_slice(&chunk[start..end]);
            before -= start;
        }
        range.freeze()
    }
}

impl Source {
    /// An object of up to `keep_bytes` is fetched once and kept in memory between reads; a larger one is fetched for every
    /// read.
    pub(crate) fn new(objects: Objects, object: Object, keep_bytes: u64) -> Self {
        let ranges = Arc::new(objects.ranges(&object));
        let (kept, keeping) = (Arc::default(), Arc::default());
        Self { objects, object, keep_bytes, kept, ranges, keeping, progress: None }
    }

    /// The same, whose bytes count in the progress of a job.
    pub(crate) fn counted(self, progress: &Arc<JobProgress>) -> Self {
        Self { progress: Some(Arc::clone(progress)), ..self }
    }

    /// The object for one reading by a reader of rows.
    pub(crate) fn reader(&self) -> readers::Source {
        readers::Source::random_access(self.clone())
    }

    /// Opens a read from the first byte to the last. If the bytes cannot be fetched, the read returns an [`io::Error`] that
    /// wraps a [`ReadError`]; see [`read_error`].
    pub(crate) fn open(&self) -> impl AsyncRead + Send + Unpin + 'static {
        let kept = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.whole.then(|| kept.chunks.clone())
        };
        let chunks = match kept {
            Some(chunks) => stream::iter(chunks.into_iter().map(Ok)).left_stream(),
            None => self.fetch().right_stream(),
        };
        StreamReader::new(chunks)
    }

    /// A range of the object, if all of it is kept.
    fn kept_range(&self, offset: u64, length: usize) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.whole.then(|| kept.range(offset, length))
    }

    async fn read_range(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        if self.ranges.length().await? <= self.keep_bytes {
            let _keeping = self.keeping.lock().await;
            if self.kept_range(0, 0).is_none() {
                let (send, mut receive) = mpsc::channel(CHUNKS_AHEAD);
                let drain = async move { while receive.recv().await.is_some() {} };
                let pump = async move { self.pump(&send).await };
                let (pumped, ()) = tokio::join!(pump, drain);
                pumped?;
            }
            if let Some(range) = self.kept_range(offset, length) {
                return Ok(range);
            }
        }
        self.ranges.read(offset, length).await
    }

    /// Fetches on a task of its own, so that S3 keeps sending while rows are parsed and written.
    fn fetch(&self) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static {
        let (send, receive) = mpsc::channel(CHUNKS_AHEAD);
        let source = self.clone();
        let fetching = AbortOnDropHandle::new(tokio::spawn(async move {
            // The send fails only if the reader is gone.
            if let Err(error) = source.pump(&send).await {
                drop(send.send(Err(io::Error::other(error))).await);
            }
        }));
        let chunks = stream::unfold(Some((receive, fetching)), |state| async move {
            let (mut receive, fetching) = state?;
            match receive.recv().await {
                Some(chunk) => Some((chunk, Some((receive, fetching)))),
                // The channel also closes when the fetch panics. That must not look like the end of the object.
                None => fetching.await.err().map(|panic| (Err(io::Error::other(panic)), None)),
            }
        });
        // A reader may poll again after the end.
        Box::pin(chunks.fuse())
    }

    async fn pump(&self, send: &mpsc::Sender<io::Result<Bytes>>) -> Result<(), ReadError> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Kept::default();
        let mut reading = self.objects.open(&self.object).await?;
        let keep = reading.length() <= self.keep_bytes;
        if let Some(progress) = &self.progress {
            progress.begin_reading(reading.length());
        }
        while let Some(chunk) = reading.next().await? {
            if let Some(progress) = &self.progress {
                progress.add_bytes(chunk.len());
            }
            if keep {
                let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.chunks.push_back(chunk.clone());
            }
            if send.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).whole = keep;
        Ok(())
    }
}

/// Ranges of a small object are of the bytes that are kept of it, which the first one fetches; any other range is a call.
impl RandomAccess for Source {
    fn open(&self) -> readers::Stream {
        Box::pin(Self::open(self))
    }

    fn length(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async { self.ranges.length().await.map_err(io::Error::other) })
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        Box::pin(async move { self.read_range(offset, length).await.map_err(io::Error::other) })
    }
}

/// Takes the [`ReadError`] back out of the [`io::Error`] that a reader passed on; returns any other error unchanged.
pub(crate) fn read_error(error: io::Error) -> Result<ReadError, io::Error> {
    if error.get_ref().is_some_and(|inner| inner.is::<ReadError>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<ReadError>().ok());
        return inner.map(|inner| *inner).ok_or_else(|| io::Error::other("the read error lost its type"));
    }
    Err(error)
}
