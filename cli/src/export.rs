//! Reads visible records back from DynamoDB through their manifests, for `run --out` and `records`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use aws::{CallError, records::Records, tables::Tables};
use domain::{
    manifest::Manifest,
    object,
    record::{self, Record},
};

/// Why the records could not be exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The file.
    #[error("cannot write {path}")]
    Write {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Rows of the version were deleted while they were read.
    #[error(
        "only {taken} of the {records} records of {uri} are there: a newer version replaced them more than a day ago; \
         run the command again"
    )]
    Replaced {
        /// The object.
        uri: String,
        /// How many were read.
        taken: u64,
        /// How many there were.
        records: u64,
    },
    /// The records are in a table of the user's own, and nothing in its items says which object they come from.
    #[error(
        "the records of {uri} are in your table {table}, whose items have no provenance; read them there"
    )]
    NoProvenance {
        /// The object.
        uri: String,
        /// The table.
        table: String,
    },
    /// The table.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Writes the visible records of these keys to `path` as JSON Lines, key by key in row order, and returns their number and
/// why objects were left out whose records cannot be told from others. A file appears whole or not at all; a pipe or a device
/// takes the lines as they come.
pub(crate) async fn export(
    records: &Records,
    tables: &Tables,
    bucket: &str,
    keys: impl IntoIterator<Item = &str>,
    path: &Path,
) -> Result<(u64, Vec<ExportError>), ExportError> {
    let failed = |source| ExportError::Write { path: path.display().to_string(), source };
    let target = Target::open(path).map_err(failed)?;
    let mut out = BufWriter::new(target.as_file());
    let (mut lines, mut left_out) = (0, Vec::new());
    for key in keys {
        let written = each(records, tables, bucket, key, None, |row| row.write_json_line(&mut out)).await;
        match written {
            Ok(written) => lines += written.unwrap_or_default(),
            Err(ExportError::Write { source, .. }) => return Err(failed(source)),
            Err(error @ ExportError::NoProvenance { .. }) => left_out.push(error),
            Err(error) => return Err(error),
        }
    }
    out.flush().map_err(failed)?;
    drop(out);
    target.finish().map_err(failed)?;
    Ok((lines, left_out))
}

/// Where lines are written to.
enum Target {
    /// A draft beside the file, which takes its place in the end.
    Draft(tempfile::NamedTempFile, PathBuf),
    /// What is no file, such as a pipe: a file in its place would be read by nobody.
    Stream(File),
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        // A link stays one; what it leads to is written.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if path.metadata().is_ok_and(|it| !it.is_file() && !it.is_dir()) {
            return File::options().write(true).open(&path).map(Self::Stream);
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok(Self::Draft(tempfile::NamedTempFile::new_in(folder)?, path))
    }

    fn as_file(&self) -> &File {
        match self {
            Self::Draft(draft, _) => draft.as_file(),
            Self::Stream(stream) => stream,
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Draft(draft, path) => draft.persist(path).map(drop).map_err(|error| error.error),
            Self::Stream(_) => Ok(()),
        }
    }
}

/// A visible record, with where it comes from.
#[derive(Debug)]
pub(crate) struct VisibleRow<'a> {
    uri: &'a str,
    manifest: &'a Manifest,
    row: u64,
    pub(crate) record: &'a Record,
}

impl VisibleRow<'_> {
    /// Writes it as a line of JSON: `{"object","version","row","record"}`.
    pub(crate) fn write_json_line(&self, out: &mut impl Write) -> io::Result<()> {
        let version = serde_json::to_string(&self.manifest.version_id)?;
        let uri = serde_json::to_string(self.uri)?;
        write!(out, r#"{{"object":{uri},"version":{version},"row":{},"record":"#, self.row)?;
        record::write_record_json(self.record, out)?;
        out.write_all(b"}\n")
    }
}

/// Calls `take` with the visible records of one key, at most `limit` of them, and returns their number; none when no
/// version was ever published, or the object was deleted and its records with it.
pub(crate) async fn each(
    records: &Records,
    tables: &Tables,
    bucket: &str,
    key: &str,
    limit: Option<u64>,
    mut take: impl FnMut(VisibleRow<'_>) -> io::Result<()>,
) -> Result<Option<u64>, ExportError> {
    let manifest = records.manifest(bucket, key).await?.filter(|manifest| manifest.deleted.is_none());
    let Some(manifest) = manifest else { return Ok(None) };
    let uri = object::uri(bucket, key);
    let failed = |source| ExportError::Write { path: "to standard output".to_owned(), source };
    let limit = limit.unwrap_or(u64::MAX);
    let mut taken = 0;
    let mut take = |row, record: &Record| {
        take(VisibleRow { uri: &uri, manifest: &manifest, row, record }).map_err(failed)?;
        taken += 1;
        Ok(if taken < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    if let Some(table) = &manifest.table {
        own_table(tables, table, &manifest, &uri, &mut take).await?;
    } else if manifest.natural_key.is_some() {
        pages(async |page| records.natural(&manifest, &uri, page).await, &mut take).await?;
    } else {
        versioned(records, &manifest, &mut take).await?;
        // Rows of a replaced version stay for a day: only a reader that takes longer finds some of them gone.
        if taken < limit.min(manifest.records) {
            return Err(ExportError::Replaced { uri, taken, records: manifest.records });
        }
    }
    Ok(Some(taken))
}

/// Merges the partitions that the rows are spread over: row `r` is in partition `r % shards`, so the next row is
/// the least of the partitions' next ones.
async fn versioned(
    records: &Records,
    manifest: &Manifest,
    take: &mut impl FnMut(u64, &Record) -> Result<ControlFlow<()>, ExportError>,
) -> Result<(), ExportError> {
    let mut pages: Vec<std::collections::VecDeque<(u64, Record)>> = Vec::new();
    for partition in 0..manifest.shards {
        pages.push(records.rows(manifest, partition, None).await?.into());
    }
    loop {
        let heads = pages.iter().enumerate().filter_map(|(n, page)| Some((page.front()?.0, n)));
        let Some((_, least)) = heads.min() else { return Ok(()) };
        let Some((row, record)) = pages[least].pop_front() else { return Ok(()) };
        if take(row, &record)?.is_break() {
            return Ok(());
        }
        if pages[least].is_empty() {
            let partition = u32::try_from(least).unwrap_or(u32::MAX);
            pages[least] = records.rows(manifest, partition, Some(row)).await?.into();
        }
    }
}

async fn own_table(
    tables: &Tables,
    table: &str,
    manifest: &Manifest,
    uri: &str,
    take: &mut impl FnMut(u64, &Record) -> Result<ControlFlow<()>, ExportError>,
) -> Result<(), ExportError> {
    let (Some(attribute), Ok(name)) = (&manifest.provenance, table.parse()) else {
        return Err(ExportError::NoProvenance { uri: uri.to_owned(), table: table.to_owned() });
    };
    pages(async |page| tables.written(&name, attribute, (manifest, uri), page).await, take).await
}

/// Takes the rows of all pages that `read` reads.
async fn pages<P>(
    mut read: impl AsyncFnMut(Option<P>) -> Result<(Vec<(u64, Record)>, Option<P>), CallError>,
    take: &mut impl FnMut(u64, &Record) -> Result<ControlFlow<()>, ExportError>,
) -> Result<(), ExportError> {
    let mut page = None;
    loop {
        let (rows, next) = read(page).await?;
        for (row, record) in rows {
            if take(row, &record)?.is_break() {
                return Ok(());
            }
        }
        match next {
            Some(next) => page = Some(next),
            None => return Ok(()),
        }
    }
}
