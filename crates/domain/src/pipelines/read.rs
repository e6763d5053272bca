//! From TOML to pipelines, with every problem's place.
//!
//! The document is walked by hand, not by derived deserialisation: that stops at the first problem
//! and cannot say what is allowed. Here a faulty value is reported and replaced by its default, so
//! that one reading finds everything.

mod command;
mod delimited;
mod impossible;
mod schedule;
mod table;
mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::{
    BadRows, ColumnType, Format, Match, OnDelete, Pipeline, Pipelines, PipelinesError, Preset, Problem,
    Version, default_attempts, default_dedicated_above, default_task, default_timeout, version_of,
};
use crate::destination::{PrefixError, TableDefinition};
use crate::drift::OnDrift;
use crate::fargate::{Size, SizeError};
use crate::text::duration;
use pricing::Dollars;
use walk::{Field, Reader, below, integer, string};

/// The keys of a pipeline, in the order in which an error lists them.
fn pipeline_keys() -> Vec<&'static str> {
    [
        ["name", "match", "format"].as_slice(),
        &command::KEYS,
        &[
            "delimiter",
            "sheet",
            "entry",
            "records",
            "columns",
            "key",
            "bad_rows",
            "max_rejected",
            "max_repaired",
            "on_drift",
            "encoding",
        ],
        &delimited::KEYS,
        &table::KEYS,
        &[
            "on_delete",
            "allow_empty",
            "max_records",
            "max_cost",
            "attempts",
            "timeout",
            "task",
            "dedicated_above",
        ],
    ]
    .concat()
}

/// Longer than a day is no attempt but a leak: the sweep would never call the task overdue.
const LONGEST_TIMEOUT: Duration = Duration::from_hours(24);

impl Pipelines {
    /// Reads the text of a pipelines file; `file` is its name, for messages.
    ///
    /// ```
    /// use domain::pipelines::Pipelines;
    ///
    /// let text = r#"
    /// version = 1
    /// ignore = [{ suffix = ".md" }]
    ///
    /// [[pipeline]]
    /// name = "orders"
    /// match = { prefix = "uploads/orders/" }
    ///
    /// [[pipeline]]
    /// name = "everything"
    /// match = { prefix = "uploads/" }
    /// "#;
    /// let pipelines = Pipelines::parse(text, "pipelines.toml").expect("a legal file");
    /// let route = |key| pipelines.route(key, None).map(|pipeline| pipeline.name.as_str());
    /// assert_eq!(route("uploads/orders/1.csv"), Some("orders"));
    /// assert_eq!(route("uploads/2.csv"), Some("everything"));
    /// assert_eq!(route("uploads/README.md"), None);
    ///
    /// // Errors name the line and the column, and what is allowed there.
    /// let error = Pipelines::parse("version = 1\nignored = []\n", "pipelines.toml").unwrap_err().to_string();
    /// assert!(error.contains("pipelines.toml:2:1: ignored: unknown key; did you mean `ignore`?"), "{error}");
    /// ```
    ///
    /// # Errors
    /// Everything that is wrong in the file at once, each with its place and what is allowed there.
    pub fn parse(text: &str, file: &str) -> Result<Self, PipelinesError> {
        read::<true>(text, &[]).map_err(|problems| PipelinesError { file: file.to_owned(), problems })
    }

    /// The same for a deployment that watches the keys that begin with one of `watched`: a pipeline for other keys is an error too.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_watched(text: &str, file: &str, watched: &[&str]) -> Result<Self, PipelinesError> {
        let problems = |problems| PipelinesError { file: file.to_owned(), problems };
        read::<true>(text, watched).map_err(problems)
    }

    /// The same without the schedules, for callers that only route: an error in a schedule is reported elsewhere, and delays
    /// no object.
    ///
    /// # Errors
    /// Everything else that is wrong in the file, as [`Self::parse`] reports it.
    pub fn parse_routes(text: &str, file: &str) -> Result<Self, PipelinesError> {
        read::<false>(text, &[]).map_err(|problems| PipelinesError { file: file.to_owned(), problems })
    }
}

/// Reads a whole file: the pipelines and what they never get, or everything that is wrong. Without `SCHEDULES` these are
/// not read, and the program brings no time zones along. `watched` is what the keys of watched objects begin with; none where
/// that is not known.
fn read<const SCHEDULES: bool>(text: &str, watched: &[&str]) -> Result<Pipelines, Vec<Problem>> {
    let mut reader = Reader { text, watched, problems: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        reader.problem(&error.span().unwrap_or(0..0), "", error.message().to_owned());
    }
    // What was recovered from broken TOML would only raise problems that are not there.
    let pipelines =
        if errors.is_empty() { reader.file::<SCHEDULES>(document.get_ref()) } else { Pipelines::default() };
    if reader.problems.is_empty() {
        Ok(pipelines)
    } else {
        reader.problems.sort_by_key(|problem| (problem.line, problem.column));
        Err(reader.problems)
    }
}

