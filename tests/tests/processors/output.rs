//! What a command prints: rows that nobody sees before all of them are there, and never those of two attempts.

use std::time::Duration;

use domain::manifest;
use localcloud::{
    faults::{Call, Rule},
    wire::Caller,
};
use serde_json::json;
use tests::{Contents, JobAsserts, WorkerFault, call};

use crate::{KEY, dedicated, pool, reason};

/// More rows than are held: the first attempt writes half of them and crashes, the second one has others.
const TWICE: &str = r#"
python3 -c '
import os
attempt = int(os.environ["TIDEMILL_ATTEMPT"])
for row in range(3000 if attempt == 1 else 2000):
    print("{\"id\":%d,\"attempt\":%d,\"text\":\"%s\"}" % (row // 2 + attempt, attempt, "x" * 1000))
raise SystemExit(3 if attempt == 1 else 0)
'"#;

fn attempts_in(records: &[String]) -> Vec<bool> {
    let mut attempts: Vec<_> = records.iter().map(|record| record.contains("\"attempt\":2")).collect();
    attempts.dedup();
    attempts
}

#[test]
fn rows_of_an_attempt_that_crashed_are_never_seen_and_go_a_day_later() {
    dedicated(631, TWICE, "").run(async |env| {
        env.put(KEY, "x").await;
        env.until("the crash", || env.ecs_launches() == 2).await;
        assert!(env.contents().rows > 1_000, "it wrote while it ran: {:?}", env.contents());
        assert_eq!(env.visible(KEY).await, [""; 0]);
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_attempt(2).assert_counted(1);
        let manifest = env.manifest(KEY).await.unwrap();
        assert_eq!(
            (manifest.write_epoch, manifest.shards, manifest.records),
            (2, manifest::MAX_SHARDS, 2_000)
        );
        let visible = env.visible(KEY).await;
        assert_eq!((visible.len(), attempts_in(&visible)), (2_000, vec![true]));
        let left = env.contents().rows - 2_000;
        assert!(left > 1_000, "{left}");

        env.swept().await;
        minutes(60 * 23).await;
        env.swept().await;
        assert_eq!(env.contents().rows, 2_000 + left, "somebody may still be at it");
        for _ in 0..2 {
            minutes(60 * 2).await;
            env.swept().await;
        }
        assert_eq!(env.contents(), Contents { rows: 2_000, natural: 0, manifests: 1 });
        assert_eq!(env.visible(KEY).await, visible);
        // And when a newer version takes its place, the rest goes too.
        env.put(KEY, "y").await;
        env.settle().await;
        for _ in 0..15 {
            minutes(60 * 2).await;
            env.swept().await;
        }
        assert_eq!(env.contents(), Contents { rows: 2_000, natural: 0, manifests: 1 });
    });
}

#[test]
fn rows_of_all_attempts_of_a_failed_job_go() {
    let script = TWICE.replace("attempt == 1", "True");
    dedicated(646, &script, "attempts = 3").run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_fence(3);
        assert_eq!(job.history.len(), 3, "{job:#?}");
        assert!(env.contents().rows > 3_000, "{:?}", env.contents());
        env.swept().await;
        for _ in 0..14 {
            minutes(60 * 2).await;
            env.swept().await;
        }
        assert_eq!(env.contents(), Contents::default());
    });
}

async fn minutes(minutes: u64) {
    tokio::time::sleep(Duration::from_mins(minutes)).await;
}

#[test]
fn a_worker_that_lost_its_claim_writes_where_nobody_looks() {
    let script = "[ $TIDEMILL_ATTEMPT = 2 ] || exit 3; echo '{\"n\":1}'; echo '{\"n\":2}'";
    dedicated(632, script, "").run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        let (job, visible) = (env.job(KEY).await, env.visible(KEY).await);
        assert_eq!(visible, [r#"{"n":1}"#, r#"{"n":2}"#]);
        // What the first attempt's worker would still write, had it been asleep all the while.
        for (row, shards) in [(1, 1), (2, 1), (1, manifest::MAX_SHARDS), (2, manifest::MAX_SHARDS)] {
            let part = manifest::rows_partition(&job.id, 1, row, shards);
            let item = json!({ "_part": { "S": part }, "_row": { "N": row.to_string() }, "n": { "N": "9" } });
            let table = &env.cloud().outputs()["RecordsTable"];
            let put = json!({ "TableName": table, "Item": item });
            env.cloud().services().dynamodb.call("PutItem", put, &Caller::owner()).await.unwrap();
        }
        assert_eq!(env.visible(KEY).await, visible);
    });
}

#[test]
fn a_small_output_that_ends_badly_is_not_written_at_all() {
    for key in ["", "key = \"{id}\""] {
        dedicated(633, "echo '{\"id\":1}'; echo '{\"id\":2}'; exit 1", key).run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            env.job(KEY).await.assert_failed();
            assert_eq!(env.contents(), Contents::default());
        });
    }
}

#[test]
fn a_small_output_is_spread_by_its_size() {
    dedicated(634, "i=0; while [ $i -lt 100 ]; do echo \"{\\\"i\\\":$i}\"; i=$((i+1)); done", "").run(
        async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let manifest = env.manifest(KEY).await.unwrap();
            assert_eq!((manifest.write_epoch, manifest.shards, manifest.records), (1, 1, 100));
            assert_eq!(env.job(KEY).await.write_units(), 100);
        },
    );
}

#[test]
fn of_records_under_natural_keys_a_later_attempt_has_the_last_word() {
    // The first attempt says id n in row 2n, the second one in row 2n - 2.
    dedicated(635, TWICE, "key = \"{id}\"").run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_ended_with(&["command_crashed"]);
        let visible = env.visible(KEY).await;
        let second: Vec<_> = visible.iter().filter(|record| record.contains("\"attempt\":2")).collect();
        assert_eq!(second.len(), 1_000, "whatever the first attempt wrote there");
        assert!(
            !visible.iter().any(|record| record.contains("\"attempt\":1") && record.contains("\"id\":7,"))
        );
    });
}

