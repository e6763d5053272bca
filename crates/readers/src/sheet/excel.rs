//! Workbooks of Excel, read by calamine.

use std::io::Cursor;

use bytes::Bytes;
use calamine::{CellErrorType, DataRef, Reader, Sheet, SheetType, SheetVisible, Xlsb, Xlsx};
use tokio::sync::mpsc::Sender;

use super::super::format::Workbook;
use super::super::reason::{BadInput, Reason, shown};
use super::moments;
use super::text::{Cell, Extent, Text};

/// How much text is passed on at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The most sheets that a message lists.
const LISTED: usize = 20;

/// Why a sheet is not read on.
pub(super) enum Halt {
    Refused(BadInput),
    /// Nobody takes the text any more, or enough was seen.
    Enough,
}

impl From<BadInput> for Halt {
    fn from(bad: BadInput) -> Self {
        Self::Refused(bad)
    }
}

fn damaged(error: &impl std::fmt::Display) -> BadInput {
    BadInput::new(Reason::DamagedFile, format!("the workbook cannot be read: {error}"))
}

enum Book {
    Xlsx(Box<Xlsx<Cursor<Bytes>>>),
    Xlsb(Box<Xlsb<Cursor<Bytes>>>),
}

/// Writes the sheet `wanted`, or the only visible one with a value, as text.
pub(super) fn write(
    kind: Workbook,
    workbook: Bytes,
    wanted: Option<&str>,
    send: &Sender<Bytes>,
) -> Result<(), BadInput> {
    match Book::open(kind, workbook).map_err(Halt::from).and_then(|mut book| book.write(wanted, send)) {
        Ok(()) | Err(Halt::Enough) => Ok(()),
        Err(Halt::Refused(bad)) => Err(bad),
    }
}

impl Book {
    fn open(kind: Workbook, workbook: Bytes) -> Result<Self, BadInput> {
        let workbook = Cursor::new(workbook);
        Ok(match kind {
            Workbook::Xlsb => Self::Xlsb(Box::new(Xlsb::new(workbook).map_err(|error| damaged(&error))?)),
            _ => Self::Xlsx(Box::new(Xlsx::new(workbook).map_err(|error| damaged(&error))?)),
        })
    }

    fn write(&mut self, wanted: Option<&str>, send: &Sender<Bytes>) -> Result<(), Halt> {
        let sheet = match wanted {
            Some(wanted) => self.named(wanted)?,
            None => self.only()?,
        };
        let mut extent = None;
        self.each(&sheet, |(_, column), _| {
            extent = Some(Extent::with(extent, column));
            Ok(())
        })?;
        let Some(extent) = extent else {
            let message = format!("the sheet {} of the workbook has no values", shown(&sheet));
            return Err(BadInput::new(Reason::NoTable, message).into());
        };
        let mut text = Text::new(extent);
        let pass = |text: &mut Text| {
            send.blocking_send(std::mem::take(&mut text.bytes).into()).map_err(|_| Halt::Enough)
        };
        self.each(&sheet, |place, cell| {
            text.add(place, cell)?;
            if text.bytes.len() < PIECE_BYTES { Ok(()) } else { pass(&mut text) }
        })?;
        text.end_row();
        pass(&mut text)
    }

