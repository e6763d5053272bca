//! Pipelines: which objects are taken, and how each is read, keyed and run; and what runs by the clock.
//!
//! `pipelines.toml` is read once ([`Pipelines::parse`]) into types that cannot be wrong; after that
//! [`Pipelines::route`] answers for every object. The pipeline an object got is stored, resolved, in
//! its job as JSON, so that a replay next month means what it meant today.

mod column_type;
mod command;
mod deletion;
mod delimited;
mod entry;
mod fingerprint;
mod key;
mod nearest;
mod on_delete;
mod preset;
mod problem;
mod read;
mod schedule;
#[cfg(test)]
mod tests;
mod version;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::destination::{Destination, Prefix, TableDefinition};
use crate::drift::OnDrift;
use crate::fargate::Size;
use pricing::Dollars;

pub use crate::text::duration;
pub use column_type::ColumnType;
pub use command::Command;
pub use delimited::{
    DEFAULT_MAX_REJECTED, DEFAULT_MAX_REPAIRED, Delimited, ENCODINGS, ExtraColumns, Header, NO_DELIMITER,
    Names, ShortRows, Sign,
};
pub use entry::Entry;
pub use key::{KeyTemplate, KeyTemplateError, MissingColumn};
pub use on_delete::OnDelete;
pub use preset::{Preset, PresetLayout, PresetNames, PresetTable, Quotes};
pub use problem::{PipelinesError, Problem};
pub use schedule::{Hours, HoursError, Run, Schedule, due};

use version::Version;

/// All pipelines, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pipelines {
    ignored: Vec<Match>,
    pipelines: Vec<Pipeline>,
    schedules: Vec<Schedule>,
    tables: Vec<TableDefinition>,
}

impl Pipelines {
    /// The first pipeline that takes the object, if any does and the file does not say to ignore it.
    ///
    /// An object of unknown size is taken by no pipeline with a size bound: see [`Self::needs_size`].
    #[must_use]
    pub fn route(&self, key: &str, size: Option<u64>) -> Option<&Pipeline> {
        if self.ignored.iter().any(|ignored| ignored.takes(key, size)) {
            return None;
        }
        self.pipelines.iter().find(|pipeline| pipeline.matches.takes(key, size))
    }

    /// Whether the route of this key depends on the object's size. An event may come without one;
    /// then the caller must ask S3 before it may trust [`Self::route`].
    #[must_use]
    pub fn needs_size(&self, key: &str) -> bool {
        let ignored = self.ignored.iter().find(|ignored| ignored.takes_name(key));
        let taken =
            self.pipelines.iter().map(|pipeline| &pipeline.matches).find(|taken| taken.takes_name(key));
        [ignored, taken].into_iter().flatten().any(Match::bounds_size)
    }

    /// The pipeline of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Pipeline> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }

    /// The schedules of the file.
    #[must_use]
    pub fn schedules(&self) -> &[Schedule] {
        &self.schedules
    }

    /// The tables that the file defines.
    #[must_use]
    pub fn tables(&self) -> &[TableDefinition] {
        &self.tables
    }

    /// All of them, in the order of the file, which is the order of trying.
    pub fn iter(&self) -> impl Iterator<Item = &Pipeline> {
        self.pipelines.iter()
    }
}

