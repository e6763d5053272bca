//! Spreadsheets: one sheet of a workbook as delimited text, whose header and columns are then found as those of any table.
//!
//! ```text
//! zip: the parts of the workbook ─▶ scan: how much is held at once ─┬─▶ excel: calamine reads cells ─┬─▶ text ─▶ input
//!                                                                   └─▶ opendocument: XML, streamed ─┘
//! ```
//! A formula is the value that was saved with it. A cell inside a merged one is empty, hidden rows are rows, and charts,
//! pictures and macros are nothing.
//!
//! calamine wants a workbook of Excel in memory, decompresses the texts that its cells share as a whole, and each cell as a
//! whole. So all parts are decompressed once before, in pieces, to see that what is said about their sizes is true; and a
//! workbook that would take more memory than a reader may have is refused. Cells are then read on a thread of their own,
//! no faster than they are taken.

pub(super) mod compound;
mod excel;
mod moments;
mod opendocument;
mod scan;
pub(super) mod text;

use std::io;

use bytes::Bytes;
use domain::pipelines::{Delimited, Sign};
use domain::text::grouped;
use futures::stream;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::io::StreamReader;

use self::scan::{Records, Xml};
use super::decompress::BUFFER_BYTES;
use super::format::Workbook;
use super::options::{Format, Options};
use super::permits::{BufferPermits, Permit};
use super::reason::{BadInput, ReadError, Reason, shown};
use super::source::{Begun, PackedBytes, Source, Stream};
use super::zip::Package;

/// How many pieces of text wait to be taken.
const PIECES_AHEAD: usize = 2;

/// How much a reader may hold without a permit.
const FREE_BYTES: u64 = 1 << 20;

/// What calamine holds besides the workbook and its texts: tables for decompression, and a large cell a few times.
const OTHER_BYTES: u64 = 256 << 10;

/// A text takes that many times its size in the file, where a string has a head and some room.
const TEXT_TIMES: u64 = 4;

/// The options for the text of a sheet, which is always written in the same way.
///
/// # Errors
/// When the pipeline says that the object is something else.
pub(super) fn options(options: &Options, kind: Workbook) -> Result<Options, BadInput> {
    let other = match (options.format, &options.pointer) {
        (_, Some(pointer)) => format!("records = \"{pointer}\" does not go with it"),
        (Format::Auto | Format::Sheet, None) if options.preset.is_none() => {
            let said = &options.table;
            return Ok(Options {
                format: Format::Sheet,
                delimiter: Some(b','),
                encoding: None,
                repair: None,
                table: Delimited {
                    quote: Some(Sign::Is(b'"')),
                    escape: Some(Sign::None),
                    comment: None,
                    decimal: None,
                    thousands: None,
                    ..said.clone()
                },
                ..options.clone()
            });
        }
        _ => "its pipeline says another format; remove format or make it \"sheet\"".to_owned(),
    };
    let message = format!("the object is a workbook (.{}), but {other}", kind.suffix());
    Err(BadInput::new(Reason::WrongFormat, message))
}

/// Opens a sheet of a workbook as text. `is_checked` says that an earlier reading has looked through this workbook.
pub(super) async fn open(
    package: Package,
    kind: Workbook,
    options: &Options,
    is_checked: bool,
) -> Result<Begun, ReadError> {
    if let Some(encrypted) = package.encrypted() {
        let name = shown(encrypted);
        let message = format!("the workbook is encrypted: its part {name} is");
        return Err(BadInput::new(Reason::EncryptedFile, message).into());
    }
    let length = package.length();
    let wanted = options.sheet.clone();
    let (stream, permit) = match kind {
        Workbook::Ods => (opendocument::open(package, wanted).await?, None),
        Workbook::Xlsx | Workbook::Xlsb => {
            let permit = permit(&package, &options.buffers).await?;
            if !is_checked {
                look_through(&package, kind).await?;
            }
            (cells(package.whole().await?, kind, wanted), permit)
        }
    };
    let mut begun = Source::from(stream).begin().await?;
    begun.packed = Some(PackedBytes { bytes: length, made_before: 0 });
    begun.permit = permit;
    Ok(begun)
}

