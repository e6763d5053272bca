//! Loops over many items: the failure of one item is recorded under its name and passed over, so that it stops no other.
//!
//! ```
//! # use app::item_failures::ItemFailures;
//! let mut failures = ItemFailures::default();
//! let mut sum = 0;
//! for text in ["1", "two", "3"] {
//!     if let Some(number) = failures.record(text, text.parse::<u32>()) {
//!         sum += number;
//!     }
//! }
//! assert_eq!(sum, 4);
//! assert_eq!(failures.finish().unwrap_err().to_string(), "1 item failed: two: invalid digit found in string");
//! ```

use domain::text;
use std::{error::Error, fmt};

use aws::ledger::UnreadableJob;
use domain::job::Job;
use tracing::error;

/// How many failed items an error names. The log names all of them.
const NAMED: usize = 5;

/// How many items in a row fail before a loop gives up. That many failures are not about single items: the service that
/// they need is down or forbidden, and the rest would fail too.
const IN_A_ROW: u32 = 25;

/// The failures of one loop.
#[derive(Debug, Default)]
pub struct ItemFailures {
    count: u64,
    in_a_row: u32,
    named: Vec<String>,
    first: Option<Box<dyn Error + Send + Sync>>,
}

/// Some items failed; all others were processed, unless too many failed in a row.
#[derive(Debug)]
pub struct ItemsFailed {
    count: u64,
    gave_up: bool,
    named: Vec<String>,
    first: Box<dyn Error + Send + Sync>,
}

impl ItemFailures {
    /// Returns the value of an item that succeeded. Logs and keeps the failure of an item that did not, under this name.
    pub fn record<T, E>(&mut self, item: impl fmt::Display, result: Result<T, E>) -> Option<T>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let error = match result {
            Ok(value) => {
                self.in_a_row = 0;
                return Some(value);
            }
            Err(error) => error.into(),
        };
        // Names are keys of objects, which those who upload choose.
        let item = item.to_string().escape_debug().to_string();
        let cause = telemetry::causes(&*error);
        error!(item, error = cause, "failed to process one item of many: {item}: {cause}");
        self.count += 1;
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.named.len() < NAMED {
            self.named.push(format!("{item}: {cause}"));
        }
        self.first.get_or_insert(error);
        None
    }

    /// The jobs among what was read of the ledger. An item that is not one of a job is recorded as a failure of its own.
    pub fn read_jobs(&mut self, found: Vec<Result<Job, UnreadableJob>>) -> Vec<Job> {
        let read = |found: Result<Job, UnreadableJob>| {
            let id = found.as_ref().err().map(|error| error.job().to_owned()).unwrap_or_default();
            self.record(format_args!("job {id}"), found)
        };
        found.into_iter().filter_map(read).collect()
    }

    /// Whether too many items failed in a row, so that the loop should stop.
    #[must_use]
    pub fn should_give_up(&self) -> bool {
        self.in_a_row >= IN_A_ROW
    }

    /// Ends the loop.
    ///
    /// # Errors
    /// [`ItemsFailed`] if any item failed.
    pub fn finish(self) -> Result<(), ItemsFailed> {
        let gave_up = self.should_give_up();
        let Self { count, named, first, .. } = self;
        first.map_or(Ok(()), |first| Err(ItemsFailed { count, gave_up, named, first }))
    }
}

impl ItemsFailed {
    /// How many items failed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The error of the first item that failed, if it is of this type.
    #[must_use]
    pub fn first<E: Error + 'static>(&self) -> Option<&E> {
        self.first.downcast_ref()
    }
}

impl fmt::Display for ItemsFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", text::count(self.count, "item"), self.named.join("; "))?;
        let more = self.count - self.named.len() as u64;
        if more > 0 {
            write!(f, "; and {more} more, which the log names")?;
        }
        if self.gave_up {
            write!(f, "; gave up after {IN_A_ROW} failures in a row")?;
        }
        Ok(())
    }
}

/// The causes are part of the text, since there may be several.
impl Error for ItemsFailed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(failures: &mut ItemFailures, texts: &[&str]) -> Vec<u32> {
        texts.iter().filter_map(|text| failures.record(text, text.parse::<u32>())).collect()
    }

    #[test]
    fn one_odd_item_is_named_and_stops_no_other() {
        let mut failures = ItemFailures::default();
        assert_eq!(parse(&mut failures, &["1", "\u{fffe}\n", "3"]), [1, 3]);
        let failed = failures.finish().unwrap_err();
        assert_eq!(failed.to_string(), "1 item failed: \\u{fffe}\\n: invalid digit found in string");
        assert!(failed.first::<std::num::ParseIntError>().is_some());
        assert!(ItemFailures::default().finish().is_ok());
    }

    #[test]
    fn many_failures_are_counted_and_the_first_are_named() {
        let mut failures = ItemFailures::default();
        parse(&mut failures, &["a", "b", "c", "d", "e", "f", "g"]);
        let text = failures.finish().unwrap_err().to_string();
        assert!(text.starts_with("7 items failed: a: "), "{text}");
        assert!(text.ends_with("; and 2 more, which the log names"), "{text}");
    }

    #[test]
    fn a_loop_gives_up_when_everything_fails() {
        let mut failures = ItemFailures::default();
        parse(&mut failures, &["x"; 24]);
        parse(&mut failures, &["1"]);
        parse(&mut failures, &["x"; 24]);
        assert!(!failures.should_give_up());
        parse(&mut failures, &["x"]);
        assert!(failures.should_give_up());
        assert!(failures.finish().unwrap_err().to_string().ends_with("; gave up after 25 failures in a row"));
    }
}