/// One pipeline. Only [`Pipelines::parse`] and reading a stored one back make one.
///
/// As JSON it carries `"v": 1`, or a later version if it has one of the fields that came with that version and that an old
/// reader would get wrong by leaving it out. Readers ignore fields they do not know, so adding any other field keeps the
/// version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    v: Version,
    /// Its name: 1 to 64 of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Which objects it takes.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// How objects are read.
    #[serde(default)]
    pub format: Format,
    /// What runs on each object: there with [`Format::Command`] and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// What separates fields in delimited text; always ASCII, and [`NO_DELIMITER`] if each line is one field. Absent:
    /// found out by looking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// What else is said about delimited text.
    #[serde(default, skip_serializing_if = "delimited::is_default")]
    pub delimited: Delimited,
    /// The sheet of a workbook that is read. Absent: the only visible one with values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sheet: Option<String>,
    /// The files of a zip archive that are read. Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// The encoding of the text, one of [`ENCODINGS`]. Absent: UTF-8, or UTF-16 with a byte order mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Where in each JSON document the records are: a JSON pointer to an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// The types of columns; those not named are found out by looking.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, ColumnType>,
    /// The natural key of its records. Absent: rows are keyed by object version and row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyTemplate>,
    /// The table of the user's own that its records go to. Absent: the stack's records table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
    /// What becomes of its records when their object is deleted. Read from the file in use, not from a job.
    #[serde(default, skip_serializing_if = "on_delete::is_default")]
    pub on_delete: OnDelete,
    /// What a row that cannot be read means.
    #[serde(default)]
    pub bad_rows: BadRows,
    /// The share of an object's rows that may be rejected before the object fails, in hundredths of a percent. Absent:
    /// [`DEFAULT_MAX_REJECTED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rejected: Option<u32>,
    /// The share of an object's rows that may be repaired before the object fails, in hundredths of a percent. Absent:
    /// [`DEFAULT_MAX_REPAIRED`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_repaired: Option<u32>,
    /// What it means that an object's columns differ from those of earlier objects. Absent: see
    /// [`Policy`](crate::drift::Policy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_drift: Option<OnDrift>,
    /// Whether a version without a record may take the place of one that has some.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_empty: bool,
    /// How many records an object may become. Absent: by its size, see [`allows`](crate::volume::allows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_records: Option<u64>,
    /// What writing an object's records may cost. Absent: see [`allows`](crate::volume::allows).
    #[serde(rename = "max_cost_nanodollars", default, skip_serializing_if = "Option::is_none")]
    pub max_cost: Option<Dollars>,
    /// How many attempts a job has, 1 to 10.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// How long an attempt may take.
    #[serde(
        rename = "timeout_seconds",
        default = "default_timeout",
        serialize_with = "write_seconds",
        deserialize_with = "read_seconds"
    )]
    pub timeout: Duration,
    /// The size of its tasks.
    #[serde(default = "default_task")]
    pub task: Size,
    /// Objects of more bytes than this get a task of their own; all others go to pooled workers.
    #[serde(default = "default_dedicated_above")]
    pub dedicated_above: u64,
}

/// Which objects a pipeline takes: all that meet every condition present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Match {
    /// What the full key begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Prefix>,
    /// What the full key ends with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// The least size, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_bytes: Option<u64>,
    /// The greatest size, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

impl Pipeline {
    /// Whether its records become visible at once, by the manifest: those under natural keys, and those in a table of the
    /// user's own, are visible as they are written.
    #[must_use]
    pub fn publishes_at_once(&self) -> bool {
        self.key.is_none() && self.destination.is_none()
    }
}

impl Match {
    fn takes(&self, key: &str, size: Option<u64>) -> bool {
        self.takes_name(key)
            && match size {
                Some(size) => {
                    self.min_bytes.is_none_or(|least| size >= least)
                        && self.max_bytes.is_none_or(|most| size <= most)
                }
                None => !self.bounds_size(),
            }
    }

    fn takes_name(&self, key: &str) -> bool {
        self.prefix.as_ref().is_none_or(|prefix| prefix.captures(key).is_some())
            && self.suffix.as_deref().is_none_or(|suffix| key.ends_with(suffix))
    }

    /// Whether this says what the objects are, where keys that begin with `watched` are watched: by a prefix below that
    /// one, or a suffix that is more than an extension.
    #[must_use]
    pub fn says_what(&self, watched: &str) -> bool {
        self.prefix.as_ref().is_some_and(|prefix| prefix.narrows(watched))
            || self.suffix.as_deref().is_some_and(|suffix| !suffix.is_empty() && !suffix.starts_with('.'))
    }