impl<'t> Reader<'t> {
    fn file<const SCHEDULES: bool>(&mut self, document: &'t DeTable<'t>) -> Pipelines {
        let fields = self.fields("", document, &["version", "ignore", "pipeline", "schedule", "table"]);
        match fields.get("version") {
            None => self.problem(&(0..0), "version", "it is missing; allowed: 1".to_owned()),
            Some(field) => {
                if integer(field.value) != Some(1) {
                    self.wrong(field, "1");
                }
            }
        }
        let tables = self.tables(fields.get("table"));
        Pipelines {
            ignored: self.ignored(fields.get("ignore")),
            pipelines: self.list(fields.get("pipeline"), &tables),
            schedules: if SCHEDULES { self.schedules(fields.get("schedule")) } else { Vec::new() },
            tables,
        }
    }

    fn ignored(&mut self, field: Option<&Field<'t>>) -> Vec<Match> {
        let Some(field) = field else { return Vec::new() };
        let DeValue::Array(entries) = field.value else {
            self.wrong(field, "a list such as [{ suffix = \".md\" }]");
            return Vec::new();
        };
        let mut ignored = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("ignore[{}]", index + 1);
            let field = Field { path, span: entry.span(), value: entry.get_ref() };
            let matches = self.matches(&field);
            if matches == Match::default() {
                self.wrong(&field, "at least one of prefix, suffix, min_bytes, max_bytes");
            }
            ignored.push(matches);
        }
        ignored
    }

    fn list(&mut self, field: Option<&Field<'t>>, tables: &[TableDefinition]) -> Vec<Pipeline> {
        let Some(list) = field else {
            self.problem(
                &(0..0),
                "pipeline",
                "there is none; at least one [[pipeline]] is needed".to_owned(),
            );
            return Vec::new();
        };
        let DeValue::Array(entries) = list.value else {
            self.wrong(list, "[[pipeline]], in two brackets each, as there may be several");
            return Vec::new();
        };
        if entries.is_empty() {
            self.wrong(list, "at least one [[pipeline]]");
        }
        let mut pipelines: Vec<Pipeline> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("pipeline[{}]", index + 1);
            let field = Field { path, span: entry.span(), value: entry.get_ref() };
            if let DeValue::Table(table) = field.value {
                let pipeline = self.pipeline(&field, table, &pipelines, tables);
                pipelines.push(pipeline);
            } else {
                self.wrong(&field, "a table");
            }
        }
        pipelines
    }

    fn pipeline(
        &mut self,
        place: &Field<'t>,
        table: &'t DeTable<'t>,
        above: &[Pipeline],
        tables: &[TableDefinition],
    ) -> Pipeline {
        let fields = self.fields(&place.path, table, &pipeline_keys());
        let get = |key: &str| fields.get(key);
        let format = get("format").and_then(|field| self.one_of(field, &formats())).unwrap_or_default();
        let mut pipeline = Pipeline {
            v: Version::OLD,
            name: self.name(place, get("name"), above.iter().map(|other| &*other.name)),
            matches: get("match").map(|field| self.matches(field)).unwrap_or_default(),
            format,
            command: self.run_on_each(place, &fields, format),
            delimiter: get("delimiter").and_then(|field| self.delimiter(field, format)),
            delimited: self.delimited(&fields, format),
            sheet: get("sheet").and_then(|field| self.sheet(field, format)),
            entry: get("entry").and_then(|field| self.entry(field, format)),
            encoding: get("encoding").and_then(|field| self.encoding(field, format)),
            records: get("records").and_then(|field| self.records(field, format)),
            columns: get("columns").map(|field| self.columns(field, format)).unwrap_or_default(),
            key: get("key").and_then(|field| self.natural_key(field, get("table").is_some())),
            destination: self.destination(&fields),
            on_delete: self.on_delete(&fields),
            bad_rows: get("bad_rows").and_then(|field| self.one_of(field, &BAD_ROWS)).unwrap_or_default(),
            max_rejected: get("max_rejected").and_then(|field| self.share_of_rows(field)),
            max_repaired: get("max_repaired").and_then(|field| self.share_of_rows(field)),
            on_drift: get("on_drift").and_then(|field| self.on_drift(field, format)),
            allow_empty: get("allow_empty").and_then(|field| self.boolean(field)).unwrap_or_default(),
            max_records: get("max_records").and_then(|field| self.max_records(field, format)),
            max_cost: get("max_cost").and_then(|field| self.max_cost(field)),
            attempts: get("attempts").and_then(|field| self.attempts(field)).unwrap_or_else(default_attempts),
            timeout: get("timeout").and_then(|field| self.timeout(field)).unwrap_or_else(default_timeout),
            task: get("task").and_then(|field| self.task(field)).unwrap_or_else(default_task),
            dedicated_above: get("dedicated_above")
                .and_then(|field| self.bytes(field))
                .unwrap_or_else(default_dedicated_above),
        };
        self.preset_names(place, &fields, format);
        pipeline.v = version_of(&pipeline);
        self.contradictions(&fields, &pipeline);
        self.impossible(&fields, &pipeline);
        self.table_contradictions(&fields, &pipeline, above, tables);
        if let Some(first) = above.iter().find(|other| other.matches.covers(&pipeline.matches)) {
            let words = format!(
                "it can never match: pipeline \"{}\" above takes all of its objects, and the first match wins",
                first.name
            );
            self.problem(&place.span, &format!("{}.match", place.path), words);
        }
        pipeline
    }

    fn name<'n>(
        &mut self,
        place: &Field<'t>,
        field: Option<&Field<'t>>,
        mut above: impl Iterator<Item = &'n str>,
    ) -> String {
        let Some(field) = field else {
            self.problem(&place.span, &format!("{}.name", place.path), "it is missing".to_owned());
            return String::new();
        };
        let legal = |text: &&str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let Some(name) = string(field.value).filter(legal) else {
            self.wrong(field, "1 to 64 of a-z, 0-9 and -");
            return String::new();
        };
        if above.any(|other| other == name) {
            let kind = place.path.split('[').next().unwrap_or_default();
            self.wrong(field, &format!("a name that no {kind} above has"));
        }
        name.to_owned()
    }

    fn matches(&mut self, field: &Field<'t>) -> Match {
        let fields = self.table(field, &["prefix", "suffix", "min_bytes", "max_bytes"]);
        let mut text = |key: &str| {
            let field = fields.get(key)?;
            match string(field.value).filter(|text| !text.is_empty()) {
                Some(text) => Some(text.to_owned()),
                None => {
                    self.wrong(field, "a text that is not empty");
                    None
                }
            }
        };
        let suffix = text("suffix");
        let prefix = text("prefix").map(|text| text.parse());
        let prefix = match (prefix, fields.get("prefix")) {
            (Some(Err(error)), Some(field)) => {
                let error: PrefixError = error;
                self.wrong(field, &format!("a prefix such as \"uploads/{{tenant}}/orders/\": {error}"));
                None
            }
            (prefix, _) => prefix.and_then(Result::ok),
        };
        let mut bytes = |key: &str| fields.get(key).and_then(|field| self.bytes(field));
        let (min_bytes, max_bytes) = (bytes("min_bytes"), bytes("max_bytes"));
        if let (Some(least), Some(most), Some(field)) = (min_bytes, max_bytes, fields.get("max_bytes"))
            && least > most
        {
            self.wrong(field, &format!("min_bytes ({least}) or more, or nothing can match"));
        }
        let matches = Match { prefix, suffix, min_bytes, max_bytes };
        self.never_matches(&fields, &matches);
        matches
    }

    fn bytes(&mut self, field: &Field<'t>) -> Option<u64> {
        let bytes = integer(field.value).and_then(|bytes| u64::try_from(bytes).ok());
        if bytes.is_none() {
            self.wrong(field, "a whole number of bytes, 0 or more");
        }
        bytes
    }

    fn records(&mut self, field: &Field<'t>, format: Format) -> Option<String> {
        if !matches!(format, Format::Auto | Format::Json | Format::Jsonl) {
            self.wrong(field, "only with format \"json\", \"jsonl\" or \"auto\"");
            return None;
        }
        // RFC 6901: parts each begun by "/", where "~" only stands in "~0" and "~1".
        let legal = |text: &&str| {
            text.starts_with('/') && text.split('~').skip(1).all(|after| after.starts_with(['0', '1']))
        };
        let pointer = string(field.value).filter(legal).map(str::to_owned);
        if pointer.is_none() {
            self.wrong(field, "a JSON pointer to the array of records, such as \"/features\"");
        }
        pointer
    }

    fn columns(&mut self, field: &Field<'t>, format: Format) -> BTreeMap<String, ColumnType> {
        if format == Format::Object {
            self.wrong(field, "not with format \"object\", whose record has fields of its own");
            return BTreeMap::new();
        }
        let DeValue::Table(table) = field.value else {
            self.wrong(field, "a table such as { zip = \"text\", rate = \"number\" }");
            return BTreeMap::new();
        };
        let mut columns = BTreeMap::new();
        for (name, value) in table {
            let column = below(&field.path, name.get_ref(), value);
            if let Some(kind) = self.one_of(&column, &COLUMN_TYPES) {
                columns.insert(name.get_ref().to_string(), kind);
            }
        }
        columns
    }

    fn on_delete(&mut self, fields: &BTreeMap<&'t str, Field<'t>>) -> OnDelete {
        let Some(field) = fields.get("on_delete") else { return OnDelete::default() };
        let on_delete = self.one_of(field, &ON_DELETE).unwrap_or_default();
        if on_delete == OnDelete::Remove && fields.contains_key("key") && !fields.contains_key("table") {
            self.wrong(
                field,
                "only \"keep\" with key: records under natural keys are not found by their object",
            );
        }
        on_delete
    }

    fn on_drift(&mut self, field: &Field<'t>, format: Format) -> Option<OnDrift> {
        if format == Format::Object {
            self.wrong(field, "not with format \"object\", whose record has fields of its own");
            return None;
        }
        self.one_of(field, &ON_DRIFT)
    }

    fn max_records(&mut self, field: &Field<'t>, format: Format) -> Option<u64> {
        if format == Format::Object {
            self.wrong(field, "not with format \"object\", which makes one record of each object");
            return None;
        }
        let records = integer(field.value).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
        if records.is_none() {
            self.wrong(field, "a whole number of records, 1 or more");
        }
        records
    }

    fn max_cost(&mut self, field: &Field<'t>) -> Option<Dollars> {
        let cost = self.parsed(field, "an amount such as \"$1\" or \"$0.50\"")?;
        if cost == Dollars::ZERO {
            self.wrong(field, "more than $0, or nothing can be written");
            return None;
        }
        Some(cost)
    }

    fn attempts(&mut self, field: &Field<'t>) -> Option<u32> {
        let attempts =
            integer(field.value).and_then(|n| u32::try_from(n).ok()).filter(|n| (1..=10).contains(n));
        if attempts.is_none() {
            self.wrong(field, "1 to 10");
        }
        attempts
    }

    fn timeout(&mut self, field: &Field<'t>) -> Option<Duration> {
        let timeout = string(field.value)
            .and_then(duration)
            .filter(|timeout| (Duration::from_secs(1)..=LONGEST_TIMEOUT).contains(timeout));
        if timeout.is_none() {
            self.wrong(field, "a text such as \"90s\", \"15m\" or \"2h\", from 1s to 24h");
        }
        timeout
    }

    fn task(&mut self, field: &Field<'t>) -> Option<Size> {
        let fields = self.table(field, &["cpu", "memory"]);
        let mut number = |key: &str| {
            let Some(field) = fields.get(key) else {
                if matches!(field.value, DeValue::Table(_)) {
                    let words = "it is missing; cpu and memory go together".to_owned();
                    self.problem(&field.span, &format!("{}.{key}", field.path), words);
                }
                return None;
            };
            let number = integer(field.value).and_then(|n| u32::try_from(n).ok());
            if number.is_none() {
                self.wrong(field, "a whole number");
            }
            Some((field, number?))
        };
        let (cpu, memory) = (number("cpu"), number("memory"));
        let ((cpu_field, cpu), (memory_field, memory)) = (cpu?, memory?);
        match Size::new(cpu, memory) {
            Ok(size) => Some(size),
            Err(error) => {
                let place = if matches!(error, SizeError::Cpu { .. }) { cpu_field } else { memory_field };
                self.problem(&place.span, &place.path, error.to_string());
                None
            }
        }
    }
}

