//! What the integers of an Avro file count: dates, times, durations.

use domain::record::Value;
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};

use super::schema::Unit;

/// What an integer stands for; none where it is beyond the calendar.
pub(super) fn in_words(unit: Unit, count: i64) -> Option<Value> {
    let moment = |per_second: i64| {
        let nanos = i128::from(count) * i128::from(1_000_000_000 / per_second);
        Timestamp::from_nanosecond(nanos).ok()
    };
    Some(match unit {
        Unit::Plain => Value::Number(count.to_string()),
        Unit::Date => {
            let days = i32::try_from(count).ok()?;
            let epoch = Date::constant(1970, 1, 1);
            Value::Text(epoch.checked_add(SignedDuration::from_hours(i64::from(days) * 24)).ok()?.to_string())
        }
        Unit::Time(per_second) => {
            let nanos = count.checked_mul(1_000_000_000 / per_second)?;
            (0..86_400_000_000_000).contains(&nanos).then_some(())?;
            Value::Text(Time::midnight().checked_add(nanos.nanoseconds()).ok()?.to_string())
        }
        Unit::Timestamp(per_second) => Value::Text(moment(per_second)?.to_string()),
        Unit::LocalTimestamp(per_second) => {
            Value::Text(TimeZone::UTC.to_datetime(moment(per_second)?).to_string())
        }
    })
}

/// A duration as ISO 8601 has it: `P1M2DT3.004S`.
pub(super) fn duration(months: u32, days: u32, millis: u32) -> String {
    let mut text = "P".to_owned();
    if months > 0 {
        text += &format!("{months}M");
    }
    if days > 0 {
        text += &format!("{days}D");
    }
    if millis > 0 || text.len() == 1 {
        let fraction = format!(".{:03}", millis % 1_000);
        let fraction = fraction.trim_end_matches(['0', '.']);
        text += &format!("T{}{fraction}S", millis / 1_000);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stand_for_dates_and_times() {
        for (unit, count, expected) in [
            (Unit::Date, 0, Some("1970-01-01")),
            (Unit::Date, -1, Some("1969-12-31")),
            (Unit::Date, 19_787, Some("2024-03-05")),
            (Unit::Date, 5_000_000, None),
            (Unit::Time(1_000), 28_800_250, Some("08:00:00.25")),
            (Unit::Time(1_000_000), 86_399_999_999, Some("23:59:59.999999")),
            (Unit::Time(1_000), 86_400_000, None),
            (Unit::Time(1_000), -1, None),
            (Unit::Timestamp(1_000), 1_709_625_620_356, Some("2024-03-05T08:00:20.356Z")),
            (Unit::Timestamp(1_000_000), -1, Some("1969-12-31T23:59:59.999999Z")),
            (Unit::Timestamp(1_000_000_000), 1, Some("1970-01-01T00:00:00.000000001Z")),
            (Unit::Timestamp(1_000), i64::MAX, None),
            (Unit::LocalTimestamp(1_000), 1_709_625_620_000, Some("2024-03-05T08:00:20")),
        ] {
            let expected = expected.map(|text| Value::Text(text.to_owned()));
            assert_eq!(in_words(unit, count), expected, "{unit:?} {count}");
        }
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(0, 0, 0), "PT0S");
        assert_eq!(duration(14, 3, 61_250), "P14M3DT61.25S");
        assert_eq!(duration(0, 0, 100), "PT0.1S");
        assert_eq!(duration(0, 0, 10_000), "PT10S");
    }
}
