//! How an object is to be read: what its pipeline says about it, and the bounds on what is accepted.

use std::collections::BTreeMap;

use domain::drift::Known;
use domain::pipelines::{Delimited, Entry, Preset};
use domain::record::{FIELD_BYTES, ITEM_BYTES};
use domain::volume::Bounds;

use super::permits::BufferPermits;
use super::schema::ColumnType;

/// Names that a pipeline gives to attributes of its own: no field may have one of them.
pub const RESERVED_NAMES: &[&str] = &domain::manifest::RESERVED;

/// How the object is to be read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What the text is, if it is not to be found out.
    pub format: Format,
    /// What of AWS the object is. This says the format and most of what else is said about delimited text.
    pub preset: Option<Preset>,
    /// What separates fields, if it is not to be found out; a line feed if each line is one field.
    pub delimiter: Option<u8>,
    /// The way to the records in each JSON document (RFC 6901). With it, [`Format::Auto`] means [`Format::Json`].
    pub pointer: Option<String>,
    /// What else is said about delimited text.
    pub table: Delimited,
    /// The sheet of a workbook that is read, if it is not the only one with values.
    pub sheet: Option<String>,
    /// The files of a zip archive that are read, if not all of them. The object must be one.
    pub entry: Option<Entry>,
    /// The encoding of the text by its name in the Encoding Standard, if it is not UTF-8, or UTF-16 with a byte order
    /// mark.
    pub encoding: Option<String>,
    /// Declared types by column. In JSON they apply to the fields of a record; a field may be null or missing.
    pub columns: BTreeMap<String, ColumnType>,
    /// Whether rows of delimited text that do not fit their table are repaired, and which share of the rows may be, in
    /// hundredths of a percent.
    pub repair: Option<u32>,
    /// What earlier objects had. A column of delimited text that was text there is text here, unless it is declared.
    pub known: Option<Known>,
    /// Bounds.
    pub limits: Limits,
    /// What the object may become. A few bytes may promise or hold any number of records.
    pub bounds: Bounds,
    /// Where this reader gets its permit to read beyond the first 128 KiB of text.
    pub buffers: BufferPermits,
}

/// What the object is said to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Found out from the first 64 KiB.
    #[default]
    Auto,
    /// Delimited text with a header.
    Csv,
    /// A JSON value on each line.
    JsonLines,
    /// One JSON document, or several one after the other.
    Json,
    /// An item on each line, as DynamoDB exports a table.
    DynamodbJson,
    /// An Avro object container file.
    Avro,
    /// A Parquet file.
    Parquet,
    /// A sheet of a workbook.
    Sheet,
}

/// What is refused for its size. The bounds on memory follow from these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The largest field.
    pub field_bytes: usize,
    /// The largest record: an item less 4 KiB, which hold the longest keys a pipeline can add (2,048 + 1,024
    /// bytes) and their names.
    pub item_bytes: usize,
    /// The most columns of delimited text.
    pub columns: usize,
    /// The most text an object may hold, decompressed.
    pub decoded_bytes: u64,
    /// How many times larger than its raw bytes the text may be. Real tables stay below 50; bombs start at 1,000.
    pub ratio: u64,
    /// The ratio counts only beyond so much text: small objects may be as regular as they like.
    pub ratio_from_bytes: u64,
    /// How much of a refused row is shown.
    pub raw_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            field_bytes: FIELD_BYTES,
            item_bytes: ITEM_BYTES - 4 * 1024,
            columns: 4_096,
            decoded_bytes: 64 * 1024 * 1024 * 1024,
            ratio: 200,
            ratio_from_bytes: 64 * 1024 * 1024,
            raw_bytes: 1024,
        }
    }
}
