//! How a pipeline's objects are read, in the readers' words; and what was read, in ours.

use std::collections::BTreeMap;

use domain::pipelines::{BadRows, ColumnType, DEFAULT_MAX_REJECTED, DEFAULT_MAX_REPAIRED, Format, Pipeline};
use domain::volume::Bounds;
use readers::{Checked, Compression, Dialect, Layout, Tolerance};

/// How an object was read: what makes the same rows of it again.
#[derive(Debug)]
pub(crate) struct ReadAs {
    pub(crate) options: readers::Options,
    pub(crate) schema: readers::Schema,
}

/// How many bad rows a pipeline accepts in an object.
pub(crate) fn tolerance(pipeline: &Pipeline) -> Tolerance {
    match pipeline.bad_rows {
        BadRows::RejectFile => Tolerance::None,
        BadRows::Skip | BadRows::Quarantine | BadRows::Repair => {
            Tolerance::Share(pipeline.max_rejected.unwrap_or(DEFAULT_MAX_REJECTED))
        }
    }
}

/// How a pipeline's object of `uploaded` bytes is read, as far as that is known.
pub(crate) fn read_options(
    pipeline: &Pipeline,
    uploaded: Option<u64>,
    buffers: readers::BufferPermits,
) -> readers::Options {
    readers::Options {
        format: match pipeline.format {
            // Objects of the last two formats do not reach the readers.
            Format::Auto | Format::Command | Format::Object | Format::Aws(_) => readers::Format::Auto,
            Format::Csv => readers::Format::Csv,
            Format::Jsonl => readers::Format::JsonLines,
            Format::Json => readers::Format::Json,
            Format::DynamodbJson => readers::Format::DynamodbJson,
            Format::Avro => readers::Format::Avro,
            Format::Parquet => readers::Format::Parquet,
            Format::Sheet => readers::Format::Sheet,
        },
        preset: if let Format::Aws(preset) = pipeline.format { Some(preset) } else { None },
        // The pipelines file allows ASCII delimiters only.
        delimiter: pipeline.delimiter.and_then(|delimiter| delimiter.try_into().ok()),
        table: pipeline.delimited.clone(),
        sheet: pipeline.sheet.clone(),
        entry: pipeline.entry.clone(),
        encoding: pipeline.encoding.clone(),
        pointer: pipeline.records.clone(),
        columns: columns_in_object(pipeline),
        repair: (pipeline.bad_rows == BadRows::Repair)
            .then(|| pipeline.max_repaired.unwrap_or(DEFAULT_MAX_REPAIRED)),
        known: None,
        limits: readers::Limits::default(),
        bounds: Bounds::of(pipeline, uploaded),
        buffers,
    }
}

/// The types of the columns, by the names that they have in the object.
pub(crate) fn columns_in_object(pipeline: &Pipeline) -> BTreeMap<String, ColumnType> {
    let Some(destination) = &pipeline.destination else { return pipeline.columns.clone() };
    let columns = pipeline.columns.iter();
    columns.map(|(name, kind)| (destination.name_in_object(name).to_owned(), *kind)).collect()
}

/// The detected format, written like a file extension: `csv.gz`.
pub(crate) fn format_of(checked: &Checked) -> String {
    let layout = match checked.schema.layout {
        Layout::Delimited(Dialect { delimiter: Some(b',') | None, .. }) => "csv",
        Layout::Delimited(Dialect { delimiter: Some(b'\t'), .. }) => "tsv",
        Layout::Delimited(_) => "delimited",
        Layout::JsonLines => "jsonl",
        Layout::Json => "json",
        Layout::JsonSequence => "json-seq",
        Layout::DynamodbJson => "dynamodb-json",
        Layout::Avro => "avro",
        Layout::Parquet => "parquet",
        // A workbook is an archive by itself.
        Layout::Sheet(workbook, _) => return workbook.suffix().to_owned(),
    };
    let suffix = |compression| match compression {
        Compression::None => "",
        Compression::Gzip => ".gz",
        Compression::Zstd => ".zst",
        Compression::Bzip2 => ".bz2",
        Compression::Xz => ".xz",
        Compression::Zip => ".zip",
    };
    format!("{layout}{}{}", suffix(checked.inner_compression), suffix(checked.compression))
}
