//! From TOML to what a pipeline says about delimited text.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::walk::{Field, Reader, integer, string};
use crate::manifest::RESERVED;
use crate::pipelines::{
    BadRows, Delimited, ENCODINGS, Entry, ExtraColumns, Format, Header, KeyTemplate, NO_DELIMITER, Names,
    Pipeline, PresetNames, PresetTable, Quotes, ShortRows, Sign,
};

/// The keys of delimited text.
pub(super) const KEYS: [&str; 13] = [
    "header",
    "skip_lines",
    "comment",
    "quote",
    "escape",
    "nulls",
    "decimal",
    "thousands",
    "trim",
    "short_rows",
    "extra_columns",
    "duplicate_names",
    "unnamed",
];

/// The most rows that names may stand in.
const MOST_HEADER_ROWS: u32 = 10;

/// The most names a pipeline may give. Every job carries its pipeline.
const MOST_NAMES: usize = 1_000;

/// The longest name of a sheet: Excel allows 31 characters, other programs more.
const MOST_SHEET_CHARS: usize = 255;

/// The longest pattern for files in archives.
const MOST_ENTRY_BYTES: usize = 1_024;

/// Which of [`KEYS`] a pipeline of this format may have.
fn keys_of(format: Format) -> &'static [&'static str] {
    match format {
        Format::Auto | Format::Csv => &KEYS,
        // NaN and Infinity, which programs write into JSON and floats may be, are null where the pipeline says so.
        Format::Jsonl | Format::Json | Format::Avro => &["nulls"],
        // Names are missing or occur twice in any schema.
        Format::Parquet => &["nulls", "duplicate_names", "unnamed"],
        // How the text of a sheet is written is nobody's choice.
        Format::Sheet => &["header", "skip_lines", "nulls", "trim", "duplicate_names", "unnamed"],
        Format::Aws(preset) => match preset.table() {
            Some(table) if table.quotes == Quotes::Detected => &KEYS,
            Some(PresetTable { names: PresetNames::Pipeline(_), .. }) => &["header", "nulls"],
            Some(table) if table.null.is_none() => &["nulls"],
            Some(_) => &["short_rows", "extra_columns"],
            None => &[],
        },
        Format::DynamodbJson | Format::Command | Format::Object => &[],
    }
}

fn only_with(format: Format) -> String {
    match format {
        Format::Aws(preset) => format!("not with format \"{preset}\", which says it"),
        _ => "only with format \"csv\" or \"auto\"".to_owned(),
    }
}

type Fields<'t> = BTreeMap<&'t str, Field<'t>>;

impl<'t> Reader<'t> {
    /// What is said about delimited text.
    pub(super) fn delimited(&mut self, fields: &Fields<'t>, format: Format) -> Delimited {
        let allowed = keys_of(format);
        for field in KEYS.iter().filter(|key| !allowed.contains(key)).filter_map(|key| fields.get(key)) {
            self.wrong(field, &only_with(format));
        }
        let get = |key: &str| fields.get(key).filter(|_| allowed.contains(&key));
        Delimited {
            header: get("header").and_then(|field| self.header(field)),
            skip_lines: get("skip_lines").and_then(|field| self.skip_lines(field)),
            comment: get("comment").and_then(|field| self.comment(field)),
            quote: get("quote").and_then(|field| self.sign(field, "\"\\\"\", \"'\" or \"none\"", b"\"'")),
            escape: get("escape").and_then(|field| self.sign(field, "\"\\\\\" or \"none\"", b"\\")),
            nulls: get("nulls").and_then(|field| self.nulls(field)),
            decimal: get("decimal").and_then(|field| self.character(field, "\".\" or \",\"", ".,")),
            thousands: get("thousands").and_then(|field| {
                self.character(
                    field,
                    "\",\", \".\", \" \", \"'\", \"_\" or a no-break space",
                    ",. '_\u{a0}\u{202f}",
                )
            }),
            trim: get("trim").and_then(|field| self.boolean(field)),
            short_rows: get("short_rows")
                .and_then(|field| self.one_of(field, &SHORT_ROWS))
                .unwrap_or_default(),
            extra_columns: get("extra_columns")
                .and_then(|field| self.one_of(field, &EXTRA_COLUMNS))
                .unwrap_or_default(),
            duplicate_names: get("duplicate_names")
                .and_then(|field| self.one_of(field, &NAMES))
                .unwrap_or_default(),
            unnamed: get("unnamed").and_then(|field| self.one_of(field, &NAMES)).unwrap_or_default(),
        }
    }

