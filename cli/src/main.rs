//! The `tidemill` command.

mod args;
mod built_in;
mod commands;
mod csv_spool;
mod dead_letter;
mod endpoint;
mod export;
mod files;
mod local;
mod output;
mod parquet_spool;
mod run;
mod shell_help;
mod signals;
mod up;
mod upload;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::main(&arguments),
        Command::Up(arguments) => up::main(&arguments),
        Command::Env(arguments) => commands::main(commands::env::run(&arguments)),
        Command::Jobs(arguments) => commands::main(commands::jobs::run(&arguments)),
        Command::Explain(arguments) => commands::main(commands::explain::run(&arguments)),
        Command::Records(arguments) => commands::main(commands::records::run(&arguments)),
        Command::Columns(arguments) => commands::main(commands::columns::run(&arguments)),
        Command::Dead(arguments) => commands::main(commands::dead::run(&arguments)),
        Command::Replay(arguments) => commands::main(commands::replay::run(&arguments)),
        Command::Rejects(arguments) => commands::main(commands::rejects::run(&arguments)),
        Command::Mails(arguments) => commands::main(commands::mails::run(&arguments)),
        Command::Backfill(arguments) => commands::main(commands::backfill::run(&arguments)),
        Command::Forget(arguments) => commands::main(commands::forget::run(&arguments)),
        Command::Schedule(arguments) => commands::main(commands::schedule::run(&arguments)),
        Command::Stop(arguments) => commands::main(commands::stop::run(&arguments)),
        Command::Preview(arguments) => commands::preview::main(&arguments),
        Command::Check(arguments) => commands::main(commands::check::run(&arguments)),
        Command::Init(arguments) => built_in::init(&arguments),
        Command::Completions { shell } => shell_help::completions(shell),
        Command::Man { out } => shell_help::man(out.as_deref()),
        Command::Function { name } => local::function(&name),
        Command::Worker { .. } => worker::main(std::env::args().skip(2)),
    }
}
