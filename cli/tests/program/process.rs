//! Starting the command, waiting for it no longer than is reasonable, and looking for what it left behind.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use localcloud::{Builder, host::process, lambda::FunctionHost};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tidemill");

/// A run takes seconds; on a busy machine and in a debug build, some tens. After this, it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Looks again until there is an answer, and fails when that takes longer than anything that does not hang.
pub(crate) fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} takes too long");
        // It is another process that brings it about.
        thread::sleep(Duration::from_millis(100));
    }
}

/// Has the program under test run every function of the template, each as a process of its own.
pub(crate) fn with_functions(mut builder: Builder) -> Builder {
    for folder in fs::read_dir(root().join("functions")).expect("the functions") {
        let folder = folder.expect("a folder");
        if folder.path().join("Cargo.toml").is_file() {
            let name = folder.file_name().into_string().expect("a crate's name");
            let logical_id = format!("{}{}Function", name[..1].to_ascii_uppercase(), &name[1..]);
            let runner = process(PROGRAM.into(), vec!["function".to_owned(), name]);
            builder = builder.function(&logical_id, |_| FunctionHost::Environment(runner));
        }
    }
    builder
}

/// The folder that holds template.yaml.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Checks the exit code.
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// What `--json` printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Runs `tidemill` with these arguments to its end.
pub(crate) fn tidemill<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(root());
    Running::start(&mut command).end()
}

/// `tidemill run` with `--json` and these arguments, and what it printed.
pub(crate) fn run_json(code: i32, arguments: &[&OsStr]) -> Value {
    let all = [OsStr::new("run"), OsStr::new("--json")].into_iter().chain(arguments.iter().copied());
    tidemill(all).with_code(code).json()
}

/// A program that runs; killed when it is dropped before its end.
pub(crate) struct Running {
    child: Child,
    pub(crate) until: Instant,
    pub(crate) stdout: Receiver<String>,
    pub(crate) stderr: Receiver<String>,
    /// Lines of standard error that were read already.
    read: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdout = lines(child.stdout.take().expect("a pipe"));
        let stderr = lines(child.stderr.take().expect("a pipe"));
        Self { child, until: Instant::now() + LIMIT, stdout, stderr, read: String::new() }
    }

    /// Waits for a line of standard error that holds `part`.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            match self.stderr.recv_timeout(self.left()) {
                Ok(line) => {
                    self.read += &line;
                    if line.contains(part) {
                        return line;
                    }
                }
                Err(error) => panic!("no line with {part:?} ({error}): {}", self.read),
            }
        }
    }

    /// The endpoint of the local cloud, when it is ready.
    pub(crate) fn endpoint(&mut self) -> String {
        let line = self.line_with("local cloud at ");
        let rest = line.split("local cloud at ").nth(1).expect("an address");
        rest.split([',', '\n']).next().expect("an address").to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Waits for its end: when both outputs have ended.
    pub(crate) fn end(mut self) -> Ended {
        let stdout = self.rest(true);
        let stderr = self.read.clone() + &self.rest(false);
        let status = self.child.wait().expect("it is our child");
        Ended { status, stdout, stderr }
    }

    fn rest(&self, stdout: bool) -> String {
        let output = if stdout { &self.stdout } else { &self.stderr };
        let mut text = String::new();
        loop {
            match output.recv_timeout(self.left()) {
                Ok(line) => text += &line,
                Err(mpsc::RecvTimeoutError::Disconnected) => return text,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs: {}{text}", self.read),
            }
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, mostly.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receive
}

/// The processes of our program that belong to the local cloud at `endpoint`.
pub(crate) fn processes_of(endpoint: &str) -> Vec<Pid> {
    let program = fs::canonicalize(PROGRAM).expect("it is built");
    let wanted = format!("AWS_ENDPOINT_URL={endpoint}");
    let entries = fs::read_dir("/proc").expect("a proc filesystem").filter_map(Result::ok);
    let found = entries.filter_map(|entry| {
        let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        if fs::read_link(entry.path().join("exe")).ok()? != program {
            return None;
        }
        let environment = fs::read(entry.path().join("environ")).ok()?;
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()).then_some(pid)
    });
    found.collect()
}

/// Whether all of these end within some seconds.
pub(crate) fn all_end(pids: &[Pid]) -> bool {
    let until = Instant::now() + Duration::from_secs(10);
    while pids.iter().any(|pid| test_kill_process(*pid).is_ok() && !is_zombie(*pid)) {
        if Instant::now() > until {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// Ended, and whoever inherited it has not looked yet.
fn is_zombie(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// Jobs by key, without the bucket and the watched prefix.
pub(crate) fn jobs(report: &Value) -> BTreeMap<String, Value> {
    let prefix = format!("s3://{}/uploads/", report["bucket"].as_str().expect("a bucket"));
    let jobs = report["jobs"].as_array().expect("jobs").iter();
    let name = |job: &Value| {
        let object = job["object"].as_str().expect("an object");
        object.strip_prefix(&prefix).unwrap_or_else(|| panic!("{object} is not under {prefix}")).to_owned()
    };
    jobs.map(|job| (name(job), job.clone())).collect()
}

/// The lines of an `--out` file, each parsed.
pub(crate) fn records(out: &Path) -> Vec<Value> {
    let text = fs::read_to_string(out).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}
