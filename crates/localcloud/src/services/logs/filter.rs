//! `FilterLogEvents`: the lines of a group that a pattern finds, over all its streams, by time.

use std::{cmp::Ordering, ops::Bound};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Group, Logs, bad_token, find_group, limit, lock, parse, pattern::Pattern};
use crate::wire::ApiError;

/// The most streams that a call may name.
const MOST_STREAMS: usize = 100;

/// The most events in an answer.
const MOST_EVENTS: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FilterLogEvents {
    log_group_name: Option<String>,
    log_group_identifier: Option<String>,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    filter_pattern: Option<String>,
    limit: Option<i64>,
    next_token: Option<String>,
}

/// Where an event stands among all: by its time, then by its stream, then by its place in the stream.
type Place = (i64, String, u64);

impl Logs {
    pub(super) fn filter_log_events(&self, input: Value) -> Result<Value, ApiError> {
        let input: FilterLogEvents = parse(input)?;
        let most = limit(input.limit, MOST_EVENTS)?;
        let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())?;
        let after = input.next_token.as_deref().map(place).transpose()?;
        let name = input.log_group_name.as_deref().or(input.log_group_identifier.as_deref());
        let groups = lock(&self.groups);
        let group = find_group(&groups, name)?;
        let streams = chosen(group, &input)?;
        let in_time = |at: i64| {
            input.start_time.is_none_or(|start| at >= start) && input.end_time.is_none_or(|end| at <= end)
        };
        let mut found = Vec::new();
        for stream in streams {
            let Some((_, lines)) = group.streams.get(stream) else { continue };
            let kept = lock(&lines.0.kept);
            for (n, line) in (kept.forgotten..).zip(&kept.lines) {
                let at = line.at.as_millisecond();
                let is_next =
                    after.as_ref().is_none_or(|after| order((at, stream, n), after) == Ordering::Greater);
                if is_next && in_time(at) && pattern.finds(&line.text) {
                    found.push((at, stream, n, line.text.clone()));
                }
            }
        }
        found.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
        let more = found.len() > most;
        found.truncate(most);
        let events: Vec<Value> = found
            .iter()
            .map(|(at, stream, n, text)| {
                json!({
                    "logStreamName": stream,
                    "timestamp": at,
                    "message": text,
                    "ingestionTime": at,
                    "eventId": format!("{at:020}{n:020}"),
                })
            })
            .collect();
        let mut answer = json!({ "events": events, "searchedLogStreams": [] });
        if let Some((at, stream, n, _)) = found.last().filter(|_| more) {
            answer["nextToken"] = json!(format!("{at}/{n}/{stream}"));
        }
        Ok(answer)
    }
}

/// The names of the streams that the call is about.
fn chosen<'g>(group: &'g Group, input: &FilterLogEvents) -> Result<Vec<&'g str>, ApiError> {
    let invalid = |message: &str| ApiError::client("InvalidParameterException", message);
    match (&input.log_stream_names, &input.log_stream_name_prefix) {
        (Some(_), Some(_)) => {
            Err(invalid("logStreamNames and logStreamNamePrefix cannot be given together."))
        }
        (Some(names), None) if names.is_empty() || names.len() > MOST_STREAMS => {
            Err(invalid(&format!("logStreamNames must name between 1 and {MOST_STREAMS} streams.")))
        }
        (Some(names), None) => names
            .iter()
            .map(|name| match group.streams.get_key_value(name) {
                Some((name, _)) => Ok(name.as_str()),
                None => {
                    let message = "The specified log stream does not exist.";
                    Err(ApiError::client("ResourceNotFoundException", message))
                }
            })
            .collect(),
        (None, Some(prefix)) => {
            let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
            let names = group.streams.range::<str, _>(from).map(|(name, _)| name.as_str());
            Ok(names.take_while(|name| name.starts_with(prefix.as_str())).collect())
        }
        (None, None) => Ok(group.streams.keys().map(String::as_str).collect()),
    }
}

fn order((at, stream, n): (i64, &str, u64), other: &Place) -> Ordering {
    (at, stream, n).cmp(&(other.0, other.1.as_str(), other.2))
}

/// The event that the page before ended with.
fn place(token: &str) -> Result<Place, ApiError> {
    let mut parts = token.splitn(3, '/');
    let (at, n, stream) = (parts.next(), parts.next(), parts.next());
    let at = at.and_then(|at| at.parse().ok()).ok_or_else(bad_token)?;
    let n = n.and_then(|n| n.parse().ok()).ok_or_else(bad_token)?;
    Ok((at, stream.ok_or_else(bad_token)?.to_owned(), n))
}
