//! Mistakes: one clear line, the right exit code, and nothing half-made.

use std::{ffi::OsStr, fs, net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::process::{Ended, PROGRAM, Running, root, tidemill};

const SAMPLE: &str = "samples/unemployment.tsv";

/// What a mistake that is found before anything starts prints: one line.
fn complaint<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let run = tidemill([OsStr::new("run").to_owned()].into_iter().chain(arguments.into_iter().map(own)))
        .with_code(1);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    run.stderr.strip_prefix("tidemill: ").unwrap_or_else(|| panic!("{}", run.stderr)).trim_end().to_owned()
}

fn own(text: impl AsRef<OsStr>) -> std::ffi::OsString {
    text.as_ref().to_owned()
}

fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [&["run", "--colour", "x"][..], &["run"], &["fly"], &["run", SAMPLE, "--data"], &[]] {
        let run = tidemill(arguments).with_code(2);
        assert_eq!(run.stdout, "");
        assert!(run.stderr.contains("Usage:") || run.stderr.contains("--help"), "{}", run.stderr);
    }
    has(&tidemill(["--help"]).with_code(0).stdout, &["run", "Usage:"]);
    has(&tidemill(["run", "--help"]).with_code(0).stdout, &["--out", "--data", "Exit code"]);
}

#[test]
fn missing_or_wrong_inputs_are_reported_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let path = |name: &str| folder.path().join(name);
    let with_data = |arguments: &[&OsStr]| {
        let all = [OsStr::new("--data"), data.as_ref()].into_iter().chain(arguments.iter().copied());
        let said = complaint(all);
        assert!(!data.exists(), "a data folder was made: {said}");
        said
    };
    let sample = OsStr::new(SAMPLE);

    has(&with_data(&[path("missing.csv").as_ref()]), &["cannot read", "missing.csv", "No such file"]);
    fs::create_dir(path("empty")).expect("a folder");
    has(&with_data(&[path("empty").as_ref()]), &["contains no files", "empty"]);
    let template = path("none.yaml");
    has(
        &with_data(&[sample, "--template".as_ref(), template.as_ref()]),
        &["there is no template at", "none.yaml"],
    );
    let out = path("nowhere/out.jsonl");
    has(&with_data(&[sample, "--out".as_ref(), out.as_ref()]), &["out.jsonl", "its folder does not exist"]);
    let out = path("empty");
    has(&with_data(&[sample, "--out".as_ref(), out.as_ref()]), &["empty", "is a folder"]);
    let pipelines = path("none.toml");
    has(&with_data(&[sample, "--pipelines".as_ref(), pipelines.as_ref()]), &["none.toml", "No such file"]);
    fs::write(path("p.toml"), "version = 1\n[[pipeline]]\nname = \"a\"\nformat = \"cvs\"\n").expect("a file");
    has(
        &with_data(&[sample, "--pipelines".as_ref(), path("p.toml").as_ref()]),
        &["p.toml:4:10: ", "\"cvs\"", "allowed: \"auto\", \"csv\", \"jsonl\", \"json\""],
    );
    fs::write(path("t.yaml"), "Resources:\n  Bucket:\n    Type: AWS::S3::Bukket\n").expect("a file");
    has(&with_data(&[sample, "--template".as_ref(), path("t.yaml").as_ref()]), &["Bukket"]);
}

#[test]
fn containers_without_podman_and_docker_are_reported_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut command = Command::new(PROGRAM);
    command.args(["run", SAMPLE, "--containers", "tidemill-worker", "--data"]).arg(&data).current_dir(root());
    let run = Running::start(command.env("PATH", folder.path())).end().with_code(1);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    has(
        &run.stderr,
        &["cannot run tasks as containers", "neither podman nor docker is on the PATH", "install one of"],
    );
    assert!(!data.exists(), "a data folder was made");

    // What a runtime says when it does not work is passed on in one line.
    let broken = folder.path().join("podman");
    fs::write(&broken, "#!/bin/sh\necho 'a warning' >&2\necho 'no storage' >&2\nexit 125\n").expect("a file");
    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = Command::new(PROGRAM);
    command.args(["run", SAMPLE, "--containers", "tidemill-worker"]).current_dir(root());
    let run = Running::start(command.env("PATH", folder.path())).end().with_code(1);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    has(&run.stderr, &["podman is installed and does not work: no storage"]);

    has(&tidemill(["run", SAMPLE, "--containers=-x"]).with_code(2).stderr, &["an image name starts with"]);
}

