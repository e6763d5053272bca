//! Records as Parquet. Only the last record tells which columns there are and what they hold, so that the cells wait in a
//! temporary file; then they are written a row group at a time.
//!
//! | a column that holds only | becomes |
//! | --- | --- |
//! | booleans | `BOOLEAN` |
//! | whole numbers of 64 bits | `INT64` |
//! | other numbers, of 38 digits at most | `DECIMAL`, exact |
//! | text; numbers beyond that; nothing | `STRING` |
//! | bytes | `BYTE_ARRAY` |
//! | anything else: lists, maps, sets, values of several kinds | `JSON` |

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    sync::Arc,
};

use domain::record::{Record, Value, number::canonical, write_json};
use parquet::{
    basic::{LogicalType, Repetition, Type as PhysicalType},
    data_type::{BoolType, ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

use crate::csv_spool::{MAX_COLUMNS, read_number};

/// How many bytes of cells a row group has at most, as they are held; a single record may have more.
const GROUP_BYTES: usize = 16 << 20;

/// How many cells it has at most, those without a value included.
const GROUP_CELLS: usize = 4 << 20;

/// How many bytes a decimal takes: 38 digits.
const DECIMAL_BYTES: i32 = 16;
const DECIMAL_DIGITS: usize = 38;

/// Records that wait to be written as Parquet.
pub(crate) struct ParquetSpool {
    cells: BufWriter<File>,
    places: HashMap<Arc<str>, u32>,
    columns: Vec<(Arc<str>, Found)>,
    records: u64,
    cell: Vec<u8>,
}

/// What a cell of the temporary file is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Boolean,
    Number,
    Text,
    Bytes,
    Nested,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Boolean, Self::Number, Self::Text, Self::Bytes, Self::Nested];

    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::Text(_) => Self::Text,
            Value::Binary(_) => Self::Bytes,
            Value::Set(_) | Value::List(_) | Value::Map(_) => Self::Nested,
        })
    }
}

/// What the values of a column are so far.
#[derive(Default)]
struct Found {
    has: [bool; Kind::ALL.len()],
    /// The most digits before and behind the point.
    whole: usize,
    fraction: usize,
    /// Some number is none of 64 bits.
    has_other_than_long: bool,
    /// Some number is written with an exponent, as it has too many zeros.
    has_exponent: bool,
}

/// How a column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Boolean,
    Long,
    Decimal { precision: usize, scale: usize },
    Text,
    Bytes,
    Json,
}

impl Found {
    fn number(&mut self, canonical: &str) {
        let digits = canonical.strip_prefix('-').unwrap_or(canonical);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        self.has_exponent |= digits.contains('E');
        self.has_other_than_long |= canonical.parse::<i64>().is_err();
        self.whole = self.whole.max(whole.len());
        self.fraction = self.fraction.max(fraction.len());
    }

    fn column(&self) -> Column {
        let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| self.has[*kind as usize]).collect();
        match kinds[..] {
            [Kind::Boolean] => Column::Boolean,
            [Kind::Number] if !self.has_other_than_long => Column::Long,
            [Kind::Number] if !self.has_exponent && self.whole + self.fraction <= DECIMAL_DIGITS => {
                Column::Decimal { precision: self.whole + self.fraction, scale: self.fraction }
            }
            [Kind::Number | Kind::Text] | [] => Column::Text,
            [Kind::Bytes] => Column::Bytes,
            _ => Column::Json,
        }
    }
}

