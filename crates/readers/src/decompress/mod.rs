//! Decompression, in pieces of any size and buffers of fixed size.

mod gzip;
mod streams;
mod zstandard;

use self::gzip::Gzip;
use self::streams::{Kind, Streams};
use self::zstandard::Zstd;
use super::format::Compression;
use super::reason::{BadInput, Reason};

/// What is taken from the source at once, and about what a chunk holds.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// How the bytes that begin with `bytes` are compressed, by their signature.
pub(super) fn signature(bytes: &[u8]) -> Compression {
    if bytes.starts_with(&gzip::MAGIC) {
        Compression::Gzip
    } else if bytes.starts_with(&zstandard::MAGIC) || zstandard::is_skippable(bytes) {
        Compression::Zstd
    } else if streams::is_bzip2(bytes) {
        Compression::Bzip2
    } else if bytes.starts_with(&streams::XZ_MAGIC) {
        Compression::Xz
    } else {
        Compression::None
    }
}

enum Decoder {
    Plain,
    Gzip(Box<Gzip>),
    Zstd(Zstd),
    Streams(Streams),
}

impl Decoder {
    fn new(compression: Compression) -> Result<Self, BadInput> {
        Ok(match compression {
            // The members of an archive arrive unpacked.
            Compression::None | Compression::Zip => Self::Plain,
            Compression::Gzip => Self::Gzip(Box::new(Gzip::new())),
            Compression::Zstd => Self::Zstd(Zstd::new()?),
            Compression::Bzip2 => Self::Streams(Streams::new(Kind::Bzip2)?),
            Compression::Xz => Self::Streams(Streams::new(Kind::Xz)?),
        })
    }

    /// Appends to `out` some of what `input` holds: how many bytes were taken and made.
    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(usize, usize), BadInput> {
        let start = out.len();
        if matches!(self, Self::Plain) {
            out.extend_from_slice(input);
            return Ok((input.len(), input.len()));
        }
        out.resize(start + BUFFER_BYTES, 0);
        let room = &mut out[start..];
        let (taken, made) = match self {
            Self::Plain => (0, 0),
            Self::Gzip(gzip) => gzip.decode(input, room)?,
            Self::Zstd(zstd) => zstd.decode(input, room)?,
            Self::Streams(streams) => streams.decode(input, room)?,
        };
        out.truncate(start + made);
        Ok((taken, made))
    }

    fn finish(&self) -> Result<(), BadInput> {
        match self {
            Self::Plain => Ok(()),
            Self::Gzip(gzip) => gzip.finish(),
            Self::Zstd(zstd) => zstd.finish(),
            Self::Streams(streams) => streams.finish(),
        }
    }
}

/// What a step of decompression has come to.
pub(super) enum Progress {
    Made(usize),
    Starved,
    Ended,
}

/// A decoder with the bytes that it has not taken yet.
pub(super) struct Stage {
    decoder: Decoder,
    pub(super) input: Vec<u8>,
    pub(super) at: usize,
    pub(super) input_ended: bool,
}

impl Stage {
    /// A stage that begins with `input`, after which there may be more.
    pub(super) fn new(compression: Compression, input: Vec<u8>, input_ended: bool) -> Result<Self, BadInput> {
        Ok(Self { decoder: Decoder::new(compression)?, input, at: 0, input_ended })
    }

    /// Appends some decompressed bytes to `out`.
    pub(super) fn decode(&mut self, out: &mut Vec<u8>) -> Result<Progress, BadInput> {
        loop {
            if self.at == self.input.len() && !self.input_ended {
                return Ok(Progress::Starved);
            }
            let (taken, made) = self.decoder.decode(&self.input[self.at..], out)?;
            self.at += taken;
            if made > 0 {
                return Ok(Progress::Made(made));
            }
            if taken == 0 {
                if !self.input_ended || self.at < self.input.len() {
                    return Err(BadInput::new(Reason::CorruptCompression, "the compressed data is damaged"));
                }
                self.decoder.finish()?;
                return Ok(Progress::Ended);
            }
        }
    }
}
