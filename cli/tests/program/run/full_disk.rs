//! A full disk: one plain line, at once.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    cloud::bare,
    process::{LIMIT, PROGRAM, Running},
};

/// Far below the minutes for which clients try a call again, and far above what a busy machine needs.
const AT_ONCE: Duration = Duration::from_secs(40);

/// A shell in a mount namespace of its own, with a disk of 3 MiB at `$1`. It needs no root where the kernel lets users make
/// namespaces.
fn shell_with_small_disk(script: &str, arguments: &[&Path]) -> Command {
    let script = format!("mount -t tmpfs -o size=3m none \"$1\" && {script}");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).args(arguments);
    command
}

#[test]
fn a_full_data_folder_is_one_line_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    if !shell_with_small_disk("true", &[&disk]).status().is_ok_and(|status| status.success()) {
        eprintln!("NOT TESTED: this machine lets nobody but root mount a small disk");
        return;
    }
    let rows = |n: usize| (0..n).map(|n| format!("{n},name {n}\n")).collect::<String>();
    // Records do not fit; nor does the object itself.
    for (name, rows) in [("records.csv", rows(12_000)), ("object.csv", rows(300_000))] {
        let file = folder.path().join(name);
        fs::write(&file, format!("id,name\n{rows}")).expect("a file");
        let run = format!("exec '{PROGRAM}' run \"$2\" --data \"$1/data\"");
        let began = Instant::now();
        let ended = Running::start(&mut shell_with_small_disk(&run, &[&disk, &file])).end().with_code(1);
        assert!(began.elapsed() < AT_ONCE, "{name}: {:?}", began.elapsed());
        let lines: Vec<&str> =
            ended.stderr.lines().filter(|line| !line.starts_with("local cloud at ")).collect();
        let data = disk.join("data");
        let expected = format!(
            "tidemill: the disk that holds {} is full; free some space, and run it again",
            data.display()
        );
        assert_eq!((lines, ended.stdout.as_str()), (vec![expected.as_str()], ""), "{name}");
    }
}

#[test]
fn records_that_do_not_fit_in_their_file_are_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.csv"), "id\n1\n").expect("a file");
    symlink("/dev/full", path("out.jsonl")).expect("a link");
    let mut run = bare();
    run.arg("run").arg(path("a.csv")).arg("--out").arg(path("out.jsonl"));
    let ended = Running::start(&mut run).end().with_code(1);
    let last = ended.stderr.lines().last().unwrap_or_default();
    let expected = format!("tidemill: cannot write {}: No space left on device", path("out.jsonl").display());
    assert!(last.starts_with(&expected), "{}", ended.stderr);
    let is_link = path("out.jsonl").symlink_metadata().expect("it is there").is_symlink();
    assert!(is_link, "no file took the place of the device");
}

#[test]
fn records_go_into_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.csv"), "id\n1\n2\n").expect("a file");
    assert!(Command::new("mkfifo").arg(path("out")).status().expect("mkfifo").success());
    let mut reader = Running::start(Command::new("cat").arg(path("out")));
    let mut run = bare();
    run.arg("run").arg(path("a.csv")).arg("--out").arg(path("out"));
    Running::start(&mut run).end().with_code(0);
    reader.until = Instant::now() + LIMIT;
    assert_eq!(reader.end().with_code(0).stdout.matches("\"record\":{\"id\":").count(), 2);
}
