//! The command line.

mod deployed;
mod target;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use domain::sweep::TimeArg;

pub(crate) use deployed::{
    BackfillArguments, ColumnsArguments, DeadArguments, ExplainArguments, ForgetArguments, JobsArguments,
    MailsArguments, RecordsArguments, RecordsFormat, RejectsArguments, ReplayArguments, ScheduleAction,
    ScheduleArguments, StopArguments,
};
pub(crate) use target::Target;

/// Turn files into DynamoDB records, on AWS or on this machine.
#[derive(Debug, Parser)]
#[command(name = "tidemill", version, about)]
pub(crate) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the local cloud, upload files, and show the outcome of each.
    ///
    /// Ctrl-C shows the outcomes so far; a second one ends the command at once. Exit code: 0 when every job is done; 1 when
    /// a job is not done, or the run could not start; 2 for wrong usage; 130 after Ctrl-C; 143 after SIGTERM.
    #[command(
        after_long_help = "Examples:\n  tidemill run samples\n  tidemill run orders.csv returns.csv.gz --out records.jsonl\n  gunzip -c orders.csv.gz | tidemill run - --name orders.csv"
    )]
    Run(RunArguments),
    /// Run the local cloud until Ctrl-C, for any AWS client.
    ///
    /// `eval "$(tidemill env)"` then lets AWS clients find it.
    ///
    /// Prints how to connect, a line for each job that settles, and a line for each mail. With --json, prints JSON Lines:
    /// {"event": "ready" | "uploaded" | "removed" | "problem" | "pipelines" | "settled" | "mail", …}. A change of the pipelines
    /// file is used at once. Exit code: 0 after Ctrl-C or
    /// SIGTERM; 1 when the local cloud could not start; 2 for wrong usage.
    #[command(
        after_long_help = "Examples:\n  tidemill up --watch incoming --data state\n  eval \"$(tidemill env)\"      in another terminal"
    )]
    Up(UpArguments),
    /// Print the variables by which AWS clients find the local cloud that `tidemill up` runs.
    ///
    /// For a shell: eval "$(tidemill env)". With --json, prints one JSON document. Exit code: 0 when a local cloud runs; 1
    /// when none does; 2 for wrong usage.
    Env(EnvArguments),
    /// List jobs: the open ones, then those that settled recently, newest first; then the runs of schedules.
    ///
    /// With --json, prints JSON Lines: one job per line, and one run of a schedule per line, which has a member "schedule".
    #[command(
        after_long_help = "Examples:\n  tidemill jobs --state failed --since 7d\n  tidemill jobs --prefix uploads/2026/ --limit 20\n  tidemill jobs --watch\n  tidemill jobs --outdated --since 30d"
    )]
    Jobs(JobsArguments),
    /// Show the timeline of an object or a job.
    ///
    /// With --json, prints one JSON document.
    #[command(
        after_long_help = "Examples:\n  tidemill explain orders.csv\n  tidemill explain s3://BUCKET/uploads/orders.csv\n  tidemill explain da4845"
    )]
    Explain(ExplainArguments),
    /// Print the visible records of an object, in row order.
    ///
    /// As JSON Lines, {"object","version","row","record"}, or as CSV, of which the first line is the header. Exit code: 0 when a version of the object is visible, even an empty one; 1 when none is; 2 for wrong usage.
    #[command(
        after_long_help = "Examples:\n  tidemill records orders.csv --limit 10\n  tidemill records s3://BUCKET/uploads/orders.csv --format csv"
    )]
    Records(RecordsArguments),
    /// Show the columns that a pipeline's objects had so far, or forget them.
    ///
    /// The columns of each object are compared with these. After --forget, later objects are compared with the next one.
    /// With --json, prints one JSON document. Exit code: 0 when columns are known; 1 when none are; 2 for wrong usage.
    Columns(ColumnsArguments),
    /// List dead-letter messages and the state of the job each refers to, or remove some.
    ///
    /// Listing does not remove messages; while it runs, they are hidden from other readers. With --json, prints JSON
    /// Lines: one message per line. Exit code: 0; 1 when a message to remove is not there; 2 for wrong usage.
    Dead(DeadArguments),
    /// Process objects again, or send dead-letter messages back to their queues.
    ///
    /// Uses the pipelines of the deployment as they are today. Asks before it replays more than 100 jobs. With --json, prints
    /// JSON Lines: {"item", "job", "replayed", "message", …}. Exit code: 0 when everything was replayed; 1 when something
    /// could not be; 2 for wrong usage.
    Replay(ReplayArguments),
    /// Print the rejected rows of an object's newest version that has any: line, reason and raw text.
    ///
    /// They are kept for pipelines with bad_rows = "quarantine" or "repair". With --json, prints JSON Lines: {"row", "line",
    /// "reason", "message", "raw"}. Exit code: 0 when there are some; 1 when there are none; 2 for wrong usage.
    #[command(after_long_help = "Examples:\n  tidemill rejects orders.csv --limit 10")]
    Rejects(RejectsArguments),
    /// List the mails that a local cloud has sent since it started, or print one of them.
    ///
    /// With --json, prints JSON Lines: {"number", "sent_at", "to", "subject", "body"}. Exit code: 0; 1 when there is no such
    /// mail, or the endpoint is not a local cloud's; 2 for wrong usage.
    Mails(MailsArguments),
    /// Process objects that have no job, such as those that were in the bucket before.
    ///
    /// Compares the bucket with the ledger, and queues each object version that a pipeline matches and that has no job. With
    /// --json, prints JSON Lines: one object per line. Exit code: 0 when all were queued; 1 when some could not be; 2 for wrong
    /// usage.
    Backfill(BackfillArguments),
    /// Delete the records and all traces of an object that is not in the bucket any more.
    ///
    /// Reads the ledger's table and the records' table whole. With --json, prints one JSON document. Exit code: 0; 1 when the
    /// object is still there or a job of it has not settled; 2 for wrong usage.
    Forget(ForgetArguments),
    /// List the schedules with their last runs, or run one now.
    ///
    /// With --json, prints JSON Lines: one schedule per line, or the task that was launched. Exit code: 0; 1 when the task could
    /// not be launched; 2 for wrong usage.
    Schedule(ScheduleArguments),
    /// Stop a job: it fails with the reason "cancelled", and a failure mail is sent.
    ///
    /// With --json, prints one JSON document. Exit code: 0 when the job is stopped or its task is stopping; 1 when the job
    /// has already settled; 2 for wrong usage.
    Stop(StopArguments),
    /// Show what would become of files: format, columns, first records, rejected rows, cost, and the pipeline for them.
    ///
    /// Reads the files as the worker would and writes nothing; needs no cloud. An object in S3 is read in the version that it
    /// has now, by ranges where its format allows that; this needs a region and credentials. With --json, prints one JSON document:
    /// {"files": [{"file", "key", "bytes", "pipeline", "not_read", "failure", "found", "suggestion"}]}; docs/pipelines.md
    /// describes it. Exit code: 0 when no job would fail; 1 when one would, or a file cannot be read; 2 for wrong usage.
    #[command(
        after_long_help = "Examples:\n  tidemill preview orders.csv\n  tidemill preview s3://my-bucket/uploads/orders.csv\n  curl -s URL | tidemill preview - --name orders.csv"
    )]
    Preview(PreviewArguments),
    /// Check a pipelines file and a template, and print every error in them.
    ///
    /// With --json, prints one JSON document. Exit code: 0 when there are no errors; 1 when there are; 2 for wrong usage.
    Check(CheckArguments),
    /// Write the template and the default pipelines, which this command contains, into a folder, to change them there.
    ///
    /// A file that is there already stays as it is.
    Init(InitArguments),
    /// Print the completions for a shell, to be sourced by it.
    #[command(
        after_long_help = "Examples:\n  source <(tidemill completions bash)\n  tidemill completions zsh >~/.zfunc/_tidemill"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print this command's manual page, or write a page for each command into a folder.
    Man {
        /// The folder.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Run a deployed function: the local cloud starts it this way.
    #[command(hide = true)]
    Function {
        /// The function's name, as its folder has it.
        name: String,
    },
    /// Run the worker: the local cloud starts it this way.
    #[command(hide = true)]
    Worker {
        /// The worker's arguments, those that start with a hyphen included.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// The local cloud to start.
#[derive(Debug, Args)]
pub(crate) struct LocalArguments {
    /// Use this pipelines file instead of the one that the template ships.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// Keep objects, tables, queues, mails and logs in this folder, and continue from what it holds.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The template to run; defaults to template.yaml, and where there is none, to the one that this command contains.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// Run tasks as containers of this image instead of processes, with podman or docker. CONTAINER_RUNTIME selects one.
    /// Linux only.
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) containers: Option<String>,
    /// Listen on this port of 127.0.0.1; 0 picks a free one. `up` takes 4566 by default, or the next one that is free; `run`
    /// takes any.
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

/// The name of an image, as the template's parameter accepts it.
fn image(name: &str) -> Result<String, String> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if begins && !name.contains(char::is_whitespace) {
        return Ok(name.to_owned());
    }
    Err("an image name starts with a lower-case letter or a digit and has no spaces, for example tidemill:1"
        .to_owned())
}

/// The name of a file, without a folder.
fn file_name(name: &str) -> Result<String, String> {
    match name {
        "" | "." | ".." => Err("not the name of a file".to_owned()),
        _ if name.contains(['/', '\0']) => Err("a name has no folder in it, such as orders.csv".to_owned()),
        _ => Ok(name.to_owned()),
    }
}

/// A length of time.
fn duration(text: &str) -> Result<Duration, String> {
    match TimeArg::try_from(text.to_owned()) {
        Ok(TimeArg::Ago(duration)) => Ok(duration),
        _ => Err("write a number and its unit, such as 30s, 5m or 2h".to_owned()),
    }
}

/// The arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Files and folders to upload, or - for standard input. The key of a file in a folder is its path inside that folder;
    /// hidden files in folders are left out.
    #[arg(required = true, value_name = "FILES")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The name under which standard input is uploaded, such as orders.csv: pipelines match by it.
    #[arg(long, value_name = "NAME", default_value = "stdin", value_parser = file_name)]
    pub(crate) name: String,
    /// Stop waiting after this time, such as 30s or 5m, and report what is done.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Write the visible records to this file as JSON Lines: {"object","version","row","record"}.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON document instead of tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// The local cloud.
    #[command(flatten)]
    pub(crate) local: LocalArguments,
}

