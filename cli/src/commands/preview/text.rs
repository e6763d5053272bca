//! The page that `tidemill preview` prints for a file, at most 80 columns wide.

use app::run_job::{Preview, PreviewColumn};
use domain::text::{count, grouped};
use readers::{Dialect, Encoding, Layout, Reject, ScoredReading};

use super::outcome::{Found, Outcome, record_text};
use super::suggestion;
use crate::output::one_line;

/// How wide a page is.
const WIDTH: usize = 80;
/// The columns that are listed; the others are counted.
const COLUMNS: usize = 30;

/// The page of one file.
pub(super) fn page(outcome: &Outcome) -> String {
    let mut page = Page::default();
    let file = one_line(&outcome.upload.path.display().to_string());
    match &outcome.found {
        Found::Ignored => {
            page.line(&format!("{file}: ignored"));
            let key = one_line(&outcome.upload.key);
            page.entry("why", &format!("no pipeline takes {key}, or the file says to ignore it"));
        }
        Found::NotRead(pipeline, why) => {
            page.line(&format!("{file}: not read"));
            page.entry("pipeline", &pipeline.name);
            page.entry("why", why);
        }
        Found::Refused(pipeline, reason) => {
            page.line(&format!("{file}: would fail as {}", reason.code));
            page.entry("pipeline", &pipeline.name);
            page.entry("reason", &one_line(&reason.message));
            page.entry("to do", &outcome.advice().unwrap_or_default());
        }
        Found::Read(pipeline, preview) => {
            let records = count(preview.records, "record");
            match &preview.failure {
                None => page.line(&format!("{file}: {records}, {}", rejected(preview))),
                Some(reason) => {
                    page.line(&format!("{file}: would fail as {}", reason.code));
                    page.entry("reason", &one_line(&reason.message));
                    page.entry("to do", &outcome.advice().unwrap_or_default());
                    page.entry("rows", &format!("{records}, {}", rejected(preview)));
                }
            }
            page.entry("pipeline", &pipeline.name);
            page.entry("format", &format!("{}: {}", preview.format, why(preview)));
            page.entry("scores", &scores(preview));
            page.entry("cost", &format!("{} to write the records", preview.cost));
            for note in &preview.notes {
                page.entry("note", &one_line(note));
            }
            columns(&mut page, preview);
            page.list("first records", preview.first.iter().map(record_text));
            page.list("first rejected rows", preview.rejects.iter().map(reject));
        }
    }
    if let Some(pipeline) = suggestion::pipeline(outcome) {
        page.line("  for pipelines.toml");
        for line in pipeline.lines() {
            page.line(if line.is_empty() { String::new() } else { format!("    {line}") }.as_str());
        }
    }
    page.0
}

/// What was found about the text, in words.
pub(super) fn why(preview: &Preview) -> String {
    let layout = match preview.layout {
        Layout::Sheet(workbook, dialect) => {
            let (raw, _) = preview.bytes;
            let behind = match dialect.skip_lines {
                0 => String::new(),
                rows => format!(" behind {}", count(rows, "row")),
            };
            return format!("a sheet of a workbook (.{}){behind}; {}", workbook.suffix(), count(raw, "byte"));
        }
        Layout::Delimited(dialect) => fields(dialect),
        Layout::JsonLines => "a JSON value on each line".to_owned(),
        Layout::Json => "one JSON document".to_owned(),
        Layout::JsonSequence => "JSON values one after the other".to_owned(),
        Layout::DynamodbJson => "an export of DynamoDB, an item on each line".to_owned(),
        Layout::Avro => "an Avro file".to_owned(),
        Layout::Parquet => {
            let (raw, pages) = preview.bytes;
            return format!(
                "rows of columns with a schema; {}, {} of pages decompressed",
                count(raw, "byte"),
                grouped(pages)
            );
        }
    };
    let encoding = match preview.encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Utf16Le | Encoding::Utf16Be => "UTF-16",
        Encoding::Binary => "binary",
        Encoding::Named(name) => name,
    };
    let (raw, text) = preview.bytes;
    let bytes = if raw == text {
        count(raw, "byte")
    } else {
        format!("{} compressed, {} of text", count(raw, "byte"), grouped(text))
    };
    format!("{layout}; {encoding}; {bytes}")
}

/// The reading that was taken, and the best of the others.
pub(super) fn taken_and_next(preview: &Preview) -> (Option<&ScoredReading>, Option<&ScoredReading>) {
    let Layout::Delimited(Dialect { delimiter, .. }) = preview.layout else { return (None, None) };
    let is_taken = |it: &&ScoredReading| it.dialect.delimiter == delimiter;
    (preview.readings.iter().find(is_taken), preview.readings.iter().find(|it| !is_taken(it)))
}

