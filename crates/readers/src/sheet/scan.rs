//! What a sheet holds in one piece, before a reader that holds it believes so.
//!
//! calamine reads a sheet cell by cell, and one cell as a whole, however large it is. So a sheet is looked through before,
//! in pieces of any size.

use super::super::reason::{BadInput, Reason};

/// The most bytes of a cell as it stands in the file. A cell has up to 32,767 characters, and as many pieces with marks.
const CELL_BYTES: usize = 4 << 20;

/// The longest name of an element.
const NAME_BYTES: usize = 64;

fn too_large() -> BadInput {
    let message = format!(
        "a cell of the workbook, or what stands between two cells, takes more than {CELL_BYTES} bytes"
    );
    BadInput::new(Reason::BlockTooLarge, message)
}

fn damaged(message: &str) -> BadInput {
    BadInput::new(Reason::DamagedFile, message)
}

/// Where in the XML the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    /// In the name of an element, behind its `<`.
    Name,
    /// In a tag behind its name; in this quote, if in one.
    Tag(Option<u8>),
    /// In a part that ends with this.
    Other(&'static [u8]),
}

/// Elements of other parts, which calamine holds as a whole. No sheet has them, and a part that has them may be no sheet.
const FOREIGN: [&[u8]; 10] = [
    b"sst",
    b"si",
    b"fonts",
    b"fills",
    b"borders",
    b"numFmts",
    b"cellXfs",
    b"cellStyleXfs",
    b"sheets",
    b"Relationships",
];

/// Looks through the XML of a sheet, and keeps up with calamine: what it takes for a cell and for a value is one here.
pub(super) struct Xml {
    place: Place,
    /// The name of the present tag, with the `/` before it; and the last byte of the tag or part.
    name: Vec<u8>,
    last: [u8; 3],
    in_cell: bool,
    /// The name of the element with a value.
    value: Option<Vec<u8>>,
    /// How many bytes a reader may hold by now. Behind the last cell it reads nothing.
    held: usize,
    is_behind: bool,
}

impl Xml {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Text,
            name: Vec::new(),
            last: [0; 3],
            in_cell: false,
            value: None,
            held: 0,
            is_behind: false,
        }
    }

    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), BadInput> {
        while !piece.is_empty() {
            let passed = match self.place {
                Place::Text => memchr::memchr(b'<', piece),
                Place::Tag(None) => memchr::memchr3(b'>', b'"', b'\'', piece),
                Place::Tag(Some(quote)) => memchr::memchr(quote, piece),
                _ => Some(0),
            };
            let used = passed.map_or(piece.len(), |at| at + 1);
            self.held += used;
            if self.held > CELL_BYTES && !self.is_behind {
                return Err(too_large());
            }
            // What ends a tag or a part is its last bytes.
            for byte in &piece[used.saturating_sub(3)..used] {
                self.last = [self.last[1], self.last[2], *byte];
            }
            if passed.is_some() {
                self.step(piece[used - 1])?;
            }
            piece = &piece[used..];
        }
        Ok(())
    }

    fn step(&mut self, byte: u8) -> Result<(), BadInput> {
        self.place = match (self.place, byte) {
            (Place::Text, _) => {
                self.name.clear();
                self.last = [0; 3];
                Place::Name
            }
            (Place::Name, b'>') => return self.tag(false),
            (Place::Name, b'/') if !self.name.is_empty() => Place::Tag(None),
            (Place::Name, b' ' | b'\t' | b'\r' | b'\n') => Place::Tag(None),
            (Place::Name, b'?') if self.name.is_empty() => Place::Other(b"?>"),
            (Place::Name, _) => {
                self.name.push(byte);
                match &self.name[..] {
                    b"!--" => {
                        self.last = [0; 3];
                        Place::Other(b"-->")
                    }
                    b"![CDATA[" => Place::Other(b"]]>"),
                    [b'!', rest @ ..] if !b"--".starts_with(rest) && !b"[CDATA[".starts_with(rest) => {
                        return Err(damaged(
                            "a sheet of the workbook has a declaration of XML that no sheet has",
                        ));
                    }
                    name if name.len() > NAME_BYTES => {
                        return Err(damaged("a sheet of the workbook has an element that no sheet has"));
                    }
                    _ => Place::Name,
                }
            }
            (Place::Tag(None), b'>') => return self.tag(self.last[1] == b'/'),
            (Place::Tag(None), quote) => Place::Tag(Some(quote)),
            (Place::Tag(Some(_)), _) => Place::Tag(None),
            (Place::Other(end), _) if self.last.ends_with(end) => Place::Text,
            (place, _) => place,
        };
        Ok(())
    }

    /// At the end of a tag.
    fn tag(&mut self, is_empty: bool) -> Result<(), BadInput> {
        self.place = Place::Text;
        let (is_end, name) = match self.name.strip_prefix(b"/") {
            Some(name) => (true, name),
            None => (false, &self.name[..]),
        };
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if FOREIGN.contains(&local) {
            return Err(damaged("a sheet of the workbook has elements that belong to another part"));
        }
        if let Some(value) = &self.value {
            if is_end && value == name {
                self.value = None;
            }
            return Ok(());
        }
        self.held = 0;
        match (self.in_cell, is_end) {
            (false, true) => self.is_behind |= local == b"sheetData",
            (false, false) => self.in_cell = local == b"c" && !is_empty,
            (true, true) => self.in_cell = local != b"c",
            (true, false) if !is_empty => self.value = Some(name.to_vec()),
            _ => {}
        }
        Ok(())
    }
}

