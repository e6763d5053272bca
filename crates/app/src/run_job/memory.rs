//! The memory budget of the process. All jobs in flight share it, however many there are.
//!
//! Most objects are small and cost little: their bytes, which are kept between the two reads, buffers, and a few rows.
//! Decoded text costs most: an 8 KB object of zstd may need a window of 8 MiB, a record of 4 MiB and hundreds of thousands
//! of rows. A reader holds nothing for text that it has not reached yet. So there are three budgets:
//!
//! | budget | taken by | at most |
//! | --- | --- | --- |
//! | bytes | a job before it reads ([`MemoryPermit`]): its object's size, or what is fetched ahead of a large object | 48 MiB |
//! | buffers | a reader that goes beyond the first 128 KiB of text ([`BufferPermits`]): about 24 MiB each | 4 × 24 MiB |
//! | rows | a batch of rows until it is written, by DynamoDB's count; about ten times that in memory | 2 MiB × 10 |
//! | | 32 jobs in flight: buffers, and rows from the first 128 KiB of text | 32 × 2 MiB |
//!
//! A pipeline's command runs in memory of its own (`command`); of its output the worker holds 1 MiB, and a line of at most
//! 4 MiB.
//!
//! With the program itself, its connections and the requests in flight this is about 280 MiB of the 512 MiB of the
//! smallest task.
//!
//! Permits are taken in the order of the table, and the holder of one gives it back without taking an earlier one. So
//! there is no deadlock: batches are always written, which lets readers finish, which lets jobs finish.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use readers::BufferPermits;

/// How many bytes of their objects all jobs may hold together.
const BYTES: usize = 48 << 20;

/// How many bytes of its object one job may hold: all of a small object, or what is fetched ahead of a larger one.
pub(crate) const MOST_BYTES: u64 = 4 << 20;

/// How many readers may hold full-size buffers at once. Two keep a core busy while one waits for S3.
const LARGE_READERS: usize = 4;

/// How many bytes of rows, by DynamoDB's count, may be parsed and not yet written. In memory a row of short columns
/// takes about ten times its count.
const ROWS_BYTES: usize = 2 << 20;

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    bytes: Arc<Semaphore>,
    buffers: BufferPermits,
    rows: Arc<Semaphore>,
}

/// The permit of one job to hold bytes of its object. Given back on drop.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    bytes: u64,
    _permit: OwnedSemaphorePermit,
}

impl MemoryPermit {
    /// How many bytes the job may hold.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Arc::new(Semaphore::new(BYTES)),
            buffers: BufferPermits::new(LARGE_READERS),
            rows: Arc::new(Semaphore::new(ROWS_BYTES)),
        }
    }

    /// Waits until the budget allows an object of this size; an unknown size counts as a large object.
    pub(crate) async fn permit(&self, size_bytes: Option<u64>) -> Result<MemoryPermit, AcquireError> {
        let bytes = size_bytes.map_or(MOST_BYTES, |size| size.min(MOST_BYTES));
        // The value is at most MOST_BYTES, which fits.
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = self.bytes.clone().acquire_many_owned(permits).await?;
        Ok(MemoryPermit { bytes, _permit: permit })
    }

    /// The permits for full-size buffers that all readers share.
    pub(crate) fn buffers(&self) -> BufferPermits {
        self.buffers.clone()
    }

    /// The budget of rows that are parsed and not yet written, in bytes.
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
        let small: Vec<_> = (0..32).map(|_| memory.permit(Some(100_000)).now_or_never()).collect();
        assert!(small.iter().all(Option::is_some));
        drop(small);
        let mut large = Vec::new();
        while let Some(permit) = memory.permit(Some(1 << 30)).now_or_never() {
            large.push(permit.unwrap());
        }
        assert_eq!(large.len(), 12);
        assert!(large.iter().all(|permit| permit.bytes() == MOST_BYTES), "large objects are streamed");
        assert!(memory.permit(None).now_or_never().is_none(), "an object of unknown size counts as large");
        large.pop();
        assert!(memory.permit(None).now_or_never().is_some(), "a dropped permit is given back");
    }

    /// An object with one column and this many rows of 1 KB.
    fn object(rows: usize) -> std::io::Cursor<Vec<u8>> {
        let row = "x".repeat(1_000) + "\n";
        std::io::Cursor::new(format!("column\n{}", row.repeat(rows)).into_bytes())
    }

    #[tokio::test]
    async fn only_a_few_readers_hold_large_buffers_and_small_objects_do_not_wait_for_them() {
        let memory = Memory::new();
        let options = readers::Options { buffers: memory.buffers(), ..readers::Options::default() };
        let mut large = Vec::new();
        for _ in 0..LARGE_READERS {
            let mut rows = readers::Rows::open(object(400), &options, None).await.unwrap();
            while rows.bytes_out() < 300_000 {
                rows.next().await.unwrap().unwrap();
            }
            large.push(rows);
        }
        let all =
            async |rows| readers::check(object(rows), &options, readers::Tolerance::None).await.unwrap().rows;
        assert_eq!(all(100).now_or_never(), Some(100), "a small object needs no permit");
        assert_eq!(all(400).now_or_never(), None);
        large.pop();
        assert_eq!(all(400).now_or_never(), Some(400));
    }

    #[tokio::test]
    async fn an_empty_object_takes_nothing() {
        let memory = Memory::new();
        let _all: Vec<_> = (0..12).map(|_| memory.permit(None).now_or_never()).collect();
        assert_eq!(memory.permit(Some(0)).await.unwrap().bytes(), 0);
    }
}
