//! Sheets and rows in the XML of an OpenDocument workbook.

use std::collections::HashSet;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::super::super::reason::{BadInput, ReadError, Reason};
use super::super::super::source::Stream;
use super::bounded::{Allowance, Bounded, ROW_BYTES};
use super::cells::{Filled, Row, Said, value};

/// The most styles that hide their sheets.
const STYLES: usize = 10_000;

/// What comes next.
pub(super) enum Item {
    Sheet {
        name: String,
        is_hidden: bool,
    },
    /// A row with these cells, that many times.
    Row {
        cells: Vec<Filled>,
        times: u32,
    },
    End,
}

/// The present cell.
struct Open {
    said: Said,
    times: u32,
    /// What it shows, paragraph by paragraph.
    shown: Option<String>,
    in_paragraph: bool,
}

/// Reads the XML event by event.
pub(super) struct Xml {
    reader: Reader<Bounded>,
    allowance: Allowance,
    buffer: Vec<u8>,
    /// The style that is being declared, and those that hide their sheets.
    style: String,
    hiding: HashSet<String>,
    /// How many elements are open of what is not read: notes, drawings, changes.
    skipped: u32,
    row: Row,
    row_times: u32,
    cell: Option<Open>,
}

impl Xml {
    pub(super) fn new(stream: Stream) -> Self {
        let (bounded, allowance) = Bounded::new(stream);
        let mut reader = Reader::from_reader(bounded);
        reader.config_mut().expand_empty_elements = true;
        Self {
            reader,
            allowance,
            buffer: Vec::new(),
            style: String::new(),
            hiding: HashSet::new(),
            skipped: 0,
            row: Row::default(),
            row_times: 1,
            cell: None,
        }
    }

