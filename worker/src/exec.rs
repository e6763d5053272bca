//! A schedule's command: runs a program of the container's image as if it were the task's process.

use std::process::ExitStatus;

use domain::exit_code::ExitCode;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Runs this program with these arguments and with the input and output of the task. Returns the exit code for the task:
/// the program's own; 128 plus the signal's number if a signal ended it; 64 if there is no such program. When `stop` is
/// cancelled, the program gets SIGTERM and the time that ECS gives the task.
pub(crate) async fn run(command: &[String], stop: CancellationToken) -> u8 {
    let Some((program, arguments)) = command.split_first() else {
        error!("usage: worker exec PROGRAM ARGUMENT…");
        return ExitCode::Usage.code();
    };
    let mut child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(error) => {
            error!(program, error = telemetry::causes(&error), "failed to start {program}");
            return ExitCode::Usage.code();
        }
    };
    info!(program, ?arguments, "started {program}");
    let ended = tokio::select! {
        biased;
        ended = child.wait() => ended,
        () = stop.cancelled() => {
            terminate(child.id());
            child.wait().await
        }
    };
    match ended {
        Ok(status) => {
            info!(program, %status, "{program} ended: {status}");
            code(status)
        }
        Err(error) => {
            error!(program, error = telemetry::causes(&error), "failed to wait for the end of {program}");
            ExitCode::Software.code()
        }
    }
}

fn terminate(id: Option<u32>) {
    let process = id.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    // It has already ended; its exit status is still to be read.
    let Some(process) = process else { return };
    if let Err(error) = rustix::process::kill_process(process, rustix::process::Signal::TERM) {
        warn!(error = telemetry::causes(&error), "failed to send SIGTERM to the command");
    }
}

/// The exit code that a shell would report.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signalled = || status.signal().map(|signal| 128 + signal);
    let code = status.code().or_else(signalled).unwrap_or_default();
    u8::try_from(code).unwrap_or(ExitCode::Software.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, stop: CancellationToken) -> u8 {
        run(&["sh", "-c", script].map(str::to_owned), stop).await
    }

    #[tokio::test]
    async fn the_commands_exit_code_is_the_tasks() {
        assert_eq!(sh("exit 0", CancellationToken::new()).await, 0);
        assert_eq!(sh("exit 3", CancellationToken::new()).await, 3);
        assert_eq!(sh("kill -KILL $$", CancellationToken::new()).await, 137);
        assert_eq!(run(&["/no/such/program".to_owned()], CancellationToken::new()).await, 64);
        assert_eq!(run(&[], CancellationToken::new()).await, 64);
    }

    #[tokio::test]
    async fn a_command_that_gets_sigterm_chooses_the_exit_code() {
        let stop = CancellationToken::new();
        stop.cancel();
        // 9 once its trap is set; until then the signal ends it.
        let script = "trap 'exit 9' TERM; while :; do sleep 0.01; done";
        let code = sh(script, stop).await;
        assert!(code == 9 || code == 143, "{code}");
    }
}
