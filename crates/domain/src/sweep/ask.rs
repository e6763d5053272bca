//! What a sweep is asked to do: its arguments.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::pipelines::duration;

/// EventBridge tries to deliver an event for 24 hours; two more for the queues after it.
const SINCE: Duration = Duration::from_hours(26);

/// Events of versions put later than this are probably under way.
const UNTIL: Duration = Duration::from_mins(10);

/// What a sweep is asked to do. As JSON, it is what λ schedule is given by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ask {
    /// Of versions put from then on; 26 hours ago when it is not told.
    pub since: Option<Moment>,
    /// Of versions put until then; 10 minutes ago when it is not told.
    pub until: Option<Moment>,
    /// Of keys that begin with this, and with the watched prefix.
    pub prefix: Option<String>,
    /// Whether it only says what it would do.
    pub dry_run: bool,
}

/// A point in time, or how long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Moment {
    /// Then.
    At(Timestamp),
    /// So long ago.
    Ago(Duration),
}

/// From when until when. Neither is after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Itself included.
    pub since: Timestamp,
    /// Itself included.
    pub until: Timestamp,
}

/// What is wrong with the arguments.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Not an argument of a sweep.
    #[error("{0:?} is not known here; allowed: --since T, --until T, --prefix P, --dry-run")]
    Unknown(String),
    /// An argument without its value.
    #[error("{0} wants a value after it")]
    Missing(String),
    /// An argument that was given before.
    #[error("{0} is there twice")]
    Twice(String),
    /// No time.
    #[error(
        "{0:?} is no time: a moment such as 2026-11-21T12:00:00Z, or how long ago, such as 10m, 26h or 7d"
    )]
    Time(String),
    /// Nothing can be in between.
    #[error("since {since} is after until {until}: nothing is in between")]
    Backwards {
        /// From then on.
        since: Timestamp,
        /// Until then.
        until: Timestamp,
    },
}

impl Ask {
    /// Reads the arguments that follow `sweep`.
    ///
    /// # Errors
    /// [`AskError`]
    pub fn parse(arguments: &[String]) -> Result<Self, AskError> {
        let mut ask = Self::default();
        let mut seen = Vec::new();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if seen.contains(&name) {
                return Err(AskError::Twice(name.clone()));
            }
            seen.push(name);
            let mut value = || rest.next().ok_or_else(|| AskError::Missing(name.clone()));
            match &**name {
                "--since" => ask.since = Some(value()?.clone().try_into()?),
                "--until" => ask.until = Some(value()?.clone().try_into()?),
                "--prefix" => ask.prefix = Some(value()?.clone()),
                "--dry-run" => ask.dry_run = true,
                _ => return Err(AskError::Unknown(name.clone())),
            }
        }
        Ok(ask)
    }

    /// The arguments that say the same.
    #[must_use]
    pub fn to_arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut told = |name: &str, value: Option<String>| {
            arguments.extend(value.into_iter().flat_map(|value| [name.to_owned(), value]));
        };
        told("--since", self.since.map(|moment| moment.to_string()));
        told("--until", self.until.map(|moment| moment.to_string()));
        told("--prefix", self.prefix.clone());
        arguments.extend(self.dry_run.then(|| "--dry-run".to_owned()));
        arguments
    }

    /// From when until when, at this time.
    ///
    /// # Errors
    /// [`AskError::Backwards`]
    pub fn range(&self, now: Timestamp) -> Result<Range, AskError> {
        let since = self.since.unwrap_or(Moment::Ago(SINCE)).at(now);
        let until = self.until.unwrap_or(Moment::Ago(UNTIL)).at(now);
        if since > until { Err(AskError::Backwards { since, until }) } else { Ok(Range { since, until }) }
    }
}

impl Range {
    /// Whether this time is in it.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        (self.since..=self.until).contains(&at)
    }
}

impl Moment {
    /// The point in time, at this time.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl TryFrom<String> for Moment {
    type Error = AskError;

    fn try_from(text: String) -> Result<Self, AskError> {
        if let Some(ago) = duration(&text) {
            return Ok(Self::Ago(ago));
        }
        text.parse().map(Self::At).map_err(|_| AskError::Time(text))
    }
}

impl std::fmt::Display for Moment {
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

    fn parse(words: &str) -> Result<Ask, AskError> {
        Ask::parse(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_told_is_the_hourly_sweep() {
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
            let ask = parse(words).unwrap();
            assert_eq!(ask.to_arguments().join(" "), words);
            assert_eq!(Ask::parse(&ask.to_arguments()).unwrap(), ask);
        }
        assert_eq!(parse("--since 7d").unwrap().since, Some(Moment::Ago(Duration::from_hours(168))));
        let json = r#"{"since":"7d","prefix":"uploads/","dry_run":true}"#;
        assert_eq!(
            serde_json::from_str::<Ask>(json).unwrap(),
            parse("--since 7d --prefix uploads/ --dry-run").unwrap()
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let of = |words| parse(words).unwrap_err().to_string();
        assert!(of("--dryrun").contains("allowed: --since"));
        assert_eq!(of("--prefix"), "--prefix wants a value after it");
        assert_eq!(of("--since 1h --since 2h"), "--since is there twice");
        assert!(of("--since yesterday").contains("7d"));
        let backwards = parse("--since 5m").unwrap().range(at("2026-11-21T12:00:00Z"));
        assert!(matches!(backwards, Err(AskError::Backwards { .. })));
        assert!(serde_json::from_str::<Ask>(r#"{"snce":"7d"}"#).unwrap_err().to_string().contains("since"));
    }
}
