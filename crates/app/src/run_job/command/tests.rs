//! Runs of commands: real processes in real time, without AWS.

use std::{collections::BTreeMap, io::Cursor, sync::Arc, time::Duration};

use domain::{
    job::{Change, Job},
    object::Object,
    pipelines::Pipelines,
    settings::Settings,
};
use jiff::Timestamp;
use rustix::process::{Pid, test_kill_process};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, sleep},
};

use super::Commands;
use crate::run_job::{
    job_exit::{JobExit, OutputBroken},
    job_progress::JobProgress,
};

/// How long a test waits for an event that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job whose pipeline has a command and these lines.
pub(super) fn job(lines: &str) -> Job {
    let text = format!("version = 1\n[[pipeline]]\nname = \"p\"\nformat = \"command\"\n{lines}");
    let pipelines = Pipelines::parse(&text, "p.toml").unwrap_or_else(|error| panic!("{error}"));
    let object = Object {
        bucket: "b".into(),
        key: "uploads/a b.csv".into(),
        version_id: Some("v1".into()),
        etag: Some("e".into()),
        sequencer: Default::default(),
        size_bytes: Some(7),
    };
    Job::new(object, pipelines.get("p").unwrap().clone(), Timestamp::UNIX_EPOCH)
}

/// A shell script that runs on objects.
struct Script {
    job: Job,
    commands: Commands,
    progress: Arc<JobProgress>,
    limit_mib: u64,
}

impl Script {
    fn new(script: &str) -> Self {
        let mut job = job("command = [\"sh\", \"-c\", \"\"]\n");
        let command = job.pipeline.command.as_mut().unwrap();
        script.clone_into(&mut command.words[2]);
        let settings = Settings::from(BTreeMap::new());
        Self { job, commands: Commands::dedicated(&settings), progress: Arc::default(), limit_mib: 1_000 }
    }