/// Waits for the memory that a workbook of Excel takes, if it takes much.
async fn permit(package: &Package, buffers: &BufferPermits) -> Result<Option<Permit>, ReadError> {
    let texts: u64 =
        package.parts().filter(|(name, _)| !is_sheet(name) && !is_picture(name)).map(|part| part.1).sum();
    let need = texts.saturating_mul(TEXT_TIMES).saturating_add(package.length() + OTHER_BYTES);
    if need <= FREE_BYTES {
        return Ok(None);
    }
    let wanted = usize::try_from(need.div_ceil(BufferPermits::BYTES)).unwrap_or(usize::MAX);
    let (permit, granted) = buffers.acquire_many(wanted).await?;
    let most = BufferPermits::BYTES * granted as u64;
    if need <= most {
        return Ok(Some(permit));
    }
    Err(BadInput::new(
        Reason::BlockTooLarge,
        format!(
            "the workbook has {} bytes and texts of {} bytes, which take about {} bytes of memory where {} are at hand; save \
             the sheet as CSV",
            grouped(package.length()),
            grouped(texts),
            grouped(need),
            grouped(most)
        ),
    )
    .into())
}

fn is_sheet(name: &str) -> bool {
    name.starts_with("xl/worksheets/") && (name.ends_with(".xml") || name.ends_with(".bin"))
}

/// Pictures are not read, and are no texts whatever they are called: see [`look_through`].
fn is_picture(name: &str) -> bool {
    let end = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "emf", "wmf", "wdp"].contains(&end.as_str())
}

/// Decompresses all parts, to see that they are no larger than they are said to be, and that a cell can be held.
async fn look_through(package: &Package, kind: Workbook) -> Result<(), ReadError> {
    let parts: Vec<(String, u64)> = package.parts().map(|(name, bytes)| (name.to_owned(), bytes)).collect();
    let mut piece = Vec::with_capacity(BUFFER_BYTES);
    for (at, (name, _)) in parts.iter().enumerate() {
        let mut part = package.open(at).await?;
        let (mut xml, mut records) = (Xml::new(), Records::new());
        let mut is_first = true;
        loop {
            piece.clear();
            if part.read_buf(&mut piece).await.map_err(ReadError::received)? == 0 {
                break;
            }
            if is_picture(name) && std::mem::take(&mut is_first) && !begins_like_a_picture(&piece) {
                let message = format!("the part {} of the workbook is no picture", shown(name));
                return Err(BadInput::new(Reason::DamagedFile, message).into());
            }
            match kind {
                _ if !is_sheet(name) => {}
                Workbook::Xlsb if name.ends_with(".bin") => records.feed(&piece)?,
                _ => xml.feed(&piece)?,
            }
        }
    }
    Ok(())
}

/// Whether a part may be a picture: it must not be one that calamine could take for texts.
fn begins_like_a_picture(piece: &[u8]) -> bool {
    let known: [&[u8]; 9] = [
        b"\x89PNG",
        b"\xff\xd8",
        b"GIF8",
        b"BM",
        b"II",
        b"MM",
        b"\x01\0\0\0",
        b"\xd7\xcd\xc6\x9a",
        b"\x01\0\x09\0",
    ];
    known.iter().any(|magic| piece.starts_with(magic))
}

/// The text of a sheet, written on a thread of its own as it is taken.
fn cells(workbook: Bytes, kind: Workbook, wanted: Option<String>) -> Stream {
    let (send, receive) = mpsc::channel(PIECES_AHEAD);
    let writing = tokio::task::spawn_blocking(move || excel::write(kind, workbook, wanted.as_deref(), &send));
    let pieces = stream::try_unfold((receive, Some(writing)), |(mut receive, writing)| async move {
        if let Some(piece) = receive.recv().await {
            return Ok(Some((piece, (receive, writing))));
        }
        // What ended the text is not known before the thread has ended.
        if let Some(writing) = writing {
            ended(writing).await?;
        }
        Ok::<_, io::Error>(None)
    });
    Box::pin(StreamReader::new(Box::pin(pieces)))
}

async fn ended(writing: JoinHandle<Result<(), BadInput>>) -> io::Result<()> {
    match writing.await {
        Ok(written) => written.map_err(io::Error::other),
        // calamine panics about some malformed workbooks.
        Err(error) if error.is_panic() => Err(io::Error::other(BadInput::new(
            Reason::DamagedFile,
            "the workbook contradicts itself, and reading it cannot go on",
        ))),
        Err(error) => Err(io::Error::other(error)),
    }
}
