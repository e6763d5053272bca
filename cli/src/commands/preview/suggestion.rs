//! The text for pipelines.toml that says what was found, so that it need not be found out for the next file.

use std::path::Path;

use app::run_job::Preview;
use domain::bad_input::Reason as BadInput;
use domain::job::ReasonCode;
use domain::pipelines::{
    DEFAULT_MAX_REJECTED, Delimited, ExtraColumns, Format, Header, Names, Pipeline, Preset, ShortRows,
};
use readers::{Dialect, Encoding, Layout};

use super::outcome::{Found, Outcome};

/// Above this number of columns, a pipeline names only those whose type is not text.
const COLUMNS: usize = 40;

/// The pipeline for files like this one; none where it was not read or is empty.
pub(super) fn pipeline(outcome: &Outcome) -> Option<String> {
    let Found::Read(_, preview) = &outcome.found else { return None };
    if preview.bytes.1 == 0 {
        return None;
    }
    let path = Path::new(&outcome.upload.key);
    let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (stem, suffix) = stem.split_once('.').map_or((stem, None), |(stem, suffix)| (stem, Some(suffix)));
    let folder = outcome.upload.key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut matches = format!("prefix = {}", quoted(&format!("{folder}/")));
    if let Some(suffix) = suffix {
        matches += &format!(", suffix = {}", quoted(&format!(".{suffix}")));
    }
    let mut lines = vec![
        "[[pipeline]]".to_owned(),
        format!("name = {}", quoted(&name(stem))),
        format!("match = {{ {matches} }}"),
    ];
    lines.extend(format(outcome, preview));
    if let Some(failure) = &preview.failure {
        match &failure.code {
            ReasonCode::BadInput(BadInput::TooManyRecords) => {
                lines.push(format!("max_records = {}", preview.records));
            }
            ReasonCode::BadInput(BadInput::TooExpensive) => {
                lines.push(format!("max_cost = \"{}\"", dollars_above(preview.cost.nanodollars())));
            }
            // Nothing would be left of an object without a good row.
            _ if preview.rejected > 0 && preview.records > 0 => lines.extend(quarantine(preview)),
            _ => {}
        }
    }
    if aws(outcome).is_none() {
        lines.extend(columns(preview));
    }
    Some(lines.join("\n") + "\n")
}

/// The lines that let the good rows through, with a bound that this object's rejected rows meet.
fn quarantine(preview: &Preview) -> Vec<String> {
    let mut lines = vec!["bad_rows = \"quarantine\"".to_owned()];
    let percent = (preview.rejected * 100).div_ceil(preview.records + preview.rejected);
    if percent * 100 > u64::from(DEFAULT_MAX_REJECTED) {
        lines.push(format!("max_rejected = \"{percent}%\""));
    }
    lines
}

/// The lines that say how the text is laid out.
fn format(outcome: &Outcome, preview: &Preview) -> Vec<String> {
    if let Some((pipeline, preset)) = aws(outcome) {
        let mut lines = vec![format!("format = \"{preset}\"")];
        if let Some(Header::Names(names)) = &pipeline.delimited.header {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            lines.push(format!("header = [{}]", names.join(", ")));
        }
        let entry = pipeline.entry.as_ref();
        lines.extend(entry.map(|entry| format!("entry = {}", quoted(&entry.to_string()))));
        lines.extend(pipeline.key.as_ref().map(|key| format!("key = {}", quoted(&key.to_string()))));
        return lines;
    }
    let format = match preview.layout {
        Layout::Delimited(_) => "csv",
        Layout::JsonLines => "jsonl",
        Layout::Json | Layout::JsonSequence => "json",
        Layout::DynamodbJson => "dynamodb_json",
        Layout::Avro => "avro",
        Layout::Parquet => "parquet",
        Layout::Sheet(..) => "sheet",
    };
    let mut lines = vec![format!("format = \"{format}\"")];
    if let Layout::Sheet(_, dialect) = preview.layout {
        if let Found::Read(pipeline, _) = &outcome.found {
            lines.extend(pipeline.sheet.as_ref().map(|sheet| format!("sheet = {}", quoted(sheet))));
            lines.extend(said_lines(&pipeline.delimited));
        }
        lines.extend((dialect.skip_lines > 0).then(|| format!("skip_lines = {}", dialect.skip_lines)));
    }
    if let Layout::Delimited(dialect) = preview.layout {
        lines.extend(dialect_lines(dialect));
        if let Found::Read(pipeline, _) = &outcome.found {
            lines.extend(said_lines(&pipeline.delimited));
        }
    }
    if let Encoding::Named(name) = preview.encoding {
        lines.push(format!("encoding = {}", quoted(&name.to_ascii_lowercase())));
    }
    if let Found::Read(pipeline, _) = &outcome.found {
        let entry = pipeline.entry.as_ref();
        lines.extend(entry.map(|entry| format!("entry = {}", quoted(&entry.to_string()))));
        lines.extend(pipeline.records.as_ref().map(|pointer| format!("records = {}", quoted(pointer))));
        lines.extend(pipeline.key.as_ref().map(|key| format!("key = {}", quoted(&key.to_string()))));
    }
    lines
}

