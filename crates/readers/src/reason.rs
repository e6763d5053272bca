//! Why a row, or a whole object, is refused.
//!
//! A reason's code is stored in the ledger, in rejects files and in mails: codes are never renamed.

use std::fmt;
use std::io;

/// What a reason takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One row: reading resumes at the next one.
    Row,
    /// The whole object: nothing after it, and nothing before it, can be trusted.
    Object,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $scope:ident, $meaning:literal;)+) => {
        /// A named reason to refuse a row or an object. The table is in [the module's page](super).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code, in snake case.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// One line on what it means and what to do.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What it takes with it at the most: in a JSON document, where rows cannot be told apart
            /// after a mistake, some row reasons do not occur.
            #[must_use]
            pub fn scope(self) -> Scope {
                match self { $(Self::$name => Scope::$scope,)+ }
            }
        }
    };
}

reasons! {
    /// Gzip data that ends early.
    TruncatedGzip = "truncated_gzip", Object, "the gzip data ends before its end mark; upload it again";
    /// Zstandard data that ends early.
    TruncatedZstd = "truncated_zstd", Object, "the zstd data ends before its end mark; upload it again";
    /// Compressed data that contradicts its own checksum or length.
    ChecksumMismatch = "checksum_mismatch", Object, "the decompressed bytes differ from their checksum or length";
    /// Compressed data that cannot be decoded.
    CorruptCompression = "corrupt_compression", Object, "the compressed data is damaged";
    /// Something that is no further member after compressed data.
    TrailingGarbage = "trailing_garbage", Object, "bytes that are not compressed data follow the compressed data";
    /// Output out of proportion.
    DecompressionBomb = "decompression_bomb", Object, "the data expands beyond the allowed ratio or size";
    /// A zstd window beyond what is given to one.
    WindowTooLarge = "window_too_large", Object, "the zstd data needs a window above 8 MiB; compress it without --long or --ultra";
    /// Compressed twice.
    NestedCompression = "nested_compression", Object, "the object is compressed twice";
    /// A known kind of file that is not read.
    UnsupportedFormat = "unsupported_format", Object, "a known kind of file that is not read; convert it to text";
    /// Bytes that are no text.
    UnknownBinary = "unknown_binary", Object, "not text: NUL bytes at the beginning and no known signature";
    /// UTF-16 that does not say so.
    Utf16WithoutBom = "utf16_without_bom", Object, "looks like UTF-16 without a byte order mark; save it as UTF-8";
    /// Text in an encoding that is not read.
    UnsupportedEncoding = "unsupported_encoding", Object, "text in an encoding that is not read; save it as UTF-8";
    /// UTF-16 that is malformed.
    InvalidUtf16 = "invalid_utf16", Object, "malformed UTF-16";
    /// A quote that is never closed.
    UnbalancedQuote = "unbalanced_quote", Object, "a quote is opened and not closed";
    /// Text between a closing quote and the next delimiter.
    TextAfterQuote = "text_after_quote", Object, "text follows a closing quote; quotes inside a field are doubled";
    /// Two columns of one name.
    DuplicateHeader = "duplicate_header", Object, "two columns have the same name";
    /// A column without a name.
    EmptyHeader = "empty_header", Object, "a column has no name";
    /// More columns than are read.
    TooManyColumns = "too_many_columns", Object, "more columns than are read";
    /// A header beyond what a name or an item can hold, or no text.
    BadHeader = "bad_header", Object, "the header row is not usable as names";
    /// An option names a column the object lacks.
    UnknownColumn = "unknown_column", Object, "a declared column is not in the object";
    /// JSON that is not JSON.
    JsonSyntax = "json_syntax", Row, "not valid JSON";
    /// JSON that ends early.
    JsonCutShort = "json_cut_short", Object, "the JSON ends in the middle; upload it again";
    /// Something after the end of the JSON document.
    JsonTrailing = "json_trailing", Object, "something follows the end of the JSON document";
    /// Nothing is where the pointer leads.
    PointerNotFound = "pointer_not_found", Object, "the JSON pointer leads nowhere in this object";
    /// Neither an array nor an object is where the pointer leads.
    PointerNotRecords = "pointer_not_records", Object, "the JSON pointer leads to something that is neither an array nor an object";
    /// A row with too few or too many fields.
    RaggedRow = "ragged_row", Row, "the row has fewer or more fields than the header";
    /// A field beyond the limit.
    FieldTooLarge = "field_too_large", Row, "a field is larger than 380 KB";
    /// A record beyond what an item can hold.
    ItemTooLarge = "item_too_large", Row, "the record is larger than an item of the table can be";
    /// Bytes that are no UTF-8.
    InvalidUtf8 = "invalid_utf8", Row, "bytes that are not UTF-8; save the object as UTF-8";
    /// A NUL in text.
    NulByte = "nul_byte", Row, "a NUL byte in the text";
    /// A number beyond what the table can hold exactly.
    NumberOutOfRange = "number_out_of_range", Row, "a number beyond 38 digits or out of range; declare the column text to keep it";
    /// A value that does not fit the declared type.
    WrongType = "wrong_type", Row, "a value does not fit the declared type of its column";
    /// Lists and maps nested beyond what an item can hold.
    JsonTooDeep = "json_too_deep", Row, "nested more than 32 levels deep";
    /// A name that occurs twice.
    DuplicateKey = "duplicate_key", Row, "a name occurs twice in one JSON object";
    /// Half of a surrogate pair, which no text can hold.
    LoneSurrogate = "lone_surrogate", Row, "a \\u escape that is half a character";
    /// A name that the pipeline uses itself.
    ReservedName = "reserved_name", Row, "a name that the pipeline uses itself; rename it";
    /// A name that is empty.
    EmptyName = "empty_name", Row, "an empty name";
    /// A name beyond the table's limit.
    NameTooLong = "name_too_long", Row, "a name is longer than 65,535 bytes";
    /// A record that cannot be keyed as the pipeline says.
    BadKey = "bad_key", Row, "a column of the natural key is missing or empty, or the key is too long";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Why an object cannot be turned into records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct BadInput {
    /// The named reason.
    pub reason: Reason,
    /// The row it was found in, counted from 1 without the header; none when it is no row's fault.
    pub row: Option<u64>,
    /// What was found, for the person who uploaded the object. Bounded, but it may quote the object.
    pub message: String,
}

impl BadInput {
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, row: None, message: message.into() }
    }

    pub(crate) fn in_row(reason: Reason, row: u64, message: impl Into<String>) -> Self {
        Self { reason, row: Some(row), message: message.into() }
    }
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes did not arrive. Nothing is known about the object: try again.
    #[error("failed to receive the object's bytes")]
    Source(#[source] io::Error),
    /// The object is not what it should be: trying again changes nothing.
    #[error(transparent)]
    Bad(#[from] BadInput),
}

/// A row that is refused while the rest of the object goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The named reason.
    pub reason: Reason,
    /// What was found.
    pub message: String,
    /// The beginning of the row as it stood in the object, in UTF-8, bounded; what is no text is shown as `�`.
    pub raw: String,
}

/// `text` as it may stand in a message: short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN_CHARS: usize = 64;
    let mut out: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        out.push('…');
    }
    format!("\"{out}\"")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own() {
        let codes: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!(
                reason
                    .code()
                    .bytes()
                    .all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
            );
            assert!(!reason.meaning().is_empty());
        }
    }

    #[test]
    fn the_modules_page_lists_every_reason() {
        let page = include_str!("lib.rs");
        for reason in Reason::ALL {
            assert!(page.contains(&format!("`{reason}`")), "{reason} is missing");
        }
    }

    #[test]
    fn what_a_message_quotes_is_short_and_harmless() {
        assert_eq!(shown("a\nb\u{1b}[31m"), "\"a\\nb\\u{1b}[31m\"");
        assert!(shown(&"x".repeat(1_000_000)).len() < 100);
    }
}
