//! The bytes of an object, fetched ahead of the reader that parses them.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
};

use aws::objects::{Objects, ReadError};
use bytes::Bytes;
use domain::object::Object;
use futures::{StreamExt, stream};
use tokio::{io::AsyncRead, sync::mpsc};
use tokio_util::{io::StreamReader, task::AbortOnDropHandle};

/// How many chunks are fetched ahead. A chunk is what one read of the connection returns, at most about 400 KB.
const CHUNKS_AHEAD: usize = 8;

/// An object that can be read more than once.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    objects: Objects,
    object: Object,
    keep_bytes: u64,
    kept: Arc<Mutex<Kept>>,
}

/// The bytes of the first read, if the object is small.
#[derive(Debug, Default)]
struct Kept {
    chunks: VecDeque<Bytes>,
    whole: bool,
}

impl Source {
    /// An object of up to `keep_bytes` is fetched once and kept in memory between reads; a larger one is fetched for every
    /// read.
    pub(crate) fn new(objects: Objects, object: Object, keep_bytes: u64) -> Self {
        Self { objects, object, keep_bytes, kept: Arc::default() }
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
        while let Some(chunk) = reading.next().await? {
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

/// Takes the [`ReadError`] back out of the [`io::Error`] that a reader passed on; returns any other error unchanged.
pub(crate) fn read_error(error: io::Error) -> Result<ReadError, io::Error> {
    if error.get_ref().is_some_and(|inner| inner.is::<ReadError>()) {
        let inner = error.into_inner().and_then(|inner| inner.downcast::<ReadError>().ok());
        return inner.map(|inner| *inner).ok_or_else(|| io::Error::other("the read error lost its type"));
    }
    Err(error)
}