impl ParquetSpool {
    /// An empty one, with a temporary file that nobody else sees.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            cells: BufWriter::new(tempfile::tempfile()?),
            places: HashMap::new(),
            columns: Vec::new(),
            records: 0,
            cell: Vec::new(),
        })
    }

    /// Takes a record: its number of cells, and for each one its column, its kind, its length and its bytes.
    pub(crate) fn add(&mut self, record: &Record) -> io::Result<()> {
        let cells = record.iter().filter(|(_, value)| *value != Value::Null).count();
        self.write_number(cells)?;
        for (name, value) in record {
            let place = self.place(name)?;
            let Some(kind) = Kind::of(value) else { continue };
            self.cell.clear();
            let found = &mut self.columns[place as usize].1;
            found.has[kind as usize] = true;
            match value {
                Value::Number(text) => {
                    // What the table holds is a number.
                    let text = canonical(text).map_err(io::Error::other)?;
                    found.number(&text);
                    self.cell.extend_from_slice(text.as_bytes());
                }
                Value::Text(text) => self.cell.extend_from_slice(text.as_bytes()),
                Value::Binary(bytes) => self.cell.extend_from_slice(bytes),
                value => write_json(value, &mut self.cell)?,
            }
            self.write_number(place as usize)?;
            self.cells.write_all(&[kind as u8])?;
            self.write_number(self.cell.len())?;
            self.cells.write_all(&self.cell)?;
        }
        self.records += 1;
        Ok(())
    }

    /// Writes the file.
    pub(crate) fn finish(self, out: &mut (impl Write + Send)) -> io::Result<()> {
        if self.columns.is_empty() {
            return Err(io::Error::other("no record has a value, and Parquet needs a column"));
        }
        let mut file = self.cells.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut cells = BufReader::new(file);
        let columns: Vec<Column> = self.columns.iter().map(|(_, found)| found.column()).collect();
        let names = self.columns.iter().map(|(name, _)| &**name);
        let schema = schema(names.zip(&columns)).map_err(failed)?;
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(out, Arc::new(schema), properties).map_err(failed)?;
        let rows = (GROUP_CELLS / columns.len()).max(1);
        let mut group = Group::new(&columns);
        for _ in 0..self.records {
            group.read_row(&columns, &mut cells)?;
            if group.rows == rows || group.bytes >= GROUP_BYTES {
                std::mem::replace(&mut group, Group::new(&columns)).write(&mut writer).map_err(failed)?;
            }
        }
        if group.rows > 0 {
            group.write(&mut writer).map_err(failed)?;
        }
        writer.close().map(drop).map_err(failed)
    }

    fn place(&mut self, name: &Arc<str>) -> io::Result<u32> {
        if let Some(place) = self.places.get(name) {
            return Ok(*place);
        }
        if self.columns.len() == MAX_COLUMNS {
            return Err(io::Error::other(format!(
                "the records have more than {MAX_COLUMNS} names, too many for Parquet; use --format jsonl"
            )));
        }
        let place = u32::try_from(self.columns.len()).map_err(io::Error::other)?;
        self.places.insert(name.clone(), place);
        self.columns.push((name.clone(), Found::default()));
        Ok(place)
    }

    fn write_number(&mut self, number: usize) -> io::Result<()> {
        let number = u32::try_from(number).map_err(io::Error::other)?;
        self.cells.write_all(&number.to_le_bytes())
    }
}

/// Records on their way into a row group.
struct Group {
    columns: Vec<(Values, Vec<i16>)>,
    rows: usize,
    bytes: usize,
}

/// The values of a column that are there.
enum Values {
    Booleans(Vec<bool>),
    Longs(Vec<i64>),
    Decimals(Vec<FixedLenByteArray>),
    Texts(Vec<ByteArray>),
}

impl Group {
    fn new(columns: &[Column]) -> Self {
        let values = |column: &Column| match column {
            Column::Boolean => Values::Booleans(Vec::new()),
            Column::Long => Values::Longs(Vec::new()),
            Column::Decimal { .. } => Values::Decimals(Vec::new()),
            Column::Text | Column::Bytes | Column::Json => Values::Texts(Vec::new()),
        };
        let columns = columns.iter().map(|column| (values(column), Vec::new())).collect();
        Self { columns, rows: 0, bytes: 0 }
    }

    /// Adds the next record of the temporary file.
    fn read_row(&mut self, columns: &[Column], cells: &mut impl Read) -> io::Result<()> {
        for (_, levels) in &mut self.columns {
            levels.push(0);
        }
        for _ in 0..read_number(cells)? {
            let place = read_number(cells)?;
            let mut kind = [0];
            cells.read_exact(&mut kind)?;
            let mut cell = vec![0; read_number(cells)?];
            cells.read_exact(&mut cell)?;
            self.bytes += cell.len() + size_of::<ByteArray>();
            let (values, levels) = &mut self.columns[place];
            if let Some(level) = levels.last_mut() {
                *level = 1;
            }
            values.push(columns[place], Kind::ALL[usize::from(kind[0])], cell)?;
        }
        self.rows += 1;
        Ok(())
    }

