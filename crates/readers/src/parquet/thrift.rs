//! Thrift's compact protocol, as far as it must be understood before the `parquet` crate may see the bytes.
//!
//! The crate takes the sizes that a file claims at their word: a list of two thousand million elements in a footer of a few
//! bytes is memory that it allocates. So a footer is walked here first, and the headers of pages, which the crate does not
//! show, are read here.
//!
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

/// How deep structures nest in a footer: the format's own nest less than ten.
const DEPTH: u8 = 24;

/// Why bytes are no structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// They end before it does.
    Short,
    /// Nothing that could follow would make them one.
    Malformed,
}

/// A place in bytes that hold structures.
pub(super) struct Compact<'a> {
    bytes: &'a [u8],
    at: usize,
}

const TRUE: u8 = 1;
const FALSE: u8 = 2;

impl<'a> Compact<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let byte = *self.bytes.get(self.at).ok_or(Fault::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn pass(&mut self, bytes: u64) -> Result<(), Fault> {
        let left = (self.bytes.len() - self.at) as u64;
        if bytes > left {
            return Err(Fault::Short);
        }
        self.at += usize::try_from(bytes).map_err(|_| Fault::Malformed)?;
        Ok(())
    }

    fn unsigned(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn integer(&mut self) -> Result<i32, Fault> {
        self.signed()?.try_into().map_err(|_| Fault::Malformed)
    }

    /// The next field of a structure, by number and type; none at its end. `last` is the number of the one before.
    pub(super) fn field(&mut self, last: &mut i16) -> Result<Option<(i16, u8)>, Fault> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        *last = match head >> 4 {
            0 => self.signed()?.try_into().map_err(|_| Fault::Malformed)?,
            more => last.checked_add(i16::from(more)).ok_or(Fault::Malformed)?,
        };
        Ok(Some((*last, head & 0x0f)))
    }

    /// The type and the number of a list's elements, of which each takes a byte at least.
    pub(super) fn list(&mut self) -> Result<(u8, u64), Fault> {
        let head = self.byte()?;
        let size = match head >> 4 {
            15 => self.unsigned()?,
            size => u64::from(size),
        };
        if size > (self.bytes.len() - self.at) as u64 {
            return Err(Fault::Short);
        }
        Ok((head & 0x0f, size))
    }

    /// Passes over a value of a field.
    pub(super) fn skip(&mut self, kind: u8) -> Result<(), Fault> {
        self.skip_within(kind, DEPTH)
    }

    fn skip_within(&mut self, kind: u8, depth: u8) -> Result<(), Fault> {
        let inner = depth.checked_sub(1).ok_or(Fault::Malformed)?;
        match kind {
            TRUE | FALSE => Ok(()),
            3 => self.pass(1),
            4..=6 => self.unsigned().map(drop),
            7 => self.pass(8),
            8 => {
                let length = self.unsigned()?;
                self.pass(length)
            }
            9 | 10 => {
                let (kind, size) = self.list()?;
                (0..size).try_for_each(|_| self.skip_element(kind, inner))
            }
            11 => {
                let size = self.unsigned()?;
                if size == 0 {
                    return Ok(());
                }
                let kinds = self.byte()?;
                (0..size).try_for_each(|_| {
                    self.skip_element(kinds >> 4, inner)?;
                    self.skip_element(kinds & 0x0f, inner)
                })
            }
            12 => {
                let mut last = 0;
                while let Some((_, kind)) = self.field(&mut last)? {
                    self.skip_within(kind, inner)?;
                }
                Ok(())
            }
            13 => self.pass(16),
            _ => Err(Fault::Malformed),
        }
    }

    /// An element of a list or map: a boolean has a byte of its own there.
    fn skip_element(&mut self, kind: u8, depth: u8) -> Result<(), Fault> {
        if matches!(kind, TRUE | FALSE) { self.pass(1) } else { self.skip_within(kind, depth) }
    }
}

/// What a footer says that must be known before it is decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FooterShape {
    /// It names a way of encryption: columns are encrypted, though the footer is not.
    pub(super) encrypted: bool,
    /// How deep its schema nests.
    pub(super) depth: usize,
    /// How many elements its schema has.
    pub(super) elements: usize,
}

/// Walks a footer to its end.
pub(super) fn footer_shape(bytes: &[u8]) -> Result<FooterShape, Fault> {
    let mut compact = Compact::new(bytes);
    let mut shape = FooterShape { encrypted: false, depth: 0, elements: 0 };
    let mut last = 0;
    while let Some((number, kind)) = compact.field(&mut last)? {
        match (number, kind) {
            (2, 9) => walk_schema(&mut compact, &mut shape)?,
            (8, _) => {
                shape.encrypted = true;
                compact.skip(kind)?;
            }
            _ => compact.skip(kind)?,
        }
    }
    Ok(shape)
}

