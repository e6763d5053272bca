//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// One of the deployed functions, as the local cloud starts it.
    #[command(hide = true)]
    Function {
        /// Which.
        name: String,
    },
    /// The container's program, as the local cloud starts it.
    #[command(hide = true)]
    Worker {
        /// Its arguments.
        arguments: Vec<String>,
    },
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
    /// Use this pipelines file in place of the one that template.yaml ships.
    #[arg(long, value_name = "FILE")]
    pub(crate) pipelines: Option<PathBuf>,
    /// Keep objects, tables, mails and logs in this folder, and go on from what it holds.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The template to run.
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    pub(crate) template: PathBuf,
    /// Listen on this port of 127.0.0.1 in place of a free one.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
}