    async fn start(
        &self,
        input: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<Box<dyn AsyncRead + Send + Unpin>, JobExit> {
        let command = self.job.pipeline.command.as_ref().unwrap();
        let output =
            self.commands.run(&self.job, command, input, self.limit_mib << 20, &self.progress).await?;
        Ok(Box::new(output))
    }

    /// What the script prints, or how the job is left.
    async fn run(&self, input: impl Into<Vec<u8>>) -> Result<String, (Change, String, String)> {
        let parts = |exit: JobExit| (exit.change, exit.reason.code.to_string(), exit.reason.message);
        let mut output = self.start(Cursor::new(input.into())).await.map_err(parts)?;
        let mut text = String::new();
        match output.read_to_string(&mut text).await {
            Ok(_) => Ok(text),
            Err(error) => Err(parts(error.downcast::<OutputBroken>().unwrap().0)),
        }
    }
}

/// Waits until `so` returns true.
async fn until(what: &str, so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The process whose id a script prints on its first line.
async fn printed_id(output: &mut (impl AsyncRead + Unpin)) -> Pid {
    let mut digits = String::new();
    loop {
        match char::from(output.read_u8().await.unwrap()) {
            '\n' => return Pid::from_raw(digits.parse().unwrap()).unwrap(),
            digit => digits.push(digit),
        }
    }
}

/// Whether a process exists and is not a zombie: orphans stay zombies where process 1 does not wait for them.
fn is_alive(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    test_kill_process(process).is_ok() && state.is_some_and(|state| state != 'Z')
}

#[tokio::test]
async fn a_command_gets_the_bytes_and_its_output_ends_when_it_exits() {
    let script =
        Script::new("cat; echo progress 1/2 >&2; printf '%s|%s' \"$TIDEMILL_URI\" \"$TIDEMILL_SIZE\"");
    assert_eq!(script.run("one\ntwo\n").await.unwrap(), "one\ntwo\ns3://b/uploads/a b.csv|7");
    assert_eq!(script.progress.reported().as_deref(), Some("1/2"));
    let many = "x".repeat(3_000_000);
    assert_eq!(Script::new("wc -c").run(many).await.unwrap().trim(), "3000000");
    assert_eq!(Script::new("cat").run("").await.unwrap(), "");
    let script = Script::new("echo \"${AWS_REGION-none} ${CARGO-none}\"");
    assert_eq!(script.run("").await.unwrap(), "none none\n", "nothing is inherited");
}

#[tokio::test]
async fn a_command_need_not_read_its_input() {
    let many = vec![b'x'; 10_000_000];
    assert_eq!(Script::new("echo enough").run(many.clone()).await.unwrap(), "enough\n");
    assert_eq!(Script::new("exec <&-; echo enough").run(many.clone()).await.unwrap(), "enough\n");
    assert_eq!(Script::new("head -c 3; echo").run(many).await.unwrap(), "xxx\n");
}

#[tokio::test]
async fn the_exit_status_decides_how_the_job_is_left() {
    use Change::{Fail, Requeue};
    let table = [
        ("echo no sheet >&2; exit 65", Fail, "bad_input", "no sheet"),
        ("echo first >&2; echo busy >&2; exit 75", Requeue, "try_again", "busy"),
        ("echo half; echo oh >&2; exit 3", Requeue, "command_crashed", "the command exited with code 3: oh"),
        (
            "kill -SEGV $$",
            Requeue,
            "command_crashed",
            "the command was ended by signal 11 (segmentation fault)",
        ),
        (
            "kill -KILL $$",
            Requeue,
            "out_of_memory",
            "the command was killed; the kernel does that when memory runs out",
        ),
        (
            "sh -c 'kill -KILL $$'; exit $?",
            Requeue,
            "out_of_memory",
            "the command was killed; the kernel does that when memory runs out",
        ),
    ];
    for (script, change, code, message) in table {
        let left = Script::new(script).run("input").await.unwrap_err();
        let (found, reason, words) = &left;
        assert_eq!((*found, reason.as_str()), (change, code), "{script}: {left:?}");
        // A shell may print a line of its own about the killed program.
        assert!(words.starts_with(message), "{script}: {left:?}");
    }
    let mut missing = Script::new("");
    missing.job.pipeline.command.as_mut().unwrap().words = vec!["/no/such/program".to_owned()];
    let (change, code, message) = missing.run("").await.unwrap_err();
    assert_eq!((change, code.as_str()), (Requeue, "misconfigured"));
    assert!(message.starts_with("cannot start /no/such/program: No such file"), "{message}");
}

#[tokio::test]
async fn too_much_output_ends_the_command() {
    let mut script = Script::new("yes '{\"a\":1}'");
    script.job.pipeline.command.as_mut().unwrap().output_bytes = 1_000_000;
    let (change, code, message) = script.run("").await.unwrap_err();
    assert_eq!((change, code.as_str()), (Change::Fail, "output_too_large"));
    assert!(message.starts_with("the command printed more than 1000000 bytes: "), "{message}");
    script.commands.end().await;
}

#[tokio::test]
async fn too_much_memory_of_all_children_together_ends_the_command() {
    let hungry = "import time; x = bytearray(60 << 20); time.sleep(100)";
    let mut script = Script::new(&format!("python3 -c '{hungry}' & python3 -c '{hungry}'"));
    script.limit_mib = 100;
    let (change, code, message) = script.run("").await.unwrap_err();
    assert_eq!((change, code.as_str()), (Change::Requeue, "out_of_memory"), "{message}");
    assert!(message.ends_with("its limit in this task is 100 MiB"), "{message}");
    let modest = "x = bytearray(60 << 20); import time; time.sleep(1); print(1)";
    let mut script = Script::new(&format!("python3 -c '{modest}'"));
    script.limit_mib = 100;
    assert_eq!(script.run("").await.unwrap(), "1\n");
}

#[tokio::test]
async fn processes_that_the_command_left_running_are_killed() {
    let printed = Script::new("sleep 1000 & echo $!").run("").await.unwrap();
    let left = printed_id(&mut printed.as_bytes()).await;
    until("its end", || !is_alive(left)).await;
}

#[tokio::test]
async fn a_child_in_a_session_of_its_own_is_killed_and_does_not_hold_up_the_end() {
    let began = Instant::now();
    // It keeps standard output open.
    let printed = Script::new("setsid sh -c 'echo $$; exec sleep 1000' & sleep 0.5").run("").await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let left = printed_id(&mut printed.as_bytes()).await;
    until("its end", || !is_alive(left)).await;
}

#[tokio::test]
async fn dropping_the_output_reaches_a_child_in_a_session_of_its_own() {
    let script =
        Script::new("setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & wait; sleep 1000");
    let mut output = script.start(Cursor::new("")).await.unwrap();
    let child = printed_id(&mut output).await;
    assert!(is_alive(child));
    drop(output);
    script.commands.end().await;
    until("its end", || !is_alive(child)).await;
}

#[tokio::test]
async fn dropping_the_output_ends_the_command_and_its_children_with_sigterm_first() {
    let script = Script::new("trap 'sleep 0.5; exit' TERM; sleep 1000 & echo $!; wait");
    let mut output = script.start(Cursor::new("")).await.unwrap();
    let child = printed_id(&mut output).await;
    assert!(is_alive(child));
    let asked = Instant::now();
    drop(output);
    script.commands.end().await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(500), "the command had time to exit: {took:?}");
    assert!(took < Duration::from_secs(4), "the wait ended when the command exited: {took:?}");
    // The kernel is quick, but not at once.
    until("its end", || !is_alive(child)).await;
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed_after_a_few_seconds() {
    let script = Script::new("trap '' TERM; echo $$; while :; do sleep 1; done");
    let mut output = script.start(Cursor::new("")).await.unwrap();
    let (command, asked) = (printed_id(&mut output).await, Instant::now());
    drop(output);
    script.commands.end().await;
    assert!(!is_alive(command));
    assert!(asked.elapsed() >= Duration::from_secs(4), "{:?}", asked.elapsed());
}

#[test]
fn the_end_of_the_runtime_ends_the_command() {
    let script = Script::new("trap '' TERM; sleep 1000 & echo $!; wait; wait");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let child = runtime.block_on(async {
        let mut output = script.start(Cursor::new("")).await.unwrap();
        printed_id(&mut output).await
    });
    drop(runtime);
    let deadline = std::time::Instant::now() + PATIENCE;
    while is_alive(child) {
        assert!(std::time::Instant::now() < deadline, "it lives on");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn an_object_that_breaks_off_breaks_the_output() {
    let broken = Cursor::new("some").chain(dead_line());
    let script = Script::new("cat");
    let mut output = script.start(broken).await.unwrap();
    let mut text = String::new();
    let error = output.read_to_string(&mut text).await.unwrap_err();
    let OutputBroken(exit) = error.downcast::<OutputBroken>().unwrap();
    assert_eq!((exit.change, exit.reason.code.as_str()), (Change::Requeue, "internal_error"));
    assert_eq!(exit.reason.message, "the reader failed: the line is dead");
}

/// A source that fails at once.
fn dead_line() -> impl AsyncRead + Send + Unpin {
    let error = std::io::Error::other("the line is dead");
    let pieces = futures::stream::iter([Err::<bytes::Bytes, _>(error)]);
    tokio_util::io::StreamReader::new(pieces)
}
