//! Pipelines that run a program on each object, and those that note facts about it.
//!
//! The programs are real processes. While one runs, an environment's clock stands still (the watch over its memory is a thread
//! that the clock waits for), so that on virtual time a command takes no time at all; a scenario that wants time to pass
//! moves the clock itself.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod ends;
mod facts;
mod output;
mod running;
mod sample;

use domain::job::Job;
use tests::{Plan, TestEnv};

/// The object of most scenarios.
const KEY: &str = "uploads/object.txt";

/// The pipelines file of one pipeline, whose command is this shell script.
fn file(script: &str, lines: &str) -> String {
    let script = serde_json::to_string(script).unwrap();
    format!(
        "version = 1\n\n[[pipeline]]\nname = \"scripted\"\nmatch = {{ prefix = \"uploads/\" }}\nformat = \"command\"\n\
         command = [\"sh\", \"-c\", {script}]\n{lines}\n"
    )
}

/// An environment whose objects get a task of their own, in which this shell script is run on them.
fn dedicated(seed: u64, script: &str, lines: &str) -> Plan {
    TestEnv::plan(seed).pipelines(&file(script, lines)).dedicated_tasks()
}

/// The same with pooled workers.
fn pool(seed: u64, script: &str, lines: &str) -> Plan {
    TestEnv::plan(seed).pipelines(&file(script, lines))
}

/// The code and message of a job's reason.
fn reason(job: &Job) -> (&str, &str) {
    let reason = job.reason().unwrap_or_else(|| panic!("no reason: {job:#?}"));
    (reason.code.as_str(), &reason.message)
}
