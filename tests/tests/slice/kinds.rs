//! Kinds of objects besides plain text: each is uploaded and becomes records.

use std::io::Write;

use domain::job::State;
use tests::{JobAsserts, TestEnv};

use crate::{csv, records};

const AVRO: &[u8] = include_bytes!("../../../crates/readers/tests/data/orders-deflate.avro");
const AVRO_RECORDS: &str = include_str!("../../../crates/readers/tests/data/orders.jsonl");

fn bzip2(text: &str) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn xz(text: &str) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_objects_and_avro_files_become_records() {
    TestEnv::plan(131).dedicated_tasks().run(async |env| {
        let cut = bzip2(&csv(1, 3));
        env.put("uploads/a.csv.bz2", bzip2(&csv(1, 3))).await;
        env.put("uploads/a.csv.xz", xz(&csv(4, 2))).await;
        env.put("uploads/orders.avro", AVRO).await;
        env.put("uploads/cut.csv.bz2", &cut[..cut.len() - 3]).await;
        env.settle().await;
        let job = env.job("uploads/a.csv.bz2").await;
        job.assert_done().assert_records(3);
        assert_eq!(job.format(), Some("csv.bz2"));
        assert_eq!(env.visible("uploads/a.csv.bz2").await, records(1, 3));
        assert_eq!(env.job("uploads/a.csv.xz").await.format(), Some("csv.xz"));
        assert_eq!(env.visible("uploads/a.csv.xz").await, records(4, 2));
        let job = env.job("uploads/orders.avro").await;
        job.assert_done().assert_records(40);
        assert_eq!(job.format(), Some("avro"));
        assert_eq!(env.visible("uploads/orders.avro").await.len(), AVRO_RECORDS.lines().count());
        let job = env.job("uploads/cut.csv.bz2").await;
        assert!(matches!(job.state(), State::Failed), "{:?}", job.state());
        assert_eq!(env.visible("uploads/cut.csv.bz2").await, Vec::<String>::new());
    });
}

#[test]
fn files_that_aws_writes_become_records_under_their_names() {
    let plan = TestEnv::plan(132).pipelines(
        r#"
version = 1
[[pipeline]]
name = "flow"
match = { prefix = "uploads/flow/" }
format = "vpc_flow_logs"
[[pipeline]]
name = "requests"
match = { prefix = "uploads/cloudfront/" }
format = "cloudfront"
[[pipeline]]
name = "trail"
match = { prefix = "uploads/trail/" }
format = "cloudtrail"
[[pipeline]]
name = "rest"
match = { prefix = "uploads/" }
"#,
    );
    plan.dedicated_tasks().run(async |env| {
        env.put("uploads/flow/1.log", "account-id bytes action\n011122223333 840 ACCEPT\n2 - -\n").await;
        let log = "#Version: 1.0\n#Fields: date x-edge-location sc-bytes\n2026-03-05\tAAA1\t392\n";
        env.put("uploads/cloudfront/1.log", log).await;
        env.put("uploads/trail/1.json", r#"{"Records":[{"eventName":"A"},{"eventName":"B"}]}"#).await;
        env.put("uploads/unknown.log", log).await;
        env.settle().await;
        assert_eq!(
            env.visible("uploads/flow/1.log").await,
            [
                r#"{"account-id":"011122223333","action":"ACCEPT","bytes":840}"#,
                r#"{"account-id":"2","action":null,"bytes":null}"#
            ]
        );
        assert_eq!(
            env.visible("uploads/cloudfront/1.log").await,
            [r#"{"date":"2026-03-05","sc-bytes":392,"x-edge-location":"AAA1"}"#]
        );
        assert_eq!(
            env.visible("uploads/trail/1.json").await,
            [r#"{"eventName":"A"}"#, r#"{"eventName":"B"}"#]
        );
        let job = env.job("uploads/unknown.log").await;
        assert!(matches!(job.state(), State::Failed), "{:?}", job.state());
    });
}
