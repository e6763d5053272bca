//! Bzip2 and xz, stream after stream: parallel compressors write one for each piece of the data.
//!
//! The libraries decode one stream; what stands between streams is looked at here. Both verify checksums themselves, and
//! do not tell a checksum that differs from other damage.

use bzip2::Decompress;
use liblzma::stream::{Action, Status, Stream, TELL_UNSUPPORTED_CHECK};

use super::super::reason::{BadInput, Reason};

/// How every xz stream begins.
///
/// <https://tukaani.org/xz/xz-file-format.txt>
pub(super) const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// How every bzip2 stream begins; a digit for the size of its blocks follows.
pub(super) const BZIP2_MAGIC: [u8; 3] = *b"BZh";

/// How a block of bzip2 begins, and how its end mark does.
const BZIP2_BLOCKS: [[u8; 6]; 2] =
    [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];

/// What an xz decoder may hold: a dictionary of 8 MiB, which is that of `xz -6`, the default, and of zstd's window here.
const XZ_MEMORY_BYTES: u64 = (8 << 20) + (256 << 10);

/// Whether the bytes begin a bzip2 stream. Three letters and a digit may begin a text as well.
pub(super) fn is_bzip2(bytes: &[u8]) -> bool {
    let Some(([b'1'..=b'9'], block)) =
        bytes.strip_prefix(&BZIP2_MAGIC).and_then(|rest| rest.split_at_checked(1))
    else {
        return false;
    };
    let known = block.len().min(6);
    BZIP2_BLOCKS.iter().any(|magic| block[..known] == magic[..known])
}

/// Which of the two it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bzip2,
    Xz,
}

impl Kind {
    fn magic(self) -> &'static [u8] {
        match self {
            Self::Bzip2 => &BZIP2_MAGIC,
            Self::Xz => &XZ_MAGIC,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }
}

enum Codec {
    Bzip2(Decompress),
    Xz(Box<Stream>),
}

/// What a library says against a stream.
enum Fault {
    Damaged,
    TooLarge,
    Unknown,
}

impl Codec {
    fn new(kind: Kind) -> Result<Self, Fault> {
        Ok(match kind {
            Kind::Bzip2 => Self::Bzip2(Decompress::new(false)),
            Kind::Xz => {
                let stream = Stream::new_stream_decoder(XZ_MEMORY_BYTES, TELL_UNSUPPORTED_CHECK);
                Self::Xz(Box::new(stream.map_err(fault_of)?))
            }
        })
    }

    /// Decodes some: how many bytes were taken and made, and whether the stream has ended.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize, bool), Fault> {
        let before = self.totals();
        let ended = match self {
            Self::Bzip2(codec) => match codec.decompress(input, output) {
                Ok(bzip2::Status::MemNeeded) => return Err(Fault::TooLarge),
                Ok(status) => status == bzip2::Status::StreamEnd,
                Err(_) => return Err(Fault::Damaged),
            },
            Self::Xz(codec) => {
                codec.process(input, output, Action::Run).map_err(fault_of)? == Status::StreamEnd
            }
        };
        let now = self.totals();
        let moved = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        Ok((moved(now.0, before.0), moved(now.1, before.1), ended))
    }

    fn totals(&self) -> (u64, u64) {
        match self {
            Self::Bzip2(codec) => (codec.total_in(), codec.total_out()),
            Self::Xz(codec) => (codec.total_in(), codec.total_out()),
        }
    }
}

fn fault_of(error: liblzma::stream::Error) -> Fault {
    use liblzma::stream::Error;
    match error {
        Error::MemLimit | Error::Mem => Fault::TooLarge,
        Error::Options | Error::UnsupportedCheck => Fault::Unknown,
        _ => Fault::Damaged,
    }
}

/// A decoder that is fed and emptied in pieces of any size.
pub(super) struct Streams {
    kind: Kind,
    /// The decoder of the present stream; none between streams.
    codec: Option<Codec>,
    /// How many bytes of the present stream's signature have come.
    magic: usize,
    /// How many NUL bytes stand behind the last stream. Xz pads with fours of them.
    padding: u64,
    streams: u64,
}

impl Streams {
    pub(super) fn new(kind: Kind) -> Result<Self, BadInput> {
        let mut streams = Self { kind, codec: None, magic: 0, padding: 0, streams: 0 };
        streams.begin()?;
        Ok(streams)
    }

    fn begin(&mut self) -> Result<(), BadInput> {
        self.magic = 0;
        self.codec = Some(Codec::new(self.kind).map_err(|fault| self.bad(fault))?);
        Ok(())
    }

    /// Decodes from `input` into `output`: how many bytes were taken and made. Both zero only when `input` is
    /// used up or `output` is full.
    pub(super) fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), BadInput> {
        let mut at = 0;
        loop {
            if self.codec.is_some() {
                let (taken, made, ended) = self.step(&input[at..], output)?;
                at += taken;
                if ended {
                    self.codec = None;
                    self.streams += 1;
                    self.padding = 0;
                }
                if made > 0 || !ended {
                    return Ok((at, made));
                }
            }
            let Some(byte) = input.get(at) else { return Ok((at, 0)) };
            if self.kind == Kind::Xz && *byte == 0 {
                self.padding += 1;
                at += 1;
            } else if self.padding.is_multiple_of(4) {
                self.begin()?;
            } else {
                return Err(self.garbage());
            }
        }
    }

    /// The input has ended.
    pub(super) fn finish(&self) -> Result<(), BadInput> {
        match &self.codec {
            None if self.padding.is_multiple_of(4) => Ok(()),
            None => Err(self.garbage()),
            Some(_) if self.streams > 0 && self.magic < self.kind.magic().len() => Err(self.garbage()),
            Some(_) => {
                let (name, stream) = (self.kind.name(), self.streams + 1);
                let reason = match self.kind {
                    Kind::Bzip2 => Reason::TruncatedBzip2,
                    Kind::Xz => Reason::TruncatedXz,
                };
                Err(BadInput::new(reason, format!("the {name} data ends inside its stream {stream}")))
            }
        }
    }

    /// Lets the decoder of the present stream go on: what it took and made, and whether the stream has ended.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize, bool), BadInput> {
        let magic = &self.kind.magic()[self.magic..];
        let known = magic.len().min(input.len());
        if input[..known] != magic[..known] {
            return Err(self.garbage());
        }
        let Some(codec) = &mut self.codec else { return Ok((0, 0, true)) };
        let (taken, made, ended) = codec.step(input, output).map_err(|fault| self.bad(fault))?;
        self.magic = (self.magic + taken).min(self.kind.magic().len());
        Ok((taken, made, ended))
    }

    fn bad(&self, fault: Fault) -> BadInput {
        let (name, stream) = (self.kind.name(), self.streams + 1);
        match fault {
            Fault::Damaged => BadInput::new(
                Reason::CorruptCompression,
                format!("the {name} data is damaged in its stream {stream}"),
            ),
            Fault::TooLarge => BadInput::new(
                Reason::WindowTooLarge,
                format!("stream {stream} of the {name} data needs a dictionary above 8 MiB"),
            ),
            Fault::Unknown => BadInput::new(
                Reason::UnsupportedFormat,
                format!("stream {stream} of the {name} data has a filter or a checksum that is not known"),
            ),
        }
    }

    fn garbage(&self) -> BadInput {
        let name = self.kind.name();
        BadInput::new(
            Reason::TrailingGarbage,
            format!("bytes that are not {name} follow the {name} data after its stream {}", self.streams),
        )
    }
}
