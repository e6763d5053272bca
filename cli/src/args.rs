//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, builder::PossibleValuesParser};
use domain::job::{ReasonCode, State};

/// Files become records in DynamoDB: the whole system, on AWS or on this machine.
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
    /// Start the local cloud, upload files to it, and show what each became.
    ///
    /// Exit code: 0 when every job is done, 1 when some are not or nothing could be started, 2 for wrong usage, 130 and
    /// 143 when it was ended by Ctrl-C and SIGTERM.
    Run(RunArguments),
    /// Keep the local cloud running until Ctrl-C, for every AWS client to use.
    ///
    /// Prints how to reach it, a line for every job that settles and a line for every mail. With --json, JSON Lines:
    /// one {"event": "ready" | "uploaded" | "gone" | "problem" | "settled" | "mail", …} each. Exit code: 0 when it was
    /// asked to end, 1 when it could not be started, 2 for wrong usage.
    Up(UpArguments),
    /// List jobs: those that are open, and those that settled lately, newest first.
    ///
    /// With --json, JSON Lines: one job each.
    Jobs(JobsArguments),
    /// Tell what happened to an object, or to one job, in order of time.
    ///
    /// With --json, one JSON document.
    Explain(ExplainArguments),
    /// Print the visible records of an object as JSON Lines: {"object","version","row","record"} each.
    ///
    /// Exit code: 0 when there are some or the object is done, 1 when nothing of it is visible.
    Records(RecordsArguments),
    /// List what is in the dead-letter queue, and how what it is about stands now.
    ///
    /// Messages that are looked at are hidden from others meanwhile, and given back at the end. With --json, JSON Lines:
    /// one entry each.
    Dead(DeadArguments),
    /// Have failed jobs run again, or everything in the dead-letter queue.
    ///
    /// With --json, JSON Lines: one {"what", "replayed", "words", …} each. Exit code: 0 when all were replayed, 1 when
    /// some could not be, 2 for wrong usage.
    Replay(ReplayArguments),
    /// Stop a job: it fails with the reason "cancelled", and people are told as of any failure.
    ///
    /// With --json, one JSON document. Exit code: 0 when it is stopped or its task was asked to, 1 when there is nothing
    /// to stop.
    Stop(StopArguments),
    /// Check a pipelines file and a template, and print everything that is wrong with them.
    ///
    /// With --json, one JSON document. Exit code: 0 when nothing is wrong, 1 when something is, 2 for wrong usage.
    Check(CheckArguments),
    /// One of the deployed functions, as the local cloud starts it.
    #[command(hide = true)]
    Function {
        /// Which.
        name: String,
    },
    /// The container's program, as the local cloud starts it.
    #[command(hide = true)]
    Worker {
        /// Its arguments. Those that begin with a hyphen are its own too.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

/// Which local cloud is started.
#[derive(Debug, Args)]
pub(crate) struct LocalArguments {
    /// Use this pipelines file in place of the one that template.yaml ships.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// Keep objects, tables, mails and logs in this folder, and go on from what it holds.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The template to run.
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Run tasks as containers of this image in place of processes, by podman or docker; CONTAINER_RUNTIME chooses.
    /// Linux only.
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) containers: Option<String>,
    /// Listen on this port of 127.0.0.1 in place of a free one.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
}

/// An image's name, as the template's parameter takes it.
fn image(name: &str) -> Result<String, String> {
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    if begins && !name.contains(char::is_whitespace) {
        return Ok(name.to_owned());
    }
    Err("an image's name begins with a small letter or a digit and has no spaces, such as tidemill:1"
        .to_owned())
}

/// The states that a job can be in.
fn states() -> PossibleValuesParser {
    State::ALL.map(State::as_str).into()
}

/// What `run` is told.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Files and folders. The key of a file in a folder is its path below that folder.
    #[arg(required = true, value_name = "FILES")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Write the visible records here as JSON Lines, one {"object","version","row","record"} each.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print one JSON document on standard output in place of the tables.
    #[arg(long)]
    pub(crate) json: bool,
    /// The local cloud.
    #[command(flatten)]
    pub(crate) local: LocalArguments,
}

/// What `up` is told.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Upload every file that is put or changed in this folder; hidden ones are left out.
    #[arg(long, value_name = "DIR")]
    pub(crate) watch: Option<PathBuf>,
    /// Print JSON Lines.
    #[arg(long)]
    pub(crate) json: bool,
    /// The local cloud.
    #[command(flatten)]
    pub(crate) local: LocalArguments,
}

/// Which deployment is spoken to: the one that the AWS environment leads to (AWS_PROFILE, AWS_REGION,
/// AWS_ENDPOINT_URL and so on).
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The stack's name; without it, TIDEMILL_STACK, and without that, tidemill.
    #[arg(long, value_name = "NAME")]
    pub(crate) stack: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `jobs` is told.
#[derive(Debug, Args)]
pub(crate) struct JobsArguments {
    /// Only jobs in this state; several times for several.
    #[arg(long = "state", value_name = "STATE", value_parser = states())]
    pub(crate) states: Vec<String>,
    /// Only objects whose keys begin with this.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// Those that settled since then: how long ago, such as 2h or 30d, or a moment, such as 2026-11-21T10:00Z.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) since: String,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What `explain` is told.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// An object, as s3://bucket/key, or a job's id.
    #[arg(value_name = "OBJECT or JOB")]
    pub(crate) what: String,
    /// Only this version of the object.
    #[arg(long, value_name = "ID")]
    pub(crate) version: Option<String>,
    /// Use this pipelines file to find the object's jobs, in place of the one that the deployment kept.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What `records` is told.
#[derive(Debug, Args)]
pub(crate) struct RecordsArguments {
    /// The object, as s3://bucket/key.
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What `dead` is told.
#[derive(Debug, Args)]
pub(crate) struct DeadArguments {
    /// Look at so many entries at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What `replay` is told.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["job", "verdict", "prefix", "dead"]))]
pub(crate) struct ReplayArguments {
    /// This job.
    #[arg(long, value_name = "ID", conflicts_with_all = ["verdict", "prefix", "dead", "since"])]
    pub(crate) job: Option<String>,
    /// The jobs that failed for this reason, such as out_of_memory.
    #[arg(long, value_name = "CODE", conflicts_with = "dead")]
    pub(crate) verdict: Option<ReasonCode>,
    /// The failed jobs of objects whose keys begin with this.
    #[arg(long, value_name = "PREFIX", conflicts_with = "dead")]
    pub(crate) prefix: Option<String>,
    /// Every entry of the dead-letter queue.
    #[arg(long, conflicts_with = "since")]
    pub(crate) dead: bool,
    /// With --verdict and --prefix: those that failed since then, such as 2h, 30d or 2026-11-21T10:00Z; 24h if not told.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What `stop` is told.
#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// The job's id.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What `check` is told.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// The pipelines file; without it, the one that the template ships.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// The template.
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_worker_is_told_is_not_read_as_the_commands_own() {
        let told = ["sweep", "--since", "1h", "--until", "0s", "--dry-run", "--help"];
        let parsed = Arguments::try_parse_from(["tidemill", "worker"].into_iter().chain(told));
        let Ok(Arguments { command: Command::Worker { arguments } }) = parsed else {
            panic!("not the worker's: {parsed:?}");
        };
        assert_eq!(arguments, told);
    }
}
