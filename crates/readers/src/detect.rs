//! What an object is, told from its first bytes and never from its name.

use super::decompress::signature;
use super::format::{Compression, Encoding};
use super::options::Format;
use super::reason::{BadInput, Reason};

/// How many raw bytes the signatures need.
pub(super) const SIGNATURE_BYTES: usize = 264;

/// A NUL this early means that the object is no text; later, it is a mistake in one row.
const BINARY_LOOK_BYTES: usize = 64;

const ZIP: &str = "a zip archive (or a document made of one, like xlsx)";
const EMPTY_ZIP: &str = "an empty zip archive";
const COMPOUND: &str = "an old Office document";
const PARQUET: &str = "a Parquet file";
const ENCRYPTED_PARQUET: &str = "an encrypted Parquet file";

/// Kinds of file that are recognised and not read: where the signature stands, the signature, the name.
const KNOWN: &[(usize, &[u8], &str)] = &[
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", EMPTY_ZIP),
    (0, b"PK\x07\x08", "one part of a zip archive in several parts"),
    (0, b"\x04\x22\x4d\x18", "lz4-compressed"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"\x1f\x9d", "compressed by Unix compress"),
    (0, b"\xff\x06\x00\x00sNaPpY", "snappy-compressed"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"PAR1", PARQUET),
    (0, b"PARE", ENCRYPTED_PARQUET),
    (0, b"ORC", "an ORC file"),
    (0, b"ARROW1", "an Arrow file"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (0, b"\x7fELF", "an ELF program"),
    (0, b"MZ\x90\x00", "a Windows program"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", COMPOUND),
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

/// Files that are read by ranges and not as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// A Parquet file.
    Parquet,
    /// A file of Office with files in it, which is not read: an old document, or an encrypted one.
    Compound,
    /// A zip archive, whose members are of any format that is read in order.
    Zip,
}

/// Which of them the object is that begins with `bytes`, as far as its pipeline says which it may be.
pub(super) fn container(bytes: &[u8], declared: Format) -> Result<Option<Container>, BadInput> {
    let is_parquet = known(bytes) == Some(PARQUET);
    match (declared, known(bytes)) {
        (Format::Auto | Format::Parquet, _) if is_parquet => Ok(Some(Container::Parquet)),
        (_, Some(ZIP | EMPTY_ZIP)) if declared != Format::Parquet => Ok(Some(Container::Zip)),
        (_, Some(COMPOUND)) => Ok(Some(Container::Compound)),
        (_, Some(ENCRYPTED_PARQUET)) => {
            Err(BadInput::new(Reason::EncryptedFile, "the Parquet file is encrypted"))
        }
        (Format::Parquet, found) => {
            let found = match (found, signature(bytes)) {
                (Some(name), _) => format!("it is {name}"),
                (None, Compression::None) => "it does not begin with PAR1".to_owned(),
                (None, _) => "it is compressed; upload it as it is".to_owned(),
            };
            Err(BadInput::new(
                Reason::WrongFormat,
                format!("the pipeline says format = \"parquet\", but the object is no Parquet file: {found}"),
            ))
        }
        (_, Some(name)) if is_parquet => Err(BadInput::new(
            Reason::WrongFormat,
            format!(
                "the object is {name}, but the pipeline says another format; remove format or make it \"parquet\""
            ),
        )),
        _ => Ok(None),
    }
}

/// How the raw bytes that begin with `bytes` are compressed. `what` begins the sentence about a kind that is not read: "the
/// object is".
pub(super) fn compression(bytes: &[u8], what: &str) -> Result<Compression, BadInput> {
    match (signature(bytes), known(bytes)) {
        (Compression::None, Some(name)) => {
            Err(BadInput::new(Reason::UnsupportedFormat, format!("{what} {name}, which is not read")))
        }
        (compression, _) => Ok(compression),
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
        let inner = compression(bytes, "the compressed object holds")?;
        if inner != Compression::None {
            return Err(BadInput::new(Reason::NestedCompression, "the object is compressed more than twice"));
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
