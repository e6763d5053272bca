//! What an object is, told from its first bytes and never from its name.

use super::format::{Compression, Encoding, Layout};
use super::json::scan::{Scanner, Step};
use super::options::{Format, Options};
use super::reason::{BadInput, Reason};
use super::{gzip, sniff, zstandard};

/// How many raw bytes the signatures need.
pub(super) const SIGNATURE_BYTES: usize = 264;

/// A NUL this early means that the object is no text; later, it is a mistake in one row.
const BINARY_LOOK_BYTES: usize = 64;

/// Kinds of file that are recognised and not read: where the signature stands, the signature, the name.
const KNOWN: &[(usize, &[u8], &str)] = &[
    (0, b"PK\x03\x04", "a zip archive (or a document made of one, like xlsx)"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\xfd7zXZ\x00", "xz-compressed"),
    (0, b"BZh", "bzip2-compressed"),
    (0, b"\x04\x22\x4d\x18", "lz4-compressed"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"\x1f\x9d", "compressed by Unix compress"),
    (0, b"\xff\x06\x00\x00sNaPpY", "snappy-compressed"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"PAR1", "a Parquet file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"ORC", "an ORC file"),
    (0, b"ARROW1", "an Arrow file"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"\x7fELF", "an ELF program"),
    (0, b"MZ\x90\x00", "a Windows program"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document"),
    (257, b"ustar", "a tar archive"),
];

fn known(bytes: &[u8]) -> Option<&'static str> {
    // Three letters are too weak a signature when text follows them: a CSV may begin with "ORC,".
    let is_text = !bytes.iter().take(BINARY_LOOK_BYTES).any(|byte| *byte < 0x09);
    KNOWN
        .iter()
        .find(|(at, signature, _)| {
            let weak =
                signature.len() <= 4 && signature.is_ascii() && !signature.iter().any(u8::is_ascii_control);
            bytes.get(*at..).is_some_and(|rest| rest.starts_with(signature)) && !(weak && is_text)
        })
        .map(|(_, _, name)| *name)
}

/// How the raw bytes that begin with `bytes` are compressed.
pub(super) fn compression(bytes: &[u8]) -> Result<Compression, BadInput> {
    if bytes.starts_with(&gzip::MAGIC) {
        Ok(Compression::Gzip)
    } else if bytes.starts_with(&zstandard::MAGIC) || zstandard::is_skippable(bytes) {
        Ok(Compression::Zstd)
    } else if let Some(name) = known(bytes) {
        Err(BadInput::new(Reason::UnsupportedFormat, format!("the object is {name}, which is not read")))
    } else {
        Ok(Compression::None)
    }
}

/// How the decompressed bytes that begin with `bytes` are encoded, and how long their byte order mark is.
/// `declared` is the name that the pipeline gives it.
pub(super) fn encoding(
    bytes: &[u8],
    outer: Compression,
    declared: Option<&str>,
) -> Result<(Encoding, usize), BadInput> {
    if outer != Compression::None {
        let inner = compression(bytes).map_err(|bad| {
            BadInput::new(bad.reason, bad.message.replace("the object is", "the compressed object holds"))
        })?;
        if inner != Compression::None {
            return Err(BadInput::new(Reason::NestedCompression, "compressed data inside compressed data"));
        }
    }
    let marked = encoding_rs::Encoding::for_bom(bytes).map(|(marked, _)| marked);
    if let (Some(name), Some(marked)) = (declared, marked)
        && encoding_rs::Encoding::for_label(name.as_bytes()) != Some(marked)
    {
        return Err(BadInput::new(
            Reason::EncodingMismatch,
            format!(
                "the pipeline says encoding = \"{name}\", but the text begins with the byte order mark of {}",
                marked.name()
            ),
        ));
    }
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            return Err(BadInput::new(Reason::UnsupportedEncoding, "the text is UTF-32, which is not read"));
        }
        [0xef, 0xbb, 0xbf, ..] => return Ok((Encoding::Utf8, 3)),
        [0xff, 0xfe, ..] => return Ok((Encoding::Utf16Le, 2)),
        [0xfe, 0xff, ..] => return Ok((Encoding::Utf16Be, 2)),
        _ => {}
    }
    if let Some(name) = declared
        && let Some(known) = encoding_rs::Encoding::for_label(name.as_bytes())
        && known != encoding_rs::UTF_8
    {
        return Ok((Encoding::Named(known.name()), 0));
    }
    let first = &bytes[..bytes.len().min(BINARY_LOOK_BYTES)];
    let nuls = |parity: usize| first.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    if even + odd == 0 {
        return Ok((Encoding::Utf8, 0));
    }
    // Text in a Latin script has a NUL in nearly every unit, nearly always on the same side.
    let units = first.len() / 2;
    if even.min(odd) * 8 <= even.max(odd) && even.max(odd) * 4 >= units * 3 {
        let order = if odd > 0 { "UTF-16LE" } else { "UTF-16BE" };
        return Err(BadInput::new(
            Reason::Utf16WithoutBom,
            format!(
                "the text looks like {order} without a byte order mark; put encoding = \"{}\" into the pipelines file",
                order.to_ascii_lowercase()
            ),
        ));
    }
    Err(BadInput::new(
        Reason::UnknownBinary,
        format!("there are {} NUL bytes among the first {}, so this is no text", even + odd, first.len()),
    ))
}