    fn write<W: Write + Send>(self, writer: &mut SerializedFileWriter<W>) -> Result<(), ParquetError> {
        let mut group = writer.next_row_group()?;
        for (values, levels) in self.columns {
            let Some(mut column) = group.next_column()? else { break };
            let levels = Some(&levels[..]);
            match values {
                Values::Booleans(values) => column.typed::<BoolType>().write_batch(&values, levels, None)?,
                Values::Longs(values) => column.typed::<Int64Type>().write_batch(&values, levels, None)?,
                Values::Decimals(values) => {
                    column.typed::<FixedLenByteArrayType>().write_batch(&values, levels, None)?
                }
                Values::Texts(values) => {
                    column.typed::<ByteArrayType>().write_batch(&values, levels, None)?
                }
            };
            column.close()?;
        }
        group.close().map(drop)
    }
}

impl Values {
    fn push(&mut self, column: Column, kind: Kind, cell: Vec<u8>) -> io::Result<()> {
        let text = |cell: &[u8]| String::from_utf8(cell.to_vec()).map_err(io::Error::other);
        match (self, column) {
            (Self::Booleans(values), _) => values.push(cell == b"true"),
            (Self::Longs(values), _) => values.push(text(&cell)?.parse().map_err(io::Error::other)?),
            (Self::Decimals(values), Column::Decimal { scale, .. }) => {
                values.push(decimal(&text(&cell)?, scale)?);
            }
            (Self::Texts(values), Column::Json) => {
                let mut json = Vec::new();
                match kind {
                    // These are JSON as they are.
                    Kind::Boolean | Kind::Number | Kind::Nested => json = cell,
                    Kind::Text => write_json(&Value::Text(text(&cell)?), &mut json)?,
                    Kind::Bytes => write_json(&Value::Binary(cell), &mut json)?,
                }
                values.push(json.into());
            }
            (Self::Texts(values), _) => values.push(cell.into()),
            (Self::Decimals(_), _) => return Err(io::Error::other("a decimal in a column of another type")),
        }
        Ok(())
    }
}

/// A canonical number without its point, as Parquet has decimals: big-endian.
fn decimal(text: &str, scale: usize) -> io::Result<FixedLenByteArray> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}{}", "0".repeat(scale - fraction.len()));
    let unscaled: i128 = digits.parse().map_err(io::Error::other)?;
    Ok(ByteArray::from(unscaled.to_be_bytes().to_vec()).into())
}

fn schema<'n>(columns: impl Iterator<Item = (&'n str, &'n Column)>) -> Result<Type, ParquetError> {
    let field = |(name, column): (&str, &Column)| {
        let builder = |kind| Type::primitive_type_builder(name, kind).with_repetition(Repetition::OPTIONAL);
        let bytes = |logical| builder(PhysicalType::BYTE_ARRAY).with_logical_type(logical);
        let field = match *column {
            Column::Boolean => builder(PhysicalType::BOOLEAN),
            Column::Long => builder(PhysicalType::INT64),
            Column::Decimal { precision, scale } => {
                let number = |digits| i32::try_from(digits).unwrap_or(i32::MAX);
                let (precision, scale) = (number(precision), number(scale));
                builder(PhysicalType::FIXED_LEN_BYTE_ARRAY)
                    .with_length(DECIMAL_BYTES)
                    .with_logical_type(Some(LogicalType::decimal(scale, precision)))
                    .with_precision(precision)
                    .with_scale(scale)
            }
            Column::Text => bytes(Some(LogicalType::String)),
            Column::Bytes => bytes(None),
            Column::Json => bytes(Some(LogicalType::Json)),
        };
        field.build().map(Arc::new)
    };
    let fields = columns.map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("record").with_fields(fields).build()
}

fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests;
