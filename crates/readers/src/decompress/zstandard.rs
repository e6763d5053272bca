//! Zstandard, frame after frame, skippable ones included.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::super::reason::{BadInput, Reason};

/// The largest window a frame may ask for, as a power of two: 8 MiB, what RFC 8878 asks every decoder to
/// support. It bounds the decoder's memory.
const WINDOW_LOG: u32 = 23;

/// The signature of a frame.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

// The library's codes for what is told apart here; all others mean damage.
// https://github.com/facebook/zstd/blob/dev/lib/zstd_errors.h
const PREFIX_UNKNOWN: usize = 10;
const WINDOW_TOO_LARGE: usize = 16;
const CHECKSUM_WRONG: usize = 22;
const DICTIONARY_WRONG: usize = 32;

/// Whether the bytes begin a frame that decoders skip: its signature has sixteen last digits.
pub(super) fn is_skippable(bytes: &[u8]) -> bool {
    matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// A zstd decoder that is fed and emptied in pieces of any size.
pub(super) struct Zstd {
    context: DCtx<'static>,
    /// Whether the input so far ends where a frame ends.
    between: bool,
    /// Bytes taken since the last frame ended.
    in_frame: u64,
    frames: u64,
}

impl Zstd {
    pub(super) fn new() -> Result<Self, BadInput> {
        let broken = |_| BadInput::new(Reason::CorruptCompression, "the zstd decoder does not start");
        let mut context = DCtx::try_create()
            .ok_or_else(|| BadInput::new(Reason::CorruptCompression, "the zstd decoder does not start"))?;
        context.init().map_err(broken)?;
        context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(broken)?;
        Ok(Self { context, between: true, in_frame: 0, frames: 0 })
    }

    /// Decodes from `input` into `output`: how many bytes were taken and made. Both zero only when `input` is
    /// used up or `output` is full.
    pub(super) fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), BadInput> {
        if input.is_empty() && self.between {
            return Ok((0, 0));
        }
        let mut from = InBuffer::around(input);
        let mut to = OutBuffer::around(output);
        let hint = self
            .context
            .decompress_stream(&mut to, &mut from)
            .map_err(|code| self.bad(0_usize.wrapping_sub(code)))?;
        let (taken, made) = (from.pos(), to.pos());
        self.in_frame += taken as u64;
        if hint == 0 {
            self.between = true;
            self.in_frame = 0;
            self.frames += 1;
        } else if taken > 0 {
            self.between = false;
        }
        Ok((taken, made))
    }

    /// The input has ended.
    pub(super) fn finish(&self) -> Result<(), BadInput> {
        if self.between {
            return Ok(());
        }
        // One to three stray bytes behind a frame are told like this too: they could begin a signature.
        Err(BadInput::new(
            Reason::TruncatedZstd,
            format!("the zstd data ends inside its frame {}", self.frames + 1),
        ))
    }

    fn bad(&self, code: usize) -> BadInput {
        let frame = self.frames + 1;
        match code {
            PREFIX_UNKNOWN => BadInput::new(
                Reason::TrailingGarbage,
                format!("bytes that are not zstd follow the zstd data after its frame {}", self.frames),
            ),
            WINDOW_TOO_LARGE => BadInput::new(
                Reason::WindowTooLarge,
                format!("frame {frame} of the zstd data needs a window above 8 MiB"),
            ),
            CHECKSUM_WRONG => BadInput::new(
                Reason::ChecksumMismatch,
                format!("the checksum of zstd frame {frame} does not match its data"),
            ),
            DICTIONARY_WRONG => BadInput::new(
                Reason::CorruptCompression,
                format!("frame {frame} of the zstd data needs a dictionary"),
            ),
            _ => BadInput::new(
                Reason::CorruptCompression,
                format!("the zstd data is damaged in its frame {frame}"),
            ),
        }
    }
}