/// The arguments of `up`.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Upload every file that is added or changed in this folder, except hidden files.
    #[arg(long, value_name = "DIR")]
    pub(crate) watch: Option<PathBuf>,
    /// Print JSON Lines instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// The local cloud.
    #[command(flatten)]
    pub(crate) local: LocalArguments,
}

/// The arguments of `env`.
#[derive(Debug, Args)]
pub(crate) struct EnvArguments {
    /// The port of the local cloud; defaults to the first of 4566 to 4575 on which one runs.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Print JSON instead of shell commands.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `preview`.
#[derive(Debug, Args)]
pub(crate) struct PreviewArguments {
    /// Files and folders to look at, - for standard input, or objects such as s3://BUCKET/KEY. The key of a file is the one
    /// that `tidemill run` would upload it under.
    #[arg(required = true, value_name = "FILES")]
    pub(crate) inputs: Vec<PathBuf>,
    /// The name that standard input has, such as orders.csv: pipelines match by it.
    #[arg(long, value_name = "NAME", default_value = "stdin", value_parser = file_name)]
    pub(crate) name: String,
    /// Use this pipelines file; defaults to the one that the template ships.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// The template whose pipelines file is used; defaults to template.yaml, and where there is none, to the one that this
    /// command contains.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The folder; it is made if it is not there.
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
}

/// The arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The pipelines file; defaults to the one that the template ships.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// The template to check; defaults to template.yaml, and where there is none, to the one that this command contains.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// Compare the pipelines file with what is deployed too: tables and their keys, permissions, the buckets' events, the
    /// subscriptions to the mails.
    #[arg(long)]
    pub(crate) deployed: bool,
    /// With --deployed, the name of the stack; defaults to TIDEMILL_STACK, then to tidemill.
    #[arg(long, value_name = "NAME", requires = "deployed")]
    pub(crate) stack: Option<String>,
    /// The prefix of an existing bucket that the stack is or will be deployed with, besides those that the template watches.
    /// May be given several times.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) watched: Vec<String>,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_arguments_are_not_read_as_the_commands_own() {
        let given = ["sweep", "--since", "1h", "--until", "0s", "--dry-run", "--help"];
        let parsed = Arguments::try_parse_from(["tidemill", "worker"].into_iter().chain(given));
        let Ok(Arguments { command: Command::Worker { arguments } }) = parsed else {
            panic!("not the worker's: {parsed:?}");
        };
        assert_eq!(arguments, given);
    }
}
