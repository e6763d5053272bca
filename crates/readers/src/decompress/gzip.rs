//! Gzip, member after member, checksum and length of each verified.
//!
//! Only the deflate step is the library's: the members are walked here, because a reader that stops after the
//! first one loses data without a word, and because "cut short", "damaged" and "followed by something else" are
//! different news to the person who uploaded the object.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::super::reason::{BadInput, Reason};

/// The bytes every member starts with: the signature, and deflate as the method.
pub(super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

const HAS_HEADER_CRC: u8 = 0b0000_0010;
const HAS_EXTRA: u8 = 0b0000_0100;
const HAS_NAME: u8 = 0b0000_1000;
const HAS_COMMENT: u8 = 0b0001_0000;
const RESERVED: u8 = 0b1110_0000;

/// Where in a member the next byte belongs.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// The fixed ten bytes.
    Fixed,
    ExtraLength,
    Extra(u16),
    Name,
    Comment,
    HeaderCrc,
    Body,
    Footer,
    /// Between members: the only place where the input may end.
    Between,
}

/// A gzip decoder that is fed and emptied in pieces of any size.
pub(super) struct Gzip {
    place: Place,
    flags: u8,
    /// Bytes of a fixed-size part, as far as they have come.
    part: Vec<u8>,
    header_crc: Crc,
    crc: Crc,
    inflate: Decompress,
    members: u64,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Fixed,
            flags: 0,
            part: Vec::with_capacity(16),
            header_crc: Crc::new(),
            crc: Crc::new(),
            inflate: Decompress::new(false),
            members: 0,
        }
    }

    /// Decodes from `input` into `output`: how many bytes were taken and made. Both zero only when `input` is
    /// used up or `output` is full.
    pub(super) fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), BadInput> {
        let mut at = 0;
        loop {
            if matches!(self.place, Place::Body) {
                let (taken, made) = self.inflate_some(&input[at..], output)?;
                at += taken;
                if made > 0 || matches!(self.place, Place::Body) {
                    return Ok((at, made));
                }
            }
            let Some(byte) = input.get(at) else { return Ok((at, 0)) };
            at += 1;
            self.take(*byte)?;
        }
    }

    /// The input has ended.
    pub(super) fn finish(&self) -> Result<(), BadInput> {
        match self.place {
            Place::Between => Ok(()),
            Place::Fixed if self.members > 0 && self.part.len() < MAGIC.len() => Err(self.garbage()),
            _ => Err(BadInput::new(
                Reason::TruncatedGzip,
                format!("the gzip data ends inside its member {}", self.members + 1),
            )),
        }
    }

    fn inflate_some(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), BadInput> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, FlushDecompress::None).map_err(|_| {
            BadInput::new(
                Reason::CorruptCompression,
                format!("the gzip data is damaged in its member {}", self.members + 1),
            )
        })?;
        let moved = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let taken = moved(self.inflate.total_in(), before_in);
        let made = moved(self.inflate.total_out(), before_out);
        self.crc.update(&output[..made]);
        if status == Status::StreamEnd {
            self.place = Place::Footer;
        }
        Ok((taken, made))
    }

    /// One byte of anything but the body.
    fn take(&mut self, byte: u8) -> Result<(), BadInput> {
        if !matches!(self.place, Place::Between | Place::HeaderCrc | Place::Footer) {
            self.header_crc.update(&[byte]);
        }
        match self.place {
            Place::Between => {
                self.place = Place::Fixed;
                self.header_crc.reset();
                self.crc.reset();
                self.inflate.reset(false);
                return self.take(byte);
            }
            Place::Fixed => {
                self.part.push(byte);
                let known = self.part.len().min(MAGIC.len());
                if self.part[..known] != MAGIC[..known] {
                    return Err(self.garbage());
                }
                if let [_, _, _, flags, _, _, _, _, _, _] = *self.part {
                    if flags & RESERVED != 0 {
                        return Err(BadInput::new(
                            Reason::CorruptCompression,
                            "the gzip header has flags that do not exist",
                        ));
                    }
                    self.flags = flags;
                    self.part.clear();
                    self.place = self.after(Place::Fixed);
                }
            }
            Place::ExtraLength => {
                self.part.push(byte);
                if let [low, high] = *self.part {
                    self.part.clear();
                    let length = u16::from_le_bytes([low, high]);
                    self.place = if length == 0 { self.after(Place::Extra(0)) } else { Place::Extra(length) };
                }
            }
            Place::Extra(left) => {
                self.place = if left == 1 { self.after(Place::Extra(0)) } else { Place::Extra(left - 1) };
            }
            Place::Name | Place::Comment => {
                if byte == 0 {
                    self.place = self.after(self.place);
                }
            }
            Place::HeaderCrc => {
                self.part.push(byte);
                if let [low, high] = *self.part {
                    self.part.clear();
                    self.place = Place::Body;
                    if self.header_crc.sum().to_le_bytes()[..2] != [low, high] {
                        return Err(BadInput::new(
                            Reason::ChecksumMismatch,
                            "the checksum of a gzip header does not match",
                        ));
                    }
                }
            }
            Place::Footer => {
                self.part.push(byte);
                if let [a, b, c, d, e, f, g, h] = *self.part {
                    self.part.clear();
                    self.members += 1;
                    self.place = Place::Between;
                    if [a, b, c, d] != self.crc.sum().to_le_bytes() {
                        return Err(self.mismatch("checksum"));
                    }
                    if [e, f, g, h] != self.crc.amount().to_le_bytes() {
                        return Err(self.mismatch("length"));
                    }
                }
            }
            Place::Body => {}
        }
        Ok(())
    }

    /// The part of the header that follows `place`, as far as the flags announce it.
    fn after(&self, place: Place) -> Place {
        let parts = [
            (HAS_EXTRA, Place::ExtraLength),
            (HAS_NAME, Place::Name),
            (HAS_COMMENT, Place::Comment),
            (HAS_HEADER_CRC, Place::HeaderCrc),
        ];
        let done = match place {
            Place::Fixed => 0,
            Place::Extra(_) => 1,
            Place::Name => 2,
            _ => 3,
        };
        parts[done..].iter().find(|(flag, _)| self.flags & flag != 0).map_or(Place::Body, |(_, next)| *next)
    }

    fn garbage(&self) -> BadInput {
        BadInput::new(
            Reason::TrailingGarbage,
            format!("bytes that are not gzip follow the gzip data after its member {}", self.members),
        )
    }

    fn mismatch(&self, what: &str) -> BadInput {
        BadInput::new(
            Reason::ChecksumMismatch,
            format!("the {what} of gzip member {} does not match its data", self.members),
        )
    }
}
