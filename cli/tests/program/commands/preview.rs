//! `preview`: what would become of files, without any cloud.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    cloud::{Up, bare},
    process::{Running, root},
};

const PIPELINES: &str = "version = 1\n[[pipeline]]\nname = \"keyed\"\nmatch = { suffix = \".keyed.csv\" }\nkey = \"{id}\"\n\
    [[pipeline]]\nname = \"pictures\"\nmatch = { suffix = \".png\" }\nformat = \"object\"\n\
    [[pipeline]]\nname = \"all\"\nmatch = { prefix = \"uploads/\" }\n";

/// What the command prints for files of these names and contents, in this order.
fn preview(files: &[(&str, &[u8])], code: i32) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let pipelines = folder.path().join("p.toml");
    fs::write(&pipelines, PIPELINES).expect("a file");
    let mut command = bare();
    command.arg("preview").arg("--pipelines").arg(&pipelines);
    for (name, contents) in files {
        let path = folder.path().join(name);
        fs::write(&path, contents).expect("a file");
        command.arg(path);
    }
    let printed = Running::start(&mut command).end().with_code(code).stdout;
    assert!(
        printed.lines().all(|line| line.chars().count() <= 80 || line.contains(": would fail")),
        "{printed}"
    );
    printed.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_table_is_shown_with_its_columns_and_the_pipeline_for_it() {
    let table = b"zip;total;note\n01001;7;first\n94110;;\n20095;12.50;\"last; quoted\"\n";
    let expected = "\
orders.csv: 3 records, none rejected
  pipeline  all
  format    delimited: fields separated by ';'; UTF-8; 64 bytes
  scores    1.00 of 1; no other delimiter makes columns
  cost      $0.0000019 to write the records
  columns
    zip    text            \"01001\", \"94110\", \"20095\"
    total  number  1 null  7, 12.50
    note   text            \"first\", \"\", \"last; quoted\"
  first records
    {\"zip\":\"01001\",\"total\":7,\"note\":\"first\"}
    {\"zip\":\"94110\",\"total\":null,\"note\":\"\"}
    {\"zip\":\"20095\",\"total\":12.50,\"note\":\"last; quoted\"}
  for pipelines.toml
    [[pipeline]]
    name = \"orders\"
    match = { prefix = \"uploads/\", suffix = \".csv\" }
    format = \"csv\"
    delimiter = \";\"

    [pipeline.columns]
    zip = \"text\"
    total = \"number\"
    note = \"text\"
";
    assert_eq!(preview(&[("orders.csv", table)], 0), expected);
}

#[test]
fn the_competing_reading_is_shown_with_its_score() {
    let table = b"name;note, place\nann;a, b\nbob;c, d\n";
    let text = preview(&[("a.csv", table)], 0);
    let expected = "  scores    1.00 of 1; the next best reading, delimiter = \",\", trim = true,\n            makes 2 fields of \
                    the header and scores 0.50\n";
    assert!(text.contains(expected), "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.csv"), table).expect("a file");
    let found = &json(&folder.path().join("a.csv"), None)["found"];
    assert_eq!((found["score"].as_f64(), found["competing"]["fields"].as_u64()), (Some(1.0), Some(2)));
    assert!(found["competing"]["score"].as_f64() < Some(0.6), "{found}");
    let two = preview(&[("b.csv", b"x;y,z\na;b,c\nd;e,f\n")], 1);
    assert!(two.contains("would fail as ambiguous_dialect") && two.matches("scores").count() == 2, "{two}");
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    let expected = "\
empty.csv: 0 records, none rejected
  pipeline  all
  format    csv: an empty file: an older version's records become invisible
  cost      $0.00 to write the records
";
    assert_eq!(preview(&[("empty.csv", b"")], 0), expected);
}

#[test]
fn a_failure_is_predicted_with_its_reason_and_advice() {
    let ragged = preview(&[("a.csv", b"id,n\n1,2\n3\n4,5\n")], 1);
    for part in [
        "a.csv: would fail as ragged_row\n",
        "  reason    line 3: 1 field",
        "  to do     Give each row as many fields as the header",
        "  rows      2 records, 1 rejected\n",
        "  first rejected rows\n    line 3: ragged_row: ",
        "bad_rows = \"quarantine\"",
    ] {
        assert!(ragged.contains(part), "no {part:?} in {ragged}");
    }
    let unclear = preview(&[("trail.json", b"{\"Records\":[{\"a\":1}]}")], 1);
    assert!(
        unclear.contains("would fail as unclear_records") && unclear.contains("records = \"/Records\""),
        "{unclear}"
    );
    let keyed = preview(&[("x.keyed.csv", b"id,n\n,2\n3,4\n")], 1);
    assert!(
        keyed.contains("would fail as bad_key") && keyed.contains("line 2: the key needs column"),
        "{keyed}"
    );
    let several = preview(&[("p.png", b"\x89PNG\r\n\x1a\n"), ("b.jsonl", b"{\"a\":1}\n{\"b\":[2]}\n")], 0);
    assert!(
        several.contains("p.png: not read\n") && several.contains("b.jsonl: 2 records, none rejected\n"),
        "{several}"
    );
    assert!(
        several.contains("    a  number  1 missing  1\n")
            && several.contains("    b  list    1 missing  [2]\n"),
        "{several}"
    );
}

#[test]
fn the_suggested_pipeline_reads_the_file_as_it_was_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for (name, contents) in [
        ("tabs.tsv", "two words\t\u{fc}\t\"q\"\n1\t2\t3\n4\t5\t6\n"),
        ("Lines 1.jsonl", "{\"a\":1}\n{\"a\":2}\n"),
        ("several.json", "{\"a\":1}{\"a\":2}"),
        ("export.json", "{\"Item\":{\"a\":{\"N\":\"1\"}}}\n{\"Item\":{\"a\":{\"N\":\"2\"}}}\n"),
    ] {
        fs::write(path(name), contents).expect("a file");
        let found = json(&path(name), None);
        let suggestion = found["suggestion"].as_str().expect("a text");
        fs::write(path("p.toml"), format!("version = 1\n{suggestion}")).expect("a file");
        let again = json(&path(name), Some(&path("p.toml")));
        assert_eq!(again["found"]["first_records"], found["found"]["first_records"], "{suggestion}");
        assert_eq!(again["found"]["records"], 2);
        assert_eq!(again["suggestion"].as_str(), Some(suggestion));
    }
}

fn json(file: &Path, pipelines: Option<&Path>) -> Value {
    let mut command = bare();
    command.arg("preview").arg("--json").arg(file);
    command.args(pipelines.map(|path| format!("--pipelines={}", path.display())));
    Running::start(&mut command).end().with_code(0).json()["files"][0].clone()
}

/// The document of one file or object that the command prints in this cloud.
fn looked_at(up: &Up, input: &str, code: i32) -> Value {
    let ended = up.run(&["preview", "--json", input]).with_code(code);
    let mut document: Value = serde_json::from_str(&ended.stdout).expect("a document");
    document["files"][0].take()
}

#[test]
fn an_object_is_read_as_a_file_of_the_same_bytes_is() {
    let up = Up::start(&[]);
    let table = b"id,name\n1,one\n2,two\n".to_vec();
    let parquet = fs::read(root().join("crates/readers/tests/parquet/nested-0.parquet")).expect("a file");
    // Larger than what is kept of an object between two readings.
    let large =
        [&b"id,name\n"[..], &format!("1,{}\n", "one ".repeat(40_000)).repeat(60).into_bytes()].concat();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in [("a b.csv", &table), ("c.parquet", &parquet), ("large.csv", &large)] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        up.put(&format!("uploads/{name}"), bytes);
        let file = looked_at(&up, path.to_str().expect("a text"), 0);
        let object = looked_at(&up, &up.uri(name), 0);
        assert_eq!(object["file"], up.uri(name));
        assert!(file["found"].is_object(), "{file}");
        for member in ["key", "bytes", "pipeline", "failure", "found", "suggestion"] {
            assert_eq!(object[member], file[member], "{member} of {name}");
        }
    }
    // The version that the key has now.
    up.put("uploads/a b.csv", b"id\n7\n");
    assert_eq!(looked_at(&up, &up.uri("a b.csv"), 0)["found"]["records"], 1);
    up.put("uploads/d.csv", b"id,n\n1,2\n3\n");
    assert_eq!(looked_at(&up, &up.uri("d.csv"), 1)["failure"]["code"], "ragged_row");
    let missing = up.run(&["preview", &up.uri("none.csv"), &up.uri("a b.csv")]).with_code(1);
    assert!(missing.stderr.contains(&format!("there is no object {}", up.uri("none.csv"))), "{missing:?}");
    assert!(missing.stdout.contains("a b.csv: 1 record"), "the other is looked at all the same: {missing:?}");
    let wrong = up.run(&["preview", "s3://bucket"]).with_code(2);
    assert!(wrong.stderr.contains("write s3://BUCKET/KEY"), "{wrong:?}");
}
