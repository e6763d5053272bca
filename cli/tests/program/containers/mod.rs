//! The worker's image as real containers: `.ci/containers` builds it and runs these.
//!
//! `cargo test` compiles and ignores them, as not every machine can run containers.

mod image;

use std::{
    ffi::OsStr,
    fs,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::image::{Hungry, containers, inspect, until, worker};
use crate::{
    cloud::{Up, complains},
    process::{self, PROGRAM, Running, jobs, root, run_json, tidemill},
};

/// One at a time: each looks at all containers there are.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(containers(), [""; 0], "a test began with containers of another run");
    guard
}

/// A folder with an object and a pipeline that gives each object a task of its own.
fn folder(pipeline: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("people.csv"), "id,name\n1,one\n2,two\n").expect("a file");
    let text = format!("version = 1\n[[pipeline]]\nname = \"alone\"\ndedicated_above = 0\n{pipeline}");
    fs::write(folder.path().join("pipelines.toml"), text).expect("a file");
    folder
}

/// A pipeline whose command never ends.
const WAITS: &str = "format = \"command\"\ncommand = [\"/hungry\", \"wait\"]\n";

#[test]
#[ignore = "needs the worker's image and podman or docker: .ci/containers"]
fn the_samples_become_records_in_a_container() {
    let _alone = alone();
    let report = run_json(0, &["samples".as_ref(), "--containers".as_ref(), worker().as_ref()]);
    let done = jobs(&report);
    assert_eq!(done.len(), 6);
    let records: u64 = done.values().map(|job| job["records"].as_u64().expect("a number")).sum();
    assert_eq!(records, 21_762);
    assert!(done.values().all(|job| job["state"] == "done"), "{done:#?}");
    let tasks = report["tasks"].as_array().expect("tasks");
    assert!(tasks.iter().all(|task| task["started_by"].as_str().is_some_and(|by| by.starts_with("drain/"))));
    assert_eq!(containers(), [""; 0]);
}

#[test]
#[ignore = "needs the worker's image and podman or docker: .ci/containers"]
fn a_task_killed_for_its_memory_is_retried_one_size_larger() {
    let _alone = alone();
    let image = Hungry::build("tidemill-test-hungry", true);
    let folder = folder("");
    let path = |name: &str| folder.path().join(name);
    let (object, pipelines, data) = (path("people.csv"), path("pipelines.toml"), path("data"));
    let report = run_json(
        0,
        &[
            object.as_ref(),
            "--pipelines".as_ref(),
            pipelines.as_ref(),
            "--data".as_ref(),
            data.as_ref(),
            "--containers".as_ref(),
            image.0.as_ref(),
        ],
    );
    let job = &jobs(&report)["people.csv"];
    assert_eq!((&job["state"], &job["attempts"], &job["records"]), (&json!("done"), &json!(2), &json!(2)));
    let tasks = report["tasks"].as_array().expect("tasks");
    let shown = |task: &Value| (task["memory_mib"].clone(), task["exit_codes"].clone());
    assert_eq!(shown(&tasks[0]), (json!(512), json!([137])));
    assert_eq!(shown(&tasks[1]).0, json!(1024));

    // The job's own history, in a cloud that goes on from the same data.
    let up = Up::start(&[OsStr::new("--data"), data.as_ref(), "--pipelines".as_ref(), pipelines.as_ref()]);
    // Without the line breaks inside its columns.
    let text = up.run(&["explain", &up.uri("people.csv")]).with_code(0).stdout;
    let timeline = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "attempt 1: on demand, 256 cpu / 512 MiB",
        "out_of_memory: the task ran out of memory; retried",
        "attempt 2: on demand, 256 cpu / 1024 MiB",
        "2 records became visible",
    ] {
        assert!(timeline.contains(part), "no {part:?} in {timeline}");
    }
    up.interrupt().with_code(0);
    assert_eq!(containers(), [""; 0]);
}

#[test]
#[ignore = "needs the worker's image and podman or docker: .ci/containers"]
fn a_stopped_task_is_confined_hears_sigterm_and_gives_its_job_back() {
    let _alone = alone();
    let image = Hungry::build("tidemill-test-waits", false);
    let folder = folder(WAITS);
    let path = |name: &str| folder.path().join(name);
    let (pipelines, data) = (path("pipelines.toml"), path("data"));
    let mut up = Up::start(&[
        OsStr::new("--pipelines"),
        pipelines.as_ref(),
        "--data".as_ref(),
        data.as_ref(),
        "--containers".as_ref(),
        image.0.as_ref(),
    ]);
    up.put("uploads/people.csv", "x");
    let running = || up.lines(&["jobs", "--state", "running"]).pop();
    let job = process::until("a running job", running);
    let job = job["job"].as_str().expect("an id").to_owned();
    let found = until("one container", |found| found.len() == 1);
    let limits =
        "{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}";
    assert_eq!(inspect(&found[0], limits), "10001:10001 true 536870912 host");

    let stopped = Instant::now();
    up.run(&["stop", &job]).with_code(0);
    let settled = up.event("settled", "people.csv");
    assert_eq!((&settled["state"], &settled["reason"]["code"]), (&json!("failed"), &json!("cancelled")));
    until("the container's end", <[String]>::is_empty);
    // Had it not heard, it would have been killed after the 120 seconds of its stopTimeout.
    assert!(stopped.elapsed() < Duration::from_secs(60), "{:?}", stopped.elapsed());
    up.interrupt().with_code(0);
    let logs = logs(&data);
    assert!(logs.contains(r#""message":"worker exits with code 143","exit_code":143"#), "{logs}");
}

/// The worker's output, as it was kept.
fn logs(data: &std::path::Path) -> String {
    let mut folders = vec![data.join("logs")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().to_string_lossy().contains("worker") {
                text += &fs::read_to_string(entry.path()).expect("a log");
            }
        }
    }
    text
}

#[test]
#[ignore = "needs the worker's image and podman or docker: .ci/containers"]
fn ctrl_c_and_kill_leave_no_container() {
    let _alone = alone();
    let image = Hungry::build("tidemill-test-left", false);
    for signal in [Signal::INT, Signal::KILL] {
        let folder = folder(WAITS);
        let mut command = Command::new(PROGRAM);
        command.current_dir(root()).arg("run").arg(folder.path().join("people.csv"));
        command.arg("--pipelines").arg(folder.path().join("pipelines.toml")).args(["--containers", &image.0]);
        let run = Running::start(&mut command);
        until("a container", |found| {
            found.first().is_some_and(|one| inspect(one, "{{.State.Running}}") == "true")
        });
        run.signal(signal);
        let code = run.end().status.code();
        if signal == Signal::INT {
            assert_eq!(code, Some(130));
            assert_eq!(containers(), [""; 0]);
        } else {
            // The orphan reaper removes them a moment later.
            until("the orphan reaper", <[String]>::is_empty);
        }
    }
}

#[test]
#[ignore = "needs the worker's image and podman or docker: .ci/containers"]
fn an_image_that_is_not_there_is_reported_before_anything_starts() {
    let _alone = alone();
    let run = tidemill(["run", "samples", "--containers", "tidemill-test-nowhere:1"]);
    complains(
        run,
        &["cannot run tasks as containers", "has no image tidemill-test-nowhere:1", "worker/build-image"],
    );
}
