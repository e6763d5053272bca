//! The arguments of the commands that look at a deployment or change what is in it.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, builder::PossibleValuesParser};
use domain::job::{ReasonCode, State};

use super::target::Target;

/// The states that a job can be in.
fn states() -> PossibleValuesParser {
    State::ALL.map(State::as_str).into()
}

/// The arguments of `jobs`.
#[derive(Debug, Args)]
pub(crate) struct JobsArguments {
    /// Only jobs in this state; repeat the option for more states.
    #[arg(long = "state", value_name = "STATE", value_parser = states())]
    pub(crate) states: Vec<String>,
    /// Only objects whose keys start with this.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// Only jobs that settled since then: a duration ago, such as 2h or 30d, or a time, such as 2026-11-21T10:00Z.
    #[arg(long, value_name = "TIME", default_value = "24h")]
    pub(crate) since: String,
    /// Stop after this number of jobs and runs of schedules.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Go on, and list each job again when its state or attempt changes, until Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Only jobs that are done or failed and whose objects the pipelines of today would process otherwise.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) outdated: bool,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// An object (s3://BUCKET/KEY, its URL, or its key) or a job (its id, or the first 6 characters of it or more).
    #[arg(value_name = "OBJECT or JOB")]
    pub(crate) what: String,
    /// Only this version of the object.
    #[arg(long, value_name = "ID")]
    pub(crate) version: Option<String>,
    /// Find the object's jobs with this pipelines file instead of the one that the deployment stored.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// How `records` writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordsFormat {
    /// A line of JSON for each record.
    Jsonl,
    /// A header and a line for each record. A missing value and null are an empty field, an empty text is "", lists and maps
    /// are JSON, and bytes are base64.
    Csv,
    /// A Parquet file. A column of whole numbers of 64 bits is INT64, of other numbers an exact DECIMAL, of lists, maps or mixed
    /// values JSON.
    Parquet,
}

/// The arguments of `records`.
#[derive(Debug, Args)]
pub(crate) struct RecordsArguments {
    /// The object: s3://BUCKET/KEY, its URL, or its key.
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,
    /// How to write them.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", conflicts_with = "json")]
    pub(crate) format: RecordsFormat,
    /// Stop after this number of records.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `columns`.
#[derive(Debug, Args)]
pub(crate) struct ColumnsArguments {
    /// The name of the pipeline.
    #[arg(value_name = "PIPELINE")]
    pub(crate) pipeline: String,
    /// Forget them after they are shown, so that columns may be others from now on, and numbers instead of text.
    #[arg(long)]
    pub(crate) forget: bool,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `dead`.
#[derive(Debug, Args)]
pub(crate) struct DeadArguments {
    /// Remove the messages about which nothing is left to do, because their object was fixed or their job is done. The hourly
    /// sweep does so too.
    #[arg(long)]
    pub(crate) resolve: bool,
    /// Remove the message with this id, whatever it says.
    #[arg(long, value_name = "ID", conflicts_with = "resolve")]
    pub(crate) remove: Option<String>,
    /// With --resolve: show what would be removed, and remove nothing.
    #[arg(long, requires = "resolve")]
    pub(crate) dry_run: bool,
    /// List at most this many messages.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `replay`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["job", "verdict", "prefix", "pipeline", "outdated", "dead"]))]
pub(crate) struct ReplayArguments {
    /// The job with this id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["verdict", "prefix", "pipeline", "outdated", "dead", "since"])]
    pub(crate) job: Option<String>,
    /// Jobs that failed for this reason, such as out_of_memory.
    #[arg(long, value_name = "CODE", conflicts_with = "dead")]
    pub(crate) verdict: Option<ReasonCode>,
    /// Failed jobs of objects whose keys start with this.
    #[arg(long, value_name = "PREFIX", conflicts_with = "dead")]
    pub(crate) prefix: Option<String>,
    /// Failed jobs of the pipeline with this name.
    #[arg(long, value_name = "NAME", conflicts_with = "dead")]
    pub(crate) pipeline: Option<String>,
    /// Failed jobs whose objects the pipelines of today would process otherwise.
    #[arg(long, conflicts_with_all = ["dead", "as_recorded"])]
    pub(crate) outdated: bool,
    /// Every message in the dead-letter queue.
    #[arg(long, conflicts_with = "since")]
    pub(crate) dead: bool,
    /// Also objects whose job is done: what is visible is replaced in one step when the new job is done.
    #[arg(long, conflicts_with_all = ["dead", "verdict"])]
    pub(crate) done: bool,
    /// Only jobs that settled since then, such as 2h, 30d or 2026-11-21T10:00Z; defaults to 24h.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Use each job's pipeline as it was recorded, not the pipelines of today.
    #[arg(long)]
    pub(crate) as_recorded: bool,
    /// Show what would be replayed, and change nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before more than 100 jobs are replayed.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `backfill`.
#[derive(Debug, Args)]
pub(crate) struct BackfillArguments {
    /// Objects that were put since then: a duration ago, such as 30d, or a time, such as 2026-11-21T10:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: String,
    /// Objects that were put until then; defaults to 10m, as the events of newer ones may be on their way.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only objects whose keys start with this.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) prefix: Option<String>,
    /// Show what would be queued, and queue nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArguments {
    /// The object: s3://BUCKET/KEY, its URL, or its key.
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,
    /// Show how many jobs would be forgotten, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `rejects`.
#[derive(Debug, Args)]
pub(crate) struct RejectsArguments {
    /// The object: s3://BUCKET/KEY, its URL, or its key.
    #[arg(value_name = "OBJECT")]
    pub(crate) object: String,
    /// Stop after this number of rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// The arguments of `mails`.
#[derive(Debug, Args)]
pub(crate) struct MailsArguments {
    /// Print the mail of this number; the list has the numbers.
    #[arg(value_name = "NUMBER")]
    pub(crate) number: Option<u64>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of `schedule`.
#[derive(Debug, Args)]
pub(crate) struct ScheduleArguments {
    /// What to do; without it, the schedules are listed.
    #[command(subcommand)]
    pub(crate) action: Option<ScheduleAction>,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}

/// What to do with a schedule.
#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleAction {
    /// Run a schedule now, besides its own times.
    Run {
        /// The schedule's name.
        #[arg(value_name = "NAME")]
        name: String,
        /// The deployment.
        #[command(flatten)]
        target: Target,
    },
}

/// The arguments of `stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArguments {
    /// The id of the job, or the first 6 characters of it or more.
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    /// The deployment.
    #[command(flatten)]
    pub(crate) target: Target,
}
