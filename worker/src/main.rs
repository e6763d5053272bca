//! The container's program: `worker job` runs the job that its environment names, `worker drain` runs those of the backlog.

fn main() -> std::process::ExitCode {
    worker::main(std::env::args().skip(1))
}
