//! Rows that nobody can see any more.

use std::time::Duration;

use domain::job::{collected_shard, settled_shard};
use localcloud::faults::Call;
use tests::{Contents, JobAsserts, TestEnv, WorkerFault, call};

use crate::{csv, minutes, records};

const KEY: &str = "uploads/people.csv";

#[test]
fn replaced_rows_go_a_day_after_they_were_last_visible_and_visible_ones_stay() {
    TestEnv::plan(431).dedicated_tasks().run(async |env| {
        let first = env.put(KEY, csv(1, 6_000)).await;
        env.settle().await;
        assert!(env.manifest(KEY).await.unwrap().shards > 1);
        minutes(60 * 30).await;
        env.put(KEY, csv(1, 3)).await;
        env.put("uploads/other.csv", csv(1, 5)).await;
        env.settle().await;
        assert_eq!(env.contents(), Contents { rows: 6_008, natural: 0, manifests: 2 });
        let replaced = env.job_of(&first).await;
        assert!(replaced.replaced_at() > replaced.settled_at(), "{replaced:#?}");
        for _ in 0..12 {
            minutes(115).await;
            env.swept().await;
            assert_eq!(env.contents().rows, 6_008, "somebody may still be reading");
        }
        for _ in 0..2 {
            minutes(115).await;
            env.swept().await;
        }
        assert_eq!(env.contents(), Contents { rows: 8, natural: 0, manifests: 2 });
        assert_eq!(env.visible(KEY).await, records(1, 3));
        assert_eq!(env.visible("uploads/other.csv").await, records(1, 5));
        let shard = settled_shard(replaced.id.shard(), replaced.replaced_at().unwrap());
        let on = async |shard: &str| env.ledger().by_status(shard, None).await.unwrap().0;
        assert!(!on(&shard).await.contains(&replaced.id), "no sweep looks at it again");
        assert_eq!(on(&collected_shard(&shard).unwrap()).await, [replaced.id]);
    });
}

#[test]
fn rows_of_a_deleted_object_go_a_day_later() {
    let remove = "version = 1\n\n[[pipeline]]\nname = \"all\"\non_delete = \"remove\"\n";
    TestEnv::plan(434).pipelines(remove).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        env.s3().delete_object().bucket(env.bucket()).key(KEY).send().await.unwrap();
        env.settle().await;
        env.swept().await;
        minutes(60 * 23).await;
        env.swept().await;
        assert_eq!(env.contents().rows, 60, "somebody may still be reading");
        for _ in 0..2 {
            minutes(60 * 2).await;
            env.swept().await;
        }
        assert_eq!(env.contents(), Contents { rows: 0, natural: 0, manifests: 1 });
    });
}

#[test]
fn rows_of_a_failed_job_go_too() {
    TestEnv::plan(432).dedicated_tasks().run(async |env| {
        // Each crash comes after all rows are written.
        env.on(call::publish().meets(Call::Delay(Duration::from_secs(1_200))));
        env.next_tasks([WorkerFault::Dies(Duration::from_secs(7), 139); 3]);
        env.put(KEY, csv(1, 60)).await;
        env.settle().await;
        env.job(KEY).await.assert_failed();
        env.swept().await;
        minutes(60 * 23).await;
        env.swept().await;
        assert_eq!(env.contents().rows, 60);
        for _ in 0..2 {
            minutes(60 * 2).await;
            env.swept().await;
        }
        assert_eq!(env.contents(), Contents::default());
        env.job(KEY).await.assert_failed();
    });
}

#[test]
fn a_collection_that_is_killed_is_finished_by_the_next_sweep() {
    TestEnv::plan(433).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(1, 2_000)).await;
        env.settle().await;
        env.put(KEY, csv(1, 3)).await;
        env.settle().await;
        env.swept().await;
        minutes(60 * 26).await;
        env.swept().await;
        assert_eq!(env.contents().rows, 2_003);
        minutes(60).await;
        // The pace is twenty batches a second: this is in the middle.
        env.next_tasks([WorkerFault::Dies(Duration::from_secs(3), 137)]);
        env.swept().await;
        let left = env.contents().rows;
        assert!((4..2_003).contains(&left), "{left}");
        minutes(60).await;
        env.swept().await;
        assert_eq!(env.contents().rows, 3);
        assert_eq!(env.visible(KEY).await, records(1, 3));
    });
}
