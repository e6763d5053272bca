//! What a pipeline says about delimited text. Everything it does not say is found out by looking.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How delimited text is written, as far as a pipeline says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delimited {
    /// Whether the first row has the names, or the names themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// How many lines stand before the header, or before the first row where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_lines: Option<u32>,
    /// Lines that begin with this are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// What encloses fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quote: Option<Sign>,
    /// What takes its meaning from the sign behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escape: Option<Sign>,
    /// Fields that are null, in every column. Absent: the usual ones, in columns of numbers and booleans only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nulls: Option<Vec<String>>,
    /// The decimal sign of numbers; a dot if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// The sign between groups of three digits; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Whether spaces and tabs around fields are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trim: Option<bool>,
    /// What a row with fewer fields than the header means.
    #[serde(skip_serializing_if = "is_default")]
    pub short_rows: ShortRows,
    /// What a row with more fields than the header means.
    #[serde(skip_serializing_if = "is_default")]
    pub extra_columns: ExtraColumns,
    /// What a name that occurs twice means.
    #[serde(skip_serializing_if = "is_default")]
    pub duplicate_names: Names,
    /// What a column without a name means.
    #[serde(skip_serializing_if = "is_default")]
    pub unnamed: Names,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where the names of columns come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Header {
    /// True: the first row has them. False: nothing has them, and they are `column_1`, `column_2` and so on.
    InFirstRow(bool),
    /// This number of first rows has them: names are put together from their parts.
    InRows(u32),
    /// These are the names, and the first row is a record.
    Names(Vec<String>),
}

/// A sign with a meaning of its own in delimited text, or the statement that no sign has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Sign {
    /// No sign has this meaning.
    None,
    /// This one has, which is ASCII.
    Is(u8),
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Is(sign) => write!(f, "{}", char::from(*sign)),
        }
    }
}

impl From<Sign> for String {
    fn from(sign: Sign) -> Self {
        sign.to_string()
    }
}

impl TryFrom<String> for Sign {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_bytes() {
            b"none" => Ok(Self::None),
            [sign] if sign.is_ascii() => Ok(Self::Is(*sign)),
            _ => Err("a sign is one ASCII character or \"none\""),
        }
    }
}

/// What a row with fewer fields than the header means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShortRows {
    /// The row is bad.
    #[default]
    Reject,
    /// The missing fields are null.
    Null,
}

/// What a row with more fields than the header means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExtraColumns {
    /// The row is bad.
    #[default]
    Reject,
    /// The row is bad unless the fields in excess are empty.
    IgnoreEmpty,
}

/// What a name that is missing or occurs twice means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// The object is refused.
    #[default]
    Reject,
    /// The column gets a number: `Labels_2` for the second `Labels`, `column_1` for a first column without a name.
    Number,
}

/// The encodings that a pipeline can name, as the WHATWG's Encoding Standard calls them, in lower case.
///
/// <https://encoding.spec.whatwg.org/#names-and-labels>
pub const ENCODINGS: [&str; 38] = [
    "utf-8",
    "utf-16le",
    "utf-16be",
    "windows-1252",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "windows-874",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "macintosh",
    "x-mac-cyrillic",
    "ibm866",
    "koi8-r",
    "koi8-u",
    "gbk",
    "gb18030",
    "big5",
    "euc-jp",
    "iso-2022-jp",
    "shift_jis",
    "euc-kr",
    "iso-8859-1",
];

/// The delimiter of text that has none: each line is one field.
pub const NO_DELIMITER: char = '\n';

/// The share of an object's rows that may be rejected, in hundredths of a percent, where a pipeline says nothing: a tenth.
pub const DEFAULT_MAX_REJECTED: u32 = 1_000;

/// The share of an object's rows that may be repaired, in hundredths of a percent, where a pipeline says nothing: half of
/// them, since the others say what the table is.
pub const DEFAULT_MAX_REPAIRED: u32 = 5_000;
