//! The events that `up` prints, as lines for a person or as JSON Lines for a program.

use std::path::Path;

use domain::{
    job::{Done, Job, JobState},
    text::count,
};
use localcloud::sns::Mail;
use serde_json::{Value, json};

use crate::{
    commands::format_job::job_to_json,
    endpoint::{self, variables},
    output::{columns, hanging, one_line, print, print_line},
};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event<'e> {
    /// The local cloud accepts calls.
    Ready {
        /// Its URL.
        endpoint: &'e str,
        /// The folder whose files are uploaded.
        watched: Option<&'e Path>,
    },
    /// A file was uploaded.
    Uploaded {
        /// Its key.
        key: &'e str,
        /// Its size.
        bytes: u64,
    },
    /// A file was removed from the folder. Its object stays in the bucket.
    Removed {
        /// Its key.
        key: &'e str,
    },
    /// A file or folder cannot be uploaded.
    Problem {
        /// Which, and why.
        message: &'e str,
    },
    /// The pipelines file has changed and is used from now on.
    Pipelines {
        /// Its name.
        file: &'e str,
        /// How many pipelines it has.
        pipelines: usize,
        /// How many schedules it has.
        schedules: usize,
    },
    /// A job settled.
    Settled(&'e Job),
    /// A mail was sent.
    Mail(&'e Mail),
}

/// Prints events, one after the other.
#[derive(Debug)]
pub(crate) struct Printer<'t> {
    /// As JSON Lines.
    pub(crate) json: bool,
    /// The bucket's name.
    pub(crate) bucket: &'t str,
    /// The watched prefix.
    pub(crate) prefix: &'t str,
}

impl Printer<'_> {
    /// Prints an event. The line is flushed when this returns.
    pub(crate) fn print(&self, event: &Event<'_>) -> anyhow::Result<()> {
        if self.json { print_line(&self.to_json(event)) } else { print(&self.to_text(event)) }
    }

    fn to_json(&self, event: &Event<'_>) -> Value {
        let uri = |key: &str| format!("s3://{}/{key}", self.bucket);
        match event {
            Event::Ready { endpoint, .. } => json!({
                "event": "ready",
                "endpoint": endpoint,
                "bucket": self.bucket,
                "prefix": self.prefix,
                "environment": variables(endpoint).map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect::<serde_json::Map<_, _>>(),
            }),
            Event::Uploaded { key, bytes } => {
                json!({ "event": "uploaded", "object": uri(key), "bytes": bytes })
            }
            Event::Removed { key } => json!({ "event": "removed", "object": uri(key) }),
            Event::Problem { message } => json!({ "event": "problem", "message": message }),
            Event::Pipelines { file, pipelines, schedules } => {
                json!({ "event": "pipelines", "file": file, "pipelines": pipelines, "schedules": schedules })
            }
            Event::Settled(job) => {
                let mut settled = job_to_json(job);
                settled["event"] = "settled".into();
                settled
            }
            Event::Mail(mail) => {
                json!({ "event": "mail", "to": mail.to, "subject": mail.subject, "body": mail.body })
            }
        }
    }

    fn to_text(&self, event: &Event<'_>) -> String {
        match event {
            Event::Ready { endpoint, watched } => self.welcome(endpoint, *watched),
            Event::Uploaded { key, bytes } => {
                format!("uploaded  {}, {}\n", one_line(key), count(*bytes, "byte"))
            }
            Event::Removed { key } => {
                format!("removed   {} (the object stays in the bucket)\n", one_line(key))
            }
            Event::Problem { message } => format!("problem   {}\n", one_line(message)),
            Event::Pipelines { file, pipelines, schedules } => {
                let (pipelines, schedules) = (count(*pipelines, "pipeline"), count(*schedules, "schedule"));
                let file = one_line(file);
                let changed = format!("{file} has changed; used from now on: {pipelines}, {schedules}");
                let otherwise = "what they would process otherwise: tidemill jobs --outdated";
                line("pipelines", &changed) + &line("", otherwise)
            }
            Event::Settled(job) => line(job.state().as_str(), &outcome(job)),
            Event::Mail(mail) => format!("mail      {}\n", one_line(&mail.subject)),
        }
    }

    fn welcome(&self, endpoint: &str, watched: Option<&Path>) -> String {
        let Self { bucket, prefix, .. } = self;
        let port = endpoint::argument(endpoint);
        let mut text = String::from("\n");
        for (name, value) in variables(endpoint) {
            text += &format!("export {name}={value}\n");
        }
        text += &format!(
            "\nIn another terminal, let AWS clients find this cloud:\n\
             eval \"$(tidemill env{port})\"\n\n\
             Upload a file, list the jobs, see what happened to the file, print its records:\n\
             aws s3 cp FILE s3://{bucket}/{prefix}\n\
             tidemill jobs\n\
             tidemill explain s3://{bucket}/{prefix}FILE\n\
             tidemill records s3://{bucket}/{prefix}FILE\n\n"
        );
        if let Some(folder) = watched {
            text += &format!(
                "Every file added or changed in {} is uploaded. ",
                one_line(&folder.display().to_string())
            );
        }
        text + "Press Ctrl-C to stop.\n\n"
    }
}

/// A line of an event, which goes on below itself where the terminal ends.
fn line(event: &str, text: &str) -> String {
    hanging(&format!("{event:9} "), text, columns().unwrap_or(usize::MAX))
}

fn outcome(job: &Job) -> String {
    let key = one_line(&job.object.key);
    match (&job.state, job.reason()) {
        (JobState::Done(Done { progress, .. }), _) => {
            let left_out = match progress.rejected {
                0 => String::new(),
                rows if progress.rejects.is_empty() => format!(", {} rejected", count(rows, "row")),
                rows => format!(", {} rejected ({})", count(rows, "row"), progress.rejects.reasons()),
            };
            let repaired = match progress.repaired {
                0 => String::new(),
                rows => format!(", {} repaired", count(rows, "row")),
            };
            format!("{key}: {}{left_out}{repaired}", count(progress.records, "record"))
        }
        (_, Some(reason)) => {
            format!("{key}: {}: {}", one_line(reason.code.as_str()), one_line(&reason.message))
        }
        (_, None) => key,
    }
}
