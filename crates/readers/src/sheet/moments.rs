//! Dates and times of a sheet, as ISO 8601 has them.

use std::fmt::Write;

use calamine::ExcelDateTime;

/// What a program shows for a date that is none.
const NO_DATE: &str = "#NUM!";

/// The day after the last one that there is, 9999-12-31.
const DAYS: f64 = 2_958_466.0;

/// The most milliseconds of a duration.
const LONGEST: f64 = 1e15;

/// A date, a time, both or a duration; an error where there is no such day.
pub(super) fn text(moment: &ExcelDateTime) -> String {
    let days = moment.as_f64();
    if moment.is_duration() {
        return duration(days);
    }
    let (year, month, day, hour, minute, second, milli) = moment.to_ymd_hms_milli();
    // Excel's 1900 is a leap year, which that of the calendar is not.
    if !(0.0..DAYS).contains(&days) || (year, month, day) == (1900, 2, 29) {
        return NO_DATE.to_owned();
    }
    let is_time = days < 1.0;
    let mut text = if is_time { String::new() } else { format!("{year:04}-{month:02}-{day:02}") };
    if is_time || (hour, minute, second, milli) != (0, 0, 0, 0) {
        let sign = if is_time { "" } else { "T" };
        add(&mut text, format_args!("{sign}{hour:02}:{minute:02}:{second:02}"));
        add_millis(&mut text, milli.into());
    }
    text
}

/// A duration in hours, minutes and seconds.
fn duration(days: f64) -> String {
    let millis = (days.abs() * 86_400_000.0).round();
    if !(0.0..LONGEST).contains(&millis) {
        return NO_DATE.to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number of this range"
    )]
    let millis = millis as u64;
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
    let mut text = if days < 0.0 && millis > 0 { "-PT".to_owned() } else { "PT".to_owned() };
    for (count, unit) in [(hours, "H"), (minutes, "M")] {
        if count > 0 {
            add(&mut text, format_args!("{count}{unit}"));
        }
    }
    if seconds > 0 || !millis.is_multiple_of(1_000) || millis == 0 {
        add(&mut text, format_args!("{seconds}"));
        add_millis(&mut text, millis % 1_000);
        text.push('S');
    }
    text
}

/// The milliseconds behind the seconds, without zeros at their end.
fn add_millis(text: &mut String, millis: u64) {
    if millis > 0 {
        text.push_str(format!(".{millis:03}").trim_end_matches('0'));
    }
}

fn add(text: &mut String, part: std::fmt::Arguments<'_>) {
    // A text takes everything.
    let _ = text.write_fmt(part);
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn moments_are_written_as_iso_8601_has_them() {
        for (value, kind, is_1904, expected) in [
            (46082.0, DateTime, false, "2026-03-01"),
            (44620.0, DateTime, true, "2026-03-01"),
            (46082.5, DateTime, false, "2026-03-01T12:00:00"),
            (45943.541, DateTime, false, "2025-10-13T12:59:02.4"),
            (0.25, DateTime, false, "06:00:00"),
            (0.0, DateTime, false, "00:00:00"),
            (1.0, DateTime, false, "1900-01-01"),
            (59.0, DateTime, false, "1900-02-28"),
            (60.0, DateTime, false, "#NUM!"),
            (61.0, DateTime, false, "1900-03-01"),
            (-1.0, DateTime, false, "#NUM!"),
            (2_958_465.0, DateTime, false, "9999-12-31"),
            (2_958_466.0, DateTime, false, "#NUM!"),
            (f64::NAN, DateTime, false, "#NUM!"),
            (1.5, TimeDelta, false, "PT36H"),
            (0.0, TimeDelta, false, "PT0S"),
            (-0.5, TimeDelta, false, "-PT12H"),
            (0.000_028_935_185, TimeDelta, false, "PT2.5S"),
            (1e300, TimeDelta, false, "#NUM!"),
        ] {
            assert_eq!(text(&ExcelDateTime::new(value, kind, is_1904)), expected, "{value}");
        }
    }
}
