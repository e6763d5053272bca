//! The decision: from datapoints, present and missing, to a state and its reason.
//!
//! As the guide has it in "Configuring how CloudWatch alarms treat missing data"
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>), whose tables are
//! the tests: more periods than N are looked at, and where N of them have data, the missing ones do not matter.

use jiff::Timestamp;

use super::alarm::{Alarm, MissingData, State};

/// How many periods more than N are evaluated. AWS does not say how many for which alarm; its tables have two.
pub(super) const MORE_PERIODS: usize = 2;

/// A period's datapoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Datapoint {
    /// When its period began.
    pub(super) from: Timestamp,
    pub(super) value: f64,
    /// Of how many samples it is made.
    pub(super) samples: usize,
}

/// The outcome of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) state: State,
    pub(super) reason: String,
    /// The datapoints it rests on, the newest first.
    pub(super) datapoints: Vec<Datapoint>,
}

/// The state an alarm that is in `current` goes to, or stays in, by `window`: the datapoints of the latest
/// N + [`MORE_PERIODS`] periods, the newest first, none where data is missing.
pub(super) fn evaluate(alarm: &Alarm, window: &[Option<Datapoint>], current: State) -> Verdict {
    let (n, m) = (alarm.evaluation_periods, alarm.datapoints_to_alarm);
    let datapoints: Vec<Datapoint> = window.iter().flatten().take(n).copied().collect();
    let missing = n - datapoints.len();
    let breaching = datapoints.iter().filter(|it| alarm.breaches(it.value)).count();
    let or_ok = |alarms: bool| if alarms { State::Alarm } else { State::Ok };
    let state = match alarm.missing_data {
        _ if missing == 0 => or_ok(breaching >= m),
        MissingData::Breaching => or_ok(breaching + missing >= m),
        MissingData::NotBreaching => or_ok(breaching >= m),
        MissingData::Missing if datapoints.is_empty() => State::InsufficientData,
        MissingData::Missing | MissingData::Ignore if breaching >= m => State::Alarm,
        MissingData::Missing | MissingData::Ignore if breaching < datapoints.len() => State::Ok,
        // All there is breaches, and it is not enough. It never will be more once the oldest is M periods old.
        MissingData::Missing if oldest_age(window) >= m => State::Alarm,
        MissingData::Missing | MissingData::Ignore => current,
    };
    let reason = reason(alarm, state, current, &datapoints, missing);
    Verdict { state, reason, datapoints }
}

/// How many periods ago the oldest datapoint's began.
fn oldest_age(window: &[Option<Datapoint>]) -> usize {
    window.iter().rposition(Option::is_some).map_or(0, |index| index + 1)
}

