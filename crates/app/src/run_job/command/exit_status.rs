//! What is made of how a command ended.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

use domain::{exit_code::ExitCode, job::Change};

use crate::run_job::read_and_write::Left;

/// SIGKILL, which nobody sends but the kernel's memory killer and this worker, who knows when it did. In a container the
/// killer takes the command, not the worker.
const KILLED: i32 = 9;

/// What a shell leaves with when the program it ran was killed.
const KILLED_IN_A_SHELL: i32 = 128 + KILLED;

/// How a job is left whose command ended so, having last said `last`; nothing when all is well.
pub(super) fn judge(status: ExitStatus, last: Option<&str>) -> Result<(), Left> {
    let or = |default: &str| last.unwrap_or(default).to_owned();
    let code = status.code();
    let (change, reason, message) = if code == Some(i32::from(ExitCode::Done.code())) {
        return Ok(());
    } else if code == Some(i32::from(ExitCode::BadInput.code())) {
        let default = "the command refuses the object (exit code 65) without a word on standard error";
        (Change::Fail, "bad_input", or(default))
    } else if code == Some(i32::from(ExitCode::TryAgain.code())) {
        let default = "the command asks to be tried again (exit code 75) without a word on standard error";
        (Change::Return, "try_again", or(default))
    } else if code == Some(KILLED_IN_A_SHELL) || status.signal() == Some(KILLED) {
        let words = "the command was killed, as the kernel does when memory runs out";
        (Change::Return, "out_of_memory", said(words, last))
    } else {
        (Change::Return, "command_crashed", said(&crash(status), last))
    };
    Err(Left::new(change, reason, message))
}

fn crash(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the command exited with code {code}"),
        (None, Some(signal)) => format!("the command was ended by signal {signal}{}", name(signal)),
        (None, None) => "the command ended, and nothing says how".to_owned(),
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

fn said(words: &str, last: Option<&str>) -> String {
    last.map_or_else(|| words.to_owned(), |last| format!("{words}: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As wait(2) tells it: an exit code is in the second byte, a signal in the first.
    fn judged(status: i32, last: Option<&str>) -> (Change, String, String) {
        let left = judge(ExitStatus::from_raw(status), last).unwrap_err();
        (left.change, left.reason.code, left.reason.message)
    }

    #[test]
    fn every_end_is_one_of_the_contract() {
        assert!(judge(ExitStatus::from_raw(0), Some("all is well")).is_ok());
        let table = [
            (65 << 8, Some("no such sheet"), Change::Fail, "bad_input", "no such sheet"),
            (
                65 << 8,
                None,
                Change::Fail,
                "bad_input",
                "the command refuses the object (exit code 65) without a word on standard error",
            ),
            (75 << 8, Some("busy"), Change::Return, "try_again", "busy"),
            (
                1 << 8,
                Some("KeyError: 'x'"),
                Change::Return,
                "command_crashed",
                "the command exited with code 1: KeyError: 'x'",
            ),
            (143 << 8, None, Change::Return, "command_crashed", "the command exited with code 143"),
            (
                11,
                None,
                Change::Return,
                "command_crashed",
                "the command was ended by signal 11 (segmentation fault)",
            ),
            (
                9,
                Some("page 3"),
                Change::Return,
                "out_of_memory",
                "the command was killed, as the kernel does when memory runs out: page 3",
            ),
            (
                137 << 8,
                None,
                Change::Return,
                "out_of_memory",
                "the command was killed, as the kernel does when memory runs out",
            ),
        ];
        for (status, last, change, code, message) in table {
            assert_eq!(judged(status, last), (change, code.to_owned(), message.to_owned()));
        }
    }
}
