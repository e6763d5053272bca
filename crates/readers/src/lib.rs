//! Reading: from the raw bytes of an object to records.
//!
//! ```text
//! bytes ─▶ input: gzip, zstd, bzip2, xz, UTF-16 ─▶ delimited: rows of fields ─▶ columns: types ─┐
//!                                  └──▶ json: lines, values ─▶ records  ─────────────┴─▶ rows
//! ```
//! An object is a [`Source`]: a stream, and where there is [`RandomAccess`] also ranges, which formats with an index at
//! their end are read by.
//!
//! An object is read twice. [`check`] goes to its end before anything is written: checksums, quotes and brackets
//! are verified and the type of every column settles over all of its values. Then [`Rows`] reads it again, with
//! what was settled, and gives exactly the rows that were counted. Both stream in bounded memory inside the
//! caller's task.
//!
//! What an object is, its content says, never its name: see [`Layout`], [`Compression`] and [`Encoding`].
//!
//! # Delimited text
//! How a text is written is found out with evidence or not at all: the delimiter, the quotes, the line the table begins
//! with and whether it has names. Two readings that fit about equally well, a first row that looks like data, and text
//! that is no table are refused with the line for the pipelines file that settles it. There is no fallback to one column.
//!
//! Then it is read strictly: rows as wide as the header, blank lines skipped (with one column they are empty values), a
//! row equal to the header left out. A column is one of numbers when every value that is neither empty nor a usual null
//! marker plainly is one ([`number::is_plain`]) and at least one of them fits the table, unless one number occurs in two
//! spellings, as 1.1 and 1.10 do; else of booleans when every such value is true or false; else of text. A row refused for
//! its shape, its bytes or a declared type takes no part in that. A row whose only fault is a number out of range does,
//! since that is a fault only if its column ends up as one of numbers.
//!
//! Where a pipeline asks for repair, a row that is refused here for its shape, its quotes or its bytes is read as it was
//! probably meant, and its record says how: see [`Repair`]. Such a row takes no part in the types of columns either.
//!
//! # JSON
//! An object is a record. Anything else, as a line or as an element, is a record of one field named `value`. A
//! document is one record, or an array of them; a pointer leads to either inside it. Documents may follow one another,
//! with or without something between them. An export of DynamoDB is undone to the items it was made of. A text that
//! can be read in two ways is refused, unless the pipeline says which is meant.
//!
//! # Avro
//! A record is one of the file, with its types: see the table in `avro`. Sizes that a file claims are bounded before they are
//! believed, and every mark between blocks is verified.
//!
//! # Zip archives
//! The members of an archive are one object if they are one table or JSON all of them: rows are counted through, and messages
//! name the member. Folders and what operating systems add are none.
//!
//! # Workbooks
//! A sheet is read as delimited text is, with the types of its cells: a text is no number and no boolean whatever it looks
//! like, an empty cell and `#N/A` are null, any other error refuses its row. Dates are text. See `sheet`.
//!
//! # Lines
//! Messages name lines as an editor shows them, and bytes of the decompressed text: see [`Place`].
//!
//! # Reasons
//! | what ends at | reasons |
//! | --- | --- |
//! | the row | `ragged_row`, `totals_row`, `cell_error`, `stray_quote`, `stray_escape`, `field_too_large`, `item_too_large`, `invalid_utf8`, `nul_byte`, `number_out_of_range`, `wrong_type`, `json_too_deep`, `not_finite`, `date_out_of_range`, `not_dynamodb_json`, `duplicate_key`, `lone_surrogate`, `empty_name`, `name_too_long`, `reserved_name`, `bad_key`; in JSON Lines `json_syntax` |
//! | the object, for its bytes | `truncated_gzip`, `truncated_zstd`, `truncated_bzip2`, `truncated_xz`, `checksum_mismatch`, `corrupt_compression`, `trailing_garbage`, `decompression_bomb`, `window_too_large`, `nested_compression`, `unsupported_format`, `unknown_binary`, `wrong_format`, `damaged_file`, `encrypted_file`, `block_too_large`, `utf16_without_bom`, `unsupported_encoding`, `invalid_utf16`, `encoding_mismatch` |
//! | the object, for its text | `no_table`, `ambiguous_dialect`, `no_header`, `ambiguous_header`, `two_tables`, `too_many_rejected`, `too_many_repaired`, `unbalanced_quote`, `text_after_quote`, `swallowed_rows`, `duplicate_header`, `empty_header`, `bad_header`, `too_many_columns`, `unknown_column`; in a header `reserved_name` and `name_too_long`; in a JSON document `json_syntax`, `json_cut_short`, `json_trailing`, `unclear_records`, `pointer_not_found`, `pointer_not_records`, thousands of open brackets (`json_too_deep`), and a name on the way to the records that occurs twice (`duplicate_key`) |
//!
//! The worker itself refuses a pipeline's command that prints too much, as `output_too_large`, an object that would become
//! too many records, as `too_many_records` and `too_expensive`, and one whose columns differ from those of earlier objects
//! where the pipeline wants that, as `drift`. It refuses a version without a good row that would take the place of records,
//! as `empty`; and in a table of the user's own a row that has the key of an earlier one, as `repeated_key`, or a value that an
//! index of the table cannot have, as `bad_value`.
//!
//! A quoted field that is too large is refused with its row, unless it runs over several lines: then it is taken
//! for a quote that was never meant (`unbalanced_quote`), because going on would swallow rows.
//!
//! [`number::is_plain`]: domain::record::number::is_plain

mod avro;
mod check;
mod decompress;
mod delimited;
mod detect;
mod floats;
mod format;
mod input;
mod json;
mod opened;
mod options;
mod parquet;
mod permits;
mod position;
mod preset;
mod reason;
mod rows;
mod schema;
mod seen;
mod sheet;
mod sniff;
mod source;
#[cfg(test)]
mod tests;
mod zip;

pub use self::check::{Checked, Names, Tolerance, check};
pub use self::delimited::columns::write_units;
pub use self::delimited::dialect::{Dialect, Spaces};
pub use self::delimited::repair::Repair;
pub use self::format::{Compression, Encoding, Layout, Workbook};
pub use self::options::{Format, Limits, Options, RESERVED_NAMES};
pub use self::permits::BufferPermits;
pub use self::position::Place;
pub use self::reason::{BadInput, ReadError, Reason, Reject, Scope};
pub use self::rows::{Row, Rows};
pub use self::schema::{Column, ColumnType, Schema, Total};
pub use self::seen::SeenNames;
pub use self::sniff::{ScoredReading, readings};
pub use self::source::{MOST_RANGE_BYTES, RandomAccess, Ranges, Source, Stream};
