//! The footer of a file: where it is, that it may be decoded, and what it says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use domain::text::grouped;

use super::super::reason::{BadInput, ReadError, Reason};
use super::super::source::Ranges;
use super::thrift::footer_shape;

const MAGIC: &[u8; 4] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8; 4] = b"PARE";

/// The magic at the beginning; at the end, the length of the footer and the magic again.
const LEAST_FILE_BYTES: u64 = 12;
const TAIL_BYTES: usize = 8;

/// What is read of the end at first: most footers, in one call.
const FIRST_READ_BYTES: usize = 128 << 10;

/// The largest footer. That of a file with 1,000 columns and 100 row groups has about 10 MB.
pub(super) const MOST_FOOTER_BYTES: usize = 16 << 20;

/// How deep a schema nests: each level of a record takes three at most.
const MOST_DEPTH: usize = 128;

/// Reads and decodes the footer; gives its length as well.
pub(super) async fn read(ranges: &Ranges) -> Result<(ParquetMetaData, usize), ReadError> {
    let length = ranges.length();
    if length < LEAST_FILE_BYTES {
        return Err(damaged(format!("the Parquet file has only {length} bytes, so it is cut short")).into());
    }
    let first = usize::try_from(length).unwrap_or(usize::MAX).min(FIRST_READ_BYTES);
    let end = ranges.read(length - first as u64, first).await?;
    let (rest, tail) = end.split_at(first - TAIL_BYTES);
    let (claimed, magic) = tail.split_at(4);
    if magic == ENCRYPTED_MAGIC {
        return Err(encrypted().into());
    }
    if magic != MAGIC {
        return Err(damaged("the Parquet file does not end with PAR1, so it is cut short".to_owned()).into());
    }
    let claimed = claimed.try_into().map_or(u32::MAX, u32::from_le_bytes) as usize;
    if claimed as u64 + LEAST_FILE_BYTES > length {
        let message = format!("the footer claims {claimed} bytes, and the file has {length}");
        return Err(damaged(message).into());
    }
    if claimed > MOST_FOOTER_BYTES {
        let message = format!(
            "the footer takes {} bytes; at most {} are read",
            grouped(claimed as u64),
            grouped(MOST_FOOTER_BYTES as u64)
        );
        return Err(BadInput::new(Reason::BlockTooLarge, message).into());
    }
    let metadata = match rest.len().checked_sub(claimed) {
        Some(start) => decode(&rest[start..])?,
        None => decode(&ranges.read(length - (claimed + TAIL_BYTES) as u64, claimed).await?)?,
    };
    Ok((metadata, claimed))
}

fn decode(footer: &[u8]) -> Result<ParquetMetaData, BadInput> {
    let shape = footer_shape(footer).map_err(|_| damaged("the footer is malformed".to_owned()))?;
    if shape.encrypted {
        return Err(encrypted());
    }
    if shape.depth > MOST_DEPTH {
        return Err(damaged(format!("the schema nests {} groups", shape.depth)));
    }
    guarded(|| {
        ParquetMetaDataReader::decode_metadata(footer)
            .map_err(|error| damaged(format!("the footer cannot be decoded: {error}")))
    })
}

/// Calls the crate, which panics on some malformed files: also then there is a reason.
pub(super) fn guarded<T>(call: impl FnOnce() -> Result<T, BadInput>) -> Result<T, BadInput> {
    // What the call has changed is not used after a panic: the whole object is refused.
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(damaged(format!("the Parquet file cannot be decoded: {}", text.unwrap_or("no message"))))
    })
}

fn damaged(message: String) -> BadInput {
    BadInput::new(Reason::DamagedFile, message)
}

fn encrypted() -> BadInput {
    BadInput::new(Reason::EncryptedFile, "the Parquet file is encrypted")
}
