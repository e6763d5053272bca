//! The container's program: `worker job` works on the job its environment names, `worker drain` on those of the backlog.

fn main() -> std::process::ExitCode {
    worker::main(std::env::args().skip(1))
}