/// The schema is a list of its elements in depth-first order, each with the number of its children.
fn walk_schema(compact: &mut Compact<'_>, shape: &mut FooterShape) -> Result<(), Fault> {
    let (kind, size) = compact.list()?;
    if kind != 12 {
        return Err(Fault::Malformed);
    }
    // How many children are still to come, of each element on the way down.
    let mut open: Vec<i32> = Vec::new();
    for _ in 0..size {
        let (mut children, mut last) = (0, 0);
        while let Some((number, kind)) = compact.field(&mut last)? {
            match (number, kind) {
                (5, 5) => children = compact.integer()?,
                _ => compact.skip(kind)?,
            }
        }
        shape.elements += 1;
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            open.push(children);
            shape.depth = shape.depth.max(open.len());
        }
        while open.last().is_some_and(|left| *left <= 0) {
            open.pop();
        }
    }
    Ok(())
}

/// The header of a page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// 0: data; 1: index; 2: dictionary; 3: data, second version.
    pub(super) kind: i32,
    pub(super) uncompressed: i32,
    pub(super) compressed: i32,
    pub(super) crc: Option<i32>,
    pub(super) values: i32,
    pub(super) encoding: i32,
    /// The encodings of the levels, of the first version.
    pub(super) definition_encoding: i32,
    pub(super) repetition_encoding: i32,
    /// The rest is of the second version.
    pub(super) nulls: i32,
    pub(super) rows: i32,
    pub(super) definition_bytes: i32,
    pub(super) repetition_bytes: i32,
    pub(super) is_compressed: bool,
}

impl PageHeader {
    /// Reads the header that `bytes` begin with, and says how long it is.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), Fault> {
        let mut compact = Compact::new(bytes);
        let mut header = Self { kind: -1, values: -1, is_compressed: true, ..Self::default() };
        let mut last = 0;
        while let Some((number, kind)) = compact.field(&mut last)? {
            match (number, kind) {
                (1, 5) => header.kind = compact.integer()?,
                (2, 5) => header.uncompressed = compact.integer()?,
                (3, 5) => header.compressed = compact.integer()?,
                (4, 5) => header.crc = Some(compact.integer()?),
                (5, 12) if header.kind == 0 => header.data(&mut compact)?,
                (7, 12) if header.kind == 2 => header.dictionary(&mut compact)?,
                (8, 12) if header.kind == 3 => header.data_v2(&mut compact)?,
                _ => compact.skip(kind)?,
            }
        }
        Ok((header, compact.position()))
    }

    fn data(&mut self, compact: &mut Compact<'_>) -> Result<(), Fault> {
        let mut last = 0;
        while let Some((number, kind)) = compact.field(&mut last)? {
            match (number, kind) {
                (1, 5) => self.values = compact.integer()?,
                (2, 5) => self.encoding = compact.integer()?,
                (3, 5) => self.definition_encoding = compact.integer()?,
                (4, 5) => self.repetition_encoding = compact.integer()?,
                _ => compact.skip(kind)?,
            }
        }
        Ok(())
    }

    fn dictionary(&mut self, compact: &mut Compact<'_>) -> Result<(), Fault> {
        let mut last = 0;
        while let Some((number, kind)) = compact.field(&mut last)? {
            match (number, kind) {
                (1, 5) => self.values = compact.integer()?,
                (2, 5) => self.encoding = compact.integer()?,
                _ => compact.skip(kind)?,
            }
        }
        Ok(())
    }

    fn data_v2(&mut self, compact: &mut Compact<'_>) -> Result<(), Fault> {
        let mut last = 0;
        while let Some((number, kind)) = compact.field(&mut last)? {
            match (number, kind) {
                (1, 5) => self.values = compact.integer()?,
                (2, 5) => self.nulls = compact.integer()?,
                (3, 5) => self.rows = compact.integer()?,
                (4, 5) => self.encoding = compact.integer()?,
                (5, 5) => self.definition_bytes = compact.integer()?,
                (6, 5) => self.repetition_bytes = compact.integer()?,
                (7, TRUE) => self.is_compressed = true,
                (7, FALSE) => self.is_compressed = false,
                _ => compact.skip(kind)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_claims_more_than_there_is_ends_the_walk() {
        // Field 4, a list of 2³¹ structures.
        let lying = [0x49, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0x00];
        assert_eq!(footer_shape(&lying), Err(Fault::Short));
        let deep: Vec<u8> = std::iter::repeat_n(0x1c, 100).collect();
        assert_eq!(footer_shape(&deep), Err(Fault::Malformed));
        assert_eq!(footer_shape(&[]), Err(Fault::Short));
        assert_eq!(footer_shape(&[0xff; 40]), Err(Fault::Malformed));
        assert_eq!(footer_shape(&[0]), Ok(FooterShape { encrypted: false, depth: 0, elements: 0 }));
    }

    #[test]
    fn every_beginning_of_a_header_is_short() {
        let bytes = [
            0x15, 0x00, 0x15, 0x80, 0x10, 0x15, 0xa0, 0x06, 0x2c, 0x15, 0xc8, 0x01, 0x15, 0x00, 0x15, 0x06,
            0x15, 0x06, 0x00, 0x00, 9, 9,
        ];
        let (header, length) = PageHeader::read(&bytes).unwrap();
        assert_eq!((header.kind, header.uncompressed, header.compressed), (0, 1024, 400));
        assert_eq!((header.values, header.definition_encoding, header.repetition_encoding), (100, 3, 3));
        assert_eq!(length, bytes.len() - 2);
        for end in 0..length {
            assert_eq!(PageHeader::read(&bytes[..end]), Err(Fault::Short), "{end}");
        }
    }
}
