//! The arguments of a sweep.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::pipelines::duration;

/// EventBridge retries an event for 24 hours; two more for the queues after it.
const SINCE: Duration = Duration::from_hours(26);

/// Events of versions that are newer than this are probably on their way.
const UNTIL: Duration = Duration::from_mins(10);

/// The arguments of a sweep. The JSON form is the event that starts a sweep through λ schedule by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SweepRequest {
    /// Considers versions from this time on; defaults to 26 hours ago.
    pub since: Option<TimeArg>,
    /// Considers versions up to this time; defaults to 10 minutes ago.
    pub until: Option<TimeArg>,
    /// Considers keys that begin with this prefix and with the watched one.
    pub prefix: Option<String>,
    /// Only logs what it would do.
    pub dry_run: bool,
}

/// A time argument: a timestamp, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum TimeArg {
    /// At this timestamp.
    At(Timestamp),
    /// This long before now.
    Ago(Duration),
}

/// A range of time; `since` is not after `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The beginning of the range, inclusive.
    pub since: Timestamp,
    /// The end of the range, inclusive.
    pub until: Timestamp,
}

/// Why the arguments are invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SweepRequestError {
    /// The argument does not exist.
    #[error("unknown argument {0:?}; allowed: --since T, --until T, --prefix P, --dry-run")]
    Unknown(String),
    /// The argument has no value.
    #[error("{0} needs a value")]
    Missing(String),
    /// The argument is given twice.
    #[error("{0} is given twice")]
    Twice(String),
    /// The value is not a time.
    #[error(
        "{0:?} is not a time; allowed: a timestamp such as 2026-11-21T12:00:00Z, or how long ago, such as 10m, 26h or 7d"
    )]
    Time(String),
    /// The range is empty.
    #[error("since ({since}) is after until ({until})")]
    Backwards {
        /// The beginning that was asked for.
        since: Timestamp,
        /// The end that was asked for, which is not later.
        until: Timestamp,
    },
}

impl SweepRequest {
    /// Reads the arguments that follow `sweep`.
    ///
    /// # Errors
    /// [`SweepRequestError`]
    pub fn parse(arguments: &[String]) -> Result<Self, SweepRequestError> {
        let mut request = Self::default();
        let mut seen = Vec::new();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if seen.contains(&name) {
                return Err(SweepRequestError::Twice(name.clone()));
            }
            seen.push(name);
            let mut value = || rest.next().ok_or_else(|| SweepRequestError::Missing(name.clone()));
            match &**name {
                "--since" => request.since = Some(value()?.clone().try_into()?),
                "--until" => request.until = Some(value()?.clone().try_into()?),
                "--prefix" => request.prefix = Some(value()?.clone()),
                "--dry-run" => request.dry_run = true,
                _ => return Err(SweepRequestError::Unknown(name.clone())),
            }
        }
        Ok(request)
    }

    /// The same request as arguments.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        add("--since", self.since.map(|moment| moment.to_string()));
        add("--until", self.until.map(|moment| moment.to_string()));
        add("--prefix", self.prefix.clone());
        arguments.extend(self.dry_run.then(|| "--dry-run".to_owned()));
        arguments
    }

    /// The range of time of a sweep that starts at `now`.
    ///
    /// # Errors
    /// [`SweepRequestError::Backwards`]
    pub fn range(&self, now: Timestamp) -> Result<Range, SweepRequestError> {
        let since = self.since.unwrap_or(TimeArg::Ago(SINCE)).at(now);
        let until = self.until.unwrap_or(TimeArg::Ago(UNTIL)).at(now);
        if since > until {
            Err(SweepRequestError::Backwards { since, until })
        } else {
            Ok(Range { since, until })
        }
    }
}

impl Range {
    /// Whether the range contains this time.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        (self.since..=self.until).contains(&at)
    }
}

impl TimeArg {
    /// The timestamp that this argument means at `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl TryFrom<String> for TimeArg {
    type Error = SweepRequestError;

    fn try_from(text: String) -> Result<Self, SweepRequestError> {
        if let Some(ago) = duration(&text) {
            return Ok(Self::Ago(ago));
        }
        text.parse().map(Self::At).map_err(|_| SweepRequestError::Time(text))
    }
}

impl std::fmt::Display for TimeArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(at) => write!(f, "{at}"),
            Self::Ago(duration) => write!(f, "{}s", duration.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<SweepRequest, SweepRequestError> {
        SweepRequest::parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn without_arguments_it_is_the_hourly_sweep() {
        let range = parse("").unwrap().range(at("2026-11-21T12:00:00Z")).unwrap();
        assert_eq!(range, Range { since: at("2026-11-20T10:00:00Z"), until: at("2026-11-21T11:50:00Z") });
        assert!(range.holds(range.since) && range.holds(range.until));
        assert!(!range.holds(at("2026-11-21T11:50:01Z")));
    }

    #[test]
    fn arguments_are_read_and_written_alike() {
        for words in
            ["", "--since 2026-01-01T00:00:00Z --until 600s --prefix uploads/a --dry-run", "--since 604800s"]
        {
            let request = parse(words).unwrap();
            assert_eq!(request.to_arguments().join(" "), words);
            assert_eq!(SweepRequest::parse(&request.to_arguments()).unwrap(), request);
        }
        assert_eq!(parse("--since 7d").unwrap().since, Some(TimeArg::Ago(Duration::from_hours(168))));
        let json = r#"{"since":"7d","prefix":"uploads/","dry_run":true}"#;
        assert_eq!(
            serde_json::from_str::<SweepRequest>(json).unwrap(),
            parse("--since 7d --prefix uploads/ --dry-run").unwrap()
        );
    }

    #[test]
    fn errors_name_the_argument() {
        let of = |words| parse(words).unwrap_err().to_string();
        assert!(of("--dryrun").contains("allowed: --since"));
        assert_eq!(of("--prefix"), "--prefix needs a value");
        assert_eq!(of("--since 1h --since 2h"), "--since is given twice");
        assert!(of("--since yesterday").contains("7d"));
        let backwards = parse("--since 5m").unwrap().range(at("2026-11-21T12:00:00Z"));
        assert!(matches!(backwards, Err(SweepRequestError::Backwards { .. })));
        assert!(
            serde_json::from_str::<SweepRequest>(r#"{"snce":"7d"}"#)
                .unwrap_err()
                .to_string()
                .contains("since")
        );
    }
}