    /// A kind of file without names needs them from the pipeline.
    pub(super) fn preset_names(&mut self, place: &Field<'t>, fields: &Fields<'t>, format: Format) {
        let Format::Aws(preset) = format else { return };
        let Some(PresetNames::Pipeline(where_to_look)) = preset.table().map(|table| table.names) else {
            return;
        };
        if !fields.contains_key("header") {
            let words =
                format!("it is missing; format \"{preset}\" needs the names of its columns: {where_to_look}");
            self.problem(&place.span, &format!("{}.header", place.path), words);
        }
    }

    /// The name of a sheet, which Excel bounds.
    pub(super) fn sheet(&mut self, field: &Field<'t>, format: Format) -> Option<String> {
        if !matches!(format, Format::Auto | Format::Sheet) {
            self.wrong(field, "only with format \"sheet\" or \"auto\"");
            return None;
        }
        let name =
            string(field.value).filter(|name| !name.is_empty() && name.chars().count() <= MOST_SHEET_CHARS);
        if name.is_none() {
            self.wrong(field, "the name of a sheet such as \"Orders\", up to 255 characters");
        }
        name.map(str::to_owned)
    }

    /// The files of a zip archive that are read.
    pub(super) fn entry(&mut self, field: &Field<'t>, format: Format) -> Option<Entry> {
        if matches!(format, Format::Command | Format::Object | Format::Parquet | Format::Sheet) {
            self.wrong(field, "only with a format that is read from zip archives: not \"parquet\", \"sheet\", \"command\" or \"object\"");
            return None;
        }
        let legal = |text: &&str| !text.is_empty() && text.len() <= MOST_ENTRY_BYTES && !text.contains('\\');
        let entry = string(field.value).filter(legal).and_then(|text| text.parse().ok());
        if entry.is_none() {
            self.wrong(
                field,
                "the path of a file in a zip archive, or a pattern such as \"data/*.csv\", where ** is any number of \
                 folders, up to 1,024 bytes",
            );
        }
        entry
    }

    /// What separates fields.
    pub(super) fn delimiter(&mut self, field: &Field<'t>, format: Format) -> Option<char> {
        if keys_of(format).len() < KEYS.len() {
            self.wrong(field, &only_with(format));
            return None;
        }
        let legal = |c: char| {
            c.is_ascii() && !c.is_ascii_alphanumeric() && !matches!(c, '"' | '\'' | '\\' | '\n' | '\r' | '\0')
        };
        let delimiter = match string(field.value) {
            Some("tab") => Some('\t'),
            Some("none") => Some(NO_DELIMITER),
            Some(text) => text.chars().next().filter(|c| text.len() == 1 && legal(*c)),
            None => None,
        };
        if delimiter.is_none() {
            self.wrong(
                field,
                "\"tab\", \"none\" or one ASCII character that is no letter, digit, quote, backslash or line break",
            );
        }
        delimiter
    }

    /// The encoding of the text, by its name in [`ENCODINGS`].
    pub(super) fn encoding(&mut self, field: &Field<'t>, format: Format) -> Option<String> {
        if matches!(format, Format::Avro | Format::Command | Format::Object | Format::Parquet | Format::Sheet)
        {
            self.wrong(
                field,
                "not with format \"avro\", \"command\", \"object\", \"parquet\" or \"sheet\", which read bytes",
            );
            return None;
        }
        let name = string(field.value).map(str::to_ascii_lowercase);
        let known = name.as_deref().and_then(|name| ENCODINGS.iter().find(|known| **known == name));
        if known.is_none() {
            self.wrong(
                field,
                &format!("an encoding such as \"windows-1252\", one of {}", ENCODINGS.join(", ")),
            );
        }
        known.map(|name| (*name).to_owned())
    }

