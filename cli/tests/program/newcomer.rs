//! The first hour of somebody who has files and a Python program: a run, a cloud that stays, a file that is wrong, the mail, the
//! fix, the replay and a restart. Everything that the two terminals show is kept as a transcript, at 80 columns.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use regex_lite::Regex;
use rustix::process::Signal;
use tests::packages::python_with;

use crate::{
    cloud::put,
    process::{LIMIT, PROGRAM, Running, root},
    transcripts::{compare, plain},
};

const MARCH: &str = "order,customer,total\n1001,Ada,19.90\n1002,Linus,5\n1003,Ada,120.00\n";
const APRIL: &str = "order,customer,total\n1004,Grace,unknown\n1005,Ada,7.50\n";

const PIPELINES: &str = r#"version = 1

[[pipeline]]
name = "orders"
match = { prefix = "uploads/", suffix = ".csv" }
columns = { total = "number" }
"#;

const PROGRAM_OF_THEIRS: &str = r#"import boto3
from boto3.dynamodb.conditions import Key

stacks = boto3.client("cloudformation").describe_stacks(StackName="tidemill")["Stacks"]
output = {it["OutputKey"]: it["OutputValue"] for it in stacks[0]["Outputs"]}
table = boto3.resource("dynamodb").Table(output["RecordsTable"])

def records(name):
    part = f"object:s3://{output['Bucket']}/uploads/{name}"
    found = table.get_item(Key={"_part": part, "_row": 0}, ConsistentRead=True)
    visible = found.get("Item")
    for shard in range(int(visible["shards"]) if visible else 0):
        part = Key("_part").eq(f"{visible['rows_prefix']}:{shard}")
        rows = table.query(KeyConditionExpression=part, ConsistentRead=True)
        yield from rows["Items"]

for name in ["march.csv", "april.csv"]:
    found = list(records(name))
    total = sum(it["total"] for it in found if it.get("total") is not None)
    print(f"{name}: {len(found)} records, {total:.2f} in all")
"#;

/// The newcomer's desk: a folder, and what was seen so far.
struct Desk {
    folder: tempfile::TempDir,
    /// Where `tidemill` and `python3` are found.
    bin: PathBuf,
    /// A port of our own: other tests have local clouds on the usual ones.
    port: String,
    /// What each shell begins with, once the newcomer has evaluated it.
    evaluated: String,
    transcript: String,
}

impl Desk {
    /// Types a command, and answers what it printed.
    fn types(&mut self, command: &str) -> String {
        let script = format!("exec 2>&1\n{}\n{command}", self.evaluated);
        let mut shell = self.program("sh");
        shell.args(["-c", &script]);
        let said = Running::start(&mut shell).end().stdout;
        self.transcript += &format!("$ {command}\n{said}\n");
        said
    }

    /// The same for a command that prints nothing which has to be kept, such as variables.
    fn evaluates(&mut self, command: &str) {
        self.evaluated = command.to_owned();
        self.transcript += &format!("$ {command}\n\n");
    }

    fn writes(&mut self, name: &str, text: &str, why: &str) {
        let path = self.path(name);
        put(
            path.parent().expect("a folder"),
            path.file_name().expect("a name").to_str().expect("UTF-8"),
            text,
        );
        self.transcript += &format!("# {why}\n$ cat {name}\n{text}\n");
    }

    fn says(&mut self, text: &str) {
        self.transcript += &format!("# {text}\n");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program with this desk's environment, and nothing of the machine's.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(self.folder.path()).env_clear();
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", self.bin.display())).env("HOME", self.folder.path());
        command.env("COLUMNS", "80").env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    /// Starts the cloud in another terminal, and waits until it is ready.
    fn starts(&self) -> Terminal {
        let mut up = self.program("tidemill");
        up.args(["up", "--watch", "orders", "--data", "data", "--port", &self.port]);
        let text = "$ tidemill up --watch orders --data data\n".to_owned();
        let mut terminal = Terminal { run: Running::start(&mut up), text };
        terminal.shows("Press Ctrl-C");
        terminal
    }
}

/// The other terminal, in which the cloud runs.
struct Terminal {
    run: Running,
    text: String,
}

impl Terminal {
    /// Waits for a line that has this part.
    fn shows(&mut self, part: &str) {
        self.run.until = Instant::now() + LIMIT;
        loop {
            let line = self.run.stdout.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|error| panic!("no {part:?} ({error}) in:\n{}", self.text));
            self.text += &line;
            if line.contains(part) {
                return;
            }
        }
    }

    /// Ctrl-C. Answers everything that it showed.
    fn stops(self) -> String {
        self.run.signal(Signal::INT);
        let ended = self.run.end().with_code(0);
        format!("{}{}", self.text, ended.stdout)
    }
}

