//! The cron expressions of EventBridge: six fields with rules of their own. They are translated to the spelling of the
//! croner crate, which searches for the times.
//!
//! Both the pipelines' schedules and the local cloud's read this language; what each of them does with a time is its own.
//!
//! ```
//! use awscron::Cron;
//! use jiff::tz::TimeZone;
//!
//! let mondays = Cron::parse("0 3 ? * MON *")?;
//! let next = mondays.next(&TimeZone::get("Europe/Berlin")?, "2026-11-21T12:00:00Z".parse()?);
//! assert_eq!(next, Some("2026-11-23T02:00:00Z".parse()?));
//!
//! let error = Cron::parse("0 3 * * MON *").unwrap_err();
//! assert!(error.to_string().contains("? in exactly one of day of month and day of week"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | field | values | wildcards |
//! | --- | --- | --- |
//! | minutes | 0-59 | `, - * /` |
//! | hours | 0-23 | `, - * /` |
//! | day of month | 1-31 | `, - * / ? L W` |
//! | month | 1-12 or JAN-DEC | `, - * /` |
//! | day of week | 1-7 (1 is Sunday) or SUN-SAT | `, - * ? L #` |
//! | year | 1970-2199 | `, - * /` |
//!
//! One of the two days is `?` and the other is not. Source:
//! [Cron-based schedules](https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based).
//! A range that runs backwards (`FRI-MON`), `L` or `W` in a list, and whatever else that page does not show is
//! refused: nobody has promised what AWS makes of it.

use croner::{
    Cron as Croner,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    Timestamp,
    tz::{AmbiguousOffset, TimeZone},
};

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];

const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// One of the six fields.
#[derive(Clone, Copy)]
struct Field {
    what: &'static str,
    first: u16,
    last: u16,
    /// Other spellings of its values, from `first` on.
    names: &'static [&'static str],
    steps: bool,
}

const FIELDS: [Field; 6] = [
    Field { what: "minutes", first: 0, last: 59, names: &[], steps: true },
    Field { what: "hours", first: 0, last: 23, names: &[], steps: true },
    Field { what: "day of month", first: 1, last: 31, names: &[], steps: true },
    Field { what: "month", first: 1, last: 12, names: &MONTHS, steps: true },
    Field { what: "day of week", first: 1, last: 7, names: &WEEKDAYS, steps: false },
    Field { what: "year", first: 1970, last: 2199, names: &[], steps: true },
];

const DAY_OF_MONTH: usize = 2;
const DAY_OF_WEEK: usize = 4;

/// A text that AWS would not take for a cron expression, and what it would take instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CronError(String);

/// What is between the parentheses of `cron(…)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron(Croner);

impl Cron {
    /// Reads the six fields.
    ///
    /// # Errors
    /// What of AWS's rules `text` breaks.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let given: Vec<&str> = text.split_whitespace().collect();
        let Ok(given) = <[&str; 6]>::try_from(given) else {
            return Err(CronError(format!(
                "cron({text}) must have six fields: minutes, hours, day of month, month, day of week, year"
            )));
        };
        if (given[DAY_OF_MONTH] == "?") == (given[DAY_OF_WEEK] == "?") {
            return Err(CronError(format!(
                "cron({text}) must have ? in exactly one of day of month and day of week"
            )));
        }
        let mut fields = Vec::with_capacity(7);
        for (place, (field, text)) in FIELDS.into_iter().zip(given).enumerate() {
            fields.push(translated(field, place, &text.to_ascii_uppercase())?);
        }
        // croner has a field for seconds before the others.
        let pattern = format!("0 {}", fields.join(" "));
        let parser = CronParser::builder().seconds(Seconds::Required).year(Year::Required).build();
        let cron = parser
            .parse(&pattern)
            .map_err(|error| CronError(format!("cron({text}) is not valid: {error}")))?;
        Ok(Self(cron))
    }

    /// The first time after `after` at which a clock in this time zone shows a time of the expression; none when there
    /// is no more. A time that the clock skips in spring is skipped, and one that it shows twice in autumn counts once,
    /// the first time.
    #[must_use]
    pub fn next(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let mut local = zone.to_datetime(after);
        loop {
            // The years end, or it asks for a day such as 30 February: both end croner's search.
            local = self.0.find_next_occurrence(&local, false).ok()?;
            let ambiguous = zone.to_ambiguous_timestamp(local);
            if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
                continue;
            }
            let at = ambiguous.earlier().ok()?;
            // In the second of two equal hours, the times of the first have passed.
            if at > after {
                return Some(at);
            }
        }
    }
}

