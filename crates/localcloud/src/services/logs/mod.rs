//! The output of tasks and functions, kept per stream as CloudWatch Logs would keep it, and read back over the
//! same wire (`Logs_20140328`).
//!
//! A stream remembers its last `KEPT_LINES` lines and counts what it forgot, so that a chatty worker cannot
//! take the memory of the cloud. With a data folder, every line is also appended to a file per stream.

mod filter;
mod pattern;
pub(crate) mod required_actions;
pub(crate) mod resources;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use clock::Clock;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::wire::{ACCOUNT, ApiError, REGION};

/// How many lines a stream remembers: a long story, yet bounded.
const KEPT_LINES: usize = 10_000;

/// The longest line, as CloudWatch's events are bounded too (1 MiB there); the rest of a longer one is cut.
pub(crate) const LINE_BYTES: usize = 64 * 1024;

/// One line of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written.
    pub at: Timestamp,
    /// The line without its end.
    pub text: String,
}

/// One stream of output lines, such as one task's. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct LogStream(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Without one (a stream made by `default`), lines carry the epoch as their time.
    clock: Option<Clock>,
    metrics: Metrics,
    kept: Mutex<Kept>,
}

/// What makes metrics of lines that are in the embedded metric format, once there is something.
#[derive(Clone, Default)]
struct Metrics(Arc<OnceLock<Reader>>);

type Reader = Box<dyn Fn(&str) + Send + Sync>;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<Line>,
    forgotten: u64,
    file: Option<File>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogStream {
    fn with_file(clock: Clock, metrics: Metrics, file: Option<File>) -> Self {
        let kept = Mutex::new(Kept { file, ..Kept::default() });
        Self(Arc::new(Shared { clock: Some(clock), metrics, kept }))
    }

    /// Appends a line; one that holds line breaks becomes several.
    pub fn push(&self, text: &str) {
        let at = self.0.clock.map_or(Timestamp::UNIX_EPOCH, |clock| clock.now());
        let mut kept = lock(&self.0.kept);
        for text in text.lines() {
            let text = &text[..text.floor_char_boundary(LINE_BYTES)];
            // Looked for before anything is parsed: few lines are metrics.
            if let Some(read) = self.0.metrics.0.get().filter(|_| text.contains("\"_aws\"")) {
                read(text);
            }
            if kept.lines.len() == KEPT_LINES {
                kept.lines.pop_front();
                kept.forgotten += 1;
            }
            kept.lines.push_back(Line { at, text: text.to_owned() });
            let written = kept.file.as_mut().map(|file| writeln!(file, "{at} {text}"));
            if let Some(Err(error)) = written {
                // A full disk must not stop the task; its lines are still in memory.
                tracing::warn!(error = %error, "a log file takes no more lines; it is left as it is");
                kept.file = None;
            }
        }
    }

    /// The lines it remembers, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.0.kept).lines.iter().cloned().collect()
    }

    /// Its last `count` lines, oldest first.
    #[must_use]
    pub fn tail(&self, count: usize) -> Vec<Line> {
        let kept = lock(&self.0.kept);
        kept.lines.iter().skip(kept.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// How many lines it no longer remembers.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        lock(&self.0.kept).forgotten
    }
}

/// All streams, by group and name. Clones share them.
#[derive(Debug, Clone)]
pub struct Logs {
    clock: Clock,
    folder: Option<Arc<Path>>,
    metrics: Metrics,
    groups: Arc<Mutex<BTreeMap<String, Group>>>,
}

#[derive(Debug)]
struct Group {
    created: Timestamp,
    streams: BTreeMap<String, (Timestamp, LogStream)>,
}

impl Logs {
    /// No streams yet; with a folder, lines are also appended to files in it.
    #[must_use]
    pub fn new(clock: Clock, folder: Option<PathBuf>) -> Self {
        Self { clock, folder: folder.map(Arc::from), metrics: Metrics::default(), groups: Arc::default() }
    }

    /// Hands lines that may carry metrics to `read` from now on. Only the first call counts.
    pub fn read_metrics(&self, read: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.metrics.0.set(Box::new(read));
    }

    /// Makes a group that has no streams yet, as the template's `AWS::Logs::LogGroup` does.
    pub fn create_group(&self, group: &str) {
        let created = self.clock.now();
        lock(&self.groups).entry(group.to_owned()).or_insert(Group { created, streams: BTreeMap::new() });
    }

