//! From TOML to schedules.

use std::time::Duration;

use jiff::tz::TimeZone;
use toml::de::{DeTable, DeValue};

use super::walk::{Field, Reader, string};
use crate::pipelines::schedule::{Hours, Run, Schedule, zone};
use crate::text::duration;

/// RunTask's overrides are limited to 8,192 characters of JSON, in which a character may take six.
const COMMAND_BYTES: usize = 1_024;

/// Versions are kept longer than anybody looks back.
const FURTHEST: Duration = Duration::from_hours(24 * 3_650);

impl<'t> Reader<'t> {
    pub(super) fn schedules(&mut self, field: Option<&Field<'t>>) -> Vec<Schedule> {
        let Some(list) = field else { return Vec::new() };
        let DeValue::Array(entries) = list.value else {
            self.wrong(list, "[[schedule]], in two brackets each, as there may be several");
            return Vec::new();
        };
        let mut schedules: Vec<Schedule> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("schedule[{}]", index + 1);
            let field = Field { path, span: entry.span(), value: entry.get_ref() };
            if let DeValue::Table(table) = field.value {
                schedules.extend(self.schedule(&field, table, &schedules.clone()));
            } else {
                self.wrong(&field, "a table");
            }
        }
        schedules
    }

    fn schedule(
        &mut self,
        place: &Field<'t>,
        table: &'t DeTable<'t>,
        above: &[Schedule],
    ) -> Option<Schedule> {
        let fields = self.fields(&place.path, table, &["name", "cron", "timezone", "command", "sweep"]);
        let name = self.name(place, fields.get("name"), above.iter().map(|other| &*other.name));
        let zone = fields.get("timezone").map_or(Some(TimeZone::UTC), |field| self.zone(field));
        let hours = match fields.get("cron") {
            Some(field) => zone.and_then(|zone| self.hours(field, zone)),
            None => {
                self.problem(&place.span, &format!("{}.cron", place.path), "it is missing".to_owned());
                None
            }
        };
        let run = match (fields.get("command"), fields.get("sweep")) {
            (Some(command), None) => self.command(command).map(Run::Command),
            (None, Some(sweep)) => self.sweep(sweep),
            _ => {
                let words = "it must have one of command and sweep".to_owned();
                self.problem(&place.span, &place.path, words);
                None
            }
        };
        Some(Schedule { name, hours: hours?, run: run? })
    }

    fn zone(&mut self, field: &Field<'t>) -> Option<TimeZone> {
        let found = string(field.value).and_then(zone);
        if found.is_none() {
            self.wrong(field, "a time zone of the IANA database, such as \"Europe/Berlin\"");
        }
        found
    }

    fn hours(&mut self, field: &Field<'t>, zone: TimeZone) -> Option<Hours> {
        const ALLOWED: &str = "six fields of EventBridge's cron whose minute is 0, such as \"0 3 * * ? *\"";
        let Some(text) = string(field.value) else {
            self.wrong(field, ALLOWED);
            return None;
        };
        match Hours::parse(text, zone) {
            Ok(hours) => Some(hours),
            Err(error) => {
                self.wrong(field, &format!("{ALLOWED}: {error}"));
                None
            }
        }
    }

    /// A program and its arguments.
    pub(super) fn command(&mut self, field: &Field<'t>) -> Option<Vec<String>> {
        let words = match field.value {
            DeValue::Array(words) => {
                words.iter().map(|word| string(word.get_ref())).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        let short = |words: &Vec<&str>| words.iter().map(|word| word.len()).sum::<usize>() <= COMMAND_BYTES;
        let named = |words: &Vec<&str>| words.first().is_some_and(|program| !program.is_empty());
        // No program can be given one.
        let clean = |words: &Vec<&str>| !words.iter().any(|word| word.contains('\0'));
        let words = words.filter(|words| named(words) && short(words) && clean(words));
        if words.is_none() {
            let allowed =
                format!("a list such as [\"python3\", \"report.py\"], of at most {COMMAND_BYTES} bytes");
            self.wrong(field, &allowed);
        }
        words.map(|words| words.into_iter().map(str::to_owned).collect())
    }

    fn sweep(&mut self, field: &Field<'t>) -> Option<Run> {
        let fields = self.table(field, &["prefix", "since"]);
        let prefix = fields.get("prefix").map(|field| {
            let prefix = string(field.value).filter(|prefix| (1..=COMMAND_BYTES).contains(&prefix.len()));
            if prefix.is_none() {
                self.wrong(field, "what the keys begin with, such as \"uploads/orders/\"");
            }
            prefix.map(str::to_owned)
        });
        let since = fields.get("since").map(|field| {
            let since = string(field.value).and_then(duration);
            let since = since.filter(|since| !since.is_zero() && *since <= FURTHEST);
            if since.is_none() {
                self.wrong(field, "how long ago, such as \"26h\" or \"7d\"");
            }
            since
        });
        match field.value {
            // A faulty value is reported; a sweep without it would be another one.
            DeValue::Table(_) if prefix != Some(None) && since != Some(None) => {
                Some(Run::Sweep { prefix: prefix.flatten(), since: since.flatten() })
            }
            _ => None,
        }
    }
}
