//! Facts of an object: one record about it, whatever it is, with nothing of what is in it.
//!
//! | field | what | of |
//! | --- | --- | --- |
//! | `size` | its bytes | every object |
//! | `sha256` | their SHA-256, in hex | every object |
//! | `content_type` | found by content, never by name; `text/plain` is UTF-8 without NULs, and what is nothing known is `application/octet-stream` | every object |
//! | `image_format`, `width`, `height` | as its header says, in pixels | images |
//! | `taken_at`, `camera`, `orientation`, `latitude`, `longitude` | what the camera noted (EXIF) | photographs that have them |
//!
//! The object is read once and in pieces. A header is looked for in its first MiB, which is all that is held. One that is
//! broken or lies beyond that gives a record without its fields: that a picture is broken is no reason to refuse its
//! facts.

mod exif;

use std::{panic, sync::Arc};

use aws::ledger::Progress;
use domain::{
    job::{Change, Job},
    manifest,
    record::{self, Record, Value},
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc,
};
use tracing::info;

use crate::run_job::{
    job_progress::Doing,
    process_job::Workshop,
    read_and_write::{Left, Written, finish, unread, write},
    source::Source,
    write::{Batched, natural_key},
};

/// How much of the object is held and looked at: EXIF lies in the first 64 KiB of a JPEG, and behind some of what cameras
/// add in other formats.
const HEADER_BYTES: usize = 1 << 20;

/// How much is read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Reads the object to its end and writes the one record of its facts.
pub(crate) async fn work(
    workshop: &Workshop,
    job: &Job,
    source: &Source,
    doing: &Arc<Doing>,
) -> Result<Written, Left> {
    let facts = Facts::of(source.open()).await;
    let record = facts.map_err(|error| unread(readers::ReadError::Source(error)))?.record();
    if let Some(key) = &job.pipeline.key {
        natural_key(key, &record).map_err(|bad| Left::new(Change::Fail, bad.reason.code(), bad.message))?;
    }
    let progress = Progress { records: 1, rejected: 0, format: Some("object".to_owned()) };
    info!(job.id = %job.id, "looked at");
    let size = record::size_bytes(&record);
    let (units, share) = (readers::write_units(size), u32::try_from(size).unwrap_or(u32::MAX));
    let permit = workshop.memory.rows().acquire_many_owned(share).await.map_err(|closed| {
        Left::new(Change::Return, "internal", format!("the memory budget is gone: {closed}"))
    })?;
    let (send, batches) = mpsc::channel(1);
    // There is room for one, and the other end is in hand.
    drop(send.send(Batched { rows: vec![(1, record)], permit }).await);
    drop(send);
    let spread = manifest::spread(units);
    write(workshop, job, spread, batches, doing).await?;
    finish(workshop, job, spread, progress, units, doing)
}

/// What is found out about an object in one reading.
struct Facts {
    size: u64,
    hash: Sha256,
    header: Vec<u8>,
}

impl Facts {
    async fn of(mut source: impl AsyncRead + Unpin) -> std::io::Result<Self> {
        let mut facts = Self { size: 0, hash: Sha256::new(), header: Vec::new() };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        while source.read_buf(&mut piece).await? > 0 {
            // A source that always has bytes would otherwise keep this task running, and a lease unrenewed.
            tokio::task::coop::consume_budget().await;
            facts.size += piece.len() as u64;
            facts.hash.update(&piece);
            let room = HEADER_BYTES - facts.header.len();
            facts.header.extend_from_slice(&piece[..piece.len().min(room)]);
            piece.clear();
        }
        Ok(facts)
    }

    fn record(self) -> Record {
        let content_type = content_type(&self.header);
        let hash: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut record: Record = vec![
            ("size".into(), number(self.size)),
            ("content_type".into(), text(content_type)),
            ("sha256".into(), text(hash)),
        ];
        if let Some(format) = content_type.strip_prefix("image/") {
            let header = &self.header;
            // The bytes are anybody's, and whatever a header makes of its reader is no reason to have no facts.
            let image = panic::catch_unwind(|| exif::fields(header)).unwrap_or_default();
            record.push(("image_format".into(), text(format)));
            record.extend(image);
        }
        record
    }
}

/// What the bytes are, as a media type.
fn content_type(header: &[u8]) -> &'static str {
    if let Some(known) = infer::get(header) {
        return known.mime_type();
    }
    let is_text = match std::str::from_utf8(header) {
        Ok(_) => !header.is_empty(),
        // A character that the look cuts off is none that is broken.
        Err(error) => header.len() == HEADER_BYTES && error.error_len().is_none(),
    };
    if is_text && !header.contains(&0) { "text/plain" } else { "application/octet-stream" }
}

fn number(value: impl ToString) -> Value {
    Value::Number(value.to_string())
}

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

#[cfg(test)]
mod tests;
