//! Reads visible records back from DynamoDB through their manifests, for `run --out` and `records`.

use std::{
    io::{self, BufWriter, Write},
    path::Path,
};

use aws::{CallError, records::Records};
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
    /// The table.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Writes the visible records of these keys to `path` as JSON Lines, key by key in row order, and returns their
/// number. The file appears whole or not at all.
pub(crate) async fn export(
    records: &Records,
    bucket: &str,
    keys: impl IntoIterator<Item = &str>,
    path: &Path,
) -> Result<u64, ExportError> {
    let failed = |source| ExportError::Write { path: path.display().to_string(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let partial = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let mut out = BufWriter::new(partial.as_file());
    let mut lines = 0;
    for key in keys {
        let written = of_key(records, bucket, key, &mut out).await;
        let written = written.map_err(|error| match error {
            ExportError::Write { source, .. } => failed(source),
            other => other,
        });
        lines += written?.unwrap_or_default();
    }
    out.flush().map_err(failed)?;
    drop(out);
    partial.persist(path).map_err(|error| failed(error.error))?;
    Ok(lines)
}

/// Writes the visible records of one key, and returns their number; none when no version was ever published.
pub(crate) async fn of_key<W: Write>(
    records: &Records,
    bucket: &str,
    key: &str,
    out: &mut W,
) -> Result<Option<u64>, ExportError> {
    let Some(manifest) = records.manifest(bucket, key).await? else { return Ok(None) };
    let uri = object::uri(bucket, key);
    let failed = |source| ExportError::Write { path: "to standard output".to_owned(), source };
    let write = |out: &mut W, row, record: &Record| line(out, &uri, &manifest, row, record).map_err(failed);
    let lines = if manifest.natural_key.is_some() {
        natural(records, &manifest, &uri, out, write).await?
    } else {
        versioned(records, &manifest, out, write).await?
    };
    Ok(Some(lines))
}

/// Merges the partitions that the rows are spread over: row `r` is in partition `r % shards`, so the next row is
/// the least of the partitions' next ones.
async fn versioned<W>(
    records: &Records,
    manifest: &Manifest,
    out: &mut W,
    write: impl Fn(&mut W, u64, &Record) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let mut pages: Vec<std::collections::VecDeque<(u64, Record)>> = Vec::new();
    for partition in 0..manifest.shards {
        pages.push(records.rows(manifest, partition, None).await?.into());
    }
    let mut lines = 0;
    loop {
        let heads = pages.iter().enumerate().filter_map(|(n, page)| Some((page.front()?.0, n)));
        let Some((_, least)) = heads.min() else { return Ok(lines) };
        let Some((row, record)) = pages[least].pop_front() else { return Ok(lines) };
        write(out, row, &record)?;
        lines += 1;
        if pages[least].is_empty() {
            let partition = u32::try_from(least).unwrap_or(u32::MAX);
            pages[least] = records.rows(manifest, partition, Some(row)).await?.into();
        }
    }
}

async fn natural<W>(
    records: &Records,
    manifest: &Manifest,
    uri: &str,
    out: &mut W,
    write: impl Fn(&mut W, u64, &Record) -> Result<(), ExportError>,
) -> Result<u64, ExportError> {
    let (mut page, mut lines) = (None, 0);
    loop {
        let (rows, next) = records.natural(manifest, uri, page).await?;
        for (row, record) in rows {
            write(out, row, &record)?;
            lines += 1;
        }
        match next {
            Some(next) => page = Some(next),
            None => return Ok(lines),
        }
    }
}

fn line(out: &mut impl Write, uri: &str, manifest: &Manifest, row: u64, record: &Record) -> io::Result<()> {
    let version = serde_json::to_string(&manifest.version_id)?;
    write!(out, r#"{{"object":{},"version":{version},"row":{row},"record":"#, serde_json::to_string(uri)?)?;
    record::write_record_json(record, out)?;
    out.write_all(b"}\n")
}