#[test]
fn a_port_in_use_is_reported_and_leaves_no_data_folder() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let said =
        complaint([OsStr::new(SAMPLE), "--port".as_ref(), port.as_ref(), "--data".as_ref(), data.as_ref()]);
    has(&said, &[&port, "already in use"]);
    assert!(!data.exists());
}

#[test]
fn a_data_folder_that_is_a_file_is_reported_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data");
    fs::write(&file, "mine").expect("a file");
    has(&complaint([OsStr::new(SAMPLE), "--data".as_ref(), file.as_ref()]), &["data", "it is not a folder"]);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "mine");
}

/// Runs the command with files limited to this many blocks of 512 bytes, which a write beyond meets as an error: the
/// shell's limit, with its signal ignored.
fn with_small_files(blocks: u32, arguments: &[&OsStr]) -> Ended {
    let mut shell = Command::new("/bin/sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.arg("-c").arg(script).arg(PROGRAM).args(arguments).current_dir(root());
    Running::start(&mut shell).end()
}

#[test]
fn a_disk_without_room_for_the_records_leaves_no_half_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.jsonl");
    let run =
        with_small_files(16, &["run".as_ref(), SAMPLE.as_ref(), "--out".as_ref(), out.as_ref()]).with_code(1);
    let last = run.stderr.lines().last().unwrap_or_default();
    has(last, &["tidemill: cannot write", "out.jsonl"]);
    assert!(fs::read_dir(folder.path()).expect("it is there").next().is_none(), "something was left behind");
}

#[test]
fn a_disk_without_room_for_the_data_ends_the_run_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let run = with_small_files(64, &["run".as_ref(), SAMPLE.as_ref(), "--data".as_ref(), data.as_ref()])
        .with_code(1);
    let said = run.stderr.lines().filter(|line| line.starts_with("tidemill: ")).count();
    assert_eq!(said, 1, "{}", run.stderr);
    assert!(!data.exists(), "a half-made data folder was left behind");
}

#[test]
fn a_function_that_cannot_start_does_not_hang_the_run() {
    // The template is the real one, but for a variable that the function needs and does not get.
    let folder = tempfile::tempdir().expect("a folder");
    let template = fs::read_to_string(root().join("template.yaml")).expect("it is there");
    let line = "          WATCHED_PREFIX: !Ref WatchedPrefix\n";
    assert!(template.contains(line));
    fs::write(folder.path().join("template.yaml"), template.replace(line, "")).expect("a file");
    fs::create_dir(folder.path().join("pipelines")).expect("a folder");
    let pipelines = Path::new("pipelines").join("pipelines.toml");
    fs::copy(root().join(&pipelines), folder.path().join(&pipelines)).expect("a copy");
    let template = folder.path().join("template.yaml");
    let arguments = [OsStr::new("run"), SAMPLE.as_ref(), "--template".as_ref(), template.as_ref()];
    let run = tidemill(arguments).with_code(1);
    has(&run.stdout, &["not recorded", "1 object not settled", "1 message"]);
    has(&run.stderr, &["WATCHED_PREFIX is not set"]);
}

#[test]
fn a_permission_that_the_template_lacks_is_reported_while_it_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = fs::read_to_string(root().join("template.yaml")).expect("a template");
    let granted = "Action: [s3:GetObject, s3:GetObjectVersion]";
    assert!(shipped.contains(granted), "the worker reads objects");
    let template = folder.path().join("template.yaml");
    fs::write(&template, shipped.replace(granted, "Action: s3:GetObject")).expect("a file");
    let mut command = Command::new(PROGRAM);
    command.args(["run", SAMPLE, "--pipelines", "pipelines/pipelines.toml", "--template"]).arg(&template);
    let mut run = Running::start(command.current_dir(root()));
    let line = run.line_with("s3:GetObjectVersion");
    has(&line, &["tidemill: role WorkerRole lacks s3:GetObjectVersion on arn:aws:s3:::", "in template.yaml"]);
    run.signal(rustix::process::Signal::TERM);
    run.end().with_code(143);
}

#[test]
fn a_policy_that_cannot_be_enforced_is_reported_before_anything_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = fs::read_to_string(root().join("template.yaml")).expect("a template");
    let template = folder.path().join("template.yaml");
    fs::write(&template, shipped.replace("iam:PassedToService", "iam:PassedToServise")).expect("a file");
    let check = tidemill([
        OsStr::new("check"),
        "--pipelines".as_ref(),
        "pipelines/pipelines.toml".as_ref(),
        "--template".as_ref(),
        template.as_ref(),
    ]);
    let shown = check.with_code(1).stdout;
    has(
        &shown,
        &["template.yaml:", "Role: its policy cannot be enforced", "requests have no iam:PassedToServise"],
    );
}