    fn sheets(&self) -> &[Sheet] {
        match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Xlsb(book) => book.sheets_metadata(),
        }
    }

    /// Passes on the cells of a sheet that have a value, in the order of the file.
    fn each(
        &mut self,
        sheet: &str,
        mut take: impl FnMut((u32, u32), &Cell<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let mut moment = String::new();
        match self {
            Self::Xlsx(book) => {
                let mut cells = book.worksheet_cells_reader(sheet).map_err(|error| damaged(&error))?;
                while let Some(cell) =
                    cells.next_cell_with_formula_metadata().map_err(|error| damaged(&error))?
                {
                    if let Some(value) = value(&cell.value, cell.formula.is_some(), &mut moment) {
                        take(cell.pos, &value)?;
                    }
                }
            }
            Self::Xlsb(book) => {
                let mut cells = book.worksheet_cells_reader(sheet).map_err(|error| damaged(&error))?;
                while let Some(cell) = cells.next_cell().map_err(|error| damaged(&error))? {
                    if let Some(value) = value(cell.get_value(), false, &mut moment) {
                        take(cell.get_position(), &value)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn named(&self, wanted: &str) -> Result<String, BadInput> {
        let sheets = self.sheets().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
        let names: Vec<&str> = sheets.map(|sheet| sheet.name.as_str()).collect();
        if names.contains(&wanted) {
            return Ok(wanted.to_owned());
        }
        Err(no_sheet(wanted, &names))
    }

    /// The only visible sheet with a value in it.
    fn only(&mut self) -> Result<String, Halt> {
        let (mut filled, mut hidden) = (Vec::new(), Vec::new());
        for sheet in self.sheets().to_vec() {
            let has_value = sheet.typ == SheetType::WorkSheet && self.has_value(&sheet.name)?;
            match (has_value, sheet.visible) {
                (false, _) => {}
                (true, SheetVisible::Visible) => filled.push(sheet.name),
                (true, _) => hidden.push(sheet.name),
            }
        }
        Ok(the_only(filled, &hidden)?)
    }

    fn has_value(&mut self, sheet: &str) -> Result<bool, Halt> {
        match self.each(sheet, |_, _| Err(Halt::Enough)) {
            Ok(()) => Ok(false),
            Err(Halt::Enough) => Ok(true),
            Err(refused) => Err(refused),
        }
    }
}

/// The refusal of a workbook without the sheet that its pipeline names.
pub(super) fn no_sheet(wanted: &str, names: &[&str]) -> BadInput {
    BadInput::new(
        Reason::NoTable,
        format!(
            "the pipeline says sheet = {}, but the workbook has no such sheet; it has {}",
            shown(wanted),
            listed(names)
        ),
    )
}

/// The only one of these sheets, which have values; others that have some are hidden.
pub(super) fn the_only(mut filled: Vec<String>, hidden: &[String]) -> Result<String, BadInput> {
    match (filled.len(), hidden) {
        (1, _) => Ok(filled.swap_remove(0)),
        (0, []) => Err(BadInput::new(Reason::NoTable, "no sheet of the workbook has a value")),
        (0, [first, ..]) => Err(BadInput::new(
            Reason::NoTable,
            format!(
                "only hidden sheets of the workbook have values: {}; if one is meant, put it into the pipelines file, such as \
                 sheet = {}",
                listed(hidden),
                shown(first)
            ),
        )),
        _ => Err(BadInput::new(
            Reason::TwoTables,
            format!(
                "{} sheets of the workbook have values: {}; put the one that is meant into the pipelines file, such as \
                 sheet = {}",
                filled.len(),
                listed(&filled),
                shown(&filled[0])
            ),
        )),
    }
}

fn listed(names: &[impl AsRef<str>]) -> String {
    let mut shown: Vec<String> = names.iter().take(LISTED).map(|name| shown(name.as_ref())).collect();
    if names.len() > LISTED {
        shown.push("more".to_owned());
    }
    shown.join(", ")
}

/// The value of a cell; none if it has none. `moment` holds the text of a date.
fn value<'a>(value: &'a DataRef<'_>, is_formula: bool, moment: &'a mut String) -> Option<Cell<'a>> {
    Some(match value {
        DataRef::Empty if is_formula => Cell::NoValue,
        DataRef::Empty => return None,
        DataRef::Int(number) => Cell::Integer(*number),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::Bool(value) => Cell::Bool(*value),
        DataRef::String(text) => Cell::Text(text),
        DataRef::SharedString(text) => Cell::Text(text),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Text(text),
        DataRef::DateTime(date) => {
            *moment = moments::text(date);
            if moment.starts_with('#') { Cell::Error(moment) } else { Cell::Moment(moment) }
        }
        DataRef::Error(error) => Cell::Error(match error {
            CellErrorType::Div0 => "#DIV/0!",
            CellErrorType::NA => "#N/A",
            CellErrorType::Name => "#NAME?",
            CellErrorType::Null => "#NULL!",
            CellErrorType::Num => "#NUM!",
            CellErrorType::Ref => "#REF!",
            CellErrorType::Value => "#VALUE!",
            CellErrorType::GettingData => "#GETTING_DATA",
        }),
    })
}
