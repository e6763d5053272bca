//! `tidemill check`: finds the errors in a pipelines file and a template before they are deployed, and where what is deployed
//! differs from them.

use std::path::Path;

use domain::{
    pipelines::{Pipelines, Problem},
    text::count,
};
use localcloud::{iam::PolicyError, template::TemplateError};
use serde_json::{Value, json};

use crate::{
    args::CheckArguments,
    built_in::TemplateFile,
    local,
    output::{columns, hanging, one_line, print, print_document},
};

use super::{check_deployed, deployment::Deployment};

/// An error in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileError {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default)]
struct Findings {
    /// The template, and the pipelines file where it was read.
    files: Vec<String>,
    pipelines: usize,
    schedules: usize,
    errors: Vec<FileError>,
}

/// Checks both files, and with `--deployed` the stack. Exit code 1 when there is an error.
pub(crate) async fn run(arguments: &CheckArguments) -> anyhow::Result<u8> {
    let deployment = match arguments.deployed {
        true => Some(Deployment::named(arguments.stack.as_deref()).await?),
        false => None,
    };
    let findings = find(arguments, deployment.as_ref()).await?;
    let errors = &findings.errors;
    if arguments.json {
        print_document(&json!({
            "ok": errors.is_empty(),
            "files": findings.files,
            "pipelines": findings.pipelines,
            "schedules": findings.schedules,
            "problems": errors.iter().map(FileError::to_json).collect::<Vec<_>>(),
        }))
    } else if errors.is_empty() {
        print(&findings.to_text())
    } else {
        print(&errors.iter().map(FileError::to_text).collect::<String>())
    }?;
    Ok(u8::from(!errors.is_empty()))
}

impl Findings {
    /// Of files without errors.
    fn to_text(&self) -> String {
        let files: Vec<String> = self.files.iter().map(|file| one_line(file)).collect();
        let (pipelines, schedules) = (count(self.pipelines, "pipeline"), count(self.schedules, "schedule"));
        let text = format!("{pipelines}, {schedules} in {}: no problems", files.join(" and "));
        hanging("", &text, columns().unwrap_or(usize::MAX))
    }
}

async fn find(arguments: &CheckArguments, deployment: Option<&Deployment>) -> anyhow::Result<Findings> {
    let file = TemplateFile::find(arguments.template.as_deref())?;
    let mut findings = Findings::default();
    let text = read(arguments, file.path(), &mut findings.errors);
    if let Some((name, text, of_template)) = text {
        let mut watched = arguments.watched.clone();
        match deployment {
            Some(deployment) => {
                watched.extend(deployment.watched()?.places().map(|place| place.prefix.clone()));
            }
            None => watched.extend(of_template),
        }
        let watched: Vec<&str> = watched.iter().map(String::as_str).collect();
        match Pipelines::parse_watched(&text, &name, &watched) {
            Ok(pipelines) => {
                findings.pipelines = pipelines.iter().count();
                findings.schedules = pipelines.schedules().len();
                if let Some(deployment) = deployment {
                    let problems = check_deployed::problems(deployment, &pipelines).await?;
                    findings.errors.extend(problems.into_iter().map(|message| FileError {
                        file: format!("stack {}", deployment.stack_name()),
                        line: None,
                        column: None,
                        message,
                    }));
                }
            }
            Err(error) => {
                findings
                    .errors
                    .extend(error.problems.iter().map(|problem| of_pipelines(&error.file, problem)));
            }
        }
        findings.files.push(file.shown(&name));
    }
    findings.files.push(file.shown(&file.path().display().to_string()));
    for error in &mut findings.errors {
        error.file = file.shown(&error.file);
    }
    if let Some(deployment) = deployment {
        findings.files.push(format!("stack {}", deployment.stack_name()));
    }
    Ok(findings)
}

/// Reads both files: the name and the text of the pipelines file, and the prefix that the template watches. What is wrong
/// with the template, or keeps either from being read, is among the errors.
fn read(
    arguments: &CheckArguments,
    template: &Path,
    errors: &mut Vec<FileError>,
) -> Option<(String, String, Option<String>)> {
    errors.extend(local::template_problems(template).iter().map(of_template));
    let whole = |message: String, file: String| FileError { file, line: None, column: None, message };
    let stack = local::stack(template);
    if let Ok(stack) = &stack
        && let Err(error) = local::check_policies(stack)
    {
        errors.push(of_policy(template, &error));
    }
    let watched = stack.as_ref().ok().and_then(|stack| stack.outputs.get("WatchedPrefix").cloned());
    let text = match (&arguments.pipelines, stack) {
        (Some(file), _) => {
            let name = file.display().to_string();
            let read = std::fs::read_to_string(file);
            read.map(|text| (name.clone(), text))
                .map_err(|error| whole(format!("cannot read the pipelines file: {error}"), name))
        }
        (None, Ok(stack)) => local::pipelines_text(None, template, &stack)
            .map_err(|error| whole(format!("{error:#}"), template.display().to_string())),
        // The template names the file that it ships, and the template cannot be read.
        (None, Err(_)) => return None,
    };
    match text {
        Ok((name, text)) => Some((name, text, watched)),
        Err(unread) => {
            errors.push(unread);
            None
        }
    }
}

fn of_pipelines(file: &str, problem: &Problem) -> FileError {
    let message = match problem.key.as_str() {
        "" => problem.words.clone(),
        key => format!("{key}: {}", problem.words),
    };
    FileError { file: file.to_owned(), line: Some(problem.line), column: Some(problem.column), message }
}

fn of_policy(template: &Path, error: &PolicyError) -> FileError {
    FileError {
        file: template.display().to_string(),
        line: Some(error.line),
        column: None,
        message: format!("Resources.{}: its policy cannot be enforced: {}", error.resource, error.why),
    }
}

fn of_template(error: &TemplateError) -> FileError {
    match error {
        TemplateError::Faulty { file, line, path, fault } => FileError {
            file: file.display().to_string(),
            line: Some(*line),
            column: None,
            message: match path.join(".") {
                path if path.is_empty() => fault.to_string(),
                path => format!("{path}: {fault}"),
            },
        },
        TemplateError::Missing { file }
        | TemplateError::Unreadable { file, .. }
        | TemplateError::Parameters { file, .. } => FileError {
            file: file.display().to_string(),
            line: None,
            column: None,
            message: telemetry::causes(error),
        },
        TemplateError::StackName { .. } => {
            FileError { file: String::new(), line: None, column: None, message: error.to_string() }
        }
    }
}

impl FileError {
    fn to_text(&self) -> String {
        let place = [self.line, self.column].iter().flatten().map(|n| format!(":{n}")).collect::<String>();
        format!("{}{place}: {}\n", one_line(&self.file), one_line(&self.message))
    }

    fn to_json(&self) -> Value {
        json!({ "file": self.file, "line": self.line, "column": self.column, "message": self.message })
    }
}
