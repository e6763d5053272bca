//! Avro object container files: a header with the schema, then blocks of records, each ended by the same mark.
//!
//! Own code, since apache-avro reads from a blocking source, takes a block of any size a file claims, and turns decimals
//! into a type of its own: here a file arrives in pieces inside the caller's task, and every size is bounded.
//!
//! | Avro | record |
//! | --- | --- |
//! | null, boolean, string, enum | the same; an enum is its symbol |
//! | int, long, float, double, decimal | a number: floats in their shortest spelling, decimals with all their digits |
//! | date, time, timestamp, local-timestamp, duration | text as ISO 8601 has it; a timestamp ends in `Z`, a local one does not |
//! | uuid | text |
//! | bytes, fixed | binary |
//! | array, map, record | a list, a map |
//! | union | the value of its branch |
//!
//! A file whose records are no record type gives records of one field named `value`. A meaning (logical type) that is
//! unknown, such as big-decimal, is left out, as the specification asks.
//!
//! <https://avro.apache.org/docs/1.12.0/specification/>

mod block;
mod calendar;
mod datum;
mod schema;

use domain::record::Record;

pub(super) use self::block::MAGIC;
use self::block::{BLOCK_BYTES, Codec};
use self::datum::{Decoder, unzigzag};
use self::schema::Schema;
use super::input::Input;
use super::json::refused::Refused;
use super::options::Options;
use super::position::Place;
use super::reason::{BadInput, ReadError, Reason};

/// The most bytes a header may have.
const HEADER_BYTES: usize = 1 << 20;

/// How many records without a byte a block may have.
const MOST_EMPTY: u64 = 1_000;

/// The bytes of a mark.
const MARK_BYTES: usize = 16;

/// The records of an Avro file.
pub(super) struct Avro {
    schema: Schema,
    codec: Codec,
    mark: Vec<u8>,
    chunk: Vec<u8>,
    at: usize,
    /// The block as it stands in the file, and what it holds.
    packed: Vec<u8>,
    block: Vec<u8>,
    /// Where in it the next record begins, and how many are left.
    next: usize,
    left: u64,
    blocks: u64,
    records: u64,
    item_bytes: usize,
    nulls: Vec<String>,
}

impl Avro {
    /// Reads the header.
    pub(super) async fn open(input: &mut Input, options: &Options) -> Result<Self, ReadError> {
        let mut avro = Self {
            schema: Schema { types: Vec::new() },
            codec: Codec::None,
            mark: Vec::new(),
            chunk: input.take_chunk(),
            at: MAGIC.len(),
            packed: Vec::new(),
            block: Vec::new(),
            next: 0,
            left: 0,
            blocks: 0,
            records: 0,
            item_bytes: options.limits.item_bytes,
            nulls: options.table.nulls.clone().unwrap_or_default(),
        };
        avro.header(input).await?;
        Ok(avro)
    }

    async fn header(&mut self, input: &mut Input) -> Result<(), ReadError> {
        let mut room = HEADER_BYTES;
        let mut schema = None;
        loop {
            let count = self.long(input).await?;
            if count < 0 {
                self.long(input).await?;
            }
            if count == 0 {
                break;
            }
            for _ in 0..count.unsigned_abs() {
                let name = self.sized(&mut room, input).await?;
                let value = self.sized(&mut room, input).await?;
                match &name[..] {
                    b"avro.schema" => schema = Some(Schema::parse(&value)?),
                    b"avro.codec" => self.codec = Codec::parse(&value)?,
                    _ => {}
                }
            }
        }
        self.schema = schema.ok_or_else(|| damaged("the header of the Avro file has no schema"))?;
        let mut mark = Vec::new();
        self.take(MARK_BYTES, &mut mark, input).await?;
        self.mark = mark;
        Ok(())
    }

    /// Whether the records of `other` are of the same types.
    pub(super) fn has_schema_of(&self, other: &Self) -> bool {
        self.schema == other.schema
    }

    /// Where the record stands that [`Self::next`] gave.
    pub(super) fn place(&self) -> Place {
        Place::Row(self.records)
    }

    /// The next record; none at the end of the file.
    pub(super) async fn next(
        &mut self,
        input: &mut Input,
    ) -> Result<Option<Result<Record, Refused>>, ReadError> {
        while self.left == 0 {
            if !self.block(input).await? {
                return Ok(None);
            }
        }
        let rest = &self.block[self.next..];
        let mut decoder = Decoder::new(&self.schema, rest, self.item_bytes, &self.nulls);
        let record = decoder.record().map_err(|what| self.contradicted(what))?;
        self.next = self.block.len() - decoder.left();
        self.left -= 1;
        self.records += 1;
        if self.left == 0 && self.next < self.block.len() {
            return Err(self.contradicted("the block goes on behind its last record").into());
        }
        Ok(Some(record))
    }