    fn bounds_size(&self) -> bool {
        self.min_bytes.is_some() || self.max_bytes.is_some()
    }

    /// Whether this takes every object that `other` takes.
    fn covers(&self, other: &Self) -> bool {
        let text = |mine: &Option<String>| mine.clone().unwrap_or_default();
        let begins = |mine: &Prefix| other.prefix.as_ref().is_some_and(|other| mine.covers(other));
        self.prefix.as_ref().is_none_or(begins)
            && text(&other.suffix).ends_with(&text(&self.suffix))
            && self.min_bytes.is_none_or(|mine| other.min_bytes.is_some_and(|other| other >= mine))
            && self.max_bytes.is_none_or(|mine| other.max_bytes.is_some_and(|other| other <= mine))
    }
}

/// How objects are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Found out by looking at the first bytes.
    #[default]
    Auto,
    /// Delimited text with a header row.
    Csv,
    /// One JSON object per line.
    Jsonl,
    /// One JSON document, or several one after the other.
    Json,
    /// One item per line, as DynamoDB exports a table to S3.
    #[serde(rename = "dynamodb_json")]
    DynamodbJson,
    /// Avro object container files.
    Avro,
    /// A Parquet file.
    Parquet,
    /// A sheet of a workbook of Excel or OpenDocument.
    Sheet,
    /// By a program of the worker's image, which gets the bytes and prints JSON Lines.
    Command,
    /// Not at all: one record of facts about the object itself.
    Object,
    /// As AWS writes files of this kind.
    #[serde(untagged)]
    Aws(Preset),
}

impl Format {
    /// The word of the pipelines file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::DynamodbJson => "dynamodb_json",
            Self::Avro => "avro",
            Self::Parquet => "parquet",
            Self::Sheet => "sheet",
            Self::Aws(preset) => preset.code(),
            Self::Command => "command",
            Self::Object => "object",
        }
    }

    /// Whether the rows of an object version come out the same whenever they are made. A program may answer
    /// differently twice.
    #[must_use]
    pub fn is_repeatable(self) -> bool {
        self != Self::Command
    }
}

/// What a row that cannot be read means. Never silence: rows left out are always counted and reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRows {
    /// One bad row fails the whole object: nothing of it becomes visible.
    #[default]
    RejectFile,
    /// It is left out and counted.
    Skip,
    /// It is left out and kept in a rejects object, with row number, reason and raw text.
    Quarantine,
    /// A row of delimited text that does not fit its table is read as it was probably meant, and its record says how. What
    /// cannot be read so is left out and kept, as with [`Self::Quarantine`].
    Repair,
}

impl BadRows {
    /// Whether rejected rows are kept in a rejects object.
    #[must_use]
    pub fn keeps_rejects(self) -> bool {
        matches!(self, Self::Quarantine | Self::Repair)
    }
}

/// The oldest version whose readers understand all that the pipeline says.
fn version_of(pipeline: &Pipeline) -> Version {
    let is_old = delimited::is_default(&pipeline.delimited)
        && pipeline.encoding.is_none()
        && pipeline.sheet.is_none()
        && pipeline.entry.is_none()
        && pipeline.bad_rows != BadRows::Repair
        && pipeline.delimiter != Some(NO_DELIMITER)
        && pipeline.on_drift != Some(OnDrift::Reject);
    if pipeline.destination.is_some() {
        Version::DESTINATION
    } else if is_old {
        Version::OLD
    } else {
        Version::DELIMITED
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn default_attempts() -> u32 {
    3
}

fn default_timeout() -> Duration {
    Duration::from_hours(1)
}

fn default_task() -> Size {
    Size::SMALLEST
}

/// 32 MiB: a pooled worker of the smallest size is done with it within the 20 seconds it has when it is asked to stop.
fn default_dedicated_above() -> u64 {
    32 * 1_024 * 1_024
}

fn write_seconds<S: Serializer>(timeout: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(timeout.as_secs())
}

fn read_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_secs)
}