/// In CloudWatch's words, which people and their mail filters know.
fn reason(alarm: &Alarm, to: State, from: State, datapoints: &[Datapoint], missing: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    let (n, m) = (alarm.evaluation_periods, alarm.datapoints_to_alarm);
    if to == State::InsufficientData {
        let were = if missing == 1 { "was" } else { "were" };
        return format!("Insufficient Data: {missing} datapoint{} {were} unknown.", plural(missing));
    }
    let treated = match alarm.missing_data {
        MissingData::Breaching => Some("[Breaching]"),
        MissingData::NotBreaching => Some("[NonBreaching]"),
        MissingData::Missing | MissingData::Ignore => None,
    };
    if datapoints.is_empty() {
        let were = if missing == 1 { "was" } else { "were" };
        return format!(
            "Threshold Crossed: no datapoints were received for {missing} period{} and {missing} missing datapoint{} \
             {were} treated as {}.",
            plural(missing),
            plural(missing),
            treated.unwrap_or("[Missing]"),
        );
    }
    let proving: Vec<String> = datapoints
        .iter()
        .filter(|it| alarm.breaches(it.value) == (to == State::Alarm))
        .map(|it| format!("{:?} ({})", it.value, it.from.strftime("%d/%m/%y %H:%M:%S")))
        .collect();
    let not = if to == State::Alarm { "" } else { "not " };
    // To be OK, enough of them that M can no longer breach.
    let least = if to == State::Alarm { m } else { n - m + 1 };
    format!(
        "Threshold Crossed: {} out of the last {n} datapoints [{}] {} {not}{} the threshold ({:?}){} (minimum {least} \
         datapoint{} for {} -> {} transition).",
        proving.len(),
        proving.join(", "),
        if proving.len() == 1 { "was" } else { "were" },
        alarm.comparison.words(),
        alarm.threshold,
        treated.filter(|_| missing > 0).map_or_else(String::new, |treated| format!(
            " and {missing} missing datapoint{} treated as {treated}",
            if missing == 1 { " was" } else { "s were" }
        )),
        plural(least),
        from.as_str(),
        to.as_str(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::cloudwatch::tests::alarm;

    /// `0` is within the threshold, `X` beyond it, `-` missing; the newest last, as in the guide.
    fn window(text: &str) -> Vec<Option<Datapoint>> {
        let cells = text.split(' ').rev().enumerate().map(|(age, cell)| {
            let from = Timestamp::from_second(1_570_035_540 - 60 * age as i64).unwrap();
            let value = match cell {
                "X" => 60.0,
                "0" => 0.5,
                _ => return None,
            };
            Some(Datapoint { from, value, samples: 1 })
        });
        cells.collect()
    }

    fn three(m: usize, missing_data: MissingData) -> Alarm {
        Alarm { evaluation_periods: 3, datapoints_to_alarm: m, missing_data, threshold: 50.0, ..alarm("a") }
    }

    const TREATMENTS: [MissingData; 4] =
        [MissingData::Missing, MissingData::Ignore, MissingData::Breaching, MissingData::NotBreaching];

    /// One row of the guide's tables: the states by treatment, none for "retain current state".
    fn check(m: usize, text: &str, expected: [Option<State>; 4]) {
        for current in [State::Ok, State::Alarm, State::InsufficientData] {
            for (treatment, expected) in TREATMENTS.into_iter().zip(expected) {
                let state = evaluate(&three(m, treatment), &window(text), current).state;
                assert_eq!(state, expected.unwrap_or(current), "{m} of 3, {text}, {treatment:?}");
            }
        }
    }

    const OK: Option<State> = Some(State::Ok);
    const ALARM: Option<State> = Some(State::Alarm);
    const UNKNOWN: Option<State> = Some(State::InsufficientData);

    #[test]
    fn the_guides_table_for_three_of_three() {
        check(3, "0 - X - X", [OK, OK, OK, OK]);
        check(3, "- - - - 0", [OK, OK, OK, OK]);
        check(3, "- - - - -", [UNKNOWN, None, ALARM, OK]);
        check(3, "0 X X - X", [ALARM, ALARM, ALARM, ALARM]);
        check(3, "- - X - -", [ALARM, None, ALARM, OK]);
    }

    #[test]
    fn the_guides_table_for_two_of_three() {
        check(2, "0 - X - X", [ALARM, ALARM, ALARM, ALARM]);
        check(2, "0 0 X 0 X", [ALARM, ALARM, ALARM, ALARM]);
        check(2, "0 - X - -", [OK, OK, ALARM, OK]);
        check(2, "- - - - 0", [OK, OK, ALARM, OK]);
        check(2, "- - - X -", [ALARM, None, ALARM, OK]);
    }

    #[test]
    fn a_first_breach_after_a_gap_waits_for_more() {
        for text in ["- - - - X", "- - - X -"] {
            check(3, text, [None, None, ALARM, OK]);
        }
    }

    #[test]
    fn reasons_are_in_cloudwatchs_words() {
        let one = Alarm { threshold: 50.0, ..alarm("a") };
        let reason = |alarm: &Alarm, text, current| evaluate(alarm, &window(text), current).reason;
        assert_eq!(
            reason(&one, "- - X", State::Ok),
            "Threshold Crossed: 1 out of the last 1 datapoints [60.0 (02/10/19 16:59:00)] was greater than the threshold \
             (50.0) (minimum 1 datapoint for OK -> ALARM transition)."
        );
        assert_eq!(
            reason(&one, "- - 0", State::Alarm),
            "Threshold Crossed: 1 out of the last 1 datapoints [0.5 (02/10/19 16:59:00)] was not greater than the \
             threshold (50.0) (minimum 1 datapoint for ALARM -> OK transition)."
        );
        assert_eq!(
            reason(&three(2, MissingData::Missing), "X 0 X", State::Ok),
            "Threshold Crossed: 2 out of the last 3 datapoints [60.0 (02/10/19 16:59:00), 60.0 (02/10/19 16:57:00)] were \
             greater than the threshold (50.0) (minimum 2 datapoints for OK -> ALARM transition)."
        );
        assert_eq!(reason(&one, "- - -", State::Ok), "Insufficient Data: 1 datapoint was unknown.");
        let quiet = Alarm { missing_data: MissingData::NotBreaching, ..one };
        assert_eq!(
            reason(&quiet, "- - -", State::InsufficientData),
            "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as \
             [NonBreaching]."
        );
    }
}
