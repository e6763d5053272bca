//! Several versions of one key, and versions that go.

use std::time::Duration;

use domain::job::State;
use localcloud::faults::{Fault, Rule};
use tests::{Contents, World};

use crate::{csv, records};

const KEY: &str = "uploads/prices.csv";

#[test]
fn overwritten_while_it_is_processed_the_older_version_ends_superseded() {
    World::plan(11).told().alone().run(async |world| {
        // The first version's worker is slow to get its bytes; the second version overtakes it.
        let slow = Fault::Delay(Duration::from_secs(120));
        world.on(Rule::new("s3", "GetObject", slow).nth(1));
        let first = world.put(KEY, csv(1, 40)).await;
        world.until("the first version is read", || world.calls("s3", "GetObject") == 1).await;
        let second = world.put(KEY, csv(100, 3)).await;
        world.settle().await;
        let (first, second) = (world.job_of(&first).await, world.job_of(&second).await);
        assert_eq!((first.state, second.state), (State::Superseded, State::Done));
        assert!(first.settled_at > second.settled_at, "the first was overtaken");
        assert_eq!(first.reason.unwrap().code, "superseded");
        assert_eq!(world.visible(KEY).await, records(100, 3));
        world.golden("overwritten-while-processed").await;
    });
}

#[test]
fn a_version_that_is_late_for_everything_does_not_write_a_row() {
    World::plan(12).alone().run(async |world| {
        // The whole task of the first version is late.
        world.ecs().fail_to_start("ResourceInitializationError: unable to pull secrets", 1);
        let first = world.put(KEY, csv(1, 40)).await;
        world.until("the first version's launch", || world.ecs_launches() == 1).await;
        let second = world.put(KEY, csv(100, 3)).await;
        world.settle().await;
        assert_eq!(world.job_of(&first).await.state, State::Superseded);
        assert_eq!(world.job_of(&second).await.state, State::Done);
        assert_eq!(world.contents(), Contents { rows: 3, natural: 0, manifests: 1 });
    });
}

#[test]
fn in_order_the_second_version_replaces_the_first() {
    World::plan(13).alone().run(async |world| {
        let first = world.put(KEY, csv(1, 4)).await;
        world.settle().await;
        assert_eq!(world.visible(KEY).await, records(1, 4));
        let second = world.put(KEY, csv(2, 2)).await;
        world.settle().await;
        assert_eq!(world.visible(KEY).await, records(2, 2));
        assert_eq!(world.job_of(&first).await.state, State::Done);
        assert_eq!(world.job_of(&second).await.state, State::Done);
        assert_eq!(world.manifest(KEY).await.unwrap().version_id.as_deref(), Some(&*second));
    });
}

#[test]
fn the_same_bytes_put_twice_are_two_versions() {
    World::plan(14).alone().run(async |world| {
        world.put(KEY, csv(1, 4)).await;
        let second = world.put(KEY, csv(1, 4)).await;
        world.settle().await;
        assert_eq!(world.jobs().await.len(), 2);
        assert_eq!(world.manifest(KEY).await.unwrap().version_id.as_deref(), Some(&*second));
    });
}

#[test]
fn a_version_deleted_before_it_is_read_is_gone() {
    World::plan(15).alone().run(async |world| {
        let version = world.put(KEY, csv(1, 4)).await;
        let delete = world.s3().delete_object().bucket(world.bucket()).key(KEY).version_id(&version);
        delete.send().await.unwrap();
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!((job.state, job.charged, job.attempt), (State::Gone, 0, 1));
        assert_eq!(world.contents(), Contents::default());
        assert_eq!(world.mails().len(), 0);
        assert_eq!(world.dead_letters().await, []);
    });
}

#[test]
fn a_delete_marker_hides_a_key_but_its_version_is_still_read() {
    World::plan(16).alone().run(async |world| {
        world.put(KEY, csv(1, 4)).await;
        world.s3().delete_object().bucket(world.bucket()).key(KEY).send().await.unwrap();
        world.settle().await;
        assert_eq!(world.job(KEY).await.state, State::Done);
        assert_eq!(world.visible(KEY).await, records(1, 4));
    });
}