/// Looks through the records of a sheet in a binary workbook.
pub(super) struct Records {
    /// The bytes of the present record's type and length so far, and how many bytes of it follow.
    head: Vec<u8>,
    left: usize,
}

/// The result of a formula that is an error, which calamine passes over as if the cell were empty.
///
/// [MS-XLSB] 2.3.2, `BrtFmlaError`.
const FORMULA_ERROR: u32 = 0x000b;

impl Records {
    pub(super) fn new() -> Self {
        Self { head: Vec::new(), left: 0 }
    }

    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), BadInput> {
        while let Some((byte, rest)) = piece.split_first() {
            if self.left > 0 {
                let passed = self.left.min(piece.len());
                self.left -= passed;
                piece = &piece[passed..];
                continue;
            }
            piece = rest;
            self.head.push(*byte);
            let type_bytes = if self.head[0] & 0x80 == 0 { 1 } else { 2 };
            let Some(length) = self.head.get(type_bytes..).filter(|length| !length.is_empty()) else {
                continue;
            };
            if byte & 0x80 != 0 && length.len() < 4 {
                continue;
            }
            let number = |bytes: &[u8]| {
                bytes.iter().rev().fold(0_u32, |number, byte| number << 7 | u32::from(byte & 0x7f))
            };
            let (kind, length) = (number(&self.head[..type_bytes]), number(length) as usize);
            if kind == FORMULA_ERROR {
                return Err(BadInput::new(
                    Reason::UnsupportedFormat,
                    "a formula of the binary workbook has an error such as #DIV/0! for its value, which is not read; \
                     save the workbook as .xlsx",
                ));
            }
            if length > CELL_BYTES {
                return Err(too_large());
            }
            self.left = length;
            self.head.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(xml: &str) -> Result<(), BadInput> {
        let whole = {
            let mut scan = Xml::new();
            scan.feed(xml.as_bytes())
        };
        for size in [1, 3, 4_096] {
            let mut scan = Xml::new();
            let cut = xml.as_bytes().chunks(size).try_for_each(|piece| scan.feed(piece));
            assert_eq!(cut, whole);
        }
        whole
    }

    #[test]
    fn a_cell_is_bounded_whatever_stands_in_it() {
        let long = "x".repeat(CELL_BYTES / 4);
        let cell = |inside: &str| format!("<row r=\"1\"><c r=\"A1\" t=\"inlineStr\">{inside}</c></row>");
        let sheet = |rows: String| format!("<?xml version=\"1.0\"?><worksheet><sheetData>{rows}</sheetData>");
        let text = format!("<is><t>{long}</t></is>");
        // Many cells, and anything behind the last.
        assert_eq!(scan(&(sheet(cell(&text).repeat(6)) + &long.repeat(6))), Ok(()));
        for too_much in [
            long.repeat(5),
            cell(&format!("<is><t>{}</t></is>", long.repeat(5))),
            cell(&format!("<is>{}</is>", format!("<r><t>{long}</t></r>").repeat(5))),
            // What looks like the beginning of another cell is none in a value.
            cell(&format!("<is>{}</is>", format!("<c/><t>{long}</t><c></c>").repeat(5))),
            cell(&format!("<x:is>{}</x:is>", format!("</is><t>{long}</t>").repeat(5))),
            cell(&format!("<v>{}</v>", format!("<!-- </v> <c> -->{long}").repeat(5))),
            cell(&format!("<v>{}</v>", format!("<![CDATA[</v>]]>{long}").repeat(5))),
            format!("<row a='>{}'>", long.repeat(5)),
        ] {
            assert_eq!(scan(&sheet(too_much)).unwrap_err().reason, Reason::BlockTooLarge);
        }
        for damaged in ["<!DOCTYPE a [<!ENTITY b 'c'>]>", "<si><t>a</t></si>", &format!("<{long}>")] {
            assert_eq!(scan(&sheet(damaged.to_owned())).unwrap_err().reason, Reason::DamagedFile);
        }
        assert_eq!(scan(&(sheet(String::new()) + "<cellXfs>")).unwrap_err().reason, Reason::DamagedFile);
    }

    #[test]
    fn a_record_is_bounded_and_a_formula_with_an_error_named() {
        let scan = |bytes: &[u8]| {
            let mut scan = Records::new();
            bytes.chunks(2).try_for_each(|piece| scan.feed(piece)).map_err(|bad| bad.reason)
        };
        let cell = [&[0x05, 0x10][..], &[0; 16]].concat();
        assert_eq!(scan(&cell.repeat(9)), Ok(()));
        assert_eq!(scan(&[&cell[..], &[0x92, 0x01, 0]].concat()), Ok(()));
        assert_eq!(scan(&[&cell[..], &[0x0b, 0x09]].concat()), Err(Reason::UnsupportedFormat));
        assert_eq!(scan(&[&cell[..], &[0x06, 0xff, 0xff, 0xff, 0x7f]].concat()), Err(Reason::BlockTooLarge));
    }
}
