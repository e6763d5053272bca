//! Records that went to tables of the user's own come back with `--out`.

use std::fs;

use serde_json::json;

use crate::process::{jobs, records, run_json};

const PIPELINES: &str = r#"
version = 1

[[table]]
name = "people"
partition_key = { name = "PK", type = "S" }

[[pipeline]]
name = "people"
match = { prefix = "uploads/people-" }
table = "people"
key = { PK = "PERSON#{id}" }

[[pipeline]]
name = "unmarked"
match = { prefix = "uploads/unmarked-" }
table = "people"
key = { PK = "UNMARKED#{id}" }
provenance = "none"
"#;

#[test]
fn items_of_a_table_of_ones_own_are_written_out_by_object() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    };
    let (people, unmarked) =
        (file("people-1.csv", "id,name\n7,Ann\n8,Bob\n"), file("unmarked-1.csv", "id,name\n9,Cid\n"));
    let (pipelines, out) = (file("pipelines.toml", PIPELINES), folder.path().join("out.jsonl"));
    let report = run_json(
        0,
        &[
            people.as_ref(),
            unmarked.as_ref(),
            "--pipelines".as_ref(),
            pipelines.as_ref(),
            "--out".as_ref(),
            out.as_ref(),
        ],
    );
    assert_eq!(jobs(&report)["unmarked-1.csv"]["records"], 1);
    let mut lines = records(&out);
    lines.sort_by_key(|line| line["row"].as_u64());
    let found: Vec<_> = lines.iter().map(|line| (&line["row"], &line["record"])).collect();
    assert_eq!(
        found,
        [
            (&json!(1), &json!({ "PK": "PERSON#7", "id": 7, "name": "Ann" })),
            (&json!(2), &json!({ "PK": "PERSON#8", "id": 8, "name": "Bob" })),
        ],
        "what the other pipeline wrote says nothing of its object, so it is left out"
    );
}