/// Rows 2 and 3 are no JSON.
const BAD: &str = "echo '{\"n\":1}'; echo 'Traceback:'; echo '{\"n\":'; echo '{\"n\":4}'";
/// The same behind more rows than are held.
const BAD_AND_LARGE: &str = r#"
yes "{\"n\":1,\"text\":\"$(seq -s- 300)\"}" | head -2000; echo 'Traceback:'; echo '{"n":'; echo '{"n":4}'"#;

#[test]
fn a_bad_row_fails_the_job_where_the_pipeline_does_not_say_otherwise() {
    for (seed, script, row) in [(636, BAD, 2), (637, BAD_AND_LARGE, 2_001)] {
        dedicated(seed, script, "").run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_failed().assert_attempt(1).assert_counted(1);
            let (code, message) = reason(&job);
            assert_eq!(code, "json_syntax");
            let begins = format!("in the output of the command: line {row}: not valid JSON");
            assert!(message.starts_with(&begins), "{message}");
            assert!(env.manifest(KEY).await.is_none());
        });
    }
}

#[test]
fn bad_rows_are_left_out_and_kept_where_the_pipeline_says() {
    for (seed, script, good) in [(638, BAD, 2), (639, BAD_AND_LARGE, 2_001)] {
        for policy in ["skip", "quarantine"] {
            pool(seed, script, &format!("bad_rows = \"{policy}\"\nmax_rejected = \"100%\"")).run(
                async |env| {
                    env.put(KEY, "x").await;
                    env.settle().await;
                    let job = env.job(KEY).await;
                    job.assert_done().assert_records(good).assert_rejected(2);
                    assert_eq!(env.visible(KEY).await.len() as u64, good);
                    let rejects = format!("rejects/{KEY}/{}.jsonl", job.id);
                    if policy == "skip" {
                        assert!(!env.keys().await.contains(&rejects));
                    } else {
                        let rejects = env.text(&rejects).await;
                        assert_eq!(rejects.lines().count(), 2, "{rejects}");
                        assert!(rejects.contains("\"raw\":\"Traceback:\""), "{rejects}");
                    }
                },
            );
        }
    }
}

#[test]
fn rejected_rows_of_an_attempt_that_crashed_are_kept_nowhere() {
    let script = format!("{BAD_AND_LARGE}; exit 1");
    dedicated(640, &script, "bad_rows = \"quarantine\"\nattempts = 1").run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        env.job(KEY).await.assert_ended_with(&["command_crashed"]);
        assert_eq!(env.keys().await, [KEY]);
    });
}

#[test]
fn more_output_than_the_pipeline_allows_fails_the_job() {
    let lines = "output_bytes = 2_000_000";
    dedicated(641, "yes '{\"n\":1,\"text\":\"for ever\"}'", lines).run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_failed().assert_attempt(1).assert_counted(1);
        let (code, message) = reason(&job);
        assert_eq!(code, "output_too_large");
        assert!(message.starts_with("the command printed more than 2000000 bytes: "), "{message}");
        assert!(env.manifest(KEY).await.is_none());
    });
}

#[test]
fn no_output_is_no_records() {
    dedicated(642, "true", "").run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        env.job(KEY).await.assert_done();
        assert_eq!(env.manifest(KEY).await.unwrap().records, 0);
    });
}

#[test]
fn declared_columns_have_their_types_and_must_be_there() {
    let script = "echo '{\"zip\":7,\"n\":\"012\"}'";
    let columns = "columns = { zip = \"text\", n = \"number\" }";
    dedicated(643, script, columns).run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        assert_eq!(env.visible(KEY).await, [r#"{"n":12,"zip":"7"}"#]);
    });
    let large = BAD_AND_LARGE.split_once("; echo").unwrap().0;
    for (seed, script) in [(644, script), (645, large)] {
        dedicated(seed, script, "columns = { zap = \"text\" }").run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_failed().assert_reason("unknown_column");
        });
    }
}

#[test]
fn only_the_rows_of_one_attempt_are_visible_whatever_fails() {
    // One attempt in four crashes, before, between or after its rows; each attempt's rows carry the id of its process.
    let script = "chance=$(printf %s \"$TIDEMILL_JOB$TIDEMILL_ATTEMPT\" | cksum | cut -c1)\n\
                  for row in 1 2 3 4 5 6 7 8; do [ $row$chance = 52 ] && exit 3; echo \"{\\\"row\\\":$row,\\\"by\\\":$$}\"; done\n\
                  [ $chance != 3 ] || exit 75";
    for seed in 0..4 {
        pool(seed, script, "attempts = 10").run(async |env| {
            env.on(Rule::new("dynamodb", "*", Call::LoseAnswer).chance(0.05));
            env.on(call::read_object().meets(Call::Throttle).chance(0.2));
            env.next_tasks([WorkerFault::Dies(Duration::from_secs(3), 137); 2]);
            for n in 0..15 {
                env.put(&format!("uploads/{n}"), "x").await;
            }
            env.settle().await;
            for job in env.jobs().await {
                job.assert_done();
                let visible = env.visible(&job.object.key).await;
                let mut by: Vec<_> = visible.iter().map(|record| record.split_once(',').unwrap().0).collect();
                by.dedup();
                assert_eq!((visible.len(), by.len()), (8, 1), "{visible:?}");
                assert_eq!(env.manifest(&job.object.key).await.unwrap().write_epoch, job.fence);
            }
        });
    }
}