    /// The share of rows that may be rejected or repaired, in hundredths of a percent.
    pub(super) fn share_of_rows(&mut self, field: &Field<'t>) -> Option<u32> {
        let share = string(field.value).and_then(|text| text.strip_suffix('%')).and_then(hundredths);
        if share.is_none() {
            self.wrong(field, "a share of the rows such as \"1%\" or \"0.5%\", from 0% to 100%");
        }
        share
    }

    /// What would fail every object, whatever is in it.
    pub(super) fn contradictions(&mut self, fields: &Fields<'t>, pipeline: &Pipeline) {
        let said = &pipeline.delimited;
        let delimiter = pipeline.delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
        let of = |sign: Option<Sign>| if let Some(Sign::Is(sign)) = sign { Some(sign) } else { None };
        let comment = said.comment.as_ref().and_then(|text| text.bytes().next());
        let same = [
            ("quote", of(said.quote), "delimiter", delimiter),
            ("escape", of(said.escape), "delimiter", delimiter),
            ("comment", comment, "delimiter", delimiter),
            ("comment", comment, "quote", of(said.quote)),
        ];
        for (key, sign, other, taken) in same {
            if let (Some(sign), Some(taken), Some(field)) = (sign, taken, fields.get(key))
                && sign == taken
            {
                self.wrong(field, &format!("another sign than that of {other}"));
            }
        }
        if pipeline.bad_rows == BadRows::RejectFile
            && let Some(field) = fields.get("max_rejected")
        {
            self.wrong(
                field,
                "only with bad_rows \"skip\", \"quarantine\" or \"repair\"; otherwise one bad row fails the object",
            );
        }
        if pipeline.bad_rows != BadRows::Repair
            && let Some(field) = fields.get("max_repaired")
        {
            self.wrong(field, "only with bad_rows \"repair\"");
        }
        if pipeline.bad_rows == BadRows::Repair
            && !matches!(pipeline.format, Format::Auto | Format::Csv)
            && let Some(field) = fields.get("bad_rows")
        {
            self.wrong(
                field,
                "\"repair\" only with format \"csv\" or \"auto\": rows of other formats are not repaired",
            );
        }
        if let (Some(thousands), Some(field)) = (said.thousands, fields.get("thousands"))
            && thousands == said.decimal.unwrap_or('.')
        {
            self.wrong(field, "another sign than that of decimal, which is \".\" if it is not given");
        }
        if let Some(Header::Names(names)) = &said.header {
            let renamed = pipeline.destination.as_ref().map(|destination| &destination.rename);
            let new = |name: &String| renamed.and_then(|renamed| renamed.get(name)).unwrap_or(name).clone();
            let names: Vec<String> = names.iter().map(new).collect();
            self.names_are_known(fields, &names, pipeline.key.as_ref());
        }
    }

    fn names_are_known(&mut self, fields: &Fields<'t>, names: &[String], key: Option<&KeyTemplate>) {
        let list = names.join(", ");
        if let Some(field) = fields.get("columns")
            && let DeValue::Table(table) = field.value
        {
            for name in table.keys().filter(|name| !names.iter().any(|known| *known == *name.get_ref())) {
                let words = format!("header does not name this column; it names {list}");
                self.problem(&name.span(), &format!("{}.{}", field.path, name.get_ref()), words);
            }
        }
        let missing = key.and_then(|key| key.columns().find(|name| !names.iter().any(|known| known == name)));
        if let (Some(name), Some(field)) = (missing, fields.get("key")) {
            self.wrong(field, &format!("columns that header names ({list}); `{name}` is none of them"));
        }
    }

