//! Ctrl-C, SIGTERM and kill -9: everything the command started ends with it.

use std::{fs, path::PathBuf, process::Command};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{PROGRAM, Running, all_end, processes_of, root};

/// A file that takes a worker long enough to be caught at it.
fn large(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("large.csv");
    let rows: String = (0..200_000).map(|n| format!("{n},some text,{n}.5\n")).collect();
    fs::write(&path, format!("id,text,number\n{rows}")).expect("a file");
    path
}

/// A run whose worker is at work, and its processes.
fn busy(folder: &TempDir) -> (Running, Vec<rustix::process::Pid>) {
    let data = folder.path().join("data");
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg(large(folder)).arg("--data").arg(&data).current_dir(root());
    let mut run = Running::start(&mut command);
    let endpoint = run.endpoint();
    let mut processes = Vec::new();
    // Two functions and the worker.
    while processes.len() < 3 {
        processes = processes_of(&endpoint);
        std::thread::yield_now();
    }
    (run, processes)
}

fn ends_all(signal: Signal, code: i32, word: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, processes) = busy(&folder);
    run.signal(signal);
    let ended = run.end().with_code(code);
    assert!(all_end(&processes), "some are left");
    // Not settled, or not even uploaded.
    assert!(ended.stdout.contains("0 done, 1 not "), "{}", ended.stdout);
    assert!(ended.stdout.contains("the run was interrupted."), "{}", ended.stdout);
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("tidemill: ")).collect();
    assert_eq!(lines, [format!("tidemill: {word}; all processes have stopped")]);
}

#[test]
fn ctrl_c_ends_everything_with_130() {
    ends_all(Signal::INT, 130, "interrupted");
}

#[test]
fn sigterm_ends_everything_with_143() {
    ends_all(Signal::TERM, 143, "terminated");
}

#[test]
fn a_killed_command_leaves_no_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let (run, processes) = busy(&folder);
    run.signal(Signal::KILL);
    assert_eq!(run.end().status.code(), None);
    assert!(all_end(&processes), "some are left");
}
