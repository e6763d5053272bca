//! The first of the two readings: to the end of the object, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use domain::{drift::Observed, record, reject_counts::RejectCounts, text::count, volume::Bounds};

use super::delimited::Table;
use super::delimited::columns::{Settled, Settling, unknown_column, write_units};
use super::delimited::repair::Repair;
use super::format::{Compression, Encoding, Layout};
use super::opened::{Opened, Text};
use super::options::Options;
use super::reason::{BadInput, ReadError, Reason, Reject};
use super::rows::Rows;
use super::schema::{ColumnType, Schema};
use super::seen::SeenNames;
use super::source::Source;

/// The number of refused rows whose reasons are kept.
const FIRST_REJECTS: usize = 5;

/// How many refused rows an object may have before it is condemned as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// None: the first one condemns.
    None,
    /// At most this number.
    UpTo(u64),
    /// Any number.
    Any,
    /// This share of the rows, in hundredths of a percent: only the end of the object can tell.
    Share(u32),
}

impl Tolerance {
    fn allows(self, rejected: u64) -> bool {
        match self {
            Self::None => rejected == 0,
            Self::UpTo(most) => rejected <= most,
            Self::Any | Self::Share(_) => true,
        }
    }

    /// At the end of an object of `rows` rows: whether as many of them may be refused as `rejects` has.
    ///
    /// # Errors
    /// [`Reason::TooManyRejected`], with both shares and the reasons.
    pub fn verify(self, rejects: &RejectCounts, rows: u64) -> Result<(), BadInput> {
        let Self::Share(most) = self else { return Ok(()) };
        let rejected = rejects.rows();
        if u128::from(rejected) * 10_000 <= u128::from(rows) * u128::from(most) {
            return Ok(());
        }
        let share = percent(u128::from(rejected) * 10_000 / u128::from(rows.max(1)));
        Err(BadInput::new(
            Reason::TooManyRejected,
            format!(
                "{rejected} of {rows} rows are rejected, {share}, where max_rejected allows {}: {rejects}",
                percent(u128::from(most)),
            ),
        ))
    }
}

/// What a check has found. Everything up to the end of the object has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What to read the rows with.
    pub schema: Schema,
    /// How the bytes are compressed.
    pub compression: Compression,
    /// How the data inside the compressed data is compressed, where a program compressed it twice.
    pub inner_compression: Compression,
    /// How the text is encoded.
    pub encoding: Encoding,
    /// All rows, refused ones included.
    pub rows: u64,
    /// The refused ones.
    pub rejected: u64,
    /// The refused ones by reason.
    pub rejects: RejectCounts,
    /// The first few of them, by row.
    pub first_rejects: Vec<(u64, Reject)>,
    /// The good rows that were repaired.
    pub repaired: u64,
    /// The object's raw bytes.
    pub bytes_in: u64,
    /// What they were decompressed to.
    pub bytes_out: u64,
    /// About what the good rows take in the table, without the keys that a pipeline adds: for JSON exactly, for
    /// delimited text at the most.
    pub item_bytes: u64,
    /// About how many write units they cost: one for each KB of a record begun.
    pub write_units: u64,
    /// What was read otherwise than it is written, in sentences: null markers, two spellings of a number, repeated headers.
    pub notes: Vec<String>,
    /// The columns, or the names of JSON records, with what was found out about them.
    pub observed: Observed,
}

struct RowCounts {
    bounds: Bounds,
    /// How many good rows there may be, at the most, to be counted.
    most: u64,
    rows: u64,
    rejected: u64,
    rejects: RejectCounts,
    first_rejects: Vec<(u64, Reject)>,
    repairs: Repairs,
    item_bytes: u64,
    write_units: u64,
}

/// The rows that were repaired.
#[derive(Default)]
struct Repairs {
    rows: u64,
    by_kind: BTreeMap<Repair, u64>,
    /// The line of the first one.
    first_line: u64,
}

impl Repairs {
    fn note(&mut self, table: &Table) {
        let repairs = table.repairs();
        if repairs.is_empty() {
            return;
        }
        if self.rows == 0 {
            self.first_line = table.line();
        }
        self.rows += 1;
        for repair in repairs {
            *self.by_kind.entry(*repair).or_default() += 1;
        }
    }

    /// What was repaired, for the log and for messages.
    fn summary(&self, rows: u64) -> Option<String> {
        let kinds: Vec<String> =
            self.by_kind.iter().map(|(repair, rows)| format!("{} {rows}", repair.code())).collect();
        (self.rows > 0).then(|| {
            let (repaired, line) = (self.rows, self.first_line);
            format!(
                "{repaired} of {rows} rows are repaired: {}; the first is on line {line}",
                kinds.join(", ")
            )
        })
    }

