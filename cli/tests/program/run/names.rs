//! A file's name may hold any character: its object is processed and reported under that name.

use std::{collections::BTreeSet, ffi::OsStr, fs};

use crate::process::{jobs, records, run_json};

const NAMES: [&str; 16] = [
    "plain.csv",
    "two words.csv",
    "a+b.csv",
    "100%.csv",
    "a%20b.csv",
    "%2F.csv",
    "gr\u{fc}n-nfc.csv",
    "gru\u{308}n-nfd.csv",
    "\u{6f6e}\u{6c50} \u{1f30a}.csv",
    "it's \"quoted\".csv",
    "two\nlines.csv",
    "-dash.csv",
    "--out",
    "star*?[x].csv",
    "back\\slash&amp;<x>.csv",
    "no extension",
];

#[test]
fn folders_and_files_of_any_name_are_done_under_it() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = root.path().join("in");
    let deep = folder.join("deep er/f+%20/\u{e9}");
    fs::create_dir_all(&deep).expect("folders");
    let mut keys = BTreeSet::new();
    for name in NAMES {
        fs::write(folder.join(name), "x\n1\n").expect("a file");
        keys.insert(name.to_owned());
    }
    for name in [NAMES[1], NAMES[10]] {
        fs::write(deep.join(name), "x\n1\n").expect("a file");
        keys.insert(format!("deep er/f+%20/\u{e9}/{name}"));
    }
    let alone = root.path().join(" a=b;c,d.csv");
    fs::write(&alone, "x\n1\n").expect("a file");
    keys.insert(" a=b;c,d.csv".to_owned());

    let out = root.path().join("out.jsonl");
    let report =
        run_json(0, &[OsStr::new("--out"), out.as_ref(), "--".as_ref(), folder.as_ref(), alone.as_ref()]);
    let jobs = jobs(&report);
    assert_eq!(jobs.keys().cloned().collect::<BTreeSet<_>>(), keys);
    for (key, job) in &jobs {
        assert_eq!((job["state"].as_str(), job["records"].as_u64()), (Some("done"), Some(1)), "{key:?}");
    }
    let bucket = report["bucket"].as_str().expect("a bucket");
    let uris: BTreeSet<String> = keys.iter().map(|key| format!("s3://{bucket}/uploads/{key}")).collect();
    let reported: BTreeSet<String> =
        records(&out).iter().map(|line| line["object"].as_str().expect("text").to_owned()).collect();
    assert_eq!(reported, uris);
}
