//! Object metadata: one record about an object of any type, without its contents.
//!
//! | field | meaning | present for |
//! | --- | --- | --- |
//! | `size` | size in bytes | every object |
//! | `sha256` | SHA-256 of the bytes, in hex | every object |
//! | `content_type` | detected from the content, never from the name; `text/plain` is UTF-8 without NULs, and unknown content is `application/octet-stream` | every object |
//! | `image_format`, `width`, `height` | from the image's header, in pixels | images |
//! | `taken_at`, `camera`, `orientation`, `latitude`, `longitude` | from the camera (EXIF) | photographs that have them |
//!
//! The object is read once, in pieces. Only its first MiB is held, and headers are searched there. A header that is broken
//! or lies further behind leaves its fields out of the record: a broken picture still has a size and a hash.

mod exif;
mod values;

use std::panic;

use domain::{
    job::{Change, Progress},
    manifest,
    record::{self, Record},
    verdict::Kind,
};
use readers::Place;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc,
};
use tracing::info;

use self::values::{number, text};
use crate::run_job::{
    job_exit::{JobExit, Written},
    job_run::JobRun,
    own_table::OwnTable,
    source::Source,
    write::{Batched, BatchedRows, RowWriter, natural_key},
};

/// How much of the object is held to find headers. EXIF lies in the first 64 KiB of a JPEG; in other formats other data
/// of the camera may come first.
const HEADER_BYTES: usize = 1 << 20;

/// How many bytes are read at once.
const PIECE_BYTES: usize = 64 << 10;

/// Reads the object to its end and writes one record with its metadata.
pub(crate) async fn read_and_write(run: JobRun<'_>, source: &Source) -> Result<Written, JobExit> {
    let JobRun { services, job, .. } = run;
    let metadata = ObjectMetadata::read(source.open()).await.map_err(readers::ReadError::Source)?;
    let record = metadata.record();
    if let Some(key) = &job.pipeline.key {
        natural_key(key, &record)
            .map_err(|message| JobExit::new(Change::Fail, readers::Reason::BadKey, message))?;
    }
    let table = OwnTable::open(run).await?;
    let progress =
        Progress { records: 1, rejected: 0, format: Some("object".to_owned()), ..Progress::default() };
    info!(job.id = %job.id, "read the metadata of the object of job {}", job.id);
    let (size, rows) = match &table {
        None => (record::size_bytes(&record), BatchedRows::Records(vec![(1, record)])),
        Some(table) => {
            let item = table.item(1, Place::Line(1), record);
            let item = item.map_err(|reject| JobExit::new(Change::Fail, reject.reason, reject.message))?;
            (item.bytes, BatchedRows::Items(vec![item]))
        }
    };
    let (units, permits) = (readers::write_units(size), u32::try_from(size).unwrap_or(u32::MAX));
    let permit = services.memory.rows().acquire_many_owned(permits).await.map_err(|closed| {
        JobExit::new(Change::Requeue, Kind::InternalError, format!("the memory budget is closed: {closed}"))
    })?;
    let (send, batches) = mpsc::channel(1);
    // The channel holds one batch and its receiver is alive: the send succeeds.
    drop(send.send(Batched { rows, permit }).await);
    drop(send);
    let writer = RowWriter { run, shards: manifest::shards(units), table: table.as_ref() };
    writer.write(batches).await?;
    writer.finish(progress, 0, units)
}

/// What one read of an object finds out.
struct ObjectMetadata {
    size: u64,
    hash: Sha256,
    header: Vec<u8>,
}

impl ObjectMetadata {
    async fn read(mut source: impl AsyncRead + Unpin) -> std::io::Result<Self> {
        let mut metadata = Self { size: 0, hash: Sha256::new(), header: Vec::new() };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        while source.read_buf(&mut piece).await? > 0 {
            // A source that always has bytes ready would keep this task running, and the lease would not be renewed.
            tokio::task::coop::consume_budget().await;
            metadata.size += piece.len() as u64;
            metadata.hash.update(&piece);
            let missing = HEADER_BYTES - metadata.header.len();
            metadata.header.extend_from_slice(&piece[..piece.len().min(missing)]);
            piece.clear();
        }
        Ok(metadata)
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
            // The bytes come from anybody: a header that makes its parser panic must not cost the other fields.
            let image = panic::catch_unwind(|| exif::fields(header)).unwrap_or_default();
            record.push(("image_format".into(), text(format)));
            record.extend(image);
        }
        record
    }
}

/// The media type of an object that begins with these bytes.
fn content_type(header: &[u8]) -> &'static str {
    if let Some(known) = infer::get(header) {
        return known.mime_type();
    }
    let is_text = match std::str::from_utf8(header) {
        Ok(_) => !header.is_empty(),
        // A character that is cut off at the end of the held bytes is not broken.
        Err(error) => header.len() == HEADER_BYTES && error.error_len().is_none(),
    };
    if is_text && !header.contains(&0) { "text/plain" } else { "application/octet-stream" }
}

#[cfg(test)]
mod tests;
