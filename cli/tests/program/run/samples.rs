//! `tidemill run samples`, as in the README.

use std::{collections::BTreeMap, ffi::OsStr, fs};

use serde_json::{Value, json};

use crate::process::{jobs, records, run_json, tidemill};

const SAMPLES: [(&str, &str, &str, usize); 6] = [
    ("airports.csv", "everything", "csv", 3_376),
    ("birdstrikes.csv.gz", "everything", "csv.gz", 10_000),
    ("earthquakes.json", "earthquakes", "json", 1_707),
    ("flights-2k.json", "everything", "json", 2_000),
    ("seattle-weather.csv", "everything", "csv", 1_461),
    ("unemployment.tsv", "everything", "tsv", 3_218),
];

#[test]
fn the_samples_become_records_and_the_report_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("records.jsonl");
    let run =
        tidemill([OsStr::new("run"), "samples".as_ref(), "--json".as_ref(), "--out".as_ref(), out.as_ref()])
            .with_code(0);
    assert!(run.stderr.contains("local cloud at http://127.0.0.1:"), "{}", run.stderr);
    assert!(run.stderr.contains("uploads/airports.csv: done, 3,376 records"), "{}", run.stderr);
    assert!(run.stderr.contains("wrote 21,762 records to "), "{}", run.stderr);

    let report = run.json();
    assert!(report["ready_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{}", report["ready_ms"]);
    let jobs = jobs(&report);
    for (name, pipeline, format, records) in SAMPLES {
        let Value::Object(job) = &jobs[name] else { panic!("{name}") };
        let member_of = |member: &str| job[member].clone();
        assert_eq!(
            ["state", "pipeline", "format", "records", "rejected", "attempts", "reason", "verdict"]
                .map(member_of),
            [
                json!("done"),
                json!(pipeline),
                json!(format),
                json!(records),
                json!(0),
                json!(1),
                Value::Null,
                json!("succeeded")
            ],
            "{name}"
        );
    }
    assert_eq!(jobs.len(), 6);
    let bucket = report["bucket"].as_str().expect("a bucket");
    assert_eq!(report["ignored"], json!([format!("s3://{bucket}/uploads/README.md")]));
    assert_eq!(
        ["unrecorded", "dead_letters", "stalled"].map(|member| report[member].clone()),
        [json!([]), json!([]), Value::Null]
    );
    assert!(report["cost_usd"].as_f64().is_some_and(|cost| cost > 0.0));

    let tasks = report["tasks"].as_array().expect("tasks");
    assert_eq!(tasks.len(), 1, "one pooled worker has done them all: {tasks:?}");
    assert_eq!((&tasks[0]["started_by"], &tasks[0]["memory_mib"]), (&json!("drain/1/1"), &json!(512)));
    assert_eq!(report["mails"], json!([]), "only failures are mailed at once");

    check_records(&records(&out), bucket);
    let text = fs::read_to_string(&out).expect("the file is there");
    assert!(text.contains(r#""latitude":31.95376472"#) && text.contains(r#""longitude":-89.23450472"#));
    assert!(!text.contains("e+") && !text.contains("NaN"), "numbers are written out");
}

fn check_records(lines: &[Value], bucket: &str) {
    assert_eq!(lines.len(), 21_762);
    let mut by_object: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in lines {
        let members: Vec<&str> = line.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(members, ["object", "record", "row", "version"]);
        by_object.entry(line["object"].as_str().expect("text")).or_default().push(line);
    }
    for (name, _, _, records) in SAMPLES {
        let rows = &by_object[&*format!("s3://{bucket}/uploads/{name}")];
        assert_eq!(rows.len(), records, "{name}");
        assert!(rows.iter().zip(1..).all(|(line, row)| line["row"] == row), "{name}: rows from 1, in order");
    }
    let record =
        |name: &str, row: usize| &by_object[&*format!("s3://{bucket}/uploads/{name}")][row - 1]["record"];
    assert_eq!(*record("unemployment.tsv", 1), json!({ "id": 1001, "rate": 0.097 }));
    assert_eq!(
        *record("airports.csv", 1),
        json!({
            "iata": "00M", "name": "Thigpen", "city": "Bay Springs", "state": "MS", "country": "USA",
            "latitude": 31.95376472, "longitude": -89.23450472
        })
    );
    assert_eq!(
        *record("seattle-weather.csv", 2),
        json!({
            "date": "2012-01-02", "precipitation": 10.9, "temp_max": 10.6, "temp_min": 2.8, "wind": 4.5,
            "weather": "rain"
        })
    );
    // JSON keeps its nesting and its nulls: compared with the document itself.
    let path = crate::process::root().join("samples/earthquakes.json");
    let document: Value = serde_json::from_slice(&fs::read(path).expect("the sample")).expect("JSON");
    let features = document["features"].as_array().expect("features");
    for (row, feature) in features.iter().enumerate() {
        assert_eq!(record("earthquakes.json", row + 1), feature);
    }
    assert!(features.iter().any(|feature| feature["properties"]["felt"].is_null()));
}

#[test]
fn without_json_a_person_gets_a_table() {
    let run = tidemill(["run", "samples/seattle-weather.csv", "samples/unemployment.tsv"]).with_code(0);
    for part in ["object", "seattle-weather.csv", "unemployment.tsv", "1,461", "3,218", "done", "total"] {
        assert!(run.stdout.contains(part), "no {part} in {}", run.stdout);
    }
    assert!(run.stdout.lines().all(|line| line.trim_end() == line || line.ends_with(' ')), "{}", run.stdout);
    assert!(!run.stdout.contains("local cloud at"), "progress is on standard error");
}

#[test]
fn digits_are_kept_exactly() {
    let folder = tempfile::tempdir().expect("a folder");
    let digits = "12345678901234567890123456789012345678";
    fs::write(
        folder.path().join("exact.jsonl"),
        format!("{{\"n\":{digits},\"d\":0.{digits},\"z\":1.50,\"t\":\"007\",\"b\":true,\"e\":-1e10}}\n"),
    )
    .expect("a file");
    fs::write(folder.path().join("exact.csv"), format!("n,zip\n{digits},01001\n-.5,94110\n"))
        .expect("a file");
    let out = folder.path().join("out");
    let input = folder.path().join("exact.csv");
    let json = folder.path().join("exact.jsonl");
    run_json(0, &[input.as_ref(), json.as_ref(), "--out".as_ref(), out.as_ref()]);
    let text = fs::read_to_string(&out).expect("the file is there");
    for exact in [
        format!(r#""n":{digits},"#),
        format!(r#""d":0.{digits}"#),
        r#""zip":"01001""#.to_owned(),
        r#""n":-0.5"#.to_owned(),
        r#""e":-10000000000"#.to_owned(),
    ] {
        assert!(text.contains(&exact), "no {exact} in {text}");
    }
}
