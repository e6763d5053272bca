//! A stream that ends with a refusal if too much of it is read at once.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};

use super::super::super::reason::{BadInput, Reason};
use super::super::super::source::Stream;

/// The most bytes of a row as it stands in the file, and of anything else there.
pub(super) const ROW_BYTES: usize = 4 << 20;

/// How many bytes may still be read.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// Allows for another row.
    pub(super) fn renew(&self) {
        self.0.store(ROW_BYTES, Ordering::Relaxed);
    }
}

/// The stream.
pub(super) struct Bounded {
    inner: BufReader<Stream>,
    left: Allowance,
}

impl Bounded {
    pub(super) fn new(stream: Stream) -> (Self, Allowance) {
        let left = Allowance(Arc::new(AtomicUsize::new(ROW_BYTES)));
        (Self { inner: BufReader::with_capacity(64 * 1024, stream), left: left.clone() }, left)
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncBufRead for Bounded {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.left.0.load(Ordering::Relaxed) == 0 {
            let message = format!(
                "a row of the workbook, or what stands between two rows, takes more than {ROW_BYTES} bytes"
            );
            return Poll::Ready(Err(io::Error::other(BadInput::new(Reason::BlockTooLarge, message))));
        }
        Pin::new(&mut this.inner).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        let left = self.left.0.load(Ordering::Relaxed);
        self.left.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        Pin::new(&mut self.inner).consume(bytes);
    }
}
