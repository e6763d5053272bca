//! How much one object may become: a bound on its records and on what they cost, looked at before a record is written.
//!
//! Some kilobytes of gzip can hold a million rows, and each row is paid for. The defaults are far beyond any table that
//! people upload and stop such an object.

use std::fmt;

pub use pricing::Dollars;
use pricing::{Bill, Usage};

use crate::bad_input::Reason;
use crate::destination::DuplicateKeys;
use crate::pipelines::{BadRows, DEFAULT_MAX_REJECTED, Format, Pipeline};
use crate::text::{count, grouped};

/// Without `max_records`, an object may hold this number of records,
const RECORDS_OF_ANY_OBJECT: u64 = 100_000;
/// and this number more for each uploaded byte. Plain text has at most one for every two bytes, and the most regular logs,
/// compressed, about one.
const RECORDS_PER_BYTE: u64 = 10;

/// Without `max_cost`, writing an object's records may cost this much: 160 million records of up to 1 KB.
const COST_OF_ANY_OBJECT: Dollars = Dollars::of_nanodollars(100_000_000_000);

/// An object that exceeds a bound is read further, up to this multiple of the bound, to say how many records it holds.
const COUNTED_TIMES: u64 = 10;

/// Why an object may not become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It holds more records than allowed.
    Records {
        /// How many it holds; where it was not read on, at the least.
        records: u64,
        /// How many are allowed.
        most: u64,
        /// How many bytes were uploaded, where that is what sets the bound.
        uploaded: Option<u64>,
        /// Whether it was read to its end, or says itself how many it holds.
        is_all: bool,
    },
    /// They cost more than that.
    Cost {
        /// What they cost; where it was not read on, at the least.
        cost: Dollars,
        /// What they may cost.
        most: Dollars,
        /// Whether it was read to its end, or says itself how many records it holds.
        is_all: bool,
    },
}

impl Excess {
    /// The reason that the job fails with.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Records { .. } => Reason::TooManyRecords,
            Self::Cost { .. } => Reason::TooExpensive,
        }
    }

    /// The same for an object that was not read on.
    fn and_more(self) -> Self {
        match self {
            Self::Records { records, most, uploaded, .. } => {
                Self::Records { records, most, uploaded, is_all: false }
            }
            Self::Cost { cost, most, .. } => Self::Cost { cost, most, is_all: false },
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_least = |is_all: bool| if is_all { "" } else { "at least " };
        match *self {
            Self::Records { records, most, uploaded, is_all } => {
                write!(f, "{}{}", at_least(is_all), count(records, "record"))?;
                match uploaded {
                    Some(bytes) => write!(
                        f,
                        " from {} uploaded bytes, where at most {} are expected; ",
                        grouped(bytes),
                        grouped(most)
                    )?,
                    None => return write!(f, ", where max_records allows {}", grouped(most)),
                }
                if is_all {
                    write!(f, "max_records = {records} would allow them")
                } else {
                    f.write_str("max_records in the pipelines file would allow more")
                }
            }
            Self::Cost { cost, most, is_all } => {
                write!(
                    f,
                    "writing the records costs {}{cost}, where max_cost allows {most}",
                    at_least(is_all)
                )
            }
        }
    }
}

/// The cost of writing records that take `write_units` write units.
#[must_use]
pub fn cost_of_writing(write_units: u64) -> Dollars {
    Bill::of(&Usage { write_units, ..Usage::default() }).total()
}

/// What one object may become, as its pipeline says. The default bounds nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bounds {
    max_records: Option<u64>,
    max_cost: Option<Dollars>,
    /// The object's size in bytes; none where it is not known, or where the records are not the object's own, but printed
    /// by a command.
    uploaded: Option<u64>,
    /// The share of the rows that may be rejected, in hundredths of a percent.
    max_rejected: u32,
    /// Whether several rows may become one record.
    has_repeated_keys: bool,
}

impl Bounds {
    /// Of an object of this pipeline.
    #[must_use]
    pub fn of(pipeline: &Pipeline, uploaded: Option<u64>) -> Self {
        let rule = pipeline.destination.as_ref().map(|destination| destination.duplicate_keys);
        Self {
            max_records: pipeline.max_records,
            max_cost: Some(pipeline.max_cost.unwrap_or(COST_OF_ANY_OBJECT)),
            uploaded: uploaded.filter(|_| pipeline.format != Format::Command),
            max_rejected: match pipeline.bad_rows {
                BadRows::RejectFile => 0,
                _ => pipeline.max_rejected.unwrap_or(DEFAULT_MAX_REJECTED),
            },
            has_repeated_keys: rule.is_some_and(|rule| rule != DuplicateKeys::Reject),
        }
    }

