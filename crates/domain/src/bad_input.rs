//! Why a row, or a whole object, is refused: one row for each reason.
//!
//! The readers find them, the worker stores them in the ledger and in rejects objects, and mails and
//! `tidemill explain` show them with their advice. Codes are never renamed.

use crate::table::table;

/// What a reason takes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One row: reading resumes at the next one.
    Row,
    /// The whole object: nothing after it, and nothing before it, can be trusted.
    Object,
}

/// What is fixed about a reason, besides its code and its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it takes with it at the most: in a JSON document, where rows cannot be told apart after a mistake, some row
    /// reasons do not occur.
    pub scope: Scope,
    /// What a person can do about it.
    pub advice: &'static str,
}

use Scope::Object;

table! {
    /// A named reason to refuse a row or an object.
    Reason: Row {
        TruncatedGzip = "truncated_gzip", "the gzip data ends before its end mark" {
            scope: Object, advice: "The file is incomplete: write it to its end and upload it again.",
        }
        TruncatedZstd = "truncated_zstd", "the zstd data ends before its end mark" {
            scope: Object, advice: "The file is incomplete: write it to its end and upload it again.",
        }
        TruncatedBzip2 = "truncated_bzip2", "the bzip2 data ends before its end mark" {
            scope: Object, advice: "The file is incomplete: write it to its end and upload it again.",
        }
        TruncatedXz = "truncated_xz", "the xz data ends before its end mark" {
            scope: Object, advice: "The file is incomplete: write it to its end and upload it again.",
        }
        ChecksumMismatch = "checksum_mismatch", "the decompressed bytes differ from their checksum or length" {
            scope: Object, advice: "The file is damaged: compress it again and upload it.",
        }
        CorruptCompression = "corrupt_compression", "the compressed data is damaged" {
            scope: Object, advice: "The file is damaged: compress it again and upload it.",
        }
        TrailingGarbage = "trailing_garbage", "bytes that are not compressed data follow the compressed data" {
            scope: Object, advice: "Compress the file again without anything after it, and upload it.",
        }
        DecompressionBomb = "decompression_bomb", "the data expands beyond the allowed ratio or size" {
            scope: Object, advice: "Split the data into smaller objects, or upload it without compression.",
        }
        WindowTooLarge = "window_too_large", "the zstd or xz data needs a window above 8 MiB" {
            scope: Object, advice: "Compress the file with zstd without --long and --ultra, or with xz -6, and upload it again.",
        }
        NestedCompression = "nested_compression", "the object is compressed more than twice" {
            scope: Object, advice: "Compress the file once, and upload it again.",
        }
        UnsupportedFormat = "unsupported_format", "the object is of a known format that is not read" {
            scope: Object,
            advice: "Convert the file to CSV or JSON and upload it again, or have the pipeline run a command on it.",
        }
        UnknownBinary = "unknown_binary", "the object is not text and has no known signature" {
            scope: Object,
            advice: "Convert the file to CSV or JSON and upload it again, or have the pipeline run a command on it.",
        }
        WrongFormat = "wrong_format", "the object is not of the format that its pipeline names" {
            scope: Object,
            advice: "Upload a file of that format, or correct format in the pipelines file and upload the file again.",
        }
        DamagedFile = "damaged_file", "the file contradicts itself or is cut short" {
            scope: Object, advice: "The file is damaged: write it again and upload it.",
        }
        EncryptedFile = "encrypted_file", "the file is encrypted" {
            scope: Object, advice: "Write the file without encryption or a password, and upload it again.",
        }
        BlockTooLarge = "block_too_large", "a part of the file that must be read at once takes too much memory" {
            scope: Object,
            advice: "Write the file in smaller parts (row groups, pages or sheets), and upload it again.",
        }
        Utf16WithoutBom = "utf16_without_bom", "the text looks like UTF-16 without a byte order mark" {
            scope: Object,
            advice: "Put encoding = \"utf-16le\" or encoding = \"utf-16be\" into the pipelines file, or save the file as UTF-8 \
                     and upload it again.",
        }
        UnsupportedEncoding = "unsupported_encoding", "the text is in an encoding that is not read" {
            scope: Object, advice: "Save the file as UTF-8 and upload it again.",
        }
        InvalidUtf16 = "invalid_utf16", "the text is malformed UTF-16" {
            scope: Object, advice: "Save the file as UTF-8 and upload it again.",
        }
        UnbalancedQuote = "unbalanced_quote", "a quote is opened and never closed" {
            scope: Object, advice: "Close the quote, or double it where it is meant as text, and upload the file again.",
        }
        TextAfterQuote = "text_after_quote", "text follows a closing quote" {
            scope: Object, advice: "Double each quote inside a quoted field, and upload the file again; or put quote = \"none\" or \
                     escape = \"\\\\\" into the pipelines file if the text is written so.",
        }
        SwallowedRows = "swallowed_rows", "a quoted field runs over lines that are rows themselves" {
            scope: Object,
            advice: "Close or double the quote, and upload the file again; or put quote = \"none\" into the pipelines file \
                     if quotes are text, or quote = \"\\\"\" if the lines are one field.",
        }
        AmbiguousDialect = "ambiguous_dialect", "the text can be read as a table in more than one way" {
            scope: Object,
            advice: "Say in the pipelines file how the text is written: delimiter, quote, escape, skip_lines. The error \
                     gives the line. Then upload the file again.",
        }
        NoTable = "no_table", "the text is no table" {
            scope: Object,
            advice: "Upload the table that was meant. If this is the table, say in the pipelines file how it is written: \
                     delimiter, skip_lines, header.",
        }
        NoHeader = "no_header", "the first row looks like data and not like names" {
            scope: Object,
            advice: "Put header = false or header = [\"names\"] into the pipelines file, or header = true if these are the \
                     names, and upload the file again.",
        }
        AmbiguousHeader = "ambiguous_header", "it is not certain which row has the names of the columns" {
            scope: Object,
            advice: "Say in the pipelines file how many lines stand before the table (skip_lines) and give the names \
                     (header), or remove the other lines from the file.",
        }
        TwoTables = "two_tables", "the object holds more than one table" {
            scope: Object, advice: "Upload each table as a file of its own.",
        }
        EncodingMismatch = "encoding_mismatch", "the text is not in the encoding that the pipeline names" {
            scope: Object,
            advice: "Correct encoding in the pipelines file, or save the file in that encoding and upload it again.",
        }
        TooManyRejected = "too_many_rejected", "more rows are rejected than the pipeline allows" {
            scope: Object,
            advice: "Correct the rows and upload the file again, or raise max_rejected in the pipelines file and upload it \
                     again.",
        }
        TooManyRepaired = "too_many_repaired", "more rows are repaired than the pipeline allows" {
            scope: Object,
            advice: "Check delimiter, quote, escape and header in the pipelines file: most rows should fit without repair. If \
                     they do, correct the rows, or raise max_repaired in the pipelines file, and upload the file again.",
        }
        DuplicateHeader = "duplicate_header", "two columns have the same name" {
            scope: Object, advice: "Give each column a name of its own, or put duplicate_names = \"number\" into the pipelines file.",
        }
        EmptyHeader = "empty_header", "a column has no name" {
            scope: Object, advice: "Give each column a name, or put unnamed = \"number\" into the pipelines file.",
        }
        TooManyColumns = "too_many_columns", "the object has more columns than are read" {
            scope: Object,
            advice: "Upload the file with fewer columns. If it is no table, check the delimiter in the pipelines file.",
        }
        BadHeader = "bad_header", "the header row cannot be used as names" {
            scope: Object, advice: "Give the file a header row of column names, and upload it again.",
        }
        UnknownColumn = "unknown_column", "a declared column is not in the object" {
            scope: Object,
            advice: "Add the column to the file, or correct its name in the pipelines file, and upload the file again.",
        }
        JsonSyntax = "json_syntax", "the text is not valid JSON" {
            scope: Scope::Row, advice: "Write valid JSON, and upload the file again.",
        }
        JsonCutShort = "json_cut_short", "the JSON ends in the middle" {
            scope: Object, advice: "The file is incomplete: write it to its end and upload it again.",
        }
        JsonTrailing = "json_trailing", "something that is no JSON follows a whole JSON value" {
            scope: Object,
            advice: "Remove what follows the value, or put values that commas separate into brackets, and upload the \
                     file again.",
        }
        UnclearRecords = "unclear_records", "the JSON can be read as records in two ways" {
            scope: Object,
            advice: "Say in the pipelines file which way is meant, with a line that the message shows, and upload the \
                     file again.",
        }
        PointerNotFound = "pointer_not_found", "the JSON pointer leads nowhere in this object" {
            scope: Object,
            advice: "Put the records where the pipeline's JSON pointer leads, or correct the pointer in the pipelines \
                     file, and upload the file again.",
        }
        PointerNotRecords = "pointer_not_records",
            "the JSON pointer leads to something that is neither an array nor an object" {
            scope: Object,
            advice: "Put the records where the pipeline's JSON pointer leads, or correct the pointer in the pipelines \
                     file, and upload the file again.",
        }
        Drift = "drift", "the object differs from earlier objects of the pipeline" {
            scope: Object,
            advice: "If the file is wrong, correct it and upload it again. If it is right, run tidemill columns with the \
                     pipeline's name and --forget, or put on_drift = \"notify\" into the pipelines file, and upload the \
                     file again.",
        }
        TooManyRecords = "too_many_records", "the object holds more records than its pipeline allows" {
            scope: Object,
            advice: "Check that the object is what it should be. If it is, set max_records in the pipelines file to what \
                     the message says or above, and upload the file again.",
        }
        TooExpensive = "too_expensive", "the object's records cost more than its pipeline allows" {
            scope: Object,
            advice: "Check that the object is what it should be. If it is, raise max_cost in the pipelines file, and \
                     upload the file again.",
        }
        OutputTooLarge = "output_too_large", "the command printed more than its pipeline allows" {
            scope: Object,
            advice: "Have the command print less, or raise output_bytes in the pipelines file, and upload the object \
                     again.",
        }
        TotalsRow = "totals_row", "the row is a total of others and no record" {
            scope: Scope::Row,
            advice: "Remove the row and upload the file again, or put bad_rows = \"skip\" or bad_rows = \"quarantine\" into the \
                     pipelines file to leave it out.",
        }
        CellError = "cell_error", "a cell of the sheet has an error or no saved value" {
            scope: Scope::Row,
            advice: "Correct the cell and upload the file again, or put the error into nulls in the pipelines file, as the \
                     message says, to read it as null.",
        }
        RaggedRow = "ragged_row", "the row has fewer or more fields than the header" {
            scope: Scope::Row,
            advice: "Give each row as many fields as the header, and upload the file again.",
        }
        StrayQuote = "stray_quote", "a quote opens inside a field and closes behind a delimiter" {
            scope: Scope::Row,
            advice: "Enclose the whole field in quotes and double those inside, and upload the file again; or put \
                     quote = \"none\" into the pipelines file if quotes are text.",
        }
        StrayEscape = "stray_escape", "a backslash stands before a delimiter, where it may or may not be an escape" {
            scope: Scope::Row,
            advice: "Put escape = \"\\\\\" or escape = \"none\" into the pipelines file, and upload the file again.",
        }
        FieldTooLarge = "field_too_large", "a field is larger than 380 KB" {
            scope: Scope::Row, advice: "Shorten or split the field, and upload the file again.",
        }
        ItemTooLarge = "item_too_large", "the record is larger than an item of the table can be" {
            scope: Scope::Row, advice: "Shorten or split the record, and upload the file again.",
        }
        InvalidUtf8 = "invalid_utf8", "the text has bytes that are not UTF-8" {
            scope: Scope::Row,
            advice: "Save the file as UTF-8 and upload it again, or name its encoding in the pipelines file, such as \
                     encoding = \"windows-1252\".",
        }
        NulByte = "nul_byte", "the text has a NUL byte" {
            scope: Scope::Row, advice: "Remove the NUL bytes, and upload the file again.",
        }
        NumberOutOfRange = "number_out_of_range", "a number has more than 38 digits or is out of range" {
            scope: Scope::Row,
            advice: "Declare the column as text in the pipelines file to keep its values as they are, and upload the \
                     file again.",
        }
        WrongType = "wrong_type", "a value does not fit the declared type of its column" {
            scope: Scope::Row,
            advice: "Correct the value, or the column's type in the pipelines file, and upload the file again.",
        }
        JsonTooDeep = "json_too_deep", "lists and objects are nested more than 32 levels deep" {
            scope: Scope::Row, advice: "Flatten the record, and upload the file again.",
        }
        NotFinite = "not_finite", "a number is NaN or Infinity, which neither JSON nor the table has" {
            scope: Scope::Row, advice: "Write null in place of NaN and Infinity, or put nulls = [\"NaN\", \"Infinity\", \"-Infinity\"] into the \
                     pipelines file to read them as null, and upload the file again.",
        }
        DateOutOfRange = "date_out_of_range", "a date or time is outside the years 1 to 9999 or the hours of a day" {
            scope: Scope::Row,
            advice: "Write dates of the years 1 to 9999, or null in place of others, and upload the file again.",
        }
        NotDynamodbJson = "not_dynamodb_json", "the line is no item as DynamoDB exports it" {
            scope: Scope::Row,
            advice: "Export the table as DYNAMODB_JSON, or correct the format in the pipelines file, and upload the file \
                     again.",
        }
        DuplicateKey = "duplicate_key", "a name occurs twice in one JSON object" {
            scope: Scope::Row, advice: "Give each member of an object a name of its own, and upload the file again.",
        }
        LoneSurrogate = "lone_surrogate", "a \\u escape is half a character" {
            scope: Scope::Row, advice: "Write the character as UTF-8 or as both of its escapes, and upload the file again.",
        }
        ReservedName = "reserved_name", "a name is one that the pipeline uses itself" {
            scope: Scope::Row, advice: "Rename the column, and upload the file again.",
        }
        EmptyName = "empty_name", "a name is empty" {
            scope: Scope::Row, advice: "Give each member of an object a name, and upload the file again.",
        }
        NameTooLong = "name_too_long", "a name is longer than 65,535 bytes" {
            scope: Scope::Row, advice: "Shorten the name, and upload the file again.",
        }
        BadKey = "bad_key", "a column of the natural key is missing or empty, or the key is too long" {
            scope: Scope::Row,
            advice: "Give each row a value in every column of the pipeline's key, and upload the file again.",
        }
    }
}
