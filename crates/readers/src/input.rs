//! From the object's raw bytes to UTF-8 text in chunks: decompression, byte order marks, caps, counts.
//!
//! ```text
//! source ─▶ raw ─▶ plain | gzip | zstd ─▶ caps ─▶ as is | UTF-16 to UTF-8 ─▶ chunk
//! ```
//! All of it happens inside the caller's task, in buffers of fixed size. The text is not checked to be UTF-8
//! here: which row a bad byte is in, only the reader of rows knows.

use std::pin::Pin;

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::detect;
use super::format::{Compression, Encoding};
use super::gzip::Gzip;
use super::options::{Limits, Options};
use super::permits::{BufferPermits, Permit};
use super::reason::{BadInput, ReadError, Reason};
use super::zstandard::Zstd;

/// What is taken from the source at once, and about what a chunk holds.
const BUFFER_BYTES: usize = 64 * 1024;

/// How much of the object is looked at before it is decided what it is.
pub(super) const LOOK_BYTES: usize = 64 * 1024;

/// How much of its text any reader may read without a permit.
const FREE_BYTES: u64 = 128 * 1024;

/// The byte that ends a text file of DOS.
const END_OF_FILE: u8 = 0x1a;

const MARK: &[u8] = "\u{feff}".as_bytes();

type Source = Pin<Box<dyn AsyncRead + Send>>;

enum Decoder {
    Plain,
    Gzip(Box<Gzip>),
    Zstd(Zstd),
}

/// The object's text. `chunk` is what is held of it; `advance` brings the next.
pub(super) struct Input {
    source: Source,
    raw: Vec<u8>,
    raw_at: usize,
    source_ended: bool,
    decoder: Decoder,
    ended: bool,
    transcoder: Option<encoding_rs::Decoder>,
    /// Decompressed bytes on their way through the transcoder.
    plain: Vec<u8>,
    chunk: Vec<u8>,
    pub(super) compression: Compression,
    pub(super) encoding: Encoding,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    limits: Limits,
    buffers: BufferPermits,
    /// Whether the text is UTF-8 though its pipeline names another encoding.
    suspicion: Option<Utf8Watch>,
    /// How many DOS end-of-file bytes stand behind the chunk: none of the text, if nothing follows them.
    held: usize,
    /// The permit to read beyond [`FREE_BYTES`], until the reader is dropped.
    permit: Option<Permit>,
}

impl Input {
    /// Reads the beginning of `source` and finds out how its bytes are packed.
    pub(super) async fn open(source: Source, options: &Options) -> Result<Self, ReadError> {
        let mut input = Self {
            source,
            raw: Vec::with_capacity(BUFFER_BYTES),
            raw_at: 0,
            source_ended: false,
            decoder: Decoder::Plain,
            ended: false,
            transcoder: None,
            plain: Vec::new(),
            chunk: Vec::new(),
            compression: Compression::None,
            encoding: Encoding::Utf8,
            bytes_in: 0,
            bytes_out: 0,
            limits: options.limits.clone(),
            buffers: options.buffers.clone(),
            suspicion: None,
            held: 0,
            permit: None,
        };
        input.receive(detect::SIGNATURE_BYTES).await?;
        input.compression = detect::compression(&input.raw)?;
        input.decoder = match input.compression {
            Compression::None => Decoder::Plain,
            Compression::Gzip => Decoder::Gzip(Box::new(Gzip::new())),
            Compression::Zstd => Decoder::Zstd(Zstd::new()?),
        };
        let mut look = Vec::with_capacity(LOOK_BYTES + BUFFER_BYTES);
        while look.len() < LOOK_BYTES && !input.ended {
            input.decode_some(&mut look).await?;
        }
        let (encoding, mark_bytes) = detect::encoding(&look, input.compression, options.encoding.as_deref())?;
        input.encoding = encoding;
        look.drain(..mark_bytes);
        input.transcoder = match encoding {
            Encoding::Utf8 => None,
            Encoding::Utf16Le => Some(UTF_16LE.new_decoder_without_bom_handling()),
            Encoding::Utf16Be => Some(UTF_16BE.new_decoder_without_bom_handling()),
            Encoding::Named(name) => encoding_rs::Encoding::for_label(name.as_bytes())
                .map(encoding_rs::Encoding::new_decoder_without_bom_handling),
        };
        if matches!(encoding, Encoding::Named(_)) {
            input.suspicion = Some(Utf8Watch::default());
        }
        input.plain = look;
        input.deliver()?;
        // Some programs write the mark twice.
        let marks = input.chunk.chunks_exact(MARK.len()).take_while(|part| *part == MARK).count();
        input.chunk.drain(..marks * MARK.len());
        Ok(input)
    }

