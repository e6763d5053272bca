//! The `tidemill` command.

mod args;
mod local;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::main(&arguments),
        Command::Function { name } => local::function(&name),
        Command::Worker { .. } => worker::main(std::env::args().skip(2)),
    }
}
