//! Whose fault a refusal is: the object's, or that of a line of the pipelines file that says otherwise than the object is.

use crate::bad_input::Reason;
use crate::pipelines::{Format, Header, NO_DELIMITER, Pipeline, Sign};

/// Whose fault it is that an object is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The object's: its pipeline says nothing that the reason is about.
    Object,
    /// That of the pipelines file, or the object is none of this pipeline: these lines of it contradict the object.
    Pipeline(Vec<String>),
    /// Either: the object may be faulty, or these lines of its pipeline may be wrong.
    Either(Vec<String>),
}

/// A key of a pipeline that a refusal may be about.
#[derive(Debug, Clone, Copy)]
enum Key {
    Format,
    Delimiter,
    Quote,
    Escape,
    Header,
    SkipLines,
    Encoding,
    Records,
    Sheet,
    Entry,
    Columns,
    Natural,
}

impl Fault {
    /// Whose fault it is that an object of this pipeline is refused for this reason.
    #[must_use]
    pub fn of(reason: Reason, pipeline: &Pipeline) -> Self {
        use Key::{
            Columns, Delimiter, Encoding, Entry, Escape, Format, Header, Natural, Quote, Records, Sheet,
            SkipLines,
        };
        let (is_certain, keys): (bool, &[Key]) = match reason {
            Reason::UnknownColumn => (true, &[Columns]),
            Reason::EncodingMismatch | Reason::InvalidUtf16 => (true, &[Encoding]),
            Reason::PointerNotFound | Reason::PointerNotRecords => (true, &[Records]),
            Reason::NotDynamodbJson | Reason::WrongFormat => (true, &[Format, Entry]),
            Reason::AmbiguousDialect => (true, &[Delimiter, Quote, Escape, SkipLines]),
            Reason::NoTable => (false, &[Format, Delimiter, SkipLines, Sheet, Entry]),
            Reason::TwoTables => (false, &[Entry]),
            Reason::NoHeader
            | Reason::AmbiguousHeader
            | Reason::BadHeader
            | Reason::EmptyHeader
            | Reason::DuplicateHeader => (false, &[Header, SkipLines, Delimiter]),
            Reason::RaggedRow => (false, &[Header, SkipLines, Delimiter, Quote]),
            Reason::UnbalancedQuote
            | Reason::TextAfterQuote
            | Reason::SwallowedRows
            | Reason::StrayQuote
            | Reason::StrayEscape => (false, &[Quote, Escape]),
            Reason::JsonSyntax | Reason::JsonTrailing => (false, &[Format]),
            Reason::WrongType => (false, &[Columns]),
            Reason::BadKey | Reason::RepeatedKey => (false, &[Natural]),
            _ => (false, &[]),
        };
        let lines: Vec<String> = keys.iter().filter_map(|key| line(*key, pipeline)).collect();
        match (lines.is_empty(), is_certain) {
            (true, _) => Self::Object,
            (false, true) => Self::Pipeline(lines),
            (false, false) => Self::Either(lines),
        }
    }
}

/// What a person can do about an object of this pipeline that is refused for this reason.
#[must_use]
pub fn advice(reason: Reason, pipeline: &Pipeline) -> String {
    let name = &pipeline.name;
    match Fault::of(reason, pipeline) {
        Fault::Object => reason.row().advice.to_owned(),
        Fault::Pipeline(lines) => format!(
            "The pipelines file says {} for pipeline {name}, and this object is otherwise. Correct that there and upload the \
             object again; if it is right, the object is not one for this pipeline.",
            lines.join(" and ")
        ),
        Fault::Either(lines) => format!(
            "{} If {} is wrong, which the pipelines file says for pipeline {name}, correct it there and upload the object \
             again.",
            reason.row().advice,
            lines.join(" or ")
        ),
    }
}

/// The line of the pipelines file by which a pipeline has this key, if it has it.
fn line(key: Key, pipeline: &Pipeline) -> Option<String> {
    let said = &pipeline.delimited;
    let sign = |sign: Sign| match sign {
        Sign::None => "none".to_owned(),
        Sign::Is(sign) => char::from(sign).to_string(),
    };
    Some(match key {
        Key::Format => match pipeline.format {
            Format::Auto | Format::Command | Format::Object => return None,
            format => format!("format = {}", quoted(format.as_str())),
        },
        Key::Delimiter => format!(
            "delimiter = {}",
            match pipeline.delimiter? {
                '\t' => quoted("tab"),
                NO_DELIMITER => quoted("none"),
                sign => quoted(&sign.to_string()),
            }
        ),
        Key::Quote => format!("quote = {}", quoted(&sign(said.quote?))),
        Key::Escape => format!("escape = {}", quoted(&sign(said.escape?))),
        Key::Header => match said.header.as_ref()? {
            Header::InFirstRow(has) => format!("header = {has}"),
            Header::InRows(rows) => format!("header = {rows}"),
            Header::Names(names) => format!("header = [{}]", listed(names.iter())),
        },
        Key::SkipLines => format!("skip_lines = {}", said.skip_lines?),
        Key::Encoding => format!("encoding = {}", quoted(pipeline.encoding.as_deref()?)),
        Key::Records => format!("records = {}", quoted(pipeline.records.as_deref()?)),
        Key::Sheet => format!("sheet = {}", quoted(pipeline.sheet.as_deref()?)),
        Key::Entry => format!("entry = {}", quoted(&pipeline.entry.as_ref()?.to_string())),
        Key::Columns => {
            let names = pipeline.columns.keys();
            if names.len() == 0 {
                return None;
            }
            format!("columns = {{ {} }}", listed(names))
        }
        Key::Natural => match (&pipeline.key, &pipeline.destination) {
            (Some(key), _) => format!("key = {}", quoted(&key.to_string())),
            (None, Some(destination)) if !destination.keys.is_empty() => {
                let keys = destination.keys.iter();
                let keys = keys.map(|(name, key)| format!("{} = {}", quoted(name), quoted(&key.to_string())));
                format!("key = {{ {} }}", keys.collect::<Vec<_>>().join(", "))
            }
            (None, _) => return None,
        },
    })
}

