//! Workbooks of OpenDocument, streamed.
//!
//! Own code upon quick-xml, since calamine takes all sheets of such a workbook into memory, with every cell between the
//! first and the last one: a few bytes may promise any number of those. Here a row is held at a time, and rows and cells that
//! are said to repeat are written as often as they are taken.
//!
//! <https://docs.oasis-open.org/office/OpenDocument/v1.3/os/part3-schema/OpenDocument-v1.3-os-part3-schema.html>

mod bounded;
mod cells;
mod xml;

use std::io;

use bytes::Bytes;
use futures::stream;
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

use self::cells::Filled;
use self::xml::{Item, Xml};
use super::super::reason::{BadInput, ReadError, Reason, shown};
use super::super::source::Stream;
use super::super::zip::Package;
use super::excel::{no_sheet, the_only};
use super::text::{Extent, Text};

/// The part with the sheets, and the one that lists the parts.
const CONTENT: &str = "content.xml";
const MANIFEST: &str = "META-INF/manifest.xml";

/// The most bytes of the list of parts.
const MANIFEST_BYTES: u64 = 1 << 20;

/// The most sheets.
const SHEETS: usize = 10_000;

/// How much text is passed on at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The text of the sheet `wanted`, or of the only visible one with a value.
pub(super) async fn open(package: Package, wanted: Option<String>) -> Result<Stream, ReadError> {
    let at = |name: &str| package.parts().position(|(part, _)| part == name);
    if let Some(manifest) = at(MANIFEST) {
        let mut text = Vec::new();
        let part = package.open(manifest).await?;
        part.take(MANIFEST_BYTES).read_to_end(&mut text).await.map_err(ReadError::received)?;
        if memchr::memmem::find(&text, b"encryption-data").is_some() {
            return Err(BadInput::new(Reason::EncryptedFile, "the workbook is encrypted").into());
        }
    }
    let Some(content) = at(CONTENT) else {
        let message = format!("the workbook has no part {CONTENT}");
        return Err(BadInput::new(Reason::DamagedFile, message).into());
    };
    let sheets = sheets(Xml::new(package.open(content).await?)).await?;
    let sheet = chosen(&sheets, wanted.as_deref())?;
    let Some(extent) = sheets[sheet].extent else {
        let message = format!("the sheet {} of the workbook has no values", shown(&sheets[sheet].name));
        return Err(BadInput::new(Reason::NoTable, message).into());
    };
    let writing = Writing {
        xml: Xml::new(package.open(content).await?),
        left: sheet + 1,
        text: Text::new(extent),
        row: 0,
        pending: None,
        ended: false,
    };
    let pieces = stream::try_unfold(writing, |mut writing| async {
        let piece = writing.piece().await.map_err(|error| match error {
            ReadError::Source(error) => error,
            ReadError::Bad(bad) => io::Error::other(bad),
        })?;
        Ok::<_, io::Error>((!piece.is_empty()).then_some((piece, writing)))
    });
    Ok(Box::pin(StreamReader::new(Box::pin(pieces))))
}

/// A sheet, and which of its columns have values.
struct Sheet {
    name: String,
    is_hidden: bool,
    extent: Option<Extent>,
}

/// Reads the whole workbook.
async fn sheets(mut xml: Xml) -> Result<Vec<Sheet>, ReadError> {
    let mut sheets: Vec<Sheet> = Vec::new();
    loop {
        match xml.next().await? {
            Item::Sheet { name, is_hidden } => sheets.push(Sheet { name, is_hidden, extent: None }),
            Item::Row { cells, .. } => {
                if let Some(sheet) = sheets.last_mut() {
                    for cell in cells {
                        sheet.extent = Some(Extent::with(sheet.extent, cell.column));
                        let last = cell.column.saturating_add(cell.times - 1);
                        sheet.extent = Some(Extent::with(sheet.extent, last));
                    }
                }
            }
            Item::End => return Ok(sheets),
        }
        if sheets.len() > SHEETS {
            let message = format!("the workbook has more than {SHEETS} sheets");
            return Err(BadInput::new(Reason::BlockTooLarge, message).into());
        }
    }
}

/// The place of the sheet that is read.
fn chosen(sheets: &[Sheet], wanted: Option<&str>) -> Result<usize, BadInput> {
    let names = || sheets.iter().map(|sheet| sheet.name.as_str()).collect::<Vec<&str>>();
    let place = |name: &str| sheets.iter().position(|sheet| sheet.name == name);
    let name = match wanted {
        Some(wanted) => wanted.to_owned(),
        None => {
            let filled = |is_hidden: bool| {
                let sheets =
                    sheets.iter().filter(|sheet| sheet.extent.is_some() && sheet.is_hidden == is_hidden);
                sheets.map(|sheet| sheet.name.clone()).collect::<Vec<String>>()
            };
            the_only(filled(false), &filled(true))?
        }
    };
    place(&name).ok_or_else(|| no_sheet(&name, &names()))
}

/// A sheet on its way to text.
struct Writing {
    xml: Xml,
    /// How many sheets begin up to the one that is written.
    left: usize,
    text: Text,
    row: u32,
    /// A row with values, and how often it is still to be written.
    pending: Option<(Vec<Filled>, u32)>,
    ended: bool,
}

impl Writing {
    /// The next piece of text; none at the end of the sheet.
    async fn piece(&mut self) -> Result<Bytes, ReadError> {
        while self.text.bytes.len() < PIECE_BYTES && !self.ended {
            match self.pending.take() {
                Some((_, 0)) => {}
                Some((cells, times)) => {
                    for cell in &cells {
                        cell.write(self.row, &mut self.text)?;
                    }
                    self.row = self.row.saturating_add(1);
                    self.pending = Some((cells, times - 1));
                }
                None => self.advance().await?,
            }
        }
        Ok(std::mem::take(&mut self.text.bytes).into())
    }

    async fn advance(&mut self) -> Result<(), ReadError> {
        match self.xml.next().await? {
            Item::Sheet { .. } if self.left > 0 => self.left -= 1,
            Item::Sheet { .. } | Item::End => {
                self.ended = true;
                self.text.end_row();
            }
            Item::Row { .. } if self.left > 0 => {}
            Item::Row { cells, times } if cells.is_empty() => self.row = self.row.saturating_add(times),
            Item::Row { cells, times } => self.pending = Some((cells, times)),
        }
        Ok(())
    }
}