    fn header(&mut self, field: &Field<'t>) -> Option<Header> {
        let allowed =
            "true, false, a number of rows from 1 to 10, or a list of names such as [\"id\", \"name\"]";
        match field.value {
            DeValue::Integer(_) => {
                let rows = integer(field.value).and_then(|rows| u32::try_from(rows).ok());
                let rows = rows.filter(|rows| (1..=MOST_HEADER_ROWS).contains(rows));
                if rows.is_none() {
                    self.wrong(field, allowed);
                }
                rows.map(Header::InRows)
            }
            DeValue::Boolean(has) => Some(Header::InFirstRow(*has)),
            DeValue::Array(entries) => {
                let names: Option<Vec<String>> =
                    entries.iter().map(|entry| string(entry.get_ref()).map(str::to_owned)).collect();
                let Some(names) = names.filter(|names| (1..=MOST_NAMES).contains(&names.len())) else {
                    self.wrong(field, &format!("{allowed}, 1 to {MOST_NAMES} of them"));
                    return None;
                };
                for (at, name) in names.iter().enumerate() {
                    let fault = if name.trim().is_empty() {
                        "is empty"
                    } else if names[..at].contains(name) {
                        "occurs twice"
                    } else if RESERVED.contains(&name.as_str()) {
                        "is one that the pipeline uses itself"
                    } else {
                        continue;
                    };
                    let words = format!("name {} (\"{}\") {fault}", at + 1, name.escape_debug());
                    self.problem(&field.span, &field.path, words);
                }
                Some(Header::Names(names))
            }
            _ => {
                self.wrong(field, allowed);
                None
            }
        }
    }

    fn skip_lines(&mut self, field: &Field<'t>) -> Option<u32> {
        let lines = integer(field.value).and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 1_000);
        if lines.is_none() {
            self.wrong(field, "0 to 1000 lines");
        }
        lines
    }

    fn comment(&mut self, field: &Field<'t>) -> Option<String> {
        let legal = |text: &&str| {
            (1..=8).contains(&text.len())
                && !text.starts_with(' ')
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let comment = string(field.value).filter(legal).map(str::to_owned);
        if comment.is_none() {
            self.wrong(field, "1 to 8 printable ASCII characters such as \"#\"");
        }
        comment
    }

    fn sign(&mut self, field: &Field<'t>, allowed: &str, signs: &[u8]) -> Option<Sign> {
        let sign = match string(field.value) {
            Some("none") => Some(Sign::None),
            Some(text) => match text.as_bytes() {
                [sign] if signs.contains(sign) => Some(Sign::Is(*sign)),
                _ => None,
            },
            None => None,
        };
        if sign.is_none() {
            self.wrong(field, allowed);
        }
        sign
    }

    fn character(&mut self, field: &Field<'t>, allowed: &str, signs: &str) -> Option<char> {
        let text = string(field.value);
        let sign = text.and_then(|text| text.chars().next().filter(|sign| text.len() == sign.len_utf8()));
        let sign = sign.filter(|sign| signs.contains(*sign));
        if sign.is_none() {
            self.wrong(field, allowed);
        }
        sign
    }

    fn nulls(&mut self, field: &Field<'t>) -> Option<Vec<String>> {
        let nulls = if let DeValue::Array(entries) = field.value {
            entries.iter().map(|entry| string(entry.get_ref()).map(str::to_owned)).collect::<Option<Vec<_>>>()
        } else {
            None
        };
        let nulls = nulls.filter(|nulls| nulls.len() <= 64 && nulls.iter().all(|null| null.len() <= 64));
        if nulls.is_none() {
            self.wrong(field, "a list of up to 64 short texts such as [\"\\\\N\", \"NULL\"]");
        }
        nulls
    }

    pub(super) fn boolean(&mut self, field: &Field<'t>) -> Option<bool> {
        if let DeValue::Boolean(value) = field.value {
            return Some(*value);
        }
        self.wrong(field, "true or false");
        None
    }
}

/// Hundredths of a percent from a text such as `1` or `0.25`, up to 100 percent.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 || whole.len() > 3 {
        return None;
    }
    let share = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
    (share <= 10_000).then_some(share)
}

const SHORT_ROWS: [(&str, ShortRows); 2] = [("reject", ShortRows::Reject), ("null", ShortRows::Null)];
const EXTRA_COLUMNS: [(&str, ExtraColumns); 2] =
    [("reject", ExtraColumns::Reject), ("ignore_empty", ExtraColumns::IgnoreEmpty)];
const NAMES: [(&str, Names); 2] = [("reject", Names::Reject), ("number", Names::Number)];