/// The pipeline whose format says what of AWS the object is.
fn aws(outcome: &Outcome) -> Option<(&Pipeline, Preset)> {
    match &outcome.found {
        Found::Read(pipeline, _) => match pipeline.format {
            Format::Aws(preset) => Some((pipeline, preset)),
            _ => None,
        },
        _ => None,
    }
}

/// The lines that say how a table is written, where it is not as RFC 4180 has it.
fn dialect_lines(dialect: Dialect) -> Vec<String> {
    let usual = Dialect::of(b',');
    let sign = |sign: Option<u8>| match sign {
        None => "none".to_owned(),
        Some(b'\t') => "tab".to_owned(),
        Some(sign) => char::from(sign).to_string(),
    };
    let mut lines = Vec::new();
    for (key, found, usual) in [
        ("delimiter", dialect.delimiter, usual.delimiter),
        ("quote", dialect.quote, usual.quote),
        ("escape", dialect.escape, usual.escape),
    ] {
        if found != usual {
            lines.push(format!("{key} = {}", quoted(&sign(found))));
        }
    }
    if dialect.skip_lines > 0 {
        lines.push(format!("skip_lines = {}", dialect.skip_lines));
    }
    lines
}

/// The lines that the pipeline has already and that cannot be found out from the text.
fn said_lines(said: &Delimited) -> Vec<String> {
    let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    let header = said.header.as_ref().map(|header| match header {
        Header::InFirstRow(has) => format!("header = {has}"),
        Header::InRows(rows) => format!("header = {rows}"),
        Header::Names(names) => format!("header = [{}]", list(names)),
    });
    let sign =
        |key: &str, sign: Option<char>| sign.map(|sign| format!("{key} = {}", quoted(&sign.to_string())));
    let lines = [
        header,
        said.comment.as_ref().map(|text| format!("comment = {}", quoted(text))),
        said.nulls.as_ref().map(|nulls| format!("nulls = [{}]", list(nulls))),
        sign("decimal", said.decimal),
        sign("thousands", said.thousands),
        said.trim.map(|trim| format!("trim = {trim}")),
        (said.short_rows == ShortRows::Null).then(|| "short_rows = \"null\"".to_owned()),
        (said.extra_columns == ExtraColumns::IgnoreEmpty)
            .then(|| "extra_columns = \"ignore_empty\"".to_owned()),
        (said.duplicate_names == Names::Number).then(|| "duplicate_names = \"number\"".to_owned()),
        (said.unnamed == Names::Number).then(|| "unnamed = \"number\"".to_owned()),
    ];
    lines.into_iter().flatten().collect()
}

/// The types of the columns of a table of text. Elsewhere values bring their types.
fn columns(preview: &Preview) -> Vec<String> {
    if !matches!(preview.layout, Layout::Delimited(_) | Layout::Sheet(..)) {
        return Vec::new();
    }
    let typed = preview.columns.iter().filter_map(|column| match column.types[..] {
        [kind] if kind != "text" || preview.columns.len() <= COLUMNS => Some((&column.name, kind)),
        _ => None,
    });
    let lines: Vec<String> = typed.map(|(name, kind)| format!("{} = \"{kind}\"", key(name))).collect();
    if lines.is_empty() {
        lines
    } else {
        [vec![String::new(), "[pipeline.columns]".to_owned()], lines].concat()
    }
}

/// A name that a pipeline may have.
fn name(stem: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stem.chars().take(64).map(plain).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "files".to_owned() } else { name.to_owned() }
}

/// A key of TOML: bare where it may be.
fn key(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

/// A basic string of TOML, whose escapes are those of JSON; DEL is one that JSON leaves as it is.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

fn dollars_above(nanodollars: u64) -> String {
    format!("${}", nanodollars.div_ceil(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_legal_whatever_the_file_is_called() {
        for (stem, expected) in [("Orders 2024", "orders-2024"), ("ü", "files"), ("", "files"), ("-a-", "a")]
        {
            assert_eq!(name(stem), expected);
        }
        assert_eq!(key("zip"), "zip");
        assert_eq!(key("two words"), "\"two words\"");
        assert_eq!(key("a\"b\u{1}\u{7f}"), "\"a\\\"b\\u0001\\u007f\"");
        assert_eq!(dollars_above(100_000_000_001), "$101");
    }
}
