//! The `tidemill` command.

mod args;
mod dead_letter;
mod export;
mod local;
mod oncall;
mod output;
mod run;
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
        Command::Jobs(arguments) => oncall::main(oncall::jobs::run(&arguments)),
        Command::Explain(arguments) => oncall::main(oncall::explain::run(&arguments)),
        Command::Records(arguments) => oncall::main(oncall::records::run(&arguments)),
        Command::Dead(arguments) => oncall::main(oncall::dead::run(&arguments)),
        Command::Replay(arguments) => oncall::main(oncall::replay::run(&arguments)),
        Command::Stop(arguments) => oncall::main(oncall::stop::run(&arguments)),
        Command::Check(arguments) => oncall::check::main(&arguments),
        Command::Function { name } => local::function(&name),
        Command::Worker { .. } => worker::main(std::env::args().skip(2)),
    }
}
