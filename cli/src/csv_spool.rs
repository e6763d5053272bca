//! Records as CSV (RFC 4180). Only the last record tells which columns there are, so that the cells wait in a temporary file.
//!
//! Not the `csv` crate: it does not tell an empty text, written `""`, from no value, written as nothing.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    sync::Arc,
};

use domain::record::{Record, Value, write_json};

/// The most columns that a file gets: their names stay in memory.
pub(crate) const MAX_COLUMNS: usize = 10_000;

/// Records that wait to be written as CSV.
pub(crate) struct CsvSpool {
    cells: BufWriter<File>,
    columns: HashMap<Arc<str>, u32>,
    /// Their names, in the order in which they came.
    names: Vec<Arc<str>>,
    records: u64,
    cell: Vec<u8>,
}

impl CsvSpool {
    /// An empty one, with a temporary file that nobody else sees.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            cells: BufWriter::new(tempfile::tempfile()?),
            columns: HashMap::new(),
            names: Vec::new(),
            records: 0,
            cell: Vec::new(),
        })
    }

    /// Takes a record: its number of cells, and for each one its column, its length and its text as CSV.
    pub(crate) fn add(&mut self, record: &Record) -> io::Result<()> {
        let cells: Vec<_> = record.iter().filter(|(_, value)| *value != Value::Null).collect();
        self.write_number(cells.len())?;
        for (name, value) in record {
            let column = self.column(name)?;
            if *value == Value::Null {
                continue;
            }
            self.cell.clear();
            write_cell(value, &mut self.cell)?;
            self.write_number(column as usize)?;
            self.write_number(self.cell.len())?;
            self.cells.write_all(&self.cell)?;
        }
        self.records += 1;
        Ok(())
    }

    /// Writes the header and the records.
    pub(crate) fn finish(self, out: &mut impl Write) -> io::Result<()> {
        if self.names.is_empty() {
            return Ok(());
        }
        let mut file = self.cells.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut cells = BufReader::new(file);
        for (column, name) in self.names.iter().enumerate() {
            separate(column, out)?;
            write_text(name, out)?;
        }
        out.write_all(b"\r\n")?;
        let mut row = vec![Vec::new(); self.names.len()];
        for _ in 0..self.records {
            row.iter_mut().for_each(Vec::clear);
            for _ in 0..read_number(&mut cells)? {
                let cell = &mut row[read_number(&mut cells)?];
                cell.resize(read_number(&mut cells)?, 0);
                cells.read_exact(cell)?;
            }
            for (column, cell) in row.iter().enumerate() {
                separate(column, out)?;
                out.write_all(cell)?;
            }
            out.write_all(b"\r\n")?;
        }
        Ok(())
    }

    fn column(&mut self, name: &Arc<str>) -> io::Result<u32> {
        if let Some(column) = self.columns.get(name) {
            return Ok(*column);
        }
        if self.names.len() == MAX_COLUMNS {
            return Err(io::Error::other(format!(
                "the records have more than {MAX_COLUMNS} names, too many for CSV; use --format jsonl"
            )));
        }
        let column = self.names.len() as u32;
        self.columns.insert(name.clone(), column);
        self.names.push(name.clone());
        Ok(column)
    }

    fn write_number(&mut self, number: usize) -> io::Result<()> {
        let number = u32::try_from(number).map_err(io::Error::other)?;
        self.cells.write_all(&number.to_le_bytes())
    }
}

/// A number of the temporary file.
pub(crate) fn read_number(cells: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; 4];
    cells.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

fn separate(column: usize, out: &mut impl Write) -> io::Result<()> {
    if column > 0 { out.write_all(b",") } else { Ok(()) }
}

fn write_cell(value: &Value, out: &mut Vec<u8>) -> io::Result<()> {
    match value {
        Value::Text(text) => write_text(text, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => write_json(value, out),
        Value::Binary(_) | Value::Set(_) | Value::List(_) | Value::Map(_) => {
            let mut json = Vec::new();
            write_json(value, &mut json)?;
            let json = String::from_utf8(json).map_err(io::Error::other)?;
            // Bytes are a JSON text, of which the quotes are none of CSV's.
            write_text(if matches!(value, Value::Binary(_)) { json.trim_matches('"') } else { &json }, out)
        }
    }
}

fn write_text(text: &str, out: &mut impl Write) -> io::Result<()> {
    if !text.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        return out.write_all(text.as_bytes());
    }
    out.write_all(b"\"")?;
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part.as_bytes())?;
    }
    out.write_all(b"\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn columns_are_those_of_all_records_and_an_empty_text_is_not_a_missing_value() {
        let mut spool = CsvSpool::new().unwrap();
        let number = |digits: &str| Value::Number(digits.to_owned());
        spool
            .add(&vec![("id".into(), number("12345678901234567890.10")), ("note".into(), text(""))])
            .unwrap();
        spool
            .add(&vec![("note".into(), text("a, \"b\"\nc")), ("tags".into(), Value::List(vec![text("x")]))])
            .unwrap();
        spool
            .add(&vec![("id".into(), Value::Null), ("b".into(), Value::Binary(b"\0\xff".to_vec()))])
            .unwrap();
        let mut out = Vec::new();
        spool.finish(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "id,note,tags,b\r\n12345678901234567890.10,\"\",,\r\n,\"a, \"\"b\"\"\nc\",\"[\"\"x\"\"]\",\r\n,,,AP8=\r\n"
        );
    }

    #[test]
    fn more_columns_than_memory_is_kept_for_are_an_error_that_names_the_other_format() {
        let mut spool = CsvSpool::new().unwrap();
        let wide = |from: usize| (from..from + 5_000).map(|n| (format!("c{n}").into(), text("x"))).collect();
        spool.add(&wide(0)).unwrap();
        spool.add(&wide(5_000)).unwrap();
        let error = spool.add(&wide(7_000)).unwrap_err().to_string();
        assert!(error.contains("more than 10000 names") && error.contains("--format jsonl"), "{error}");
    }
}