/// The first few of the names.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const LISTED: usize = 8;
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.take(LISTED).map(|name| quoted(name)).collect::<Vec<_>>().join(", ") + more
}

/// A basic string of TOML, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipelines::Pipelines;

    fn pipeline(keys: &str) -> Pipeline {
        let text = format!("version = 1\n[[pipeline]]\nname = \"orders\"\n{keys}\n");
        let pipelines = Pipelines::parse(&text, "p.toml").unwrap_or_else(|error| panic!("{error}"));
        pipelines.get("orders").unwrap().clone()
    }

    /// A contradiction of the pipelines file is never answered with "fix the object".
    #[test]
    fn a_line_that_contradicts_the_object_is_named() {
        for (reason, keys, line) in [
            (Reason::UnknownColumn, "columns = { zip = \"text\" }", r#"columns = { "zip" }"#),
            (Reason::EncodingMismatch, "encoding = \"utf-16le\"", r#"encoding = "utf-16le""#),
            (Reason::PointerNotFound, "records = \"/a\"", r#"records = "/a""#),
            (Reason::PointerNotRecords, "records = \"/a\"", r#"records = "/a""#),
            (Reason::WrongFormat, "format = \"parquet\"", r#"format = "parquet""#),
            (Reason::WrongFormat, "entry = \"a.csv\"", r#"entry = "a.csv""#),
            (Reason::NotDynamodbJson, "format = \"dynamodb_json\"", r#"format = "dynamodb_json""#),
            (Reason::AmbiguousDialect, "delimiter = \"tab\"", r#"delimiter = "tab""#),
        ] {
            let pipeline = pipeline(keys);
            assert_eq!(Fault::of(reason, &pipeline), Fault::Pipeline(vec![line.to_owned()]), "{reason}");
            let advice = advice(reason, &pipeline);
            assert!(advice.contains(line) && advice.contains("pipeline orders"), "{advice}");
            assert!(!advice.contains("Fix the object") && !advice.contains("Add the column to the file"));
        }
    }

    #[test]
    fn what_may_be_either_fault_names_both() {
        for (reason, keys, line) in [
            (Reason::RaggedRow, "header = [\"a\", \"b\"]", r#"header = ["a", "b"]"#),
            (Reason::NoHeader, "skip_lines = 2", "skip_lines = 2"),
            (Reason::NoTable, "delimiter = \"none\"", r#"delimiter = "none""#),
            (Reason::NoTable, "sheet = \"May\"", r#"sheet = "May""#),
            (Reason::NoTable, "entry = \"data/*\"", r#"entry = "data/*""#),
            (Reason::TwoTables, "entry = \"data/*\"", r#"entry = "data/*""#),
            (Reason::TextAfterQuote, "quote = \"'\"", r#"quote = "'""#),
            (Reason::StrayEscape, "escape = \"none\"", r#"escape = "none""#),
            (Reason::JsonSyntax, "format = \"jsonl\"", r#"format = "jsonl""#),
            (Reason::BadKey, "key = \"{id}\"", r#"key = "{id}""#),
            (
                Reason::RepeatedKey,
                "table = \"shop\"\nkey = { PK = \"O#{id}\" }",
                r##"key = { "PK" = "O#{id}" }"##,
            ),
            (Reason::WrongType, "columns = { n = \"number\" }", r#"columns = { "n" }"#),
        ] {
            let pipeline = pipeline(keys);
            assert_eq!(Fault::of(reason, &pipeline), Fault::Either(vec![line.to_owned()]), "{reason}");
            let advice = advice(reason, &pipeline);
            assert!(advice.starts_with(reason.row().advice) && advice.contains(line), "{advice}");
        }
    }

    #[test]
    fn where_nothing_is_declared_the_object_is_at_fault() {
        let plain = pipeline("");
        for reason in Reason::ALL {
            assert_eq!(Fault::of(*reason, &plain), Fault::Object);
            assert_eq!(advice(*reason, &plain), reason.row().advice);
        }
    }
}