#[test]
fn a_newcomer_reads_a_transcript_that_makes_sense() {
    let folder = tempfile::tempdir().expect("a folder");
    let bin = folder.path().join(".bin");
    fs::create_dir(&bin).expect("a folder");
    std::os::unix::fs::symlink(PROGRAM, bin.join("tidemill")).expect("a link");
    // As a script: a link to the Python of a virtual environment would not find its packages.
    let python = format!("#!/bin/sh\nexec '{}' \"$@\"\n", with_boto3().display());
    fs::write(bin.join("python3"), python).expect("a file");
    Command::new("chmod").arg("+x").arg(bin.join("python3")).status().expect("chmod");
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound");
    let (port, evaluated, transcript) = (free.port().to_string(), String::new(), String::new());
    let mut desk = Desk { folder, bin, port, evaluated, transcript };
    fs::create_dir(desk.path("orders")).expect("a folder");

    desk.writes("orders/march.csv", MARCH, "Files that somebody sends every month.");
    desk.types("tidemill preview orders/march.csv");
    desk.types("tidemill run orders");

    desk.says("A cloud that stays, with a pipeline that says what a total is.");
    desk.types("tidemill init . && ls");
    desk.writes("pipelines/pipelines.toml", PIPELINES, "Instead of the default pipelines:");
    desk.types("tidemill check");
    desk.says("In a second terminal: tidemill up --watch orders --data data");
    let mut up = desk.starts();
    up.shows("done      uploads/march.csv");
    let env = format!("eval \"$(tidemill env --port {})\"", desk.port);
    desk.evaluates(&env);
    desk.writes("read.py", PROGRAM_OF_THEIRS, "A program of their own, with boto3:");
    let read = desk.types("python3 read.py");
    assert_eq!(read, "march.csv: 3 records, 144.90 in all\napril.csv: 0 records, 0.00 in all\n");

    desk.writes("orders/april.csv", APRIL, "The next file is wrong.");
    up.shows("mail ");
    desk.types("tidemill mails");
    desk.types("tidemill mails 1");
    let jobs = desk.types("tidemill jobs");
    assert_eq!(jobs.matches("failed").count(), 1, "{jobs}");
    assert_eq!(desk.types("python3 read.py"), read, "nothing of it is visible");

    let fixed = format!("{PIPELINES}nulls = [\"unknown\"]\n");
    desk.writes(
        "pipelines/pipelines.toml",
        &fixed,
        "An unknown total is no mistake: the pipelines file says so.",
    );
    up.shows("has changed");
    let failed = jobs.lines().find(|line| line.contains("failed")).expect("a failed job");
    let id = failed.split(' ').next().expect("its id");
    desk.types(&format!("tidemill replay --job {id}"));
    up.shows("done      uploads/april.csv");
    desk.types("tidemill explain april.csv");
    let fixed = desk.types("python3 read.py");
    assert_eq!(fixed, "march.csv: 3 records, 144.90 in all\napril.csv: 2 records, 7.50 in all\n");
    desk.types("tidemill dead --resolve");

    desk.says("Ctrl-C in the second terminal, and the same command again: everything is still there.");
    let first = up.stops();
    let up = desk.starts();
    assert_eq!(desk.types("python3 read.py"), fixed);
    desk.types("tidemill jobs");
    desk.types("tidemill dead");
    let second = up.stops();
    assert!(!second.contains("uploaded "), "nothing is uploaded twice: {second}");

    let text = format!("{}── the second terminal\n{first}\n{second}", desk.transcript);
    let wide: Vec<&str> = text.lines().filter(|line| !fits(line)).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    compare("newcomer", &made_same(&plain(&text, desk.folder.path())));
}

/// Whether a line fits 80 columns: all but what holds one long word, such as a URI or an id, and what the newcomer types.
fn fits(line: &str) -> bool {
    let longest = line.split(' ').map(|word| word.chars().count()).max().unwrap_or_default();
    line.chars().count() <= 80 || longest >= 32 || line.starts_with(['$', '#'])
}

/// Widths follow from times and amounts that differ from run to run.
fn made_same(text: &str) -> String {
    const PATTERNS: [(&str, &str); 5] = [
        (r" --port \d+", ""),
        (r"─{20,}", "────────────────────"),
        (r"═{20,}", "════════════════════"),
        (r"\$0\.\d+", "$$…"),
        // Of a pipeline: it changes with every key that pipelines gain.
        (r"(version |before: )[0-9a-f]{8}\b", "${1}PIPELINE"),
    ];
    let mut text = text.to_owned();
    for (pattern, name) in PATTERNS {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, name).into_owned();
    }
    let blanks = Regex::new(r"(\S) {2,}").expect("a pattern");
    let line =
        |line: &str| match ["SOME TIME", "$…", " took", "    time"].iter().any(|part| line.contains(part)) {
            true => blanks.replace_all(line, "$1  ").into_owned(),
            false => line.to_owned(),
        };
    text.lines().map(|it| line(it).trim_end().to_owned() + "\n").collect()
}

/// A Python that has boto3, shared with other tests.
fn with_boto3() -> PathBuf {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boto3");
    let requirements = root().join("tests/tests/stack/boto3/requirements.txt");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(python_with(&venv, &requirements))
}
