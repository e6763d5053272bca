//! What differs from run to run, made the same.

use std::{collections::BTreeMap, path::Path};

use regex_lite::{Captures, Regex};

/// Patterns, and what stands for each. `#` becomes the number in order of first appearance.
const NAMES: [(&str, &str); 12] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\b\d\d:\d\d:\d\d(\.\d+)?\b", "TIME"),
    (r"arn:aws:ecs:[^\s/]+:task/[^\s/]+/[0-9a-f]{32}", "TASK-#"),
    (r"tidemill-bucket-[0-9a-f]{12}", "BUCKET"),
    (r"(?-u:\b)(version |Version    )[A-Za-z0-9._-]{32}", "${1}VERSION-#"),
    (r"(task\s+)[0-9a-f]{32}", "${1}TASK-#"),
    (r"\b[0-9a-f]{32}\b", "JOB-#"),
    (r"(Took +|Duration +|Cost +|Task cost +).*", "${1}…"),
    (r"ragged-\d+\.csv", "ragged-NUMBER.csv"),
    (r"\b\d+ (failed: pipeline|objects|more)\b", "SO MANY ${1}"),
    (r"127\.0\.0\.1:\d+", "ENDPOINT"),
    (r"(?-u:\b)\d+(\.\d+)? (ms|s|min)\b( \d+ s\b)?", "SOME TIME"),
];

/// The text with names in place of what is drawn or measured.
pub(crate) fn plain(text: &str, folder: &Path) -> String {
    let mut text = text.replace(folder.to_str().unwrap(), "FOLDER");
    for (pattern, name) in NAMES {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let replaced = Regex::new(pattern).unwrap().replace_all(&text, |found: &Captures<'_>| {
            let next = seen.len() + 1;
            let number = *seen.entry(found[0].to_owned()).or_insert(next);
            let kept = found.get(1).filter(|_| name.contains("${1}")).map_or("", |kept| kept.as_str());
            name.replace("${1}", kept).replace('#', &number.to_string())
        });
        text = replaced.into_owned();
    }
    text
}
