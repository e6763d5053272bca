//! What would become of an object: both readings of a job, and nothing written.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use aws::objects::Objects;
use domain::{
    job::Reason,
    object::Object,
    pipelines::{Format, Pipeline},
    record::{Record, Value, write_json},
    reject_counts::RejectCounts,
    volume::{Dollars, allows, cost_of_writing},
};
use readers::{
    BadInput, BufferPermits, Checked, Dialect, Encoding, Layout, ReadError, Reject, Rows, ScoredReading,
    Source, Tolerance,
};

use super::{
    reading::{format_of, read_options, tolerance},
    source, write,
};

/// How many records are kept to be shown,
const FIRST_RECORDS: usize = 3;
/// how many rejected rows,
const FIRST_REJECTS: usize = 5;
/// how many different values of a column,
const EXAMPLES: usize = 3;
/// and how many columns. JSON may give every record names of its own.
const COLUMNS: usize = 4_096;

/// An object in S3 of up to this size is fetched once for all readings.
const KEPT_BYTES: u64 = 8 << 20;

/// What was found in an object, and what its job would end with.
#[derive(Debug)]
pub struct Preview {
    /// The detected format, as the ledger has it: `csv.gz`.
    pub format: String,
    /// How the text is laid out.
    pub layout: Layout,
    /// How the text is encoded.
    pub encoding: Encoding,
    /// The ways to read the text's beginning as a table that make columns, the best first. None where the text is no table,
    /// or what AWS writes.
    pub readings: Vec<ScoredReading>,
    /// The object's bytes, and what they were decompressed to.
    pub bytes: (u64, u64),
    /// How many good rows there are.
    pub records: u64,
    /// How many rows are rejected.
    pub rejected: u64,
    /// How many records are of rows that were repaired.
    pub repaired: u64,
    /// The first of them, by line.
    pub rejects: Vec<Reject>,
    /// The columns, in the order they were met.
    pub columns: Vec<PreviewColumn>,
    /// Whether there are more columns than are kept.
    pub more_columns: bool,
    /// The first records.
    pub first: Vec<Record>,
    /// What writing the records costs.
    pub cost: Dollars,
    /// What was read otherwise than it is written, in sentences.
    pub notes: Vec<String>,
    /// Why the job would fail, if it would.
    pub failure: Option<Reason>,
}

/// A column, or a name that records have.
#[derive(Debug)]
pub struct PreviewColumn {
    /// Its name.
    pub name: Arc<str>,
    /// The types of its values, in the order they were met; null counts for none.
    pub types: Vec<&'static str>,
    /// How many records have null there.
    pub nulls: u64,
    /// How many records do not have it.
    pub missing: u64,
    /// Different values of it, as JSON.
    pub examples: Vec<String>,
}

/// Reads what `open` opens as a job of this pipeline would, and writes nothing.
///
/// # Errors
/// When the bytes cannot be read, or the reason for which the whole object is refused, in which case nothing is known
/// about its records.
pub async fn preview<S: Into<Source>>(
    pipeline: &Pipeline,
    open: impl Fn() -> io::Result<S>,
) -> Result<Preview, ReadError> {
    let source = || open().map_err(ReadError::Source);
    let options = read_options(pipeline, None, BufferPermits::default());
    // Bad rows may fail the object. What the others are is worth knowing.
    let checked = readers::check(source()?, &options, Tolerance::Any).await?;
    let rows = Rows::open(source()?, &options, Some(&checked.schema)).await?;
    let mut seen = Seen::default();
    seen.read(rows, pipeline).await?;
    let mut failure = condemned(tolerance(pipeline), &seen, &checked);
    let uploaded = (pipeline.format != Format::Command).then_some(checked.bytes_in);
    if failure.is_none()
        && let Err(excess) = allows(pipeline, seen.records, checked.write_units, uploaded)
    {
        failure = Some(Reason::new(excess.reason(), excess.to_string()));
    }
    let is_found_out =
        matches!(checked.schema.layout, Layout::Delimited(Dialect { delimiter: Some(_), is_log: false, .. }))
            && options.preset.is_none();
    let readings = if is_found_out { readers::readings(source()?, &options).await? } else { Vec::new() };
    Ok(Preview { readings, ..seen.into_preview(&checked, failure) })
}