    /// At the end of an object of `rows` rows: whether the repaired ones are at most this share, in hundredths of a percent.
    fn verify(&self, rows: u64, most: u32) -> Result<(), BadInput> {
        match self.summary(rows) {
            Some(summary) if u128::from(self.rows) * 10_000 > u128::from(rows) * u128::from(most) => {
                Err(BadInput::new(
                    Reason::TooManyRepaired,
                    format!("{summary}; max_repaired allows {}", percent(u128::from(most))),
                ))
            }
            _ => Ok(()),
        }
    }
}

fn percent(hundredths: u128) -> String {
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

impl RowCounts {
    fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            most: bounds.most_counted(),
            rows: 0,
            rejected: 0,
            rejects: RejectCounts::default(),
            first_rejects: Vec::new(),
            repairs: Repairs::default(),
            item_bytes: 0,
            write_units: 0,
        }
    }

    fn good(&mut self, bytes: usize) -> Result<(), BadInput> {
        self.rows += 1;
        self.item_bytes += bytes as u64;
        self.write_units += write_units(bytes);
        let good = self.rows - self.rejected;
        if good < self.most {
            return Ok(());
        }
        match self.bounds.beyond_counting(good, self.write_units) {
            Some(excess) => Err(BadInput::new(excess.reason(), excess.to_string())),
            None => Ok(()),
        }
    }

    fn bad(&mut self, reject: Reject, tolerance: Tolerance) -> Result<(), BadInput> {
        self.rows += 1;
        self.rejected += 1;
        reject.count(&mut self.rejects);
        if !tolerance.allows(self.rejected) {
            return Err(too_many(reject, tolerance));
        }
        if self.first_rejects.len() < FIRST_REJECTS {
            self.first_rejects.push((self.rows, reject));
        }
        Ok(())
    }
}

fn too_many(Reject { reason, place, message, .. }: Reject, tolerance: Tolerance) -> BadInput {
    let message = match tolerance {
        Tolerance::UpTo(most) => format!("more than {}; {place}: {message}", count(most, "bad row")),
        _ => format!("{place}: {message}"),
    };
    BadInput::at(reason, place, message)
}

/// Reads `source`, the object's raw bytes, to its end and finds out whether and how its rows can be read.
///
/// ```
/// use readers::{Options, Rows, Tolerance, check};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let (object, options) = (&b"zip,total\n01001,7\n94110,12.50\n"[..], Options::default());
/// let checked = check(object, &options, Tolerance::None).await?;
/// assert_eq!((checked.rows, checked.rejected), (2, 0));
///
/// // The second reading gives the rows. A column in which a value has a leading zero is text; the other is numbers.
/// let mut rows = Rows::open(object, &options, Some(&checked.schema)).await?;
/// let first = rows.next().await?.expect("a row").content.expect("a good row");
/// assert_eq!(format!("{:?}", first[0]), r#"("zip", Text("01001"))"#);
/// assert_eq!(format!("{:?}", first[1]), r#"("total", Number("7"))"#);
///
/// // A row with a missing field fails the object, with its line and the reason.
/// let error = check(&b"zip,total\n01001\n"[..], &options, Tolerance::None).await.unwrap_err();
/// assert!(error.to_string().contains("line 2"), "{error}");
/// # Ok::<(), readers::ReadError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Rows::open`] with the same bytes, the same options and the returned schema gives exactly the rows counted
/// here, and refuses the same ones.
///
/// # Errors
/// When bytes cannot be received, when the object is condemned, or when more rows are refused than `tolerance`
/// allows.
pub async fn check(
    source: impl Into<Source>,
    options: &Options,
    tolerance: Tolerance,
) -> Result<Checked, ReadError> {
    let mut opened = Opened::open(source.into(), options, None).await?;
    let mut tally = RowCounts::new(options.bounds);
    let (mut columns, mut totals) = (Vec::new(), Vec::new());
    let mut notes = Vec::new();
    let observed;
    let is_table = matches!(opened.layout(), Layout::Delimited(_) | Layout::Sheet(..));
    if let (true, Opened::Text(text)) = (is_table, &mut opened) {
        let settled;
        (settled, observed, notes) = check_table(text, options, tolerance, &mut tally).await?;
        (columns, totals) = (settled.columns, settled.totals);
        tally.rejected += settled.rejected;
        tally.rejects.extend(&settled.rejects);
        tally.item_bytes -= settled.item_bytes;
        tally.write_units -= settled.write_units;
        tally.first_rejects.extend(settled.first);
        tally.first_rejects.sort_by_key(|(row, _)| *row);
        if !tolerance.allows(tally.rejected) && !tally.first_rejects.is_empty() {
            let (_, reject) = tally.first_rejects.swap_remove(0);
            return Err(too_many(reject, tolerance).into());
        }
        tally.first_rejects.truncate(FIRST_REJECTS);
        tally.rejects.first = tally.first_rejects.first().map(|(_, reject)| reject.words());
    } else {
        (opened, observed) = check_records(opened, options, tolerance, &mut tally).await?;
    }
    tolerance.verify(&tally.rejects, tally.rows)?;
    if let Some(most) = options.repair {
        tally.repairs.verify(tally.rows, most)?;
        notes.extend(tally.repairs.summary(tally.rows));
    }
    let layout = opened.layout();
    let (bytes_in, bytes_out) = (opened.bytes_in(), opened.bytes_out());
    let (compression, inner_compression, encoding) = match &opened {
        Opened::Text(text) => (text.input.compression, text.input.inner_compression, text.input.encoding),
        Opened::Parquet(_) => (Compression::None, Compression::None, Encoding::Binary),
    };
    Ok(Checked {
        schema: Schema { layout, columns, totals },
        compression,
        inner_compression,
        encoding,
        rows: tally.rows,
        rejected: tally.rejected,
        rejects: tally.rejects,
        first_rejects: tally.first_rejects,
        repaired: tally.repairs.rows,
        bytes_in,
        bytes_out,
        item_bytes: tally.item_bytes,
        write_units: tally.write_units,
        notes,
        observed,
    })
}

