//! The commands for operators. They use a deployment, on AWS or local, as any AWS client would: the stack's outputs name
//! its parts, and the ledger, the queues and the bucket hold the rest.
//!
//! Each command reads values and prints what pure functions make of them. Results are read a page at a time, so that a
//! day of a million jobs takes no more memory than one of ten.

pub(crate) mod backfill;
pub(crate) mod check;
mod check_deployed;
pub(crate) mod columns;
pub(crate) mod dead;
mod dead_messages;
mod deployment;
pub(crate) mod env;
pub(crate) mod explain;
pub(crate) mod forget;
pub(crate) mod format_job;
mod job_pages;
pub(crate) mod jobs;
pub(crate) mod mails;
pub(crate) mod preview;
pub(crate) mod records;
pub(crate) mod rejects;
pub(crate) mod replay;
pub(crate) mod schedule;
pub(crate) mod stop;
mod uri;

use std::process::ExitCode;

use anyhow::Context;
use domain::sweep::TimeArg;
use jiff::Timestamp;

use crate::output::{WrongUse, failed};

/// Runs a command to its exit code; prints its error.
pub(crate) fn main(command: impl Future<Output = anyhow::Result<u8>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.context("cannot start the runtime").and_then(|runtime| runtime.block_on(command));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => failed(&error),
    }
}

/// The time that this text means: a duration before now, or a time.
fn time_arg(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let time = TimeArg::try_from(text.to_owned()).map_err(|error| WrongUse(error.to_string()))?;
    Ok(time.at(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_duration_ago_or_a_time() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let of = |text| time_arg(text, now).map(|at| at.to_string()).map_err(|error| error.to_string());
        assert_eq!(of("2h").unwrap(), "2026-11-21T10:00:00Z");
        assert_eq!(of("30d").unwrap(), "2026-10-22T12:00:00Z");
        assert_eq!(of("2026-11-21T10:00Z").unwrap(), "2026-11-21T10:00:00Z");
        assert!(
            of("yesterday")
                .unwrap_err()
                .contains("\"yesterday\" is not a time; allowed: a timestamp such as")
        );
    }
}
