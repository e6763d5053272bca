//! Orders as a sheet of Excel: texts inside their cells, and dates as texts.

use std::io::{self, Seek, Write};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::order::{COLUMNS, Order};

const ROOT: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" \
     Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" \
     Target=\"xl/workbook.xml\"/></Relationships>";
const WORKBOOK: &str = "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
     xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">\
     <sheets><sheet name=\"Orders\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>";
const SHEETS: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"r1\" \
     Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
     Target=\"worksheets/sheet1.xml\"/></Relationships>";
const TYPES: &str = "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";

/// A workbook that grows by rows.
pub(super) struct Xlsx<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Xlsx<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let mut archive = ZipWriter::new(out);
        for (name, text) in [
            ("[Content_Types].xml", TYPES),
            ("_rels/.rels", ROOT),
            ("xl/workbook.xml", WORKBOOK),
            ("xl/_rels/workbook.xml.rels", SHEETS),
        ] {
            archive.start_file(name, SimpleFileOptions::default())?;
            archive.write_all(text.as_bytes())?;
        }
        archive.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default().large_file(true))?;
        archive.write_all(
            b"<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>",
        )?;
        let mut sheet = Self(archive);
        sheet.row(COLUMNS.map(text))?;
        Ok(sheet)
    }

    pub(super) fn add(&mut self, order: &Order) -> io::Result<()> {
        let Order { id, country, month, day, hour, minute, quantity, amount: (whole, cents), .. } = order;
        self.row([
            number(id),
            text(&order.customer()),
            text(&order.email()),
            text(country),
            text(&format!("2026-{month:02}-{day:02}")),
            text(&format!("2026-{month:02}-{day:02}T{hour:02}:{minute:02}:00Z")),
            number(quantity),
            number(format!("{whole}.{cents:02}")),
            format!("<c t=\"b\"><v>{}</v></c>", u8::from(order.paid)),
            text(order.note),
        ])
    }

    fn row(&mut self, cells: [String; COLUMNS.len()]) -> io::Result<()> {
        write!(self.0, "<row>{}</row>", cells.concat())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.write_all(b"</sheetData></worksheet>")?;
        self.0.finish()?.flush()
    }
}

fn number(value: impl std::fmt::Display) -> String {
    format!("<c><v>{value}</v></c>")
}

/// None of the texts has a sign that means something in XML.
fn text(value: &str) -> String {
    format!("<c t=\"inlineStr\"><is><t>{value}</t></is></c>")
}
