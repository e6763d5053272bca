//! `tidemill rejects`: prints the rejected rows of an object, which the worker keeps beside it.

use std::io::{self, Write};

use aws::objects::{Objects, ReadError};
use domain::{
    job::Job,
    object::{Object, Sequencer, rejects_key},
    pipelines::BadRows,
    text::{count, shortened},
};
use serde_json::Value;

use super::{deployment::Deployment, explain, uri};
use crate::{args::RejectsArguments, output::one_line};

/// The prefix under which the template has them written.
const PREFIX: &str = "rejects/";

/// The most characters of a raw row that are shown as text.
const RAW: usize = 200;

/// Prints them.
pub(crate) async fn run(arguments: &RejectsArguments) -> anyhow::Result<u8> {
    let name = uri::object(&arguments.object)?;
    let deployment = Deployment::find(&arguments.target).await?;
    let object = deployment.watched_object(name)?;
    let shown = one_line(&object.to_string());
    let jobs = explain::jobs_of(&deployment, object).await?;
    let Some(job) = jobs.iter().rev().find(|job| job.rejected() > 0) else {
        anyhow::bail!(
            "no rejected rows of {shown} are kept; an object that failed keeps none, and `tidemill explain` shows the first"
        );
    };
    anyhow::ensure!(
        matches!(job.pipeline.bad_rows, BadRows::Quarantine | BadRows::Repair),
        "the {} of {shown} were not kept: its pipeline {} does not say bad_rows = \"quarantine\" or \"repair\"",
        count(job.rejected(), "rejected row"),
        one_line(&job.pipeline.name)
    );
    let mut out = io::BufWriter::new(io::stdout());
    let printed =
        lines(&deployment.objects, deployment.bucket()?, job, arguments.limit.unwrap_or(u64::MAX), |line| {
            if arguments.target.json { writeln!(out, "{line}") } else { write!(out, "{}", to_text(line)) }
        });
    let printed = printed.await;
    out.flush()?;
    printed.map(|()| 0)
}

/// Calls `take` with the lines of a job's rejects object in the deployment's `bucket`, at most `limit` of them.
async fn lines(
    objects: &Objects,
    bucket: &str,
    job: &Job,
    limit: u64,
    mut take: impl FnMut(&str) -> io::Result<()>,
) -> anyhow::Result<()> {
    let key = rejects_key(PREFIX, &job.object.key, job.id.as_str());
    let kept = Object {
        bucket: bucket.to_owned(),
        key,
        version_id: None,
        etag: None,
        sequencer: Sequencer::default(),
        size_bytes: None,
    };
    let mut reading = objects.open(&kept).await.map_err(|error| match error {
        ReadError::SourceDeleted(_) => {
            anyhow::anyhow!(
                "the rejected rows of job {} are not there any more: {}",
                job.id,
                one_line(&kept.uri())
            )
        }
        other => other.into(),
    })?;
    let (mut line, mut left) = (Vec::new(), limit);
    while let Some(bytes) = reading.next().await? {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.pop_if(|last| *last == b'\n').is_none() {
                continue;
            }
            take(&String::from_utf8_lossy(&line))?;
            line.clear();
            left -= 1;
            if left == 0 {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A line as a person reads it: `line 3: ragged_row: 3 fields where the header has 2`, and the raw row below.
fn to_text(line: &str) -> String {
    let Ok(reject) = serde_json::from_str::<Value>(line) else { return format!("{}\n", one_line(line)) };
    let text = |name: &str| one_line(reject[name].as_str().unwrap_or_default());
    let place = match (&reject["line"], &reject["row"]) {
        (Value::Number(line), _) => format!("line {line}: "),
        (_, Value::Number(row)) => format!("row {row}: "),
        _ => String::new(),
    };
    let message = text("message");
    let raw = match text("raw") {
        raw if raw.is_empty() => String::new(),
        raw => format!("  {}\n", shortened(&raw, RAW)),
    };
    // Messages begin with the place already, where the reader knows it.
    let place = if message.starts_with(&place) { "" } else { &place };
    format!("{place}{}: {message}\n{raw}", text("reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejected_row_is_told_with_its_place_its_reason_and_its_text() {
        let line = r#"{"row":2,"line":3,"reason":"ragged_row","message":"3 fields where the header has 2","raw":"3,4\u00075"}"#;
        assert_eq!(to_text(line), "line 3: ragged_row: 3 fields where the header has 2\n  3,4\\u{7}5\n");
        let line = r#"{"row":2,"line":null,"reason":"json_syntax","message":"x","raw":""}"#;
        assert_eq!(to_text(line), "row 2: json_syntax: x\n");
        assert_eq!(to_text("half"), "half\n");
    }
}
