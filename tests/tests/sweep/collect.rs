//! Rows that nobody can see any more.

use std::time::Duration;

use domain::job::{State, collected_shelf};
use localcloud::faults::Fault;
use tests::{Accident, Contents, World};

use crate::{csv, minutes, records};

const KEY: &str = "uploads/people.csv";

#[test]
fn replaced_rows_go_a_day_after_they_were_last_visible_and_visible_ones_stay() {
    World::plan(431).alone().run(async |world| {
        let first = world.put(KEY, csv(1, 6_000)).await;
        world.settle().await;
        assert!(world.manifest(KEY).await.unwrap().spread > 1);
        minutes(60 * 30).await;
        world.put(KEY, csv(1, 3)).await;
        world.put("uploads/other.csv", csv(1, 5)).await;
        world.settle().await;
        assert_eq!(world.contents(), Contents { rows: 6_008, natural: 0, manifests: 2 });
        let replaced = world.job_of(&first).await;
        assert!(replaced.replaced_at > replaced.settled_at, "{replaced:#?}");
        for _ in 0..12 {
            minutes(115).await;
            world.swept().await;
            assert_eq!(world.contents().rows, 6_008, "somebody may still be reading");
        }
        for _ in 0..2 {
            minutes(115).await;
            world.swept().await;
        }
        assert_eq!(world.contents(), Contents { rows: 8, natural: 0, manifests: 2 });
        assert_eq!(world.visible(KEY).await, records(1, 3));
        assert_eq!(world.visible("uploads/other.csv").await, records(1, 5));
        let shelf = world.job_of(&first).await.shelf.unwrap();
        assert_eq!(Some(shelf), replaced.shelf.as_deref().and_then(collected_shelf), "no sweep looks there");
    });
}

#[test]
fn rows_of_a_failed_job_go_too() {
    World::plan(432).alone().run(async |world| {
        // Each crash comes after all rows are written.
        world.fault("dynamodb", "TransactWriteItems", Fault::Delay(Duration::from_secs(1_200)));
        world.next_tasks([Accident::Dies(Duration::from_secs(7), 139); 3]);
        world.put(KEY, csv(1, 60)).await;
        world.settle().await;
        assert_eq!(world.job(KEY).await.state, State::Failed);
        world.swept().await;
        minutes(60 * 23).await;
        world.swept().await;
        assert_eq!(world.contents().rows, 60);
        for _ in 0..2 {
            minutes(60 * 2).await;
            world.swept().await;
        }
        assert_eq!(world.contents(), Contents::default());
        assert_eq!(world.job(KEY).await.state, State::Failed);
    });
}

#[test]
fn a_collection_that_is_killed_is_finished_by_the_next_sweep() {
    World::plan(433).alone().run(async |world| {
        world.put(KEY, csv(1, 2_000)).await;
        world.settle().await;
        world.put(KEY, csv(1, 3)).await;
        world.settle().await;
        world.swept().await;
        minutes(60 * 26).await;
        world.swept().await;
        assert_eq!(world.contents().rows, 2_003);
        minutes(60).await;
        // The pace is twenty batches a second: this is in the middle.
        world.next_tasks([Accident::Dies(Duration::from_secs(3), 137)]);
        world.swept().await;
        let left = world.contents().rows;
        assert!((4..2_003).contains(&left), "{left}");
        minutes(60).await;
        world.swept().await;
        assert_eq!(world.contents().rows, 3);
        assert_eq!(world.visible(KEY).await, records(1, 3));
    });
}
