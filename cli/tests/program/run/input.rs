//! Bad input: every file ends as it should, beside the others, and nobody is asked to guess.

use std::{collections::BTreeMap, ffi::OsStr, fs, path::Path};

use serde_json::Value;

use super::files::{self, Becomes, File, bad_objects, bad_rows, good};
use crate::process::{jobs, records, run_json};

/// What a worker of a debug build may hold at most: it streams, whatever the file.
const PEAK_BYTES: u64 = 96 << 20;

#[test]
fn each_bad_file_fails_with_its_reason_beside_the_good_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, data, out) =
        (folder.path().join("in"), folder.path().join("data"), folder.path().join("out"));
    fs::create_dir(&input).expect("a folder");
    let all: Vec<File> = good().into_iter().chain(bad_objects()).chain(bad_rows()).collect();
    files::write(&all, &input);
    let report =
        run_json(1, &[input.as_ref(), "--data".as_ref(), data.as_ref(), OsStr::new("--out"), out.as_ref()]);
    let jobs = jobs(&report);
    assert_eq!(jobs.len(), all.len());
    let visible = visible(&out);
    let mails = mails(&report);
    let failing = all.iter().filter(|file| matches!(file.becomes, Becomes::Failed(..))).count();
    assert_eq!(mailed(&mails), failing, "each that failed is in a mail");
    let mut wrong = Vec::new();
    for File { name, becomes, .. } in &all {
        let complaint = match becomes {
            Becomes::Done(records) => done(&jobs[*name], name, *records),
            Becomes::Failed(code, line) => failed(&jobs[*name], &mails, name, code, *line),
        };
        let expected = if let Becomes::Done(records) = becomes { *records } else { 0 };
        let seen = visible.get(*name).copied().unwrap_or_default();
        wrong.extend(complaint.err());
        wrong.extend((seen != expected).then(|| format!("{name}: {seen} visible records, not {expected}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    dead_letters(&report, &jobs);
    peak_memory(&data);
}

fn done(job: &Value, name: &str, records: u64) -> Result<(), String> {
    let fine = job["state"] == "done" && job["records"] == records && job["rejected"] == 0;
    if fine { Ok(()) } else { Err(format!("{name}: {job}")) }
}

fn failed(
    job: &Value,
    mails: &BTreeMap<String, String>,
    name: &str,
    code: &str,
    line: Option<u64>,
) -> Result<(), String> {
    let message = job["reason"]["message"].as_str().unwrap_or_default();
    if job["state"] != "failed" || job["reason"]["code"] != code || job["attempts"] != 1 {
        return Err(format!("{name}: not {code} at the first attempt: {job}"));
    }
    let named = line.is_none_or(|line| message.contains(&format!("line {line}")));
    if !named || message.len() < 10 || message.len() > 400 {
        return Err(format!("{name}: {line:?} in {message:?}"));
    }
    let Some(mail) = mails.get(&format!("[tidemill] failed: uploads/{name} ({code})")) else {
        return grouped(mails, name, message);
    };
    let wanted = [
        format!("/uploads/{name}: {message}\n"),
        format!("Reason     {code}\n"),
        "Records    0 visible\n".into(),
    ];
    let missing: Vec<_> = wanted.iter().filter(|part| !mail.contains(part.as_str())).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("{name}: no {missing:?} in {mail}")) }
}

/// How many failures these mails tell of.
fn mailed(mails: &BTreeMap<String, String>) -> usize {
    let counted = |body: &String| {
        let new = body.lines().find_map(|line| line.strip_prefix("New        "));
        new.map_or(1, |new| new.split(' ').next().and_then(|count| count.parse().ok()).expect("a number"))
    };
    mails.values().map(counted).sum()
}

/// More than a few failures within a minute are mailed in groups, which name ten each.
fn grouped(mails: &BTreeMap<String, String>, name: &str, message: &str) -> Result<(), String> {
    let beginning: String = message.chars().take(100).collect();
    let example = format!("/uploads/{name}\n    {beginning}");
    let tells =
        |mail: &&String| mail.contains(&example) || (mail.contains("various") && mail.contains(" more\n"));
    let found = mails.values().filter(tells).count();
    if found > 0 { Ok(()) } else { Err(format!("{name}: in no mail")) }
}

/// Each failed job has one entry, with its reason.
fn dead_letters(report: &Value, jobs: &BTreeMap<String, Value>) {
    let entries = report["dead_letters"].as_array().expect("a list");
    let mut found: Vec<(&Value, &Value)> =
        entries.iter().map(|entry| (&entry["job"], &entry["reason"])).collect();
    let failed = jobs.values().filter(|job| job["state"] == "failed");
    let mut wanted: Vec<(&Value, &Value)> = failed.map(|job| (&job["job"], &job["reason"]["code"])).collect();
    found.sort_by_key(|entry| entry.0.to_string());
    wanted.sort_by_key(|entry| entry.0.to_string());
    assert_eq!(found, wanted);
}

/// Visible records by key.
fn visible(out: &Path) -> BTreeMap<String, u64> {
    let mut visible = BTreeMap::new();
    for line in records(out) {
        let object = line["object"].as_str().expect("text");
        let key = object.split_once("/uploads/").expect("a key").1.to_owned();
        *visible.entry(key).or_default() += 1;
    }
    visible
}

/// Bodies by subject.
fn mails(report: &Value) -> BTreeMap<String, String> {
    let mails = report["mails"].as_array().expect("mails").iter();
    let text = |mail: &Value, member: &str| mail[member].as_str().expect("text").to_owned();
    mails.map(|mail| (text(mail, "subject"), text(mail, "body"))).collect()
}

/// Of every worker, by the lines it logged.
fn peak_memory(data: &Path) {
    let mut logs = vec![data.join("logs")];
    let mut peaks = Vec::new();
    while let Some(path) = logs.pop() {
        if path.is_dir() {
            logs.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
            continue;
        }
        let text = fs::read_to_string(&path).expect("a log");
        for line in text.lines().filter(|line| line.contains("memory.peak_bytes")) {
            let (_, json) = line.split_once(' ').expect("a time and a line");
            let line: Value = serde_json::from_str(json).expect("JSON");
            peaks.push(line["memory.peak_bytes"].as_u64().expect("a number"));
        }
    }
    let most = peaks.iter().max().copied().unwrap_or_default();
    assert!((1..PEAK_BYTES).contains(&most), "{most} bytes");
}

/// One run with this policy: all files of bad rows are done without them.
fn tolerant(policy: &str) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, data, out) =
        (folder.path().join("in"), folder.path().join("data"), folder.path().join("out"));
    let pipelines = folder.path().join("p.toml");
    fs::create_dir(&input).expect("a folder");
    let text = format!(
        "version = 1\n[[pipeline]]\nname = \"tolerant\"\nbad_rows = \"{policy}\"\nmax_rejected = \"100%\"\n"
    );
    fs::write(&pipelines, text).expect("a file");
    let all = bad_rows();
    files::write(&all, &input);
    let report = run_json(
        0,
        &[
            input.as_ref(),
            "--pipelines".as_ref(),
            pipelines.as_ref(),
            "--data".as_ref(),
            data.as_ref(),
            OsStr::new("--out"),
            out.as_ref(),
        ],
    );
    let (jobs, visible) = (jobs(&report), visible(&out));
    assert_eq!(jobs.len(), all.len());
    for File { name, .. } in &all {
        let job = &jobs[*name];
        assert_eq!(
            [&job["state"], &job["records"], &job["rejected"]],
            [&Value::from("done"), &Value::from(2), &Value::from(1)],
            "{name}: {job}"
        );
        assert_eq!(visible[*name], 2, "{name}");
    }
    assert_eq!(report["dead_letters"], Value::Array(Vec::new()));
    (folder, report)
}

/// Where the local cloud keeps an object's bytes is its own affair: what is looked for is the content.
fn files_with(folder: &Path, part: &str) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries
        .map(|path| match path.is_dir() {
            true => files_with(&path, part),
            false => usize::from(String::from_utf8_lossy(&fs::read(&path).expect("a file")).contains(part)),
        })
        .sum()
}

#[test]
fn skipped_rows_are_counted_and_left_out() {
    let (folder, _) = tolerant("skip");
    assert_eq!(files_with(&folder.path().join("data/s3"), "\"reason\":\"ragged_row\""), 0);
}

#[test]
fn quarantined_rows_are_kept_with_their_reason() {
    let (folder, _) = tolerant("quarantine");
    let s3 = folder.path().join("data/s3");
    for (code, files) in [
        ("ragged_row", 2),
        ("invalid_utf8", 3),
        ("number_out_of_range", 3),
        ("duplicate_key", 1),
        ("nul_byte", 1),
    ] {
        assert_eq!(files_with(&s3, &format!("\"reason\":\"{code}\"")), files, "{code}");
    }
}