/// How well the text fits the reading that was taken and the next best one; nothing where it was not looked for.
fn scores(preview: &Preview) -> String {
    match taken_and_next(preview) {
        (None, _) => String::new(),
        (Some(taken), None) => {
            format!("{:.2} of 1; no other delimiter makes columns", taken.score)
        }
        (Some(taken), Some(next)) => format!(
            "{:.2} of 1; the next best reading, {}, makes {} of the header and scores {:.2}",
            taken.score,
            next.dialect,
            count(next.fields, "field"),
            next.score
        ),
    }
}

/// How a table is written, in words.
fn fields(dialect: Dialect) -> String {
    let mut words = match dialect.delimiter {
        None => "one field on each line".to_owned(),
        Some(b',') => "fields separated by commas".to_owned(),
        Some(b'\t') => "fields separated by tabs".to_owned(),
        Some(b' ') => "fields separated by spaces".to_owned(),
        Some(delimiter) => format!("fields separated by {:?}", char::from(delimiter)),
    };
    match dialect.quote {
        Some(b'"') => {}
        Some(quote) => words += &format!(", in {:?}", char::from(quote)),
        None => words += ", without quotes",
    }
    if dialect.skip_lines > 0 {
        words += &format!(", behind {}", count(dialect.skip_lines, "line"));
    }
    words
}

fn rejected(preview: &Preview) -> String {
    let rejected = match preview.rejected {
        0 => "none rejected".to_owned(),
        rows => format!("{} rejected", grouped(rows)),
    };
    match preview.repaired {
        0 => rejected,
        rows => format!("{rejected}, {} repaired", grouped(rows)),
    }
}

fn reject(reject: &Reject) -> String {
    let raw = if reject.raw.is_empty() { String::new() } else { format!(": {}", reject.raw) };
    format!("{}: {}: {}{raw}", reject.place, reject.reason.code(), reject.message)
}

fn columns(page: &mut Page, preview: &Preview) {
    let shown = &preview.columns[..preview.columns.len().min(COLUMNS)];
    let nulls = |it: &PreviewColumn| match (it.nulls, it.missing) {
        (0, 0) => String::new(),
        (nulls, 0) => format!("{} null", grouped(nulls)),
        (0, missing) => format!("{} missing", grouped(missing)),
        (nulls, missing) => format!("{} null, {} missing", grouped(nulls), grouped(missing)),
    };
    let rows: Vec<[String; 4]> = shown
        .iter()
        .map(|it| {
            let kinds = if it.types.is_empty() { "null".to_owned() } else { it.types.join(" or ") };
            [cut(&one_line(&it.name), 24), kinds, nulls(it), it.examples.join(", ")]
        })
        .collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or_default();
    let (name, kind, null) = (width(0), width(1), width(2));
    page.list(
        "columns",
        rows.iter().map(|[a, b, c, examples]| {
            let null = if null == 0 { String::new() } else { format!("  {c:<null$}") };
            format!("{a:<name$}  {b:<kind$}{null}  {examples}")
        }),
    );
    let more = preview.columns.len() - shown.len();
    if more > 0 {
        let at_least = if preview.more_columns { "at least " } else { "" };
        page.line(&format!("    … and {at_least}{}", count(more as u64, "more column")));
    }
}

/// Text that grows by lines.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        self.0 += line.trim_end();
        self.0 += "\n";
    }

    /// A name and words, which go on in further lines where they are long. Nothing where there are no words.
    fn entry(&mut self, name: &str, words: &str) {
        const NAME: usize = 12;
        if words.is_empty() {
            return;
        }
        let mut line = format!("  {name:<width$}", width = NAME - 2);
        let mut empty = true;
        for word in words.split(' ') {
            if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = " ".repeat(NAME);
                empty = true;
            }
            if !empty {
                line += " ";
            }
            line += word;
            empty = false;
        }
        self.line(&line);
    }

    /// A name and lines below it, each cut at the page's width.
    fn list(&mut self, name: &str, lines: impl Iterator<Item = String>) {
        let mut lines = lines.peekable();
        if lines.peek().is_some() {
            self.line(&format!("  {name}"));
            lines.for_each(|line| self.line(&format!("    {}", cut(&one_line(&line), WIDTH - 4))));
        }
    }
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_go_on_in_further_lines() {
        let mut page = Page::default();
        page.entry("to do", &"word ".repeat(30));
        assert!(page.0.lines().count() > 1 && page.0.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
