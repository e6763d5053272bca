//! `tidemill preview`: reads files as the worker would and shows what would become of them, without any cloud.

mod outcome;
mod suggestion;
mod text;

use std::{fs::File, path::Path, process::ExitCode};

use anyhow::Context;
use app::run_job::{Preview, preview};
use domain::{
    job::Reason,
    pipelines::{Format, Pipeline, Pipelines},
};
use readers::{BadInput, ReadError, Reject, Source};
use serde_json::{Value, json};

use self::outcome::{Found, Outcome, record_text};
use crate::{
    args::PreviewArguments,
    built_in::TemplateFile,
    files::{Inputs, Upload},
    local,
    output::{failed, print, print_document},
};

/// Where uploads lie: a file's key is this and its name, as `tidemill run` uploads it.
const UPLOADS: &str = "uploads/";

/// Shows every file. Exit code 1 when a job of one of them would fail.
pub(crate) fn main(arguments: &PreviewArguments) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let shown =
        runtime.context("cannot start the runtime").and_then(|runtime| runtime.block_on(run(arguments)));
    match shown {
        Ok(code) => ExitCode::from(code),
        Err(error) => failed(&error),
    }
}

async fn run(arguments: &PreviewArguments) -> anyhow::Result<u8> {
    let pipelines = pipelines(arguments)?;
    let inputs = Inputs::gather(&arguments.inputs, &arguments.name)?;
    let collected = inputs.collect(UPLOADS)?;
    let (mut documents, mut code) = (Vec::new(), u8::from(!collected.problems.is_empty()));
    for (at, upload) in collected.uploads.into_iter().enumerate() {
        let outcome = look(&pipelines, upload).await?;
        code |= u8::from(outcome.fails());
        if arguments.json {
            documents.push(to_json(&outcome));
        } else {
            let gap = if at == 0 { "" } else { "\n" };
            print(&format!("{gap}{}", text::page(&outcome)))?;
        }
    }
    if arguments.json {
        print_document(&json!({ "files": documents }))?;
    }
    for problem in &collected.problems {
        eprintln!("tidemill: {}", telemetry::causes(problem));
    }
    Ok(code)
}

/// The pipelines file that is named, or the one that the template ships.
fn pipelines(arguments: &PreviewArguments) -> anyhow::Result<Pipelines> {
    let (name, text) = match &arguments.pipelines {
        Some(file) => {
            let text = std::fs::read_to_string(file);
            (
                file.display().to_string(),
                text.with_context(|| format!("cannot read the pipelines file {file:?}"))?,
            )
        }
        None => {
            let template = TemplateFile::find(arguments.template.as_deref())?;
            local::pipelines_text(None, template.path(), &local::stack(template.path())?)?
        }
    };
    Ok(Pipelines::parse(&text, &name)?)
}

/// Reads one file as its pipeline says.
async fn look(pipelines: &Pipelines, upload: Upload) -> anyhow::Result<Outcome> {
    let Some(pipeline) = pipelines.route(&upload.key, Some(upload.bytes)).cloned() else {
        return Ok(Outcome { upload, found: Found::Ignored });
    };
    let found = match pipeline.format {
        Format::Object => {
            Found::NotRead(pipeline, "its pipeline makes one record of its metadata, whatever it holds")
        }
        Format::Command => {
            Found::NotRead(pipeline, "its pipeline runs a command on it, which preview does not")
        }
        _ => match read(&pipeline, &upload.path).await {
            Ok(preview) => Found::Read(pipeline, Box::new(preview)),
            Err(ReadError::Bad(BadInput { reason, message, .. })) => {
                Found::Refused(pipeline, Reason::new(reason, message))
            }
            Err(ReadError::Source(error)) => {
                return Err(error).with_context(|| format!("cannot read {:?}", upload.path));
            }
        },
    };
    Ok(Outcome { upload, found })
}

async fn read(pipeline: &Pipeline, path: &Path) -> Result<Preview, ReadError> {
    preview(pipeline, || Source::file(File::open(path)?)).await
}

fn to_json(outcome: &Outcome) -> Value {
    let Upload { path, key, bytes } = &outcome.upload;
    let (pipeline, preview) = match &outcome.found {
        Found::Ignored => (None, None),
        Found::NotRead(pipeline, _) | Found::Refused(pipeline, _) => (Some(pipeline), None),
        Found::Read(pipeline, preview) => (Some(pipeline), Some(preview)),
    };
    json!({
        "file": path.display().to_string(),
        "key": key,
        "bytes": bytes,
        "pipeline": pipeline.map(|it| &it.name),
        "not_read": if let Found::NotRead(_, why) = outcome.found { Some(why) } else { None },
        "failure": outcome.failure().map(|it| json!({
            "code": it.code.as_str(),
            "message": it.message,
            "advice": outcome.advice(),
        })),
        "found": preview.map(|it| preview_to_json(it)),
        "suggestion": suggestion::pipeline(outcome),
    })
}

fn preview_to_json(preview: &Preview) -> Value {
    let columns = preview.columns.iter().map(|it| {
        json!({
            "name": it.name,
            "types": it.types,
            "nulls": it.nulls,
            "missing": it.missing,
            "examples": it.examples,
        })
    });
    let rejects = preview.rejects.iter().map(|it: &Reject| {
        json!({ "line": it.place.line(), "reason": it.reason.code(), "message": it.message, "raw": it.raw })
    });
    let (taken, next) = text::taken_and_next(preview);
    json!({
        "format": preview.format,
        "why": text::why(preview),
        "score": taken.map(|it| it.score),
        "competing": next.map(|it| json!({ "reading": it.dialect.to_string(), "fields": it.fields, "score": it.score })),
        "decompressed_bytes": preview.bytes.1,
        "notes": preview.notes,
        "records": preview.records,
        "rejected": preview.rejected,
        "repaired": preview.repaired,
        "columns": columns.collect::<Vec<_>>(),
        "has_more_columns": preview.more_columns,
        "first_records": preview.first.iter().map(record_text).collect::<Vec<_>>(),
        "first_rejects": rejects.collect::<Vec<_>>(),
        "cost_nanodollars": preview.cost.nanodollars(),
    })
}
