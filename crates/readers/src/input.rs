//! From the object's raw bytes to UTF-8 text in chunks: decompression, byte order marks, caps, counts.
//!
//! ```text
//! source, or a member of a zip archive ─▶ plain | gzip | zstd | bzip2 | xz ─▶ once more, if it is compressed twice ─▶ caps ─▶ as is | UTF-16 to UTF-8 ─▶ chunk
//! ```
//! All of it happens inside the caller's task, in buffers of fixed size. The text is not checked to be UTF-8
//! here: which row a bad byte is in, only the reader of rows knows.

use encoding_rs::{DecoderResult, UTF_16BE, UTF_16LE};
use tokio::io::AsyncReadExt;

use super::avro::MAGIC as AVRO;
use super::decompress::{BUFFER_BYTES, Progress, Stage};
use super::detect;
use super::format::{Compression, Encoding};
use super::options::{Limits, Options};
use super::permits::{BufferPermits, Permit};
use super::position::Position;
use super::reason::{BadInput, ReadError, Reason};
use super::source::{Begun, PackedBytes, Stream};

/// How much of the object is looked at before it is decided what it is.
pub(super) const LOOK_BYTES: usize = 64 * 1024;

/// How much of its text any reader may read without a permit.
const FREE_BYTES: u64 = 128 * 1024;

/// The byte that ends a text file of DOS.
const END_OF_FILE: u8 = 0x1a;

const MARK: &[u8] = "\u{feff}".as_bytes();

