//! What an object turns out to be: how its bytes are compressed, its text encoded, its records laid out.

use super::delimited::dialect::Dialect;

/// How the object's bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// Gzip, one member or several.
    Gzip,
    /// Zstandard, one frame or several.
    Zstd,
    /// Bzip2, one stream or several.
    Bzip2,
    /// Xz, one stream or several.
    Xz,
    /// A zip archive, one member or several.
    Zip,
}

/// How the object's text is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with a byte order mark or without one.
    Utf8,
    /// UTF-16, low byte first, with a byte order mark.
    Utf16Le,
    /// UTF-16, high byte first, with a byte order mark.
    Utf16Be,
    /// None: the object is no text.
    Binary,
    /// The one that the pipeline names.
    Named(&'static str),
}

/// How the object's records are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Delimited text, written in this way.
    Delimited(Dialect),
    /// One JSON value on each line.
    JsonLines,
    /// One JSON document.
    Json,
    /// JSON values one after the other, not each on a line of its own.
    JsonSequence,
    /// An item on each line, as DynamoDB exports a table.
    DynamodbJson,
    /// An Avro object container file.
    Avro,
    /// A Parquet file, which is no text.
    Parquet,
    /// A sheet of a workbook, whose table begins as the dialect says.
    Sheet(Workbook, Dialect),
}

/// A kind of workbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workbook {
    /// Excel's, of XML; with macros too.
    Xlsx,
    /// Excel's binary one.
    Xlsb,
    /// One of OpenDocument.
    Ods,
}

impl Workbook {
    /// How files of this kind end.
    #[must_use]
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
        }
    }
}
