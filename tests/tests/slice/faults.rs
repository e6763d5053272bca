//! Services that answer badly while a job is worked on: the records are the same.

use std::io::Write;

use localcloud::faults::{Call, Partial, Rule};
use tests::{Contents, JobAsserts, TestEnv, call};

use crate::{csv, records};

const KEY: &str = "uploads/people.csv";

/// Uploads 500 rows, plain or packed, under these faults; they are all there after one attempt.
fn all_the_same(seed: u64, rules: impl Fn() -> Vec<Rule>) {
    for packed in [false, true] {
        TestEnv::plan(seed).dedicated_tasks().run(async |env| {
            rules().into_iter().for_each(|rule| env.on(rule));
            env.put(KEY, if packed { gzip(&csv(1, 500)) } else { csv(1, 500).into_bytes() }).await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_done().assert_attempt(1).assert_records(500);
            assert_eq!(env.visible(KEY).await, records(1, 500));
            assert_eq!(env.contents(), Contents { rows: 500, natural: 0, manifests: 1 });
            assert!(env.cloud().faults().fired() > 0, "nothing went wrong");
            assert_eq!(env.mails().len(), 0);
        });
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(text.as_bytes()).unwrap();
    out.finish().unwrap()
}

#[test]
fn unprocessed_items_are_written_again() {
    let part = Call::Part(Partial::Unprocessed { share: 0.3 });
    all_the_same(62, || vec![call::write_rows().meets(part.clone()).chance(0.7)]);
}

#[test]
fn a_throttled_table_slows_the_worker_down_only() {
    all_the_same(62, || vec![call::write_rows().meets(Call::Throttle).chance(0.3)]);
}

#[test]
fn broken_connections_to_the_table_change_nothing() {
    all_the_same(63, || {
        vec![
            Rule::new("dynamodb", "*", Call::LoseAnswer).chance(0.1),
            Rule::new("dynamodb", "*", Call::LoseRequest).chance(0.1),
        ]
    });
}

#[test]
fn a_body_that_breaks_off_is_resumed() {
    all_the_same(64, || vec![call::read_object().meets(Call::CutBody { after: 700 }).first(4)]);
}

#[test]
fn a_slow_down_of_s3_is_waited_for() {
    all_the_same(65, || vec![call::read_object().meets(Call::Throttle).first(2)]);
}

#[test]
fn the_answer_to_a_publish_may_be_lost() {
    // More often than the SDK asks by itself.
    all_the_same(66, || vec![call::publish().meets(Call::LoseAnswer).first(12)]);
}

#[test]
fn a_publish_that_conflicts_with_another_is_retried() {
    let conflict = || Call::CancelTransaction { code: "TransactionConflict".to_owned() };
    all_the_same(67, || vec![call::publish().meets(conflict()).first(3)]);
}
