//! While a command runs: its input, its surroundings, how far it is, and what ends it.

use std::{path::Path, time::Duration};

use domain::job::{Job, JobState};
use tempfile::TempDir;
use tests::{JobAsserts, TestEnv};

use crate::{KEY, dedicated, pool};

/// No scenario waits longer, in real time, for what a process must do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits in real time, which is the command's, until it is so. The environment's clock is moved a little at each look, so that
/// what it has to do is done.
async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within a minute");
        tokio::time::advance(Duration::from_millis(10)).await;
        let pause = || std::thread::sleep(Duration::from_millis(2));
        tokio::task::spawn_blocking(pause).await.unwrap();
    }
}

/// Waits until the script has written a process id into this file.
async fn written(file: &Path) -> u32 {
    let look = async || std::fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok();
    until("a process id", look).await
}

/// Whether a process is there and is no zombie.
fn is_alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

async fn gone(process: u32) {
    until("the end of a process", async || (!is_alive(process)).then_some(())).await;
}

/// Lets the environment's clock go on, with all that is due on the way.
async fn pass(seconds: u64) {
    for _ in 0..seconds {
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

/// A folder, and a file in it that is not there yet.
fn file() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file").display().to_string();
    (folder, file)
}

/// The job, once this is so.
async fn job_when(env: &TestEnv, what: &str, so: impl Fn(&Job) -> bool) -> Job {
    until(what, async || env.jobs().await.into_iter().find(|job| so(job))).await
}

#[test]
fn one_that_does_not_read_its_input_is_no_failure() {
    for (seed, script) in [(651, "echo '{\"n\":1}'"), (652, "exec <&-; echo '{\"n\":1}'")] {
        dedicated(seed, script, "").run(async |env| {
            env.put(KEY, vec![b'x'; 9_000_000]).await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_done().assert_attempt(1).assert_records(1);
        });
    }
}

#[test]
fn it_gets_the_raw_bytes_whatever_they_are() {
    let script = "printf '{\"sum\":\"%s\"}' \"$(sha256sum | cut -c1-16)\"";
    // Gzip of nothing: an object that a reader of text would unpack.
    let empty = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
    dedicated(653, script, "").run(async |env| {
        env.put(KEY, &empty[..]).await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, [r#"{"sum":"59869db34853933b"}"#]);
    });
}

#[test]
fn it_receives_its_objects_variables_and_none_of_the_workers() {
    let script = "python3 -c 'import json, os; print(json.dumps(dict(os.environ)))'";
    let given = async |env: &TestEnv| -> serde_json::Map<String, serde_json::Value> {
        env.put(KEY, "seven..").await;
        env.settle().await;
        let record = env.visible(KEY).await.remove(0);
        serde_json::from_str(&record).unwrap()
    };
    dedicated(654, script, "environment = { MODE = \"fast\" }").run(async |env| {
        let given = given(env).await;
        let job = env.job(KEY).await;
        let variable = |name: &str| given[name].as_str().unwrap().to_owned();
        assert_eq!(variable("TIDEMILL_URI"), format!("s3://{}/{KEY}", env.bucket()));
        assert_eq!((variable("TIDEMILL_KEY"), variable("TIDEMILL_SIZE")), (KEY.to_owned(), "7".to_owned()));
        assert_eq!(variable("TIDEMILL_JOB"), job.id.as_str());
        assert_eq!(Some(variable("TIDEMILL_VERSION_ID")), job.object.version_id);
        assert_eq!(
            (variable("TIDEMILL_PIPELINE"), variable("MODE")),
            ("scripted".to_owned(), "fast".to_owned())
        );
        let leaked =
            |name: &&String| name.starts_with("AWS_") || name.ends_with("_TABLE") || name.ends_with("_URL");
        assert_eq!(given.keys().find(leaked), None);
    });
    dedicated(655, script, "aws = true").run(async |env| {
        assert!(given(env).await.contains_key("AWS_ACCESS_KEY_ID"));
    });
}

#[test]
fn how_far_it_is_shows_in_the_ledger_while_it_runs() {
    let (_folder, file) = file();
    let script = format!(
        "echo 'progress 120/400 resizing' >&2; echo $$ > {file}; while [ -e {file} ]; do sleep 0.05; done; echo '{{\"n\":1}}'"
    );
    dedicated(656, &script, "").run(async |env| {
        env.put(KEY, "x").await;
        written(file.as_ref()).await;
        pass(25).await;
        let said = |job: &Job| match &job.state {
            JobState::Running(running) => running.progress.clone(),
            _ => None,
        };
        let job = job_when(env, "progress", |job| said(job).is_some()).await;
        assert_eq!(said(&job).as_deref(), Some("120/400 resizing"));
        std::fs::remove_file(&file).unwrap();
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_records(1);
    });
}

#[test]
fn the_timeout_ends_it_and_its_children() {
    let (_folder, file) = file();
    let script =
        format!("(trap '' TERM; echo $(sh -c 'echo $PPID') > {file}; while :; do sleep 1; done) & wait");
    dedicated(657, &script, "timeout = \"30s\"\nattempts = 1").run(async |env| {
        env.put(KEY, "x").await;
        let child = written(file.as_ref()).await;
        assert!(is_alive(child));
        pass(31).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_counted(1).assert_ended_with(&["timed_out"]);
        gone(child).await;
    });
}

#[test]
fn a_task_that_is_stopped_hands_the_job_back() {
    let (_folder, file) = file();
    let script = format!(
        "[ $TIDEMILL_ATTEMPT -gt 1 ] && echo '{{\"n\":1}}' && exit; echo $$ > {file}; sleep 1000 & wait"
    );
    dedicated(658, &script, "attempts = 1").run(async |env| {
        env.put(KEY, "x").await;
        let command = written(file.as_ref()).await;
        env.stop("Your Spot Task was interrupted.").await;
        gone(command).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_ended_with(&["spot_reclaimed"]);
        job.assert_done().assert_attempt(2).assert_counted(0).assert_records(1);
    });
}

#[test]
fn a_pooled_worker_that_is_asked_to_stop_hands_it_to_another() {
    let (_folder, file) = file();
    let script = format!("[ -e {file} ] && echo '{{\"n\":1}}' && exit; echo $$ > {file}; sleep 1000 & wait");
    pool(659, &script, "attempts = 1").run(async |env| {
        env.put(KEY, "x").await;
        let command = written(file.as_ref()).await;
        env.stop("for a change").await;
        // It has twenty seconds.
        pass(10).await;
        assert!(is_alive(command));
        pass(15).await;
        gone(command).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(1).assert_counted(0);
        assert_eq!(env.visible(KEY).await, [r#"{"n":1}"#]);
    });
}

#[test]
fn a_claim_that_is_lost_ends_it() {
    let (_folder, file) = file();
    let script = format!("[ -e {file} ] && echo '{{\"n\":1}}' && exit; echo $$ > {file}; sleep 1000 & wait");
    dedicated(660, &script, "").run(async |env| {
        env.put(KEY, "x").await;
        let command = written(file.as_ref()).await;
        // As another worker's claim would.
        let job = env.job(KEY).await;
        env.raise_fence(&job.id).await;
        pass(25).await;
        gone(command).await;
        env.settle().await;
        env.job(KEY).await.assert_done();
    });
}

#[test]
fn many_objects_are_done_by_a_pooled_worker_a_few_at_a_time() {
    pool(661, "printf '{\"text\":\"%s\"}' \"$(cat)\"", "").run(async |env| {
        for n in 0..40 {
            env.put(&format!("uploads/{n}"), format!("object {n}")).await;
        }
        env.settle().await;
        for n in 0..40 {
            let key = format!("uploads/{n}");
            assert_eq!(env.visible(&key).await, [format!(r#"{{"text":"object {n}"}}"#)]);
            assert_eq!(env.job(&key).await.attempt, 1);
        }
    });
}