    /// The same bounds for an object of this size, which is known only after it was opened.
    #[must_use]
    pub fn uploaded(self, bytes: u64) -> Self {
        Self { uploaded: Some(bytes), ..self }
    }

    /// How many records are allowed, and the size that says so.
    fn most_records(&self) -> (u64, Option<u64>) {
        let expected =
            |bytes: u64| RECORDS_OF_ANY_OBJECT.saturating_add(bytes.saturating_mul(RECORDS_PER_BYTE));
        match (self.max_records, self.uploaded) {
            (Some(most), _) => (most, None),
            (None, Some(bytes)) => (expected(bytes), Some(bytes)),
            (None, None) => (u64::MAX, None),
        }
    }

    /// Whether the object may become `records` records that take `write_units` write units, or why not.
    ///
    /// # Errors
    /// The first bound that is exceeded.
    pub fn allows(&self, records: u64, write_units: u64) -> Result<(), Excess> {
        let (most, uploaded) = self.most_records();
        if records > most {
            return Err(Excess::Records { records, most, uploaded, is_all: true });
        }
        let cost = cost_of_writing(write_units);
        match self.max_cost {
            Some(most) if cost > most => Err(Excess::Cost { cost, most, is_all: true }),
            _ => Ok(()),
        }
    }

    /// The same for an object that says itself that it has `rows` rows, before any of them is read: a few bytes may say any
    /// number. Each row takes a write unit at least, and of the rows as many may be left out as the pipeline allows.
    ///
    /// # Errors
    /// The first bound that is exceeded however the rows turn out.
    pub fn allows_promised(&self, rows: u64) -> Result<(), Excess> {
        let rejected = u128::from(rows) * u128::from(self.max_rejected.min(10_000)) / 10_000;
        let good = rows - u64::try_from(rejected).unwrap_or(rows);
        let records = |rows| if self.has_repeated_keys { 0 } else { rows };
        match self.allows(records(good), good) {
            Ok(()) => Ok(()),
            Err(excess) => Err(self.allows(records(rows), rows).err().unwrap_or(excess)),
        }
    }

    /// How many good rows are read before an object is not read on: ten times as many as are allowed. Up to there, the error
    /// says how many there are.
    #[must_use]
    pub fn most_counted(&self) -> u64 {
        let by_cost = self
            .max_cost
            .map_or(u64::MAX, |most| most.nanodollars() / cost_of_writing(1).nanodollars().max(1));
        let by_number = if self.has_repeated_keys { u64::MAX } else { self.most_records().0 };
        by_cost.min(by_number).saturating_add(1).saturating_mul(COUNTED_TIMES)
    }

    /// Why an object is not read on behind [`Self::most_counted`] good rows, which take `write_units` write units.
    #[must_use]
    pub fn beyond_counting(&self, rows: u64, write_units: u64) -> Option<Excess> {
        let records = if self.has_repeated_keys { 0 } else { rows };
        self.allows(records, write_units).err().map(Excess::and_more)
    }
}