    /// The stream of that name, made if it is new, its group too.
    #[must_use]
    pub fn stream(&self, group: &str, name: &str) -> LogStream {
        self.create_group(group);
        let mut groups = lock(&self.groups);
        let Some(found) = groups.get_mut(group) else { return LogStream::default() };
        let (_, stream) = found.streams.entry(name.to_owned()).or_insert_with(|| {
            (self.clock.now(), LogStream::with_file(self.clock, self.metrics.clone(), self.file(group, name)))
        });
        stream.clone()
    }

    /// The last `count` lines of all streams, oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<Line> {
        let groups = lock(&self.groups);
        let streams = groups.values().flat_map(|group| group.streams.values());
        let mut lines: Vec<Line> = streams.flat_map(|(_, stream)| stream.tail(count)).collect();
        lines.sort_by_key(|line| line.at);
        lines.split_off(lines.len().saturating_sub(count))
    }

    fn file(&self, group: &str, name: &str) -> Option<File> {
        let folder = self.folder.as_ref()?.join(file_name(group));
        let path = folder.join(format!("{}.log", file_name(name)));
        let opened = std::fs::create_dir_all(&folder)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(&path));
        opened
            .inspect_err(|error| tracing::warn!(path = ?path, error = %error, "a log file cannot be opened"))
            .ok()
    }

    /// Answers a wire operation.
    ///
    /// # Errors
    /// What CloudWatch Logs refuses, with its code.
    pub async fn call(&self, operation: &str, input: Value) -> Result<Value, ApiError> {
        match operation {
            "GetLogEvents" => self.get_log_events(parse(input)?),
            "FilterLogEvents" => self.filter_log_events(input),
            "DescribeLogStreams" => self.describe_log_streams(parse(input)?),
            "DescribeLogGroups" => Ok(self.describe_log_groups(parse(input)?)),
            _ => Err(ApiError::unsupported("logs", operation)),
        }
    }

    fn get_log_events(&self, input: GetLogEvents) -> Result<Value, ApiError> {
        let limit = limit(input.limit, 10_000)?;
        let groups = lock(&self.groups);
        let group = find_group(&groups, input.log_group_name.as_deref())?;
        let name = input.log_stream_name.unwrap_or_default();
        let Some((_, stream)) = group.streams.get(&name) else {
            return Err(ApiError::client(
                "ResourceNotFoundException",
                "The specified log stream does not exist.",
            ));
        };
        let kept = lock(&stream.0.kept);
        let first = kept.forgotten;
        let from_head = input.start_from_head.unwrap_or(false) || input.next_token.is_some();
        let in_time = |line: &Line| {
            let at = line.at.as_millisecond();
            input.start_time.is_none_or(|start| at >= start) && input.end_time.is_none_or(|end| at < end)
        };
        // Positions count from the stream's first line ever, so a token stays right when old lines are forgotten.
        let chosen: Vec<(u64, &Line)> =
            (first..).zip(&kept.lines).filter(|(_, line)| in_time(line)).collect();
        let page: Vec<_> = match position(input.next_token.as_deref())? {
            Some(Token::Forward(at)) => chosen.into_iter().filter(|(n, _)| *n >= at).take(limit).collect(),
            Some(Token::Backward(at)) => last(chosen.into_iter().filter(|(n, _)| *n < at).collect(), limit),
            None if from_head => chosen.into_iter().take(limit).collect(),
            None => last(chosen, limit),
        };
        let (forward, backward) = match (page.first(), page.last(), position(input.next_token.as_deref())?) {
            (Some((begin, _)), Some((end, _)), _) => (end + 1, *begin),
            (_, _, Some(Token::Forward(at) | Token::Backward(at))) => (at, at),
            _ => (first, first),
        };
        let events: Vec<Value> = page
            .iter()
            .map(|(_, line)| {
                let at = line.at.as_millisecond();
                json!({ "timestamp": at, "message": line.text, "ingestionTime": at })
            })
            .collect();
        Ok(json!({
            "events": events,
            "nextForwardToken": format!("f/{forward:056}/s"),
            "nextBackwardToken": format!("b/{backward:056}/s"),
        }))
    }

    fn describe_log_streams(&self, input: DescribeLogStreams) -> Result<Value, ApiError> {
        let limit = limit(input.limit, 50)?.min(50);
        let groups = lock(&self.groups);
        let name = input.log_group_name.unwrap_or_default();
        let group = find_group(&groups, Some(&name))?;
        let prefix = input.log_stream_name_prefix.unwrap_or_default();
        let mut found: Vec<(&String, &(Timestamp, LogStream))> =
            group.streams.iter().filter(|(stream, _)| stream.starts_with(&prefix)).collect();
        let last_event =
            |stream: &LogStream| lock(&stream.0.kept).lines.back().map(|line| line.at.as_millisecond());
        if input.order_by.as_deref() == Some("LastEventTime") {
            if !prefix.is_empty() {
                let message = "Cannot order by LastEventTime with a logStreamNamePrefix.";
                return Err(ApiError::client("InvalidParameterException", message));
            }
            found.sort_by_key(|(_, (_, stream))| last_event(stream));
        }
        if input.descending.unwrap_or(false) {
            found.reverse();
        }
        let start: usize = input.next_token.as_deref().map_or(Ok(0), str::parse).map_err(|_| bad_token())?;
        let next = start.saturating_add(limit);
        let more = found.len() > next;
        let streams: Vec<Value> = found
            .into_iter()
            .skip(start)
            .take(limit)
            .map(|(stream_name, (created, stream))| {
                let mut shown = json!({
                    "logStreamName": stream_name,
                    "creationTime": created.as_millisecond(),
                    "arn": format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:log-stream:{stream_name}"),
                    "storedBytes": 0,
                });
                let kept = lock(&stream.0.kept);
                if let (Some(first), Some(last)) = (kept.lines.front(), kept.lines.back()) {
                    shown["firstEventTimestamp"] = json!(first.at.as_millisecond());
                    shown["lastEventTimestamp"] = json!(last.at.as_millisecond());
                    shown["lastIngestionTime"] = json!(last.at.as_millisecond());
                }
                shown
            })
            .collect();
        let mut answer = json!({ "logStreams": streams });
        if more {
            answer["nextToken"] = json!(next.to_string());
        }
        Ok(answer)
    }

    fn describe_log_groups(&self, input: DescribeLogGroups) -> Value {
        let prefix = input.log_group_name_prefix.unwrap_or_default();
        let groups: Vec<Value> = lock(&self.groups)
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(name, group)| {
                json!({
                    "logGroupName": name,
                    "creationTime": group.created.as_millisecond(),
                    "arn": format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"),
                })
            })
            .collect();
        json!({ "logGroups": groups })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetLogEvents {
    log_group_name: Option<String>,
    log_stream_name: Option<String>,
    limit: Option<i64>,
    start_from_head: Option<bool>,
    start_time: Option<i64>,
    end_time: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLogGroups {
    log_group_name_prefix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeLogStreams {
    log_group_name: Option<String>,
    log_stream_name_prefix: Option<String>,
    order_by: Option<String>,
    descending: Option<bool>,
    limit: Option<i64>,
    next_token: Option<String>,
}

enum Token {
    Forward(u64),
    Backward(u64),
}

fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    serde_json::from_value(input)
        .map_err(|error| ApiError::client("SerializationException", error.to_string()))
}

fn bad_token() -> ApiError {
    ApiError::client("InvalidParameterException", "The specified nextToken is invalid.")
}

fn position(token: Option<&str>) -> Result<Option<Token>, ApiError> {
    let Some(token) = token else { return Ok(None) };
    let number = |digits: &str| digits.strip_suffix("/s").unwrap_or(digits).parse().map_err(|_| bad_token());
    if let Some(digits) = token.strip_prefix("f/") {
        number(digits).map(|at| Some(Token::Forward(at)))
    } else if let Some(digits) = token.strip_prefix("b/") {
        number(digits).map(|at| Some(Token::Backward(at)))
    } else {
        Err(bad_token())
    }
}

fn last<T>(mut items: Vec<T>, count: usize) -> Vec<T> {
    items.split_off(items.len().saturating_sub(count))
}

fn limit(asked: Option<i64>, most: usize) -> Result<usize, ApiError> {
    let asked = asked.map_or(Some(most), |asked| usize::try_from(asked).ok());
    asked.filter(|asked| (1..=most).contains(asked)).ok_or_else(|| {
        ApiError::client("InvalidParameterException", format!("limit must be between 1 and {most}."))
    })
}

fn find_group<'a>(groups: &'a BTreeMap<String, Group>, name: Option<&str>) -> Result<&'a Group, ApiError> {
    groups.get(name.unwrap_or_default()).ok_or_else(|| {
        ApiError::client("ResourceNotFoundException", "The specified log group does not exist.")
    })
}

/// A name as one safe path component: no separators, nothing hidden.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.trim_matches(['/', '.']).chars().map(safe).collect()
}

#[cfg(test)]
mod tests;