/// The same for an object in S3, read as a worker reads it: this version, a small one whole and a larger one by ranges or as a
/// stream.
///
/// # Errors
/// As [`preview()`].
pub async fn preview_object(
    pipeline: &Pipeline,
    objects: &Objects,
    object: &Object,
) -> Result<Preview, ReadError> {
    let source = source::Source::new(objects.clone(), object.clone(), KEPT_BYTES);
    preview(pipeline, || Ok(source.reader())).await
}

/// Why an object with these rows fails, if its bad rows are more than the pipeline accepts.
fn condemned(tolerance: Tolerance, seen: &Seen, checked: &Checked) -> Option<Reason> {
    if tolerance == Tolerance::None {
        let reject = seen.rejects.first()?;
        return Some(Reason::new(reject.reason, format!("{}: {}", reject.place, reject.message)));
    }
    let too_many = tolerance.verify(&seen.reasons, checked.rows).err();
    too_many.map(|BadInput { reason, message, .. }| Reason::new(reason, message))
}

/// What has been seen of the rows so far.
#[derive(Debug, Default)]
struct Seen {
    records: u64,
    rejected: u64,
    reasons: RejectCounts,
    repaired: u64,
    rejects: Vec<Reject>,
    columns: Vec<PreviewColumn>,
    places: HashMap<Arc<str>, usize>,
    examples: Vec<HashSet<String>>,
    more_columns: bool,
    first: Vec<Record>,
}

impl Seen {
    async fn read(&mut self, mut rows: Rows, pipeline: &Pipeline) -> Result<(), ReadError> {
        while let Some(row) = rows.next().await? {
            let content = row.content.and_then(|record| match &pipeline.key {
                Some(key) => match write::natural_key(key, &record) {
                    Ok(_) => Ok(record),
                    Err(message) => Err(write::without_key(row.place, message, &record)),
                },
                None => Ok(record),
            });
            match content {
                Ok(record) => {
                    self.repaired += u64::from(row.is_repaired);
                    self.note(record);
                }
                Err(reject) => {
                    self.rejected += 1;
                    reject.count(&mut self.reasons);
                    if self.rejects.len() < FIRST_REJECTS {
                        self.rejects.push(reject);
                    }
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, record: Record) {
        for (name, value) in &record {
            let Some(place) = self.place_of(name) else { continue };
            let column = &mut self.columns[place];
            // Counted down below: every record so far that had it.
            column.missing += 1;
            let Some(kind) = type_of(value) else {
                column.nulls += 1;
                continue;
            };
            if !column.types.contains(&kind) {
                column.types.push(kind);
            }
            let known = &mut self.examples[place];
            if known.len() < EXAMPLES {
                let example = json(value);
                if known.insert(example.clone()) {
                    column.examples.push(example);
                }
            }
        }
        self.records += 1;
        if self.first.len() < FIRST_RECORDS {
            self.first.push(record);
        }
    }

    fn place_of(&mut self, name: &Arc<str>) -> Option<usize> {
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = self.columns.len();
        if place == COLUMNS {
            self.more_columns = true;
            return None;
        }
        self.places.insert(Arc::clone(name), place);
        self.examples.push(HashSet::new());
        let (types, examples) = (Vec::new(), Vec::new());
        self.columns.push(PreviewColumn { name: Arc::clone(name), types, nulls: 0, missing: 0, examples });
        Some(place)
    }

    fn into_preview(mut self, checked: &Checked, failure: Option<Reason>) -> Preview {
        for column in &mut self.columns {
            column.missing = self.records - column.missing;
        }
        Preview {
            format: format_of(checked),
            layout: checked.schema.layout,
            readings: Vec::new(),
            encoding: checked.encoding,
            bytes: (checked.bytes_in, checked.bytes_out),
            records: self.records,
            rejected: self.rejected,
            repaired: self.repaired,
            rejects: self.rejects,
            columns: self.columns,
            more_columns: self.more_columns,
            first: self.first,
            cost: cost_of_writing(checked.write_units),
            notes: checked.notes.clone(),
            failure,
        }
    }
}

/// The type of a value, in the words of a pipeline's `columns`; none for null.
fn type_of(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Text(_) => "text",
        Value::Binary(_) => "binary",
        Value::Set(_) => "set",
        Value::List(_) => "list",
        Value::Map(_) => "map",
    })
}

fn json(value: &Value) -> String {
    let mut json = Vec::new();
    // Writing to memory does not fail.
    drop(write_json(value, &mut json));
    String::from_utf8_lossy(&json).into_owned()
}

#[cfg(test)]
mod tests {
    use domain::{bad_input, job::ReasonCode, pipelines::Pipelines};