/// The values of `format`.
fn formats() -> Vec<(&'static str, Format)> {
    let aws = Preset::ALL.iter().map(|preset| (preset.code(), Format::Aws(*preset)));
    FORMATS.into_iter().chain(aws).collect()
}

const FORMATS: [(&str, Format); 10] = [
    (Format::Auto.as_str(), Format::Auto),
    (Format::Csv.as_str(), Format::Csv),
    (Format::Jsonl.as_str(), Format::Jsonl),
    (Format::Json.as_str(), Format::Json),
    (Format::DynamodbJson.as_str(), Format::DynamodbJson),
    (Format::Avro.as_str(), Format::Avro),
    (Format::Parquet.as_str(), Format::Parquet),
    (Format::Sheet.as_str(), Format::Sheet),
    (Format::Command.as_str(), Format::Command),
    (Format::Object.as_str(), Format::Object),
];
const COLUMN_TYPES: [(&str, ColumnType); 3] =
    [("text", ColumnType::Text), ("number", ColumnType::Number), ("boolean", ColumnType::Boolean)];
const ON_DELETE: [(&str, OnDelete); 2] = [("keep", OnDelete::Keep), ("remove", OnDelete::Remove)];
const ON_DRIFT: [(&str, OnDrift); 3] =
    [("accept", OnDrift::Accept), ("notify", OnDrift::Notify), ("reject", OnDrift::Reject)];
const BAD_ROWS: [(&str, BadRows); 4] = [
    ("reject_file", BadRows::RejectFile),
    ("skip", BadRows::Skip),
    ("quarantine", BadRows::Quarantine),
    ("repair", BadRows::Repair),
];