    /// The text held now: at the beginning the first [`LOOK_BYTES`] or all there is.
    pub(super) fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// Takes the chunk out, for a reader that keeps its own place in it.
    pub(super) fn take_chunk(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.chunk)
    }

    /// Whether nothing comes after the chunk held now, and everything behind it has been verified.
    pub(super) fn is_last(&self) -> bool {
        self.ended
    }

    /// Brings the next chunk into `spent`, a chunk that is no longer needed; false at the end of the text.
    pub(super) async fn advance(&mut self, spent: &mut Vec<u8>) -> Result<bool, ReadError> {
        // A source that always has bytes would otherwise keep this task running, and a lease unrenewed.
        tokio::task::coop::consume_budget().await;
        if self.permit.is_none() && self.bytes_out >= FREE_BYTES {
            self.permit = Some(self.buffers.acquire().await?);
        }
        spent.clear();
        self.chunk = std::mem::take(spent);
        while self.chunk.is_empty() {
            if self.ended {
                return Ok(false);
            }
            let mut plain = std::mem::take(&mut self.plain);
            plain.clear();
            let result = self.decode_some(&mut plain).await;
            self.plain = plain;
            result?;
            self.deliver()?;
        }
        *spent = std::mem::take(&mut self.chunk);
        Ok(true)
    }

    /// At the end of the text: whether it is in the encoding that the pipeline names.
    pub(super) fn verify(&self) -> Result<(), BadInput> {
        match (&self.suspicion, self.encoding) {
            (Some(watch), Encoding::Named(name)) if watch.is_utf8() => Err(BadInput::new(
                Reason::EncodingMismatch,
                format!(
                    "the pipeline says encoding = \"{}\", but all of the text is valid UTF-8, and not all of it ASCII",
                    name.to_ascii_lowercase()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Moves what was decompressed into the chunk, as UTF-8 and without a DOS end-of-file byte at the end.
    fn deliver(&mut self) -> Result<(), BadInput> {
        if let Some(watch) = &mut self.suspicion {
            watch.feed(&self.plain);
        }
        self.transcode()?;
        let kept =
            self.chunk.len() - self.chunk.iter().rev().take_while(|byte| **byte == END_OF_FILE).count();
        let ends = self.chunk.len() - kept;
        if kept > 0 && self.held > 0 {
            let held = std::mem::take(&mut self.held);
            self.chunk.splice(..0, std::iter::repeat_n(END_OF_FILE, held));
        }
        self.chunk.truncate(self.chunk.len() - ends);
        self.held += ends;
        Ok(())
    }

    fn transcode(&mut self) -> Result<(), BadInput> {
        let Some(transcoder) = &mut self.transcoder else {
            std::mem::swap(&mut self.chunk, &mut self.plain);
            return Ok(());
        };
        let mut at = 0;
        loop {
            let start = self.chunk.len();
            // Three bytes for each unit of two is the most there can be.
            self.chunk.resize(start + (self.plain.len() - at) * 2 + 16, 0);
            let (result, read, written) = transcoder.decode_to_utf8_without_replacement(
                &self.plain[at..],
                &mut self.chunk[start..],
                self.ended,
            );
            at += read;
            self.chunk.truncate(start + written);
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let position = self.bytes_out - (self.plain.len() - at) as u64;
                    return Err(match self.encoding {
                        Encoding::Named(name) => BadInput::new(
                            Reason::EncodingMismatch,
                            format!(
                                "the text is not in the encoding that the pipeline names, {}: malformed just before \
                                 byte {position}",
                                name.to_ascii_lowercase()
                            ),
                        ),
                        _ => BadInput::new(
                            Reason::InvalidUtf16,
                            format!("malformed UTF-16 just before byte {position}"),
                        ),
                    });
                }
            }
        }
    }

    /// Appends some decompressed bytes to `out`, or finds the end of them.
    async fn decode_some(&mut self, out: &mut Vec<u8>) -> Result<(), ReadError> {
        loop {
            if self.raw_at == self.raw.len() && !self.source_ended {
                self.receive(1).await?;
            }
            let input = &self.raw[self.raw_at..];
            let start = out.len();
            let (taken, made) = match &mut self.decoder {
                Decoder::Plain => {
                    out.extend_from_slice(input);
                    (input.len(), input.len())
                }
                Decoder::Gzip(gzip) => {
                    out.resize(start + BUFFER_BYTES, 0);
                    gzip.decode(input, &mut out[start..])?
                }
                Decoder::Zstd(zstd) => {
                    out.resize(start + BUFFER_BYTES, 0);
                    zstd.decode(input, &mut out[start..])?
                }
            };
            out.truncate(start + made);
            self.raw_at += taken;
            self.bytes_out += made as u64;
            if made > 0 {
                return Ok(self.check_caps()?);
            }
            if taken == 0 {
                if !self.source_ended || self.raw_at < self.raw.len() {
                    return Err(
                        BadInput::new(Reason::CorruptCompression, "the compressed data is damaged").into()
                    );
                }
                match &self.decoder {
                    Decoder::Plain => {}
                    Decoder::Gzip(gzip) => gzip.finish()?,
                    Decoder::Zstd(zstd) => zstd.finish()?,
                }
                self.ended = true;
                return Ok(());
            }
        }
    }

    /// Refills the raw buffer with at least `least` bytes, unless the source ends before.
    async fn receive(&mut self, least: usize) -> Result<(), ReadError> {
        self.raw.clear();
        self.raw_at = 0;
        while self.raw.len() < least && !self.source_ended {
            let received = self.source.read_buf(&mut self.raw).await.map_err(ReadError::Source)?;
            self.bytes_in += received as u64;
            self.source_ended = received == 0;
        }
        Ok(())
    }

    fn check_caps(&self) -> Result<(), BadInput> {
        let Limits { decoded_bytes, ratio, ratio_from_bytes, .. } = &self.limits;
        if self.bytes_out > *decoded_bytes {
            return Err(BadInput::new(
                Reason::DecompressionBomb,
                format!("the object expands beyond {decoded_bytes} bytes"),
            ));
        }
        let used = self.bytes_in - (self.raw.len() - self.raw_at) as u64;
        if !matches!(self.decoder, Decoder::Plain)
            && self.bytes_out > *ratio_from_bytes
            && self.bytes_out / used.max(1) > *ratio
        {
            return Err(BadInput::new(
                Reason::DecompressionBomb,
                format!("{used} bytes expand to {} and more, beyond {ratio} times", self.bytes_out),
            ));
        }
        Ok(())
    }
}

/// Watches bytes go by that are said to be no UTF-8.
#[derive(Default)]
struct Utf8Watch {
    /// The beginning of a character that the last piece cut.
    cut: Vec<u8>,
    refuted: bool,
    characters: bool,
}

impl Utf8Watch {
    fn feed(&mut self, piece: &[u8]) {
        if self.refuted || piece.is_empty() {
            return;
        }
        let joined;
        let text = if self.cut.is_empty() {
            piece
        } else {
            self.cut.extend_from_slice(piece);
            joined = std::mem::take(&mut self.cut);
            &joined
        };
        self.characters |= !text.is_ascii();
        if let Err(error) = std::str::from_utf8(text) {
            self.refuted = error.error_len().is_some();
            self.cut = text[error.valid_up_to()..].to_vec();
        }
    }

    fn is_utf8(&self) -> bool {
        !self.refuted && self.characters && self.cut.is_empty()
    }
}
