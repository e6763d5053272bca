//! The worker's exit codes: an interface between the worker, ECS and the verdict on a stopped task.
//!
//! 137 is also what a process leaves with that the kernel's memory killer took: the two mean the same.
//!
//! Taken from BSD's `sysexits.h` where it has a word. Whatever is not in this table, such as 101 from a
//! panic that nobody caught or 139 from a segmentation fault, is a crash.
//!
//! A pooled worker has many objects, and the ledger has the end of each; the worker itself only says 0 (nothing was left to
//! do, or its slot is another's), 64, 75 (the jobs queue did not answer for minutes), 78 (it may not be received from)
//! or 143. Nothing counts against an object for it.
//!
//! | code | name | the worker says | counts against the object |
//! | --- | --- | --- | --- |
//! | 0 | `done` | published, or nothing to do: claim lost, superseded, gone | no |
//! | 64 | `usage` | started with wrong arguments or environment | no |
//! | 65 | `bad_input` | the object is at fault; the ledger says failed already | yes |
//! | 70 | `software` | an error inside the worker, such as a panic it caught | yes |
//! | 75 | `try_again` | something it needs did not answer; the ledger says waiting | no |
//! | 76 | `command_crashed` | the pipeline's command ended otherwise than its contract allows; the ledger says waiting | yes |
//! | 78 | `config` | the deployment is wrong: a permission or a table is missing | no |
//! | 124 | `timed_out` | the attempt took longer than the pipeline allows; the ledger says waiting | yes |
//! | 137 | `out_of_memory` | the pipeline's command needs more memory than its task has; the ledger says waiting | yes |
//! | 143 | `terminated` | SIGTERM came; the job was given back, the ledger says waiting | no |

/// How the worker ends. The module's table says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitCode {
    /// Published, or nothing to do: the claim was lost, the object superseded or gone, the backlog empty.
    Done,
    /// Wrong arguments or environment.
    Usage,
    /// The object is at fault; the job has failed in the ledger already.
    BadInput,
    /// An error inside the worker.
    Software,
    /// Something it needs did not answer; the job waits in the ledger.
    TryAgain,
    /// The pipeline's command crashed; the job was given back.
    CommandCrashed,
    /// The deployment is wrong: a permission or a resource is missing.
    Config,
    /// The attempt took longer than the pipeline allows; the job was given back.
    TimedOut,
    /// The pipeline's command ran out of memory; the job was given back.
    OutOfMemory,
    /// It was asked to stop, and gave its jobs back.
    Terminated,
}

impl ExitCode {
    /// Every one, by number.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Usage,
        Self::BadInput,
        Self::Software,
        Self::TryAgain,
        Self::CommandCrashed,
        Self::Config,
        Self::TimedOut,
        Self::OutOfMemory,
        Self::Terminated,
    ];

    /// The number the process exits with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Usage => 64,
            Self::BadInput => 65,
            Self::Software => 70,
            Self::TryAgain => 75,
            // Called a protocol error there.
            Self::CommandCrashed => 76,
            Self::Config => 78,
            // As timeout(1) has it.
            Self::TimedOut => 124,
            // 128 + SIGKILL, which is how the kernel ends what needs too much.
            Self::OutOfMemory => 137,
            // 128 + SIGTERM, as a shell would count a process that the signal ended.
            Self::Terminated => 143,
        }
    }

    /// The exit code of this number, if it is one of the worker's.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| i64::from(exit.code()) == code)
    }

    /// The word that is logged and printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Usage => "usage",
            Self::BadInput => "bad_input",
            Self::Software => "software",
            Self::TryAgain => "try_again",
            Self::CommandCrashed => "command_crashed",
            Self::Config => "config",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory => "out_of_memory",
            Self::Terminated => "terminated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExitCode;
    use crate::verdict::Kind;

    #[test]
    fn codes_are_distinct_and_found_again() {
        for exit in ExitCode::ALL {
            assert_eq!(ExitCode::from_code(exit.code().into()), Some(exit));
        }
        for crash in [1, 2, 101, 134, 139, 255, -1, 256] {
            assert_eq!(ExitCode::from_code(crash), None, "{crash}");
        }
    }

    #[test]
    fn the_documented_table_is_the_code() {
        let source = include_str!("exit_code.rs");
        for exit in ExitCode::ALL {
            let row = format!("//! | {} | `{}` |", exit.code(), exit.as_str());
            let line = source.lines().find(|line| line.starts_with(&row)).unwrap();
            // Success is nothing to count, whatever the ledger says.
            let counts = |kind: Kind| exit != ExitCode::Done && kind.row().counts_against_object;
            assert_eq!(line.ends_with("| yes |"), Kind::of_exit_code(exit).is_some_and(counts), "{row}");
        }
    }
}
