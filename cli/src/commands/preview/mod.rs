//! `tidemill preview`: reads files and objects as the worker would and shows what would become of them, without a deployment.

mod outcome;
mod suggestion;
mod text;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use app::run_job::{Preview, preview, preview_object};
use aws::{Clients, objects::Objects};
use domain::{
    job::Reason,
    object::Object,
    pipelines::{Format, Pipeline, Pipelines},
};
use readers::{BadInput, ReadError, Reject, Source};
use serde_json::{Value, json};

use self::outcome::{Found, Outcome, record_text};
use super::{
    deployment,
    uri::{self, ObjectName},
};
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
    let (in_s3, files): (Vec<&PathBuf>, Vec<&PathBuf>) = arguments.inputs.iter().partition(|it| is_uri(it));
    let files: Vec<PathBuf> = files.into_iter().cloned().collect();
    let inputs = Inputs::gather(&files, &arguments.name)?;
    let collected = inputs.collect(UPLOADS)?;
    let mut problems: Vec<String> = collected.problems.iter().map(|it| telemetry::causes(it)).collect();
    let mut inputs: Vec<Input> = collected.uploads.into_iter().map(Input::File).collect();
    inputs.extend(objects(&in_s3, &mut problems).await?);
    let (mut documents, mut code) = (Vec::new(), u8::from(!problems.is_empty()));
    for (at, input) in inputs.into_iter().enumerate() {
        let outcome = look(&pipelines, input).await?;
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
    for problem in &problems {
        eprintln!("tidemill: {problem}");
    }
    Ok(code)
}

/// What is looked at.
enum Input {
    File(Upload),
    Object(Objects, Object),
}

impl Input {
    /// As if it were a file to upload: its path or URI, its key and its size.
    fn upload(&self) -> Upload {
        match self {
            Self::File(upload) => upload.clone(),
            Self::Object(_, object) => Upload {
                path: object.uri().into(),
                key: object.key.clone(),
                bytes: object.size_bytes.unwrap_or_default(),
            },
        }
    }

    async fn read(&self, pipeline: &Pipeline) -> Result<Preview, ReadError> {
        match self {
            Self::File(upload) => preview(pipeline, || Source::file(File::open(&upload.path)?)).await,
            Self::Object(objects, object) => preview_object(pipeline, objects, object).await,
        }
    }
}

fn is_uri(input: &Path) -> bool {
    input.to_str().is_some_and(|text| text.starts_with("s3:"))
}

/// The objects of these URIs, in the version that each has now. One that is not there is a problem, and the others are looked
/// at.
async fn objects(uris: &[&PathBuf], problems: &mut Vec<String>) -> anyhow::Result<Vec<Input>> {
    let mut found = Vec::new();
    if uris.is_empty() {
        return Ok(found);
    }
    let mut names = Vec::new();
    for text in uris.iter().filter_map(|it| it.to_str()) {
        if let ObjectName::Uri(object) = uri::object(text)? {
            names.push(object);
        }
    }
    let (config, _) = deployment::environment().await?;
    let objects = Objects::new(&Clients::new(&config));
    for name in names {
        match objects.current(&name.bucket, &name.key).await {
            Ok(Some(object)) => found.push(Input::Object(objects.clone(), object)),
            Ok(None) => problems.push(format!("there is no object {name}")),
            Err(error) => problems.push(telemetry::causes(&error)),
        }
    }
    Ok(found)
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

/// Reads one input as its pipeline says.
async fn look(pipelines: &Pipelines, input: Input) -> anyhow::Result<Outcome> {
    let upload = input.upload();
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
        _ => match input.read(&pipeline).await {
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
