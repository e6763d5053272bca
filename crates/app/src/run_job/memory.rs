//! The one memory budget of the process, however many objects it has in flight and whatever they are.
//!
//! An object that is small, as nearly all are, costs little: its bytes, which are kept between the two passes, buffers,
//! and a few rows. What costs much is text: an 8 KB object of zstd may hold a window of 8 MiB, a record of 4 MiB
//! and rows by the hundred thousand. But nothing is held of an object that was not in the text read so far. So:
//!
//! | budget | who takes of it | at most |
//! | --- | --- | --- |
//! | bytes | a job, before it reads: its object's size, or what is fetched ahead of a large one | 48 MiB |
//! | depth | a reader that goes beyond the first 128 KiB of text ([`Room`]): about 24 MiB each | 4 × 24 MiB |
//! | rows | a batch of rows until it is written, by DynamoDB's count, some ten times that in memory | 2 MiB × 10 |
//! | | 32 jobs in flight: buffers, and rows from the first 128 KiB of text | 32 × 2 MiB |
//!
//! A pipeline's command runs beside all that, in memory of its own ([`crate::run_job::command`]); of its output 1 MiB is held, and a
//! line of 4 MiB at most.
//!
//! With the program itself, its connections and requests being sent that is some 280 MiB of the smallest task's 512.
//!
//! They are taken in this order and given back without another being needed, so nobody waits for somebody who waits for
//! him: a batch is written whoever else waits, and a reader comes to its end when batches are written.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::run_job::write;
use readers::Room;

/// What jobs may hold of their objects' bytes, together.
const BYTES: usize = 48 << 20;

/// What one job holds of its object's bytes at most: a small object whole, of a larger one what is fetched ahead.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// How many readers may be deep in their objects. Two keep a core busy while one waits for S3.
const DEEP_READERS: usize = 4;

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    bytes: Arc<Semaphore>,
    room: Room,
    rows: Arc<Semaphore>,
}

/// A job's share of the bytes, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    bytes: u64,
    _permit: OwnedSemaphorePermit,
}

impl Share {
    /// How many bytes it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(BYTES)),
            room: Room::new(DEEP_READERS),
            rows: Arc::new(Semaphore::new(write::BUDGET_BYTES)),
        }
    }

    /// Waits until there is room for an object of this size.
    pub(crate) async fn share(&self, size_bytes: Option<u64>) -> Result<Share, AcquireError> {
        let bytes = size_bytes.map_or(MOST_BYTES, |size| size.min(MOST_BYTES));
        // At most MOST_BYTES: it fits.
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = self.bytes.clone().acquire_many_owned(permits).await?;
        Ok(Share { bytes, _permit: permit })
    }

    /// Where readers get leave to go deep.
    pub(crate) fn room(&self) -> Room {
        self.room.clone()
    }

    /// What rows may hold until they are written.
    pub(crate) fn rows(&self) -> Arc<Semaphore> {
        self.rows.clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn small_objects_are_all_in_flight_together_and_large_ones_are_not() {
        let memory = Memory::new();
        let small: Vec<_> = (0..32).map(|_| memory.share(Some(100_000)).now_or_never()).collect();
        assert!(small.iter().all(Option::is_some));
        drop(small);
        let mut large = Vec::new();
        while let Some(share) = memory.share(Some(1 << 30)).now_or_never() {
            large.push(share.unwrap());
        }
        assert_eq!(large.len(), 12);
        assert!(large.iter().all(|share| share.bytes() == MOST_BYTES), "it streams");
        assert!(memory.share(None).now_or_never().is_none(), "a size that nobody told may be any");
        large.pop();
        assert!(memory.share(None).now_or_never().is_some(), "what is dropped is given back");
    }

    /// An object of one column and so many rows of 1 KB.
    fn object(rows: usize) -> std::io::Cursor<Vec<u8>> {
        let row = "x".repeat(1_000) + "\n";
        std::io::Cursor::new(format!("column\n{}", row.repeat(rows)).into_bytes())
    }

    #[tokio::test]
    async fn readers_that_go_deep_are_few_and_the_others_are_not_kept_from_work() {
        let memory = Memory::new();
        let options = readers::Options { room: memory.room(), ..readers::Options::default() };
        let mut deep = Vec::new();
        for _ in 0..DEEP_READERS {
            let mut rows = readers::Rows::open(object(400), &options, None).await.unwrap();
            while rows.bytes_out() < 300_000 {
                rows.next().await.unwrap().unwrap();
            }
            deep.push(rows);
        }
        let all =
            async |rows| readers::check(object(rows), &options, readers::Tolerance::None).await.unwrap().rows;
        assert_eq!(all(100).now_or_never(), Some(100), "a small object needs no leave");
        assert_eq!(all(400).now_or_never(), None);
        deep.pop();
        assert_eq!(all(400).now_or_never(), Some(400));
    }

    #[tokio::test]
    async fn an_empty_object_takes_nothing() {
        let memory = Memory::new();
        let _all: Vec<_> = (0..12).map(|_| memory.share(None).now_or_never()).collect();
        assert_eq!(memory.share(Some(0)).await.unwrap().bytes(), 0);
    }
}