/// How the text that begins with `text` is laid out. `whole` says that this is all of it.
pub(super) fn layout(text: &[u8], whole: bool, options: &Options) -> Result<Layout, BadInput> {
    let table = || sniff::dialect(text, whole, options).map(Layout::Delimited);
    match options.format {
        Format::Json => return Ok(Layout::Json),
        Format::JsonLines => return Ok(Layout::JsonLines),
        Format::Csv => return table(),
        Format::Auto if options.pointer.is_some() => return Ok(Layout::Json),
        Format::Auto => {}
    }
    let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(text.len());
    match text.get(start) {
        Some(b'[') if is_bracketed(&text[start..]) => {
            // Names in brackets, as SQL Server writes them, or the first section of an INI file.
            table()
        }
        Some(b'[') => Ok(Layout::Json),
        Some(b'{') if is_lines(&text[start..], whole) => Ok(Layout::JsonLines),
        Some(b'{') => Ok(Layout::Json),
        _ if is_lines_of_scalars(&text[start..], whole) => Ok(Layout::JsonLines),
        _ => table(),
    }
}

/// Whether text that begins with a brace is a value on each line rather than one document: a whole value stands
/// on the first line or, when that line is broken, on the second.
fn is_lines(text: &[u8], whole: bool) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut filled = Vec::new();
    while let Some(line) = lines.next() {
        // The last line of a look that is not the whole text may be cut.
        if (lines.peek().is_some() || whole) && !line.trim_ascii().is_empty() {
            filled.push(line.trim_ascii());
        } else if !line.trim_ascii().is_empty() && !filled.is_empty() {
            // Cut, but there: enough to know that something follows the first line.
            return is_value(filled[0]) != Whole::Open;
        }
        if filled.len() == 2 {
            break;
        }
    }
    match filled[..] {
        [first, second] => match is_value(first) {
            Whole::Yes => true,
            Whole::Broken => second.starts_with(b"{") && is_value(second) == Whole::Yes,
            Whole::Open => false,
        },
        _ => false,
    }
}

/// Whether text that begins with a bracket is none of JSON: the first line has a word in brackets that no JSON has.
fn is_bracketed(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(end) = line.iter().position(|byte| *byte == b']') else { return false };
    let word = line[1..end].trim_ascii();
    word.first().is_some_and(u8::is_ascii_alphabetic) && is_value(word) == Whole::Broken
}

/// Whether every line is one JSON value that is neither object nor array, and one of them is a string. Where lines below
/// the first say by their type that it is a name, the text is a table of one quoted column.
fn is_lines_of_scalars(text: &[u8], whole: bool) -> bool {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).collect();
    if !whole {
        lines.pop();
    }
    lines.retain(|line| !line.is_empty());
    let is_string = |line: &[u8]| line.starts_with(b"\"");
    let is_scalar = |line: &[u8]| {
        let begins = matches!(line.first(), Some(b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'));
        begins && matches!(is_value(line), Whole::Yes | Whole::Open) && !line.ends_with(b",")
    };
    lines.len() >= 2
        && lines.iter().any(|line| is_string(line))
        && lines.iter().all(|line| is_scalar(line) && (!is_string(line) || is_value(line) == Whole::Yes))
        && !sniff::is_column_under_name(&lines)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    Open,
    Broken,
}

fn is_value(line: &[u8]) -> Whole {
    let mut scanner = Scanner::default();
    let mut at = 0;
    while at < line.len() {
        match scanner.step(&line[at..]) {
            Ok((taken, Step::End)) if at + taken == line.len() => return Whole::Yes,
            // The rest of the line is a second value: not JSON Lines.
            Ok((_, Step::End)) | Err(_) => return Whole::Broken,
            Ok((taken, _)) => at += taken,
        }
    }
    Whole::Open
}
