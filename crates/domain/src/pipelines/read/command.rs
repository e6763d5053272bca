//! From TOML to a pipeline's command.

use std::collections::BTreeMap;

use toml::de::DeValue;

use super::walk::{Field, Reader, below, string};
use crate::pipelines::{Command, Format, command::default_output_bytes};

/// The keys that say something about a command.
pub(super) const KEYS: [&str; 4] = ["command", "environment", "aws", "output_bytes"];

/// Names and values together. Every job carries its pipeline.
const ENVIRONMENT_BYTES: usize = 4_096;

/// What the worker's own variables for a command begin with.
const OURS: &str = "TIDEMILL_";

impl<'t> Reader<'t> {
    /// What a pipeline runs on each object, if its format says that it runs anything.
    pub(super) fn run_on_each(
        &mut self,
        place: &Field<'t>,
        fields: &BTreeMap<&'t str, Field<'t>>,
        format: Format,
    ) -> Option<Command> {
        if format != Format::Command {
            for field in KEYS.iter().filter_map(|key| fields.get(key)) {
                self.wrong(field, "only with format \"command\"");
            }
            return None;
        }
        let words = match fields.get("command") {
            Some(field) => self.command(field),
            None => {
                let words =
                    "it is missing; format \"command\" needs a list such as [\"python3\", \"/app/x.py\"]";
                self.problem(&place.span, &format!("{}.command", place.path), words.to_owned());
                None
            }
        };
        let environment = fields.get("environment").map(|field| self.environment(field)).unwrap_or_default();
        let aws = fields.get("aws").and_then(|field| self.boolean(field)).unwrap_or_default();
        let output_bytes = fields.get("output_bytes").and_then(|field| self.bytes(field));
        let output_bytes = output_bytes.unwrap_or_else(default_output_bytes);
        Some(Command { words: words?, environment, aws, output_bytes })
    }

    fn environment(&mut self, field: &Field<'t>) -> BTreeMap<String, String> {
        let DeValue::Table(table) = field.value else {
            self.wrong(field, "a table such as { LANG = \"C.UTF-8\" }");
            return BTreeMap::new();
        };
        let mut environment = BTreeMap::new();
        for (name, value) in table {
            let variable = below(&field.path, name.get_ref(), value);
            let name = name.get_ref().to_string();
            let value = string(variable.value).filter(|value| !value.contains('\0'));
            match value {
                _ if !is_name(&name) => {
                    let allowed = format!(
                        "a name of letters, digits and _ that begins with no digit and not with {OURS}"
                    );
                    self.problem(&variable.span, &variable.path, format!("allowed: {allowed}"));
                }
                None => self.wrong(&variable, "a text without NUL"),
                Some(value) => {
                    environment.insert(name, value.to_owned());
                }
            }
        }
        let bytes: usize = environment.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > ENVIRONMENT_BYTES {
            self.wrong(field, &format!("at most {ENVIRONMENT_BYTES} bytes of names and values, not {bytes}"));
        }
        environment
    }
}

fn is_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty()
        && name.bytes().all(legal)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with(OURS)
}
