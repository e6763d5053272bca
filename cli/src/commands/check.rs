//! `tidemill check`: what is wrong with a pipelines file and a template, before anything is deployed.

use std::{path::Path, process::ExitCode};

use domain::pipelines::{Pipelines, Problem};
use localcloud::{iam::PolicyError, template::TemplateError};
use serde_json::{Value, json};

use crate::{
    args::CheckArguments,
    local,
    output::{failed, one_line, print, print_document},
};

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    words: String,
}

/// Checks them. Exit code 1 when something is wrong.
pub(crate) fn main(arguments: &CheckArguments) -> ExitCode {
    let wrong = wrongs(arguments);
    let printed = if arguments.json {
        print_document(&json!({
            "ok": wrong.is_empty(),
            "problems": wrong.iter().map(Wrong::to_json).collect::<Vec<_>>(),
        }))
    } else if wrong.is_empty() {
        print("nothing is wrong\n")
    } else {
        print(&wrong.iter().map(Wrong::to_text).collect::<String>())
    };
    match printed {
        Ok(()) => ExitCode::from(u8::from(!wrong.is_empty())),
        Err(error) => failed(&error),
    }
}

fn wrongs(arguments: &CheckArguments) -> Vec<Wrong> {
    let template = &arguments.template;
    let mut wrong: Vec<Wrong> = local::template_problems(template).iter().map(of_template).collect();
    let whole = |words: String, file: String| Wrong { file, line: None, column: None, words };
    let stack = local::stack(template);
    if let Ok(stack) = &stack
        && let Err(error) = local::check_policies(stack)
    {
        wrong.push(of_policy(template, &error));
    }
    let text = match (&arguments.pipelines, stack) {
        (Some(file), _) => {
            let name = file.display().to_string();
            let read = std::fs::read_to_string(file);
            read.map(|text| (name.clone(), text))
                .map_err(|error| whole(format!("cannot read the pipelines file: {error}"), name))
        }
        (None, Ok(stack)) => local::pipelines_text(None, template, &stack)
            .map_err(|error| whole(format!("{error:#}"), template.display().to_string())),
        // Which file it ships cannot be known before it is mended.
        (None, Err(_)) => return wrong,
    };
    match text {
        Ok((name, text)) => {
            if let Err(error) = Pipelines::parse(&text, &name) {
                wrong.extend(error.problems.iter().map(|problem| of_pipelines(&error.file, problem)));
            }
        }
        Err(unread) => wrong.push(unread),
    }
    wrong
}

fn of_pipelines(file: &str, problem: &Problem) -> Wrong {
    let words = match problem.key.as_str() {
        "" => problem.words.clone(),
        key => format!("{key}: {}", problem.words),
    };
    Wrong { file: file.to_owned(), line: Some(problem.line), column: Some(problem.column), words }
}

fn of_policy(template: &Path, error: &PolicyError) -> Wrong {
    Wrong {
        file: template.display().to_string(),
        line: Some(error.line),
        column: None,
        words: format!("Resources.{}: its policy cannot be enforced: {}", error.resource, error.why),
    }
}

fn of_template(error: &TemplateError) -> Wrong {
    match error {
        TemplateError::Faulty { file, line, path, fault } => Wrong {
            file: file.display().to_string(),
            line: Some(*line),
            column: None,
            words: match path.join(".") {
                path if path.is_empty() => fault.to_string(),
                path => format!("{path}: {fault}"),
            },
        },
        TemplateError::Missing { file }
        | TemplateError::Unreadable { file, .. }
        | TemplateError::Parameters { file, .. } => Wrong {
            file: file.display().to_string(),
            line: None,
            column: None,
            words: telemetry::causes(error),
        },
        TemplateError::StackName { .. } => {
            Wrong { file: String::new(), line: None, column: None, words: error.to_string() }
        }
    }
}

impl Wrong {
    fn to_text(&self) -> String {
        let place = [self.line, self.column].iter().flatten().map(|n| format!(":{n}")).collect::<String>();
        format!("{}{place}: {}\n", one_line(&self.file), one_line(&self.words))
    }

    fn to_json(&self) -> Value {
        json!({ "file": self.file, "line": self.line, "column": self.column, "words": self.words })
    }
}
