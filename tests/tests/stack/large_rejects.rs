//! More rejected rows than fit one part of an upload.

use tests::{JobAsserts, TestEnv};

const QUARANTINE: &str = r#"
version = 1
[[pipeline]]
name = "tables"
match = { prefix = "uploads/" }
bad_rows = "quarantine"
max_rejected = "100%"
"#;

#[test]
fn a_rejects_object_of_many_parts_holds_every_rejected_row() {
    const BAD: usize = 20_000;
    TestEnv::plan(1).pipelines(QUARANTINE).dedicated_tasks().run(async |env| {
        let ragged = format!("1,2,{}\n", "x".repeat(300));
        let table = std::iter::once("id,name\n7,good\n").chain(std::iter::repeat_n(ragged.as_str(), BAD));
        env.put("uploads/ragged.csv", table.collect::<String>()).await;
        env.settle().await;
        let job = env.job("uploads/ragged.csv").await;
        job.assert_done().assert_records(1).assert_rejected(BAD as u64);
        assert!(env.calls("s3", "UploadPart") > 1);
        let rejects = env.text(&format!("rejects/uploads/ragged.csv/{}.jsonl", job.id)).await;
        assert_eq!(rejects.lines().count(), BAD);
    });
}