/// The object's text. `chunk` is what is held of it; `advance` brings the next.
pub(super) struct Input {
    source: Stream,
    /// Decompresses what comes from the source.
    outer: Stage,
    /// Decompresses what that makes, if it is compressed itself.
    inner: Option<Stage>,
    ended: bool,
    transcoder: Option<encoding_rs::Decoder>,
    /// Decompressed bytes on their way through the transcoder.
    plain: Vec<u8>,
    chunk: Vec<u8>,
    pub(super) compression: Compression,
    /// How the data inside the compressed data is compressed.
    pub(super) inner_compression: Compression,
    /// What the outer decoder has made so far.
    outer_bytes: u64,
    /// What a reader has made of the decompressed bytes.
    unpacked: u64,
    pub(super) encoding: Encoding,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// What the bytes took in the zip archive that they come from.
    packed: Option<PackedBytes>,
    /// How long the byte order mark before the text is.
    mark_bytes: usize,
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
    /// Goes on with a stream of which the first bytes are read, and finds out how its bytes are packed.
    pub(super) async fn open(begun: Begun, options: &Options) -> Result<Self, ReadError> {
        let Begun { stream, first, ended, packed, permit, .. } = begun;
        let what = if packed.is_some() { "the zip archive holds" } else { "the object is" };
        let outer = detect::compression(&first, what)?;
        let (compression, inner_compression) =
            if packed.is_some() { (Compression::Zip, outer) } else { (outer, Compression::None) };
        let mut input = Self {
            source: stream,
            bytes_in: first.len() as u64,
            outer: Stage::new(outer, first, ended)?,
            inner: None,
            ended: false,
            transcoder: None,
            plain: Vec::new(),
            chunk: Vec::new(),
            compression,
            inner_compression,
            packed,
            outer_bytes: 0,
            unpacked: 0,
            encoding: Encoding::Utf8,
            bytes_out: 0,
            mark_bytes: 0,
            limits: options.limits.clone(),
            buffers: options.buffers.clone(),
            suspicion: None,
            held: 0,
            permit,
        };
        let mut look = input.look(Vec::with_capacity(LOOK_BYTES + BUFFER_BYTES)).await?;
        let mut is_twice = false;
        if !matches!(input.compression, Compression::None | Compression::Zip) {
            let inner = detect::compression(&look, "").unwrap_or(Compression::None);
            input.inner_compression = inner;
            is_twice = inner != Compression::None;
        }
        if is_twice {
            let outer_ended = std::mem::take(&mut input.ended);
            input.bytes_out = 0;
            input.inner = Some(Stage::new(input.inner_compression, look, outer_ended)?);
            look = input.look(Vec::with_capacity(LOOK_BYTES + BUFFER_BYTES)).await?;
        }
        if look.starts_with(&AVRO) {
            input.encoding = Encoding::Binary;
            input.chunk = look;
            return Ok(input);
        }
        let (encoding, mark_bytes) = detect::encoding(&look, input.compression, options.encoding.as_deref())?;
        input.encoding = encoding;
        input.mark_bytes = mark_bytes;
        look.drain(..mark_bytes);
        input.transcoder = match encoding {
            Encoding::Utf8 | Encoding::Binary => None,
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

    /// Fills `look` with the first [`LOOK_BYTES`] of what is decompressed, or all there is.
    async fn look(&mut self, mut look: Vec<u8>) -> Result<Vec<u8>, ReadError> {
        while look.len() < LOOK_BYTES && !self.ended {
            self.decode_some(&mut look).await?;
        }
        Ok(look)
    }

    /// The text held now: at the beginning the first [`LOOK_BYTES`] or all there is.
    pub(super) fn chunk(&self) -> &[u8] {
        &self.chunk
    }

    /// Where the text begins.
    pub(super) fn start(&self) -> Position {
        Position::start(self.mark_bytes)
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

    /// Waits for the permit to hold buffers of full size, for a reader that needs them before it has read much.
    pub(super) async fn hold_buffers(&mut self) -> Result<(), ReadError> {
        if self.permit.is_none() {
            self.permit = Some(self.buffers.acquire().await?);
        }
        Ok(())
    }

    /// Counts bytes that a reader has made of the decompressed ones, which may be a bomb too.
    pub(super) fn note_unpacked(&mut self, bytes: usize) -> Result<(), BadInput> {
        self.unpacked += bytes as u64;
        self.check_caps()
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
        if self.encoding == Encoding::Binary {
            std::mem::swap(&mut self.chunk, &mut self.plain);
            return Ok(());
        }
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
            match self.inner.as_mut().unwrap_or(&mut self.outer).decode(out)? {
                Progress::Made(bytes) => {
                    self.bytes_out += bytes as u64;
                    if self.inner.is_none() {
                        self.outer_bytes = self.bytes_out;
                    }
                    return Ok(self.check_caps()?);
                }
                Progress::Ended => {
                    self.ended = true;
                    return Ok(());
                }
                Progress::Starved if self.inner.is_some() => self.feed_inner().await?,
                Progress::Starved => self.receive().await?,
            }
        }
    }

    /// Refills the inner decoder's input with what the outer one makes.
    async fn feed_inner(&mut self) -> Result<(), ReadError> {
        loop {
            let Some(inner) = &mut self.inner else { return Ok(()) };
            inner.input.clear();
            inner.at = 0;
            match self.outer.decode(&mut inner.input)? {
                Progress::Made(bytes) => {
                    self.outer_bytes += bytes as u64;
                    return Ok(self.check_caps()?);
                }
                Progress::Ended => {
                    inner.input_ended = true;
                    return Ok(());
                }
                Progress::Starved => self.receive().await?,
            }
        }
    }

    /// Refills the raw bytes, unless the source has ended.
    async fn receive(&mut self) -> Result<(), ReadError> {
        let raw = &mut self.outer;
        raw.input.clear();
        raw.at = 0;
        if !raw.input_ended {
            let received = self.source.read_buf(&mut raw.input).await.map_err(ReadError::received)?;
            self.bytes_in += received as u64;
            raw.input_ended = received == 0;
        }
        Ok(())
    }

    /// How many bytes were made so far. What is decompressed twice may be a bomb on the way.
    pub(super) fn made(&self) -> u64 {
        let made = self.bytes_out.max(self.outer_bytes).max(self.unpacked);
        if self.packed.is_some() { made.max(self.bytes_in) } else { made }
    }

    fn check_caps(&self) -> Result<(), BadInput> {
        let Limits { decoded_bytes, ratio, ratio_from_bytes, .. } = &self.limits;
        let made = self.made() + self.packed.map_or(0, |packed| packed.made_before);
        if made > *decoded_bytes {
            return Err(BadInput::new(
                Reason::DecompressionBomb,
                format!("the object expands beyond {decoded_bytes} bytes"),
            ));
        }
        let taken = self.bytes_in - (self.outer.input.len() - self.outer.at) as u64;
        let used = self.packed.map_or(taken, |packed| packed.bytes);
        let is_packed = self.compression != Compression::None || self.unpacked > 0;
        if is_packed && made > *ratio_from_bytes && made / used.max(1) > *ratio {
            return Err(BadInput::new(
                Reason::DecompressionBomb,
                format!("{used} bytes expand to {made} and more, beyond {ratio} times"),
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
