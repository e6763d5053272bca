//! Real processes, through `/bin/sh`.

use std::{collections::BTreeMap, time::Duration};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::services::logs::{LINE_BYTES, LogStream};

fn shell(script: &str, env: &[(&str, &str)]) -> (Runner, Launch) {
    let env: BTreeMap<_, _> = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let launch = Launch {
        name: "worker".to_owned(),
        command: vec![script.to_owned()],
        env,
        memory_bytes: None,
        container: None,
        logs: LogStream::default(),
        stop: CancellationToken::new(),
    };
    (process("/bin/sh".into(), vec!["-c".to_owned()]), launch)
}

fn lines(launch: &Launch) -> Vec<String> {
    launch.logs.lines().into_iter().map(|line| line.text).collect()
}

#[tokio::test]
async fn exit_code_output_and_environment_are_the_programs_own() {
    let (run, launch) = shell(
        "echo out; echo err >&2; env | grep -v -e PATH -e PWD -e _=; printf last; exit 3",
        &[("A", "1")],
    );
    assert_eq!(run(launch.clone()).await, Exit::Code(3));
    let mut lines = lines(&launch);
    lines.sort();
    assert_eq!(lines, ["A=1", "err", "last", "out"]);
}

#[tokio::test]
async fn a_signal_is_128_and_its_number() {
    let (run, launch) = shell("kill -9 $$", &[]);
    assert_eq!(run(launch).await, Exit::Code(137));
}

#[tokio::test]
async fn stop_is_sigterm_which_a_program_may_answer() {
    let (run, launch) = shell("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.02; done", &[]);
    let running = tokio::spawn(run(launch.clone()));
    until(|| !lines(&launch).is_empty()).await;
    launch.stop.cancel();
    assert_eq!(running.await.unwrap(), Exit::Code(5));
    assert_eq!(lines(&launch), ["up", "bye"]);
}

#[tokio::test]
async fn dropping_the_run_kills_the_program_and_its_children() {
    let (run, launch) = shell("trap '' TERM; sleep 1000 & echo $!; wait", &[]);
    let running = tokio::spawn(run(launch.clone()));
    until(|| !lines(&launch).is_empty()).await;
    let child: i32 = lines(&launch)[0].parse().unwrap();
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    until(|| is_gone(child)).await;
}

#[tokio::test]
async fn what_holds_more_memory_than_it_may_is_killed_with_all_that_it_started() {
    let hog = "python3 -c 'import time; held = bytearray(200 << 20); time.sleep(1000)' & echo $!; wait";
    let (run, launch) = shell(hog, &[]);
    let launch = Launch { memory_bytes: Some(100 << 20), ..launch };
    assert_eq!(run(launch.clone()).await, Exit::OutOfMemory);
    let child: i32 = lines(&launch)[0].parse().unwrap();
    until(|| is_gone(child)).await;
    let (run, launch) = shell("echo small", &[]);
    assert_eq!(run(Launch { memory_bytes: Some(100 << 20), ..launch }).await, Exit::Code(0));
}

#[tokio::test]
async fn a_long_line_is_cut_and_the_next_one_is_whole() {
    let (run, launch) = shell("head -c 200000 /dev/zero | tr '\\0' x; echo; echo next", &[]);
    assert_eq!(run(launch.clone()).await, Exit::Code(0));
    let lines = lines(&launch);
    assert_eq!(lines[0].len(), LINE_BYTES);
    assert_eq!(lines[1], "next");
}

#[tokio::test]
async fn a_missing_program_is_not_started_and_said_by_name() {
    let (_, launch) = shell("", &[]);
    let run = process("/nowhere/program".into(), Vec::new());
    let Exit::NotStarted(reason) = run(launch).await else { panic!("it started") };
    assert!(reason.starts_with("failed to start /nowhere/program: "), "{reason}");
}

/// A process that is dead but not yet reaped by its new parent is gone, too.
fn is_gone(process: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

/// Waits for what only the machine can bring about; on real time, as real processes are.
async fn until(condition: impl Fn() -> bool) {
    let look = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("the machine is stuck");
}