/// Reads a table to its end, with all members of an archive: what its columns have settled to, and what to note about it.
async fn check_table(
    text: &mut Text,
    options: &Options,
    tolerance: Tolerance,
    tally: &mut RowCounts,
) -> Result<(Settled, Observed, Vec<String>), ReadError> {
    let mut settling = None;
    loop {
        observe_rows(text, &mut settling, options, tolerance, tally).await?;
        if !text.next_member(options).await? {
            break;
        }
    }
    let (Some(settling), Some((table, _))) = (settling, text.table()) else {
        return Ok((Settled::default(), Observed::default(), Vec::new()));
    };
    settling.verify(table)?;
    let (notes, observed) = (settling.notes(table), settling.observed(table.names()));
    Ok((settling.settle(table.names()), observed, notes))
}

/// Reads the rows of one text, and lets the columns settle over them.
async fn observe_rows(
    text: &mut Text,
    settling: &mut Option<Settling>,
    options: &Options,
    tolerance: Tolerance,
    tally: &mut RowCounts,
) -> Result<(), ReadError> {
    let Some((table, input)) = text.table() else { return Ok(()) };
    let settling = match settling {
        Some(settling) => settling,
        None => settling.insert(Settling::new(table.names(), options)?),
    };
    loop {
        match table.next(input).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(text.named(error)),
        }
        let observed = match table.fields() {
            Ok(fields) => settling.observe(table, &fields)?,
            Err(reject) => Err(reject),
        };
        match observed {
            Ok(()) => {
                tally.good(table.size_bytes())?;
                tally.repairs.note(table);
            }
            Err(reject) => tally.bad(reject, tolerance)?,
        }
    }
}

/// Checks what brings its types along.
async fn check_records(
    opened: Opened,
    options: &Options,
    tolerance: Tolerance,
    tally: &mut RowCounts,
) -> Result<(Opened, Observed), ReadError> {
    let mut rows = Rows::of(opened, options);
    let mut names = Names::new(&options.columns);
    let mut seen = SeenNames::new(&options.columns);
    while let Some(row) = rows.next().await? {
        match row.content {
            Ok(record) => {
                tally.good(record::size_bytes(&record))?;
                names.note(&record);
                seen.note(&record);
            }
            Err(reject) => tally.bad(reject, tolerance)?,
        }
    }
    if tally.rows > tally.rejected {
        names.check()?;
    }
    Ok((rows.into_opened(), seen.observed()))
}

/// Which declared names have been met in JSON records, where any record may lack any of them.
pub struct Names<'a> {
    missing: &'a BTreeMap<String, ColumnType>,
    /// The first names there were, for the message.
    seen: BTreeSet<Arc<str>>,
    met: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    /// Of a record whose declared columns are these.
    pub fn new(declared: &'a BTreeMap<String, ColumnType>) -> Self {
        Self { missing: declared, seen: BTreeSet::new(), met: BTreeSet::new() }
    }

    /// Notes which of them the record has.
    pub fn note(&mut self, record: &record::Record) {
        const LISTED: usize = 41;
        if self.met.len() == self.missing.len() {
            return;
        }
        for (name, _) in record {
            if let Some((declared, _)) = self.missing.get_key_value(&**name) {
                self.met.insert(declared);
            }
            if self.seen.len() < LISTED && !self.seen.contains(name) {
                self.seen.insert(Arc::clone(name));
            }
        }
    }

    /// Refuses a name that no record had.
    pub fn check(&self) -> Result<(), BadInput> {
        match self.missing.keys().find(|name| !self.met.contains(name.as_str())) {
            Some(unknown) => Err(unknown_column(unknown, self.seen.iter().map(|name| &**name))),
            None => Ok(()),
        }
    }
}
