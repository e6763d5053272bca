//! How the blocks of an Avro file are compressed.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::super::decompress::{Progress, Stage};
use super::super::format::Compression;
use super::super::reason::{BadInput, Reason, shown};

/// How a file begins.
pub(crate) const MAGIC: [u8; 4] = *b"Obj\x01";

/// The most bytes a block may hold, compressed or not: it is held as a whole. Writers begin a new block after 16 KB to a
/// few megabytes.
pub(super) const BLOCK_BYTES: usize = 8 << 20;

/// What compresses the blocks of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Deflate,
    Snappy,
    Stream(Compression),
}

impl Codec {
    /// The codec of this name in a file's header.
    pub(super) fn parse(name: &[u8]) -> Result<Self, BadInput> {
        Ok(match name {
            b"" | b"null" => Self::None,
            b"deflate" => Self::Deflate,
            b"snappy" => Self::Snappy,
            b"zstandard" => Self::Stream(Compression::Zstd),
            b"bzip2" => Self::Stream(Compression::Bzip2),
            b"xz" => Self::Stream(Compression::Xz),
            other => {
                let name = shown(&String::from_utf8_lossy(other));
                let message =
                    format!("the blocks of the Avro file are compressed by {name}, which is not read");
                return Err(BadInput::new(Reason::UnsupportedFormat, message));
            }
        })
    }

    /// Puts what `block` holds into `out`, and leaves `block` with some other content.
    pub(super) fn unpack(self, block: &mut Vec<u8>, out: &mut Vec<u8>) -> Result<(), BadInput> {
        out.clear();
        match self {
            Self::None => {
                std::mem::swap(block, out);
                Ok(())
            }
            Self::Deflate => inflate(block, out),
            Self::Snappy => snappy(block, out),
            Self::Stream(compression) => {
                let mut stage = Stage::new(compression, std::mem::take(block), true)?;
                while let Progress::Made(_) = stage.decode(out)? {
                    if out.len() > BLOCK_BYTES {
                        return Err(too_large());
                    }
                }
                *block = stage.input;
                Ok(())
            }
        }
    }
}

fn too_large() -> BadInput {
    BadInput::new(
        Reason::BlockTooLarge,
        format!("a block of the Avro file holds more than {BLOCK_BYTES} bytes"),
    )
}

fn damaged(what: &str) -> BadInput {
    BadInput::new(Reason::CorruptCompression, format!("a block of the Avro file {what}"))
}

/// How many bytes may follow deflated data: fastavro leaves a part of the checksum that zlib puts there.
const LEFT_BYTES: usize = 4;

fn inflate(block: &[u8], out: &mut Vec<u8>) -> Result<(), BadInput> {
    const STEP_BYTES: usize = 64 << 10;
    let mut inflate = Decompress::new(false);
    let at = |total: u64| usize::try_from(total).unwrap_or(usize::MAX).min(block.len());
    loop {
        out.reserve(STEP_BYTES);
        let (taken, made) = (inflate.total_in(), out.len());
        let status = inflate.decompress_vec(&block[at(taken)..], out, FlushDecompress::None);
        match status.map_err(|_| damaged("is damaged"))? {
            Status::StreamEnd if block.len() - at(inflate.total_in()) <= LEFT_BYTES => return Ok(()),
            Status::StreamEnd => return Err(damaged("goes on behind its compressed data")),
            _ if out.len() > BLOCK_BYTES => return Err(too_large()),
            _ if inflate.total_in() == taken && out.len() == made => return Err(damaged("is cut short")),
            _ => {}
        }
    }
}

/// Snappy, and behind it a checksum of what it holds.
fn snappy(block: &[u8], out: &mut Vec<u8>) -> Result<(), BadInput> {
    let (packed, sum) = block.split_last_chunk::<4>().ok_or_else(|| damaged("is cut short"))?;
    let length = snap::raw::decompress_len(packed).map_err(|_| damaged("is damaged"))?;
    if length > BLOCK_BYTES {
        return Err(too_large());
    }
    out.resize(length, 0);
    let made = snap::raw::Decoder::new().decompress(packed, out).map_err(|_| damaged("is damaged"))?;
    out.truncate(made);
    let mut crc = Crc::new();
    crc.update(out);
    if crc.sum().to_be_bytes() == *sum {
        return Ok(());
    }
    Err(BadInput::new(
        Reason::ChecksumMismatch,
        "the checksum of a block of the Avro file does not match its data",
    ))
}