/// Whether a pipeline's object may become `records` records that take `write_units` write units, or why not. `uploaded` is its
/// size in bytes; none where the records are not the object's own, but printed by a command.
///
/// # Errors
/// The first bound that is exceeded.
pub fn allows(
    pipeline: &Pipeline,
    records: u64,
    write_units: u64,
    uploaded: Option<u64>,
) -> Result<(), Excess> {
    Bounds::of(pipeline, uploaded).allows(records, write_units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipelines::Pipelines;

    fn pipeline(keys: &str) -> Pipeline {
        let text = format!("version = 1\n[[pipeline]]\nname = \"a\"\n{keys}\n");
        Pipelines::parse(&text, "p.toml").expect("a legal file").iter().next().expect("one").clone()
    }

    #[test]
    fn a_small_upload_that_becomes_very_many_records_is_stopped() {
        let plain = pipeline("");
        // A gzip file of 3.9 KB with a million rows.
        let excess = allows(&plain, 1_000_000, 1_000_000, Some(3_900)).unwrap_err();
        assert_eq!(
            excess,
            Excess::Records { records: 1_000_000, most: 139_000, uploaded: Some(3_900), is_all: true }
        );
        assert_eq!(
            excess.to_string(),
            "1,000,000 records from 3,900 uploaded bytes, where at most 139,000 are expected; max_records = 1000000 would \
             allow them"
        );
        for (records, bytes) in
            [(1_000_000, 100_000), (100_000, 0), (139_000, 3_900), (30_000_000, 60_000_000)]
        {
            assert_eq!(allows(&plain, records, records, Some(bytes)), Ok(()), "{records} of {bytes}");
        }
        // What a command prints has nothing to do with the object's size.
        assert_eq!(allows(&plain, 1_000_000, 1_000_000, None), Ok(()));
    }

    #[test]
    fn what_the_pipeline_says_counts() {
        let strict = pipeline("max_records = 10");
        assert_eq!(allows(&strict, 10, 10, Some(1)), Ok(()));
        assert_eq!(
            allows(&strict, 11, 11, None),
            Err(Excess::Records { records: 11, most: 10, uploaded: None, is_all: true })
        );
        let loose = pipeline("max_records = 2_000_000");
        assert_eq!(allows(&loose, 2_000_000, 2_000_000, Some(1)), Ok(()));
        let cheap = pipeline("max_cost = \"$1\"");
        assert_eq!(allows(&cheap, 1, 1_600_000, Some(1)), Ok(()));
        let excess = allows(&cheap, 1, 1_600_001, Some(1)).unwrap_err();
        assert_eq!(excess.reason(), Reason::TooExpensive);
        assert_eq!(excess.to_string(), "writing the records costs $1.00, where max_cost allows $1.00");
        let excess = allows(&pipeline(""), 1, 200_000_000, Some(1 << 40)).unwrap_err();
        assert_eq!(excess.to_string(), "writing the records costs $125.00, where max_cost allows $100.00");
    }

    #[test]
    fn a_promise_of_rows_is_refused_before_they_are_read() {
        let bounds = |keys: &str, uploaded| Bounds::of(&pipeline(keys), uploaded);
        let excess = bounds("", Some(3_900)).allows_promised(1_000_000_000).unwrap_err();
        assert_eq!(
            excess.to_string(),
            "1,000,000,000 records from 3,900 uploaded bytes, where at most 139,000 are expected; max_records = 1000000000 \
             would allow them"
        );
        let excess =
            bounds("max_records = 2_000_000_000", Some(3_900)).allows_promised(1_000_000_000).unwrap_err();
        assert_eq!(excess.to_string(), "writing the records costs $625.00, where max_cost allows $100.00");
        let raised = bounds("max_records = 2_000_000_000\nmax_cost = \"$700\"", Some(3_900));
        assert_eq!(raised.allows_promised(1_000_000_000), Ok(()));
        // As many rows may be left out as the pipeline allows, and no more.
        let skipping = bounds("max_records = 90\nbad_rows = \"skip\"", None);
        assert_eq!(skipping.allows_promised(100), Ok(()));
        let excess = skipping.allows_promised(102).unwrap_err();
        assert_eq!(excess, Excess::Records { records: 102, most: 90, uploaded: None, is_all: true });
        assert_eq!(
            bounds("max_records = 90", None).allows_promised(91).unwrap_err().reason(),
            Reason::TooManyRecords
        );
        assert_eq!(Bounds::default().allows_promised(u64::MAX), Ok(()));
    }

    #[test]
    fn counting_stops_far_beyond_the_bound_and_the_error_says_so() {
        let small = Bounds::of(&pipeline(""), Some(3_900));
        assert_eq!(small.most_counted(), 1_390_010);
        let excess = small.beyond_counting(1_390_010, 1_390_010).expect("it is ten times too many");
        assert_eq!(
            excess.to_string(),
            "at least 1,390,010 records from 3,900 uploaded bytes, where at most 139,000 are expected; max_records in the \
             pipelines file would allow more"
        );
        let strict = Bounds::of(&pipeline("max_records = 9"), None);
        assert_eq!(strict.most_counted(), 100);
        let excess = strict.beyond_counting(100, 100).expect("it is ten times too many");
        assert_eq!(excess.to_string(), "at least 100 records, where max_records allows 9");
        let dear = Bounds::of(&pipeline("max_records = 1_000_000_000_000"), None);
        assert_eq!(dear.most_counted(), 1_600_000_010);
        let excess = dear.beyond_counting(1_600_000_010, 1_600_000_010).expect("it is ten times too dear");
        assert_eq!(excess.reason(), Reason::TooExpensive);
        assert_eq!(Bounds::default().most_counted(), u64::MAX);
    }
}
