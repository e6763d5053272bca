//! How much one object may become: a bound on its records and on what they cost, looked at before a record is written.
//!
//! Some kilobytes of gzip can hold a million rows, and each row is paid for. The defaults are far beyond any table that
//! people upload and stop such an object.

use std::fmt;

pub use pricing::Dollars;
use pricing::{Bill, Usage};

use crate::bad_input::Reason;
use crate::pipelines::Pipeline;
use crate::text::{count, grouped};

/// Without `max_records`, an object may hold this number of records,
const RECORDS_OF_ANY_OBJECT: u64 = 100_000;
/// and this number more for each uploaded byte. Plain text has at most one for every two bytes, and the most regular logs,
/// compressed, about one.
const RECORDS_PER_BYTE: u64 = 10;

/// Without `max_cost`, writing an object's records may cost this much: 160 million records of up to 1 KB.
const COST_OF_ANY_OBJECT: Dollars = Dollars::of_nanodollars(100_000_000_000);

/// Why an object may not become records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excess {
    /// It holds more records than allowed.
    Records {
        /// How many it holds, at the least.
        records: u64,
        /// How many are allowed.
        most: u64,
        /// How many bytes were uploaded, where that is what sets the bound.
        uploaded: Option<u64>,
    },
    /// They cost more than that.
    Cost {
        /// What they cost, at the least.
        cost: Dollars,
        /// What they may cost.
        most: Dollars,
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
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records { records, most, uploaded: Some(bytes) } => write!(
                f,
                "{} from {} uploaded bytes, where at most {} are expected; max_records = {records} would allow them",
                count(*records, "record"),
                grouped(*bytes),
                grouped(*most)
            ),
            Self::Records { records, most, uploaded: None } => {
                write!(f, "{}, where max_records allows {}", count(*records, "record"), grouped(*most))
            }
            Self::Cost { cost, most } => {
                write!(f, "writing the records costs {cost}, where max_cost allows {most}")
            }
        }
    }
}

/// The cost of writing records that take `write_units` write units.
#[must_use]
pub fn cost_of_writing(write_units: u64) -> Dollars {
    Bill::of(&Usage { write_units, ..Usage::default() }).total()
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
    let expected = |bytes: u64| RECORDS_OF_ANY_OBJECT.saturating_add(bytes.saturating_mul(RECORDS_PER_BYTE));
    let (most, uploaded) = match (pipeline.max_records, uploaded) {
        (Some(most), _) => (most, None),
        (None, Some(bytes)) => (expected(bytes), Some(bytes)),
        (None, None) => (u64::MAX, None),
    };
    if records > most {
        return Err(Excess::Records { records, most, uploaded });
    }
    let cost = cost_of_writing(write_units);
    let most = pipeline.max_cost.unwrap_or(COST_OF_ANY_OBJECT);
    if cost > most {
        return Err(Excess::Cost { cost, most });
    }
    Ok(())
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
        assert_eq!(excess, Excess::Records { records: 1_000_000, most: 139_000, uploaded: Some(3_900) });
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
            Err(Excess::Records { records: 11, most: 10, uploaded: None })
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
}
