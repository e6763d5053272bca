//! Files that AWS writes: what their pipeline need not say, and how they are recognised where it says nothing.

use domain::pipelines::{Delimited, Header, Preset, PresetLayout, PresetNames, PresetTable, Quotes, Sign};

use super::delimited::dialect::Dialect;
use super::options::{Format, Options};
use super::reason::{BadInput, Reason, shown};

/// How the comment begins that names the fields of CloudFront's logs.
pub(super) const FIELDS: &str = "#Fields:";

/// The options of a pipeline with what its format says in addition. The text begins with `text`.
pub(super) fn resolved(preset: Preset, options: &Options, text: &[u8]) -> Result<Options, BadInput> {
    let mut resolved = options.clone();
    match &preset.row().layout {
        PresetLayout::Json(pointer) => {
            resolved.format = Format::Json;
            resolved.pointer = Some((*pointer).to_owned());
        }
        PresetLayout::Table(table) => {
            resolved.format = Format::Csv;
            resolved.delimiter = options.delimiter.or(u8::try_from(table.delimiter).ok());
            resolved.table = said(preset, table, &options.table, text)?;
        }
    }
    Ok(resolved)
}

fn said(preset: Preset, table: &PresetTable, own: &Delimited, text: &[u8]) -> Result<Delimited, BadInput> {
    let mut said = own.clone();
    if said.nulls.is_none() {
        said.nulls = table.null.map(|null| vec![null.to_owned()]);
    }
    if table.quotes != Quotes::Detected {
        said.quote = Some(if table.quotes == Quotes::None { Sign::None } else { Sign::Is(b'"') });
        said.escape = Some(Sign::None);
    }
    match table.names {
        // The width of the first row tells how many of them there are.
        PresetNames::Known { .. } => {}
        PresetNames::FirstRow => said.header = Some(Header::InFirstRow(true)),
        PresetNames::FieldsLine => {
            said.comment = Some("#".to_owned());
            // A text without records has no names either.
            if !text.trim_ascii().is_empty() {
                said.header = Some(Header::Names(fields_of(preset, text)?));
            }
        }
        // The pipelines file is refused without them.
        PresetNames::Pipeline(_) => {}
    }
    Ok(said)
}

/// The names in the line that begins with [`FIELDS`].
fn fields_of(preset: Preset, text: &[u8]) -> Result<Vec<String>, BadInput> {
    let line = line_of_fields(text).unwrap_or_default();
    let names = String::from_utf8_lossy(&line[FIELDS.len().min(line.len())..]);
    let names: Vec<String> = names.split_ascii_whitespace().map(str::to_owned).collect();
    if names.is_empty() {
        let title = preset.row().title;
        return Err(BadInput::new(
            Reason::NoHeader,
            format!(
                "the pipeline says format = \"{preset}\", but no line above the first record begins with \"{FIELDS}\", as \
                 in {title}"
            ),
        ));
    }
    if let Some(twice) = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        return Err(BadInput::new(
            Reason::DuplicateHeader,
            format!("the line \"{FIELDS}\" names {} twice", shown(twice.1)),
        ));
    }
    Ok(names)
}

fn line_of_fields(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| matches!(byte, b'\n' | b'\r'))
        .take_while(|line| line.is_empty() || line.starts_with(b"#"))
        .find(|line| line.starts_with(FIELDS.as_bytes()))
}

/// The line that names the columns, for a format that has one: where it comes again it must be the same.
pub(super) fn fields_line(options: &Options, text: &[u8]) -> Option<Vec<u8>> {
    let table = options.preset.and_then(Preset::table)?;
    (table.names == PresetNames::FieldsLine).then(|| line_of_fields(text).map(<[u8]>::to_vec))?
}

/// How delimited text of this kind is written; none where the text has to show it.
pub(super) fn dialect(preset: Preset) -> Option<Dialect> {
    let table = preset.table()?;
    let plain = Dialect::of(u8::try_from(table.delimiter).ok()?);
    Some(match table.quotes {
        Quotes::Detected => return None,
        Quotes::None => Dialect { quote: None, ..plain },
        Quotes::Double => plain,
        Quotes::Log => Dialect { is_log: true, ..plain },
    })
}

/// What AWS writes and `text` looks like, so that a refusal can name its format.
pub(super) fn recognised(text: &[u8]) -> Option<Preset> {
    let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
    let first = lines.next()?;
    if first.starts_with(b"#Version:") {
        let is_cloudfront = |line: &[u8]| {
            line.starts_with(FIELDS.as_bytes()) && memchr::memmem::find(line, b"x-edge-location").is_some()
        };
        return lines.next().is_some_and(is_cloudfront).then_some(Preset::Cloudfront);
    }
    let words: Vec<&[u8]> = first.split(|byte| *byte == b' ').take(13).collect();
    let is = |at: usize, test: &dyn Fn(&[u8]) -> bool| words.get(at).is_some_and(|word| test(word));
    let is_time = |word: &[u8]| matches!(word, [b'2', b'0', _, _, b'-', _, _, b'-', _, _, b'T', ..]);
    if is(0, &|word| [&b"http"[..], b"https", b"h2", b"grpcs", b"ws", b"wss"].contains(&word))
        && is(1, &is_time)
        && is(2, &|word| word.starts_with(b"app/"))
    {
        Some(Preset::Alb)
    } else if is(0, &|word| word == b"tls") && is(2, &is_time) && is(3, &|word| word.starts_with(b"net/")) {
        Some(Preset::Nlb)
    } else if is(0, &is_time)
        && is(2, &|word| word.contains(&b':'))
        && is(11, &|word| word.starts_with(b"\""))
    {
        Some(Preset::Elb)
    } else if is(0, &|word| word.len() == 64 && word.iter().all(u8::is_ascii_hexdigit))
        && is(2, &|word| word.starts_with(b"["))
    {
        Some(Preset::S3AccessLogs)
    } else {
        None
    }
}

/// A refusal that also names the format which reads such text.
pub(super) fn hinted(mut refused: BadInput, text: &[u8]) -> BadInput {
    if let Some(preset) = recognised(text) {
        let title = preset.row().title;
        refused.message +=
            &format!(". It looks like {title}: put format = \"{preset}\" into the pipelines file");
    }
    refused
}
