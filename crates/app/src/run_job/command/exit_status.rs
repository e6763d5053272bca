//! What the exit status of a command means for its job.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use domain::{exit_code::ExitCode, job::Change, verdict::Kind};

use crate::run_job::job_exit::JobExit;

/// SIGKILL. Only the kernel sends it when memory runs out, or this worker, which knows when it did. In a container the
/// kernel kills the command, not the worker.
const KILLED: i32 = 9;

/// The exit code of a shell whose program was killed.
const KILLED_IN_A_SHELL: i32 = 128 + KILLED;

/// How the job is left after this exit status, `last` being the last line on standard error; `Ok` after exit code 0.
pub(super) fn judge(status: ExitStatus, last: Option<&str>) -> Result<(), JobExit> {
    let or = |default: &str| last.unwrap_or(default).to_owned();
    let code = status.code();
    let (change, reason, message) = if code == Some(i32::from(ExitCode::Done.code())) {
        return Ok(());
    } else if code == Some(i32::from(ExitCode::BadInput.code())) {
        let default = "the command refused the object (exit code 65) and wrote nothing to standard error";
        (Change::Fail, Kind::BadInput, or(default))
    } else if code == Some(i32::from(ExitCode::TryAgain.code())) {
        let default = "the command asked for a retry (exit code 75) and wrote nothing to standard error";
        (Change::Requeue, Kind::TryAgain, or(default))
    } else if code == Some(KILLED_IN_A_SHELL) || status.signal() == Some(KILLED) {
        let message = "the command was killed; the kernel does that when memory runs out";
        (Change::Requeue, Kind::OutOfMemory, with_last_line(message, last))
    } else {
        (Change::Requeue, Kind::CommandCrashed, with_last_line(&crash(status), last))
    };
    Err(JobExit::new(change, reason, message))
}

fn crash(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command exited with code {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}{}", name(signal)),
        (None, None) => "the command ended with an unknown status".to_owned(),
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        7 => " (bus error)",
        8 => " (arithmetic error)",
        11 => " (segmentation fault)",
        13 => " (broken pipe)",
        15 => " (terminated)",
        _ => "",
    }
}

fn with_last_line(message: &str, last: Option<&str>) -> String {
    last.map_or_else(|| message.to_owned(), |last| format!("{message}: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the encoding of wait(2): the exit code in the second byte, the signal in the first.
    fn judged(status: i32, last: Option<&str>) -> (Change, String, String) {
        let exit = judge(ExitStatus::from_raw(status), last).unwrap_err();
        (exit.change, exit.reason.code.to_string(), exit.reason.message)
    }

    #[test]
    fn every_exit_status_is_covered_by_the_contract() {
        assert!(judge(ExitStatus::from_raw(0), Some("all is well")).is_ok());
        let table = [
            (65 << 8, Some("no such sheet"), Change::Fail, "bad_input", "no such sheet"),
            (
                65 << 8,
                None,
                Change::Fail,
                "bad_input",
                "the command refused the object (exit code 65) and wrote nothing to standard error",
            ),
            (75 << 8, Some("busy"), Change::Requeue, "try_again", "busy"),
            (
                1 << 8,
                Some("KeyError: 'x'"),
                Change::Requeue,
                "command_crashed",
                "the command exited with code 1: KeyError: 'x'",
            ),
            (143 << 8, None, Change::Requeue, "command_crashed", "the command exited with code 143"),
            (
                11,
                None,
                Change::Requeue,
                "command_crashed",
                "the command was ended by signal 11 (segmentation fault)",
            ),
            (
                9,
                Some("page 3"),
                Change::Requeue,
                "out_of_memory",
                "the command was killed; the kernel does that when memory runs out: page 3",
            ),
            (
                137 << 8,
                None,
                Change::Requeue,
                "out_of_memory",
                "the command was killed; the kernel does that when memory runs out",
            ),
        ];
        for (status, last, change, code, message) in table {
            assert_eq!(judged(status, last), (change, code.to_owned(), message.to_owned()));
        }
    }
}