    use super::*;

    async fn preview_of(text: &'static str, keys: &str) -> Result<Preview, ReadError> {
        let pipelines = format!("version = 1\n[[pipeline]]\nname = \"a\"\n{keys}\n");
        let pipelines = Pipelines::parse(&pipelines, "p.toml").expect("a legal file");
        preview(pipelines.iter().next().expect("one"), || Ok(text.as_bytes())).await
    }

    #[tokio::test]
    async fn columns_are_shown_with_their_types_nulls_and_examples() {
        let found =
            preview_of("id,zip,n\n1,01001,5\n2,94110,\n3,01001,6\n", "").await.expect("it can be read");
        let columns: Vec<_> = found
            .columns
            .iter()
            .map(|it| (&*it.name, it.types.concat(), it.nulls, it.missing, it.examples.join(" ")))
            .collect();
        assert_eq!(
            columns,
            [
                ("id", "number".to_owned(), 0, 0, "1 2 3".to_owned()),
                ("zip", "text".to_owned(), 0, 0, "\"01001\" \"94110\"".to_owned()),
                ("n", "number".to_owned(), 1, 0, "5 6".to_owned()),
            ]
        );
        assert_eq!((found.records, found.rejected, found.first.len(), &*found.format), (3, 0, 3, "csv"));
        assert!(found.failure.is_none());
        let found = preview_of("{\"a\":1}\n{\"a\":\"x\",\"b\":[1]}\n{\"b\":null}\n", "")
            .await
            .expect("it can be read");
        let columns: Vec<_> =
            found.columns.iter().map(|it| (&*it.name, it.types.concat(), it.nulls, it.missing)).collect();
        assert_eq!(columns, [("a", "numbertext".to_owned(), 0, 1), ("b", "list".to_owned(), 1, 1)]);
    }

    #[tokio::test]
    async fn a_bad_row_fails_the_object_and_the_others_are_shown() {
        let text = "id,n\n1,2\n3\n4,5\n";
        let found = preview_of(text, "").await.expect("it can be read");
        let failure = found.failure.expect("it fails");
        assert_eq!(failure.code, ReasonCode::from(bad_input::Reason::RaggedRow));
        assert!(failure.message.starts_with("line 3: "), "{}", failure.message);
        assert_eq!((found.records, found.rejected, found.rejects.len()), (2, 1, 1));
        let found = preview_of(text, "bad_rows = \"skip\"").await.expect("it can be read");
        let failure = found.failure.expect("a third of the rows is more than a tenth");
        assert_eq!(failure.code, ReasonCode::from(bad_input::Reason::TooManyRejected));
        assert_eq!((found.records, found.rejected), (2, 1));
        let all = "bad_rows = \"skip\"\nmax_rejected = \"100%\"";
        let found = preview_of(text, all).await.expect("it can be read");
        assert!(found.failure.is_none());
        let found = preview_of("id,n\n1,2\n,3\n", "key = \"{id}\"").await.expect("it can be read");
        assert_eq!(found.failure.expect("it fails").code, ReasonCode::from(bad_input::Reason::BadKey));
        let found = preview_of("id\n1\n2\n", "max_records = 1").await.expect("it can be read");
        assert_eq!(
            found.failure.expect("it fails").code,
            ReasonCode::from(bad_input::Reason::TooManyRecords)
        );
    }

    #[tokio::test]
    async fn an_object_that_is_refused_as_a_whole_has_its_reason() {
        let Err(ReadError::Bad(bad)) = preview_of("{\"Records\":[{\"a\":1}]}", "").await else {
            panic!("it is refused");
        };
        assert_eq!(bad.reason, bad_input::Reason::UnclearRecords);
    }
}
