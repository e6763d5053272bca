//! Expressions and the times they mean: AWS's own examples, calendars' edges, and clocks that change.

use super::*;

fn zoned(text: &str, zone: &str) -> Expression {
    Expression::parse(text, zone).unwrap()
}

/// The first times after `after` of a schedule without dates, in its zone.
fn times(text: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let expression = zoned(text, zone);
    let created = time(after);
    let mut at = created;
    let mut times = Vec::new();
    while times.len() < count {
        let Some(next) = expression.next(created, (None, None), at) else { break };
        assert!(next > at, "{text} after {at} gives {next}");
        times.push(next.to_string());
        at = next;
    }
    times
}

#[test]
fn cron_means_what_aws_says() {
    // A Sunday.
    let after = "2026-03-01T08:30:00Z";
    for (fields, expected) in [
        ("0 10 * * ? *", ["2026-03-01T10:00:00Z", "2026-03-02T10:00:00Z"]),
        ("15 12 * * ? *", ["2026-03-01T12:15:00Z", "2026-03-02T12:15:00Z"]),
        ("0 18 ? * MON-FRI *", ["2026-03-02T18:00:00Z", "2026-03-03T18:00:00Z"]),
        ("0 8 1 * ? *", ["2026-04-01T08:00:00Z", "2026-05-01T08:00:00Z"]),
        ("0/15 * * * ? *", ["2026-03-01T08:45:00Z", "2026-03-01T09:00:00Z"]),
        ("5/20 9 * * ? *", ["2026-03-01T09:05:00Z", "2026-03-01T09:25:00Z"]),
        ("*/40 * * * ? *", ["2026-03-01T08:40:00Z", "2026-03-01T09:00:00Z"]),
        ("0/10 * ? * MON-FRI *", ["2026-03-02T00:00:00Z", "2026-03-02T00:10:00Z"]),
        ("0/5 8-17 ? * mon-fri *", ["2026-03-02T08:00:00Z", "2026-03-02T08:05:00Z"]),
        ("15 10 ? * 6L 2022-2027", ["2026-03-27T10:15:00Z", "2026-04-24T10:15:00Z"]),
        // 1 is Sunday, and 7 is Saturday.
        ("0 9 ? * 1 *", ["2026-03-01T09:00:00Z", "2026-03-08T09:00:00Z"]),
        ("0 9 ? * 7 *", ["2026-03-07T09:00:00Z", "2026-03-14T09:00:00Z"]),
        ("0 9 ? * L *", ["2026-03-07T09:00:00Z", "2026-03-14T09:00:00Z"]),
        ("0 9 ? * SUN,WED *", ["2026-03-01T09:00:00Z", "2026-03-04T09:00:00Z"]),
        ("0 9 ? * * *", ["2026-03-01T09:00:00Z", "2026-03-02T09:00:00Z"]),
        ("0 9 ? * 3#2 *", ["2026-03-10T09:00:00Z", "2026-04-14T09:00:00Z"]),
        ("0 9 ? * TUE#5 *", ["2026-03-31T09:00:00Z", "2026-06-30T09:00:00Z"]),
        ("0 9 L * ? *", ["2026-03-31T09:00:00Z", "2026-04-30T09:00:00Z"]),
        ("0 9 LW * ? *", ["2026-03-31T09:00:00Z", "2026-04-30T09:00:00Z"]),
        ("0 9 LW 5 ? *", ["2026-05-29T09:00:00Z", "2027-05-31T09:00:00Z"]),
        // The 15th of March is a Sunday, and 1 August a Saturday.
        ("0 9 15W * ? *", ["2026-03-16T09:00:00Z", "2026-04-15T09:00:00Z"]),
        ("0 9 1W AUG ? *", ["2026-08-03T09:00:00Z", "2027-08-02T09:00:00Z"]),
        ("0 0 29 2 ? *", ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
        ("0 0 31 * ? *", ["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"]),
        ("0 0 1 JAN/3 ? *", ["2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"]),
        ("0 0 1 1 ? 2027/10", ["2027-01-01T00:00:00Z", "2037-01-01T00:00:00Z"]),
        ("0,59 23-23 31 12 ? *", ["2026-12-31T23:00:00Z", "2026-12-31T23:59:00Z"]),
    ] {
        assert_eq!(times(&format!("cron({fields})"), "UTC", after, 2), expected, "{fields}");
    }
}

#[test]
fn a_cron_without_times_left_has_no_next() {
    assert!(times("cron(0 0 30 2 ? *)", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
    assert!(times("cron(0 0 1 1 ? 2025)", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
    assert_eq!(
        times("cron(0 0 31 12 ? *)", "UTC", "2198-12-30T00:00:00Z", 9),
        ["2198-12-31T00:00:00Z", "2199-12-31T00:00:00Z"]
    );
}

#[test]
fn a_time_the_clock_skips_is_skipped_and_one_it_repeats_counts_once() {
    // Berlin goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October.
    let berlin = "Europe/Berlin";
    assert_eq!(
        times("cron(30 2 * * ? *)", berlin, "2026-03-27T12:00:00Z", 3),
        ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]
    );
    assert_eq!(
        times("cron(30 2 * * ? *)", berlin, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    // Begun in the second of the two hours.
    assert_eq!(times("cron(30 2 * * ? *)", berlin, "2026-10-25T01:10:00Z", 1), ["2026-10-26T01:30:00Z"]);
    assert_eq!(
        times("cron(0 * * * ? *)", berlin, "2026-10-24T23:30:00Z", 3),
        ["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"]
    );
    // A day is 24 hours, whatever the wall says.
    assert_eq!(
        times("rate(1 day)", berlin, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T12:00:00Z", "2026-03-30T12:00:00Z"]
    );
    assert_eq!(
        times("at(2026-07-01T09:00:00)", "America/New_York", "2026-03-01T00:00:00Z", 2),
        ["2026-07-01T13:00:00Z"]
    );
}

#[test]
fn rates_count_from_their_start_and_dates_bound_all_but_at() {
    let created = time("2026-03-01T08:30:00Z");
    let next = |text: &str, dates: (Option<&str>, Option<&str>), after: &str| {
        let (start, end) = (dates.0.map(time), dates.1.map(time));
        zoned(text, "UTC").next(created, (start, end), time(after)).map(|at| at.to_string())
    };
    let now = "2026-03-01T08:30:00Z";
    let at = |text: &str| Some(text.to_owned());
    assert_eq!(next("rate(90 minutes)", (None, None), now), at("2026-03-01T10:00:00Z"));
    assert_eq!(next("rate(2 hours)", (None, None), "2026-03-01T10:30:00Z"), at("2026-03-01T12:30:00Z"));
    let started = (Some("2026-03-01T00:00:00Z"), None);
    assert_eq!(next("rate(5 hours)", started, now), at("2026-03-01T10:00:00Z"));
    let starts = (Some("2026-04-01T00:00:00Z"), None);
    assert_eq!(next("rate(5 hours)", starts, now), at("2026-04-01T00:00:00Z"));
    assert_eq!(next("cron(0 0 * * ? *)", starts, now), at("2026-04-01T00:00:00Z"));
    assert_eq!(next("at(2026-03-02T00:00:00)", starts, now), at("2026-03-02T00:00:00Z"));
    let ends = (None, Some("2026-03-02T00:00:00Z"));
    assert_eq!(next("cron(0 0 * * ? *)", ends, now), None);
    assert_eq!(next("rate(1 hour)", ends, "2026-03-01T22:30:00Z"), at("2026-03-01T23:30:00Z"));
    assert_eq!(next("rate(1 hour)", ends, "2026-03-01T23:30:00Z"), None);
    assert_eq!(next("rate(4294967295 days)", (None, None), now), None);
}

#[test]
fn what_is_no_expression_is_refused_with_what_is() {
    for (text, part) in [
        ("", "is not a schedule expression"),
        ("hourly", "is not a schedule expression"),
        ("cron(0 * * * ? *", "is not a schedule expression"),
        ("rate(1)", "rate(value unit)"),
        ("rate(0 hours)", "rate(value unit)"),
        ("rate(1.5 hours)", "rate(value unit)"),
        ("rate(+1 hours)", "rate(value unit)"),
        ("rate(1 week)", "minutes, hours or days"),
        ("rate(99999999999 days)", "rate(value unit)"),
        ("at(2026-13-01T00:00:00)", "at(yyyy-mm-ddThh:mm:ss)"),
        ("at(2026-01-01 00:00:00)", "at(yyyy-mm-ddThh:mm:ss)"),
        ("at(2026-01-01T00:00:00Z)", "at(yyyy-mm-ddThh:mm:ss)"),
        ("cron(0 * * * *)", "must have six fields"),
        ("cron(0 * * * ? * *)", "must have six fields"),
        ("cron(0 * * * * *)", "? in exactly one"),
        ("cron(0 * ? * ? *)", "? in exactly one"),
        ("cron(0 9 1 * MON *)", "? in exactly one"),
        ("cron(60 * * * ? *)", "60 is not valid for minutes: 0 to 59"),
        ("cron(0 24 * * ? *)", "not valid for hours"),
        ("cron(0 0 0 * ? *)", "not valid for day of month"),
        ("cron(0 0 1 13 ? *)", "1 to 12, JAN to DEC"),
        ("cron(0 0 ? * 0 *)", "1 to 7, SUN to SAT"),
        ("cron(0 0 ? * 8 *)", "not valid for day of week"),
        ("cron(0 0 ? * FRI-MON *)", "not valid for day of week"),
        ("cron(0 0 ? * 2/2 *)", "not valid for day of week"),
        ("cron(0 0 ? * 3#6 *)", "not valid for day of week"),
        ("cron(0 0 ? * 3#1,6#3 *)", "not valid for day of week"),
        ("cron(0 0 L,15 * ? *)", "not valid for day of month"),
        ("cron(0 0 1 * ? 1969)", "1970 to 2199"),
        ("cron(0/0 * * * ? *)", "not valid for minutes"),
        ("cron(/5 * * * ? *)", "not valid for minutes"),
        ("cron(1, * * * ? *)", "not valid for minutes"),
        ("cron(@ * * * ? *)", "not valid for minutes"),
    ] {
        let error = Expression::parse(text, "UTC").unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
    let error = Expression::parse("rate(1 hour)", "Mars/Olympus").unwrap_err().to_string();
    assert!(error.contains("not a time zone of the IANA database"), "{error}");
    for text in ["at(2026-01-01T00:00:00)", "rate(1 hours)", "rate(2 hour)"] {
        assert!(Expression::of_rule(text).unwrap_err().to_string().contains("rate(1 minute|hour|day)"));
        assert!(Expression::parse(text, "UTC").is_ok());
    }
    assert_eq!(Expression::of_rule("rate(1 hour)").unwrap().as_str(), "rate(1 hour)");
    assert!(
        Expression::of_rule("rate(10 minutes)").is_ok() && Expression::of_rule("cron(0 1 * * ? *)").is_ok()
    );
}