    /// The next sheet or row.
    pub(super) async fn next(&mut self) -> Result<Item, ReadError> {
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let event = self.reader.read_event_into_async(&mut buffer).await.map_err(refused)?;
            let item = self.take(event)?;
            self.buffer = buffer;
            if let Some(item) = item {
                return Ok(item);
            }
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<Option<Item>, BadInput> {
        // Between rows, nothing is held.
        if self.cell.is_none() && self.row.is_empty() {
            self.allowance.renew();
        }
        match event {
            Event::Eof => return Ok(Some(Item::End)),
            Event::DocType(_) => return Err(damaged("has a declaration of XML that no workbook has")),
            Event::Start(_) if self.skipped > 0 => self.skipped += 1,
            Event::End(_) if self.skipped > 0 => self.skipped -= 1,
            _ if self.skipped > 0 => {}
            Event::Start(start) => return self.start(&start),
            Event::End(end) => return self.end(end.name().0),
            Event::Text(text) => self.show(&text.xml10_content()),
            Event::CData(text) => self.show(&text.xml10_content()),
            Event::GeneralRef(reference) => self.refer(&reference)?,
            _ => {}
        }
        Ok(None)
    }

    fn start(&mut self, start: &BytesStart<'_>) -> Result<Option<Item>, BadInput> {
        match (start.name().0, &mut self.cell) {
            ("office:annotation" | "table:shapes" | "table:tracked-changes" | "office:forms", _)
            | ("table:table", Some(_)) => self.skipped = 1,
            (name, Some(_)) if name.starts_with("draw:") => self.skipped = 1,
            (_, Some(cell)) => match start.name().0 {
                "text:p" => {
                    match &mut cell.shown {
                        Some(shown) => shown.push('\n'),
                        None => cell.shown = Some(String::new()),
                    }
                    cell.in_paragraph = true;
                }
                "text:s" => {
                    let count = number(start, "text:c")?.unwrap_or(1).min(ROW_BYTES as u32) as usize;
                    let shown = cell.shown.get_or_insert_default();
                    if shown.len() + count > ROW_BYTES {
                        return Err(damaged("has a cell of more spaces than a cell can have"));
                    }
                    shown.extend(std::iter::repeat_n(' ', count));
                }
                "text:tab" => cell.shown.get_or_insert_default().push('\t'),
                "text:line-break" => cell.shown.get_or_insert_default().push('\n'),
                _ => {}
            },
            ("style:style", None) => self.style = attribute(start, "style:name")?.unwrap_or_default(),
            ("style:table-properties", None) => {
                let is_hiding = attribute(start, "table:display")?.is_some_and(|display| display == "false");
                if is_hiding && self.hiding.len() < STYLES {
                    self.hiding.insert(self.style.clone());
                }
            }
            ("table:table", None) => {
                let name = attribute(start, "table:name")?.unwrap_or_default();
                let style = attribute(start, "table:style-name")?.unwrap_or_default();
                return Ok(Some(Item::Sheet { name, is_hidden: self.hiding.contains(&style) }));
            }
            ("table:table-row", None) => {
                self.row_times = number(start, "table:number-rows-repeated")?.unwrap_or(1).max(1);
            }
            ("table:table-cell", None) => self.cell = Some(open(start)?),
            // Another cell lies over it, and what it holds cannot be seen.
            ("table:covered-table-cell", None) => {
                let times = number(start, "table:number-columns-repeated")?.unwrap_or(1);
                self.row.add(times, None)?;
                self.skipped = 1;
            }
            _ => {}
        }
        Ok(None)
    }

    fn end(&mut self, name: &str) -> Result<Option<Item>, BadInput> {
        match name {
            "text:p" => {
                if let Some(cell) = &mut self.cell {
                    cell.in_paragraph = false;
                }
            }
            "table:table-cell" => {
                if let Some(cell) = self.cell.take() {
                    self.row.add(cell.times, value(cell.said, cell.shown)?)?;
                }
            }
            "table:table-row" => {
                return Ok(Some(Item::Row { cells: self.row.take(), times: self.row_times }));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Adds text of the present paragraph, in which white space of any length is one space.
    fn show(&mut self, text: &str) {
        let Some(Open { shown: Some(shown), in_paragraph: true, .. }) = &mut self.cell else { return };
        for sign in text.chars() {
            if !matches!(sign, ' ' | '\t' | '\n' | '\r') {
                shown.push(sign);
            } else if !shown.is_empty() && !shown.ends_with([' ', '\n']) {
                shown.push(' ');
            }
        }
    }

    fn refer(&mut self, reference: &BytesRef<'_>) -> Result<(), BadInput> {
        let unknown = || damaged("refers to a character that there is not");
        let sign = reference.resolve_char_ref().map_err(|_| unknown())?;
        if let Some(Open { shown: Some(shown), in_paragraph: true, .. }) = &mut self.cell {
            match sign {
                Some(sign) => shown.push(sign),
                None => {
                    shown.push_str(resolve_predefined_entity(&reference.xml10_content()).ok_or_else(unknown)?)
                }
            }
        }
        Ok(())
    }
}

/// A cell that begins.
fn open(start: &BytesStart<'_>) -> Result<Open, BadInput> {
    let mut said = Said::default();
    let mut times = 1;
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| damaged("has an attribute that is none"))?;
        let value = || text_of(&attribute);
        match attribute.key.0 {
            "table:number-columns-repeated" => times = parsed(&value()?)?,
            "table:formula" => said.is_formula = true,
            "office:value-type" => said.kind = Some(value()?),
            // LibreOffice's own, whatever its prefix is.
            name if name.ends_with(":value-type") => said.is_error = value()? == "error",
            "office:value"
            | "office:date-value"
            | "office:time-value"
            | "office:boolean-value"
            | "office:string-value" => {
                said.value = Some(value()?);
            }
            _ => {}
        }
    }
    Ok(Open { said, times, shown: None, in_paragraph: false })
}

fn text_of(attribute: &quick_xml::events::attributes::Attribute<'_>) -> Result<String, BadInput> {
    let value = attribute
        .normalized_value(XmlVersion::Implicit1_0)
        .map_err(|_| damaged("has an attribute that is none"))?;
    Ok(value.into_owned())
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, BadInput> {
    let found = start.try_get_attribute(name).map_err(|_| damaged("has an attribute that is none"))?;
    found.map(|attribute| text_of(&attribute)).transpose()
}

fn number(start: &BytesStart<'_>, name: &str) -> Result<Option<u32>, BadInput> {
    attribute(start, name)?.map(|text| parsed(&text)).transpose()
}

fn parsed(text: &str) -> Result<u32, BadInput> {
    text.parse().map_err(|_| damaged("has a count that is no number"))
}

fn damaged(what: &str) -> BadInput {
    BadInput::new(Reason::DamagedFile, format!("the workbook {what}"))
}

fn refused(error: quick_xml::Error) -> ReadError {
    match &error {
        quick_xml::Error::Io(inner) => match inner.get_ref().and_then(|it| it.downcast_ref::<BadInput>()) {
            Some(bad) => bad.clone().into(),
            None => ReadError::Source(std::io::Error::new(inner.kind(), error)),
        },
        _ => damaged(&format!("cannot be read: {error}")).into(),
    }
}