/// A field in croner's spelling: numbers only, `a/n` with its end, and Sunday as 0.
fn translated(field: Field, place: usize, text: &str) -> Result<String, CronError> {
    let Field { what, first, last, .. } = field;
    let wrong = || {
        let wildcards = match place {
            DAY_OF_MONTH => ", - * / ? L W",
            DAY_OF_WEEK => ", - * ? L #",
            _ => ", - * /",
        };
        CronError(format!(
            "{text} is not valid for {what}: {first} to {last}{} and the wildcards {wildcards} are",
            match field.names {
                [from, .., to] => format!(", {from} to {to}"),
                _ => String::new(),
            }
        ))
    };
    // croner counts weekdays from 0.
    let shift = u16::from(place == DAY_OF_WEEK);
    let value = |text: &str| -> Option<u16> {
        let named = field.names.iter().position(|name| *name == text).and_then(|at| u16::try_from(at).ok());
        let number = match named {
            Some(at) => at + first,
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (first..=last).contains(&number).then(|| number - shift)
    };
    match (place, text) {
        (DAY_OF_MONTH | DAY_OF_WEEK, "?") => return Ok("*".to_owned()),
        (DAY_OF_MONTH, "L" | "LW") => return Ok(text.to_owned()),
        // The last day of a week is its Saturday.
        (DAY_OF_WEEK, "L") => return Ok("6".to_owned()),
        (DAY_OF_MONTH, _) if text.ends_with('W') => {
            let day = text.strip_suffix('W').and_then(value).ok_or_else(wrong)?;
            return Ok(format!("{day}W"));
        }
        (DAY_OF_WEEK, _) if text.ends_with('L') => {
            let day = text.strip_suffix('L').and_then(value).ok_or_else(wrong)?;
            return Ok(format!("{day}#L"));
        }
        (DAY_OF_WEEK, _) if text.contains('#') => {
            let (day, nth) = text.split_once('#').ok_or_else(wrong)?;
            let day = value(day).ok_or_else(wrong)?;
            let nth: u16 = nth.parse().ok().filter(|nth| (1..=5).contains(nth)).ok_or_else(wrong)?;
            return Ok(format!("{day}#{nth}"));
        }
        _ => {}
    }
    let item = |item: &str| -> Option<String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) if field.steps => {
                let step = step.parse::<u16>().ok().filter(|step| *step > 0)?;
                (range, Some(step))
            }
            Some(_) => return None,
            None => (item, None),
        };
        let (from, to) = match (range.split_once('-'), step) {
            (Some((from, to)), _) => (value(from)?, value(to)?),
            (None, _) if range == "*" => (first - shift, last - shift),
            // `0/15` is from 0 on to the end.
            (None, Some(_)) => (value(range)?, last - shift),
            (None, None) => (value(range)?, value(range)?),
        };
        match step {
            _ if from > to => None,
            Some(step) => Some(format!("{from}-{to}/{step}")),
            None if from == to => Some(from.to_string()),
            None => Some(format!("{from}-{to}")),
        }
    };
    // As it is, because croner takes days by the other field only where one of them is a star.
    if text == "*" {
        return Ok(if field.what == "year" { format!("{first}-{last}") } else { text.to_owned() });
    }
    let items: Option<Vec<String>> = text.split(',').map(item).collect();
    items.map(|items| items.join(",")).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(fields: &str, zone: &str, after: &str) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        Some(Cron::parse(fields).unwrap().next(&zone, after.parse().unwrap())?.to_string())
    }

    fn error(fields: &str) -> String {
        Cron::parse(fields).unwrap_err().to_string()
    }

    #[test]
    fn a_time_that_the_clock_skips_is_skipped_and_one_that_it_repeats_counts_once() {
        // 02:00 comes twice on 25 October, and not at all on 29 March.
        let berlin = |after| next("0 2 * * ? *", "Europe/Berlin", after).unwrap();
        assert_eq!(berlin("2026-03-28T12:00:00Z"), "2026-03-30T00:00:00Z");
        assert_eq!(berlin("2026-10-24T12:00:00Z"), "2026-10-25T00:00:00Z");
        assert_eq!(berlin("2026-10-25T00:00:00Z"), "2026-10-26T01:00:00Z");
        assert_eq!(berlin("2026-10-25T00:30:00Z"), "2026-10-26T01:00:00Z");
    }

    #[test]
    fn what_never_comes_has_no_next_time() {
        assert_eq!(next("0 0 30 2 ? *", "UTC", "2026-01-01T00:00:00Z"), None);
        assert_eq!(next("0 0 1 1 ? 2025", "UTC", "2026-01-01T00:00:00Z"), None);
        assert_eq!(
            next("0 0 31 12 ? 2199", "UTC", "2198-01-01T00:00:00Z").as_deref(),
            Some("2199-12-31T00:00:00Z")
        );
    }

    #[test]
    fn an_error_names_the_field_and_what_is_allowed() {
        assert!(error("0 3 * * *").contains("six fields"));
        assert!(error("0 25 * * ? *").contains("25 is not valid for hours: 0 to 23"));
        assert!(error("0 3 ? * FRI-MON *").contains("day of week: 1 to 7, SUN to SAT"));
        assert!(error("0 3 ? * * */0").contains("year"));
        assert!(error("0 3 ? * ? *").contains("exactly one"));
    }
}