    fn contradicted(&self, what: &str) -> BadInput {
        let (block, record) = (self.blocks, self.records + 1);
        damaged(&format!(
            "block {block} of the Avro file does not follow the schema: {what}, in or after row {record}"
        ))
    }

    /// Reads the next block; false at the end of the file.
    async fn block(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        if self.at == self.chunk.len() && !self.more(input).await? {
            return Ok(false);
        }
        self.blocks += 1;
        let (count, size) = (self.long(input).await?, self.long(input).await?);
        let (Ok(count), Ok(size)) = (u64::try_from(count), usize::try_from(size)) else {
            return Err(
                damaged(&format!("block {} of the Avro file has a negative size", self.blocks)).into()
            );
        };
        if size > BLOCK_BYTES {
            let message = format!(
                "block {} of the Avro file has {size} bytes; at most {BLOCK_BYTES} are read",
                self.blocks
            );
            return Err(BadInput::new(Reason::BlockTooLarge, message).into());
        }
        // What a compressed block holds, only decompressing tells.
        if self.codec != Codec::None {
            input.hold_buffers().await?;
        }
        let mut packed = std::mem::take(&mut self.packed);
        self.take(size, &mut packed, input).await?;
        self.codec.unpack(&mut packed, &mut self.block)?;
        self.packed = packed;
        input.note_unpacked(self.block.len())?;
        let mut mark = Vec::new();
        self.take(MARK_BYTES, &mut mark, input).await?;
        if mark != self.mark {
            return Err(damaged(&format!(
                "the mark behind block {} of the Avro file is not that of its header",
                self.blocks
            ))
            .into());
        }
        if count > MOST_EMPTY.max(self.block.len() as u64) {
            return Err(damaged(&format!(
                "block {} of the Avro file claims {count} records in {} bytes",
                self.blocks,
                self.block.len()
            ))
            .into());
        }
        if count == 0 && !self.block.is_empty() {
            return Err(
                damaged(&format!("block {} of the Avro file has bytes and no records", self.blocks)).into()
            );
        }
        (self.next, self.left) = (0, count);
        Ok(true)
    }

    /// Brings the next chunk, once all of this one has been taken; false at the end.
    async fn more(&mut self, input: &mut Input) -> Result<bool, ReadError> {
        self.at = 0;
        let more = input.advance(&mut self.chunk).await?;
        if !more {
            self.chunk.clear();
        }
        Ok(more)
    }

    /// Replaces `out` by the next `bytes` bytes.
    async fn take(&mut self, bytes: usize, out: &mut Vec<u8>, input: &mut Input) -> Result<(), ReadError> {
        out.clear();
        while out.len() < bytes {
            if self.at == self.chunk.len() && !self.more(input).await? {
                return Err(self.cut().into());
            }
            let rest = &self.chunk[self.at..];
            let taken = rest.len().min(bytes - out.len());
            out.extend_from_slice(&rest[..taken]);
            self.at += taken;
        }
        Ok(())
    }

    fn cut(&self) -> BadInput {
        damaged(&match self.blocks {
            0 => "the Avro file ends inside its header".to_owned(),
            block => format!("the Avro file ends inside its block {block}"),
        })
    }

    async fn long(&mut self, input: &mut Input) -> Result<i64, ReadError> {
        let mut bits = 0_u64;
        for shift in (0..64).step_by(7) {
            if self.at == self.chunk.len() && !self.more(input).await? {
                return Err(self.cut().into());
            }
            let byte = self.chunk[self.at];
            self.at += 1;
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(unzigzag(bits));
            }
        }
        Err(damaged("the Avro file has a number of more than ten bytes").into())
    }

    /// Bytes with their length before them, which may take up `room`.
    async fn sized(&mut self, room: &mut usize, input: &mut Input) -> Result<Vec<u8>, ReadError> {
        let length = usize::try_from(self.long(input).await?).unwrap_or(usize::MAX);
        // A name counts as one byte more: empty ones could go on without end.
        *room = room.checked_sub(length.saturating_add(1)).ok_or_else(|| {
            damaged(&format!("the header of the Avro file is damaged, or larger than {HEADER_BYTES} bytes"))
        })?;
        let mut bytes = Vec::new();
        self.take(length, &mut bytes, input).await?;
        Ok(bytes)
    }
}

fn damaged(message: &str) -> BadInput {
    BadInput::new(Reason::DamagedFile, message)
}
