//! The bytes of one member of an archive, decompressed and verified on the way.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use futures::stream;
use tokio_util::io::StreamReader;

use super::super::decompress::{BUFFER_BYTES, Progress, Stage};
use super::super::format::Compression;
use super::super::reason::{BadInput, ReadError, Reason, shown};
use super::super::source::{Ranges, Stream};
use super::directory::{HEADER_BYTES, Member, damaged, header_bytes};

/// What is fetched first: a member's own header, and what any reader may hold.
const FIRST_BYTES: usize = 192 * 1024;

/// What is fetched at once behind that, when the reader has a permit for its buffers.
const RANGE_BYTES: usize = 4 << 20;

/// The longest header of a member.
const LONGEST_HEADER_BYTES: usize = HEADER_BYTES + 2 * u16::MAX as usize;

/// How a member is packed.
enum Packed {
    Stored,
    Deflated(Box<Decompress>),
    Other(Box<Stage>),
}

impl Packed {
    /// By the number of the method, which [`directory`](super::directory) names the list of.
    fn of(member: &Member) -> Result<Self, BadInput> {
        let other = |compression| Ok(Self::Other(Box::new(Stage::new(compression, Vec::new(), false)?)));
        let unknown = match member.method {
            0 => return Ok(Self::Stored),
            8 => return Ok(Self::Deflated(Box::new(Decompress::new(false)))),
            12 => return other(Compression::Bzip2),
            93 => return other(Compression::Zstd),
            95 => return other(Compression::Xz),
            9 => "Deflate64".to_owned(),
            14 => "LZMA".to_owned(),
            98 => "PPMd".to_owned(),
            method => format!("method {method}"),
        };
        let name = shown(&member.name);
        Err(BadInput::new(
            Reason::UnsupportedFormat,
            format!("{name} in the zip archive is compressed by {unknown}, which is not read; Deflate is"),
        ))
    }
}

struct Reading {
    ranges: Arc<Ranges>,
    member: Member,
    packed: Packed,
    /// Where the next range begins, and how many bytes are left.
    offset: u64,
    left: u64,
    input: Bytes,
    crc: Crc,
    made: u64,
    ended: bool,
}

/// Opens the data of a member. What is wrong with it is an [`io::Error`] around a [`BadInput`].
pub(super) async fn open(ranges: Arc<Ranges>, member: Member) -> Result<Stream, ReadError> {
    let packed = Packed::of(&member)?;
    // The directory has been compared with the archive's length.
    let room = usize::try_from(ranges.length() - member.offset).unwrap_or(usize::MAX);
    let wanted = usize::try_from(member.packed_bytes).unwrap_or(usize::MAX);
    let most = wanted.saturating_add(LONGEST_HEADER_BYTES).min(FIRST_BYTES).min(room);
    let mut input = ranges.read(member.offset, most).await?;
    let header = header_bytes(&input, &member)?;
    let mut offset = member.offset + header as u64;
    if offset.checked_add(member.packed_bytes).is_none_or(|end| end > ranges.length()) {
        return Err(damaged(&format!("ends inside {}", shown(&member.name))).into());
    }
    let mut input = if header < input.len() { input.split_off(header) } else { Bytes::new() };
    input.truncate(wanted);
    offset += input.len() as u64;
    let left = member.packed_bytes - input.len() as u64;
    let reading =
        Reading { ranges, packed, offset, left, input, crc: Crc::new(), made: 0, ended: false, member };
    let pieces = stream::try_unfold(reading, |mut reading| async {
        let piece = reading.piece().await.map_err(|error| match error {
            ReadError::Source(error) => error,
            ReadError::Bad(bad) => io::Error::other(bad),
        })?;
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, reading)))
    });
    Ok(Box::pin(StreamReader::new(Box::pin(pieces))))
}

impl Reading {
    /// The next bytes; none at the end, which then has been verified.
    async fn piece(&mut self) -> Result<Bytes, ReadError> {
        loop {
            if self.input.is_empty() && self.left > 0 {
                let bytes = RANGE_BYTES.min(usize::try_from(self.left).unwrap_or(RANGE_BYTES));
                self.input = self.ranges.read(self.offset, bytes).await?;
                self.offset += bytes as u64;
                self.left -= bytes as u64;
            }
            let is_stored = matches!(self.packed, Packed::Stored);
            if self.ended || (is_stored && self.input.is_empty()) {
                self.verify()?;
                return Ok(Bytes::new());
            }
            let piece = self.unpack()?;
            if !piece.is_empty() {
                self.crc.update(&piece);
                self.made += piece.len() as u64;
                if self.made > self.member.bytes {
                    return Err(self.mismatch("is longer than its directory says").into());
                }
                return Ok(piece);
            }
        }
    }

    fn unpack(&mut self) -> Result<Bytes, BadInput> {
        match &mut self.packed {
            Packed::Stored => Ok(self.input.split_to(self.input.len().min(BUFFER_BYTES))),
            Packed::Deflated(inflate) => {
                let mut out = Vec::with_capacity(BUFFER_BYTES);
                let before = inflate.total_in();
                let status =
                    inflate.decompress_vec(&self.input, &mut out, FlushDecompress::None).map_err(|_| {
                        let name = shown(&self.member.name);
                        let message = format!("the compressed data of {name} in the zip archive is damaged");
                        BadInput::new(Reason::CorruptCompression, message)
                    })?;
                let taken = usize::try_from(inflate.total_in() - before).unwrap_or(usize::MAX);
                drop(self.input.split_to(taken.min(self.input.len())));
                self.ended = status == Status::StreamEnd;
                if taken == 0 && out.is_empty() && !self.ended {
                    return Err(self.cut());
                }
                Ok(out.into())
            }
            Packed::Other(stage) => {
                let mut out = Vec::with_capacity(2 * BUFFER_BYTES);
                loop {
                    match stage.decode(&mut out)? {
                        Progress::Made(_) => return Ok(out.into()),
                        Progress::Ended => {
                            self.ended = true;
                            return Ok(Bytes::new());
                        }
                        Progress::Starved => {
                            stage.input.clear();
                            stage.at = 0;
                            let next = self.input.split_to(self.input.len().min(BUFFER_BYTES));
                            stage.input.extend_from_slice(&next);
                            if next.is_empty() && self.left > 0 {
                                return Ok(Bytes::new());
                            }
                            stage.input_ended = next.is_empty();
                        }
                    }
                }
            }
        }
    }

    /// At the end of the data: whether it is all that the directory promises.
    fn verify(&self) -> Result<(), BadInput> {
        if self.left > 0 || !self.input.is_empty() {
            return Err(damaged(&format!("has bytes behind the data of {}", shown(&self.member.name))));
        }
        if self.made != self.member.bytes {
            return Err(self.mismatch("is shorter than its directory says"));
        }
        if self.crc.sum() != self.member.crc {
            return Err(self.mismatch("has a checksum that does not match its data"));
        }
        Ok(())
    }

    fn mismatch(&self, what: &str) -> BadInput {
        let name = shown(&self.member.name);
        BadInput::new(Reason::ChecksumMismatch, format!("{name} in the zip archive {what}"))
    }

    fn cut(&self) -> BadInput {
        damaged(&format!("ends inside the data of {}", shown(&self.member.name)))
    }
}
