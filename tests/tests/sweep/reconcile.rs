//! Objects that nobody told of.

use std::time::Duration;

use domain::{
    job::{Job, State},
    story::What,
};
use localcloud::faults::{Fault, Rule};
use serde_json::json;
use tests::{Accident, World};

use crate::{csv, minutes, records};

const KEY: &str = "uploads/people.csv";

#[test]
fn objects_whose_events_were_lost_are_found() {
    World::plan(401).alone().run(async |world| {
        world.put("uploads/told.csv", csv(1, 2)).await;
        for n in 0..3 {
            world.put_silently(&format!("uploads/lost {n}+%.csv"), csv(n * 10, 3)).await;
        }
        world.put_silently("uploads/read.md", "nothing is made of it").await;
        world.put_silently("elsewhere/a.csv", csv(1, 1)).await;
        minutes(11).await;
        assert_eq!(world.jobs().await.len(), 1);
        world.swept().await;
        world.settle().await;
        assert_eq!(world.jobs().await.len(), 4);
        for n in 0..3 {
            let key = format!("uploads/lost {n}+%.csv");
            assert_eq!(world.job(&key).await.state, State::Done, "{key}");
            assert_eq!(world.visible(&key).await, records(n * 10, 3));
        }
        assert_eq!(world.dead_letters().await, []);
        let jobs = world.jobs().await;
        world.swept().await;
        assert_eq!(world.jobs().await, jobs, "a second sweep finds nothing more");
    });
}

#[test]
fn an_object_whose_event_may_be_under_way_is_left_alone() {
    World::plan(402).alone().run(async |world| {
        world.put_silently(KEY, csv(1, 2)).await;
        minutes(5).await;
        world.swept().await;
        assert_eq!(world.jobs().await, []);
        minutes(6).await;
        world.swept().await;
        assert_eq!(world.job(KEY).await.state, State::Done);
    });
}

#[test]
fn of_several_lost_versions_of_one_key_the_newest_is_visible_in_the_end() {
    for seed in 403..409 {
        World::plan(seed).alone().run(async |world| {
            for n in 1..=4 {
                world.put_silently(KEY, csv(n * 100, n)).await;
                minutes(1).await;
            }
            minutes(11).await;
            world.swept().await;
            world.settle().await;
            assert_eq!(world.jobs().await.len(), 4);
            assert_eq!(world.visible(KEY).await, records(400, 4));
        });
    }
}

#[test]
fn an_event_that_comes_after_the_sweep_is_a_duplicate() {
    World::plan(410).alone().run(async |world| {
        let event = world.put_silently(KEY, csv(1, 2)).await;
        minutes(11).await;
        world.swept().await;
        let swept = world.job(KEY).await;
        assert_eq!(swept.state, State::Done);
        world.cloud().services().events.emit(event);
        world.settle().await;
        let job = world.job(KEY).await;
        assert_eq!(job.story.last().map(|note| note.what), Some(What::Duplicate));
        assert_eq!(Job { story: swept.story.clone(), ..job }, swept, "nothing else");
    });
}

#[test]
fn a_date_range_is_the_backfill() {
    World::plan(411).alone().run(async |world| {
        world.put_silently("uploads/old/a.csv", csv(1, 2)).await;
        world.put_silently("uploads/old/b.csv", csv(3, 2)).await;
        world.put_silently("uploads/other.csv", csv(5, 2)).await;
        minutes(60 * 24 * 60).await;
        world.swept().await;
        assert_eq!(world.jobs().await, [], "older than anything the hourly sweep looks at");
        world.sweep(json!({ "since": "90d", "until": "59d", "prefix": "uploads/old/" })).await;
        world.settle().await;
        let keys: Vec<_> = world.jobs().await.into_iter().map(|job| job.object.key).collect();
        assert_eq!(keys, ["uploads/old/a.csv", "uploads/old/b.csv"]);
        world.sweep(json!({ "since": "2025-12-31T00:00:00Z" })).await;
        world.settle().await;
        assert_eq!(world.jobs().await.len(), 3);
    });
}

#[test]
fn a_dry_run_changes_nothing() {
    World::plan(412).alone().run(async |world| {
        world.put(KEY, csv(1, 60)).await;
        world.settle().await;
        world.put(KEY, csv(1, 2)).await;
        world.settle().await;
        world.put_silently("uploads/lost.csv", csv(1, 2)).await;
        minutes(60 * 50).await;
        let (tables, keys, mails) = (world.tables(), world.keys().await, world.mails().len());
        world.sweep(json!({ "since": "7d", "dry_run": true })).await;
        world.quiet().await;
        assert_eq!(world.tables(), tables);
        assert_eq!((world.keys().await, world.mails().len()), (keys, mails));
        world.sweep(json!({ "since": "7d" })).await;
        world.settle().await;
        assert_eq!(world.jobs().await.len(), 3, "there was something to do");
    });
}

#[test]
fn of_two_sweeps_at_once_one_leaves() {
    World::plan(413).alone().run(async |world| {
        world.fault("s3", "ListObjectVersions", Fault::Delay(Duration::from_secs(90)));
        world.sweep(json!({})).await;
        world.sweep(json!({})).await;
        world.quiet().await;
        assert_eq!(world.calls("s3", "ListObjectVersions"), 1);
        let codes: Vec<_> = world.ecs().tasks().into_iter().map(|task| task.exit_codes).collect();
        assert_eq!(codes, [[Some(0)], [Some(0)]]);
        assert_eq!(world.mails(), []);
        world.swept().await;
        assert_eq!(world.calls("s3", "ListObjectVersions"), 2, "the lease was given back");
    });
}

#[test]
fn a_backfill_waits_for_its_turn() {
    World::plan(415).alone().run(async |world| {
        world.put_silently(KEY, csv(1, 2)).await;
        minutes(60 * 24 * 7).await;
        world.on(Rule::new("s3", "ListObjectVersions", Fault::Delay(Duration::from_secs(600))).nth(1));
        world.sweep(json!({})).await;
        minutes(2).await;
        world.sweep(json!({ "since": "30d" })).await;
        world.settle().await;
        assert_eq!(world.job(KEY).await.state, State::Done);
    });
}

#[test]
fn a_sweep_that_is_killed_is_made_up_for_and_told_of() {
    World::plan(414).alone().run(async |world| {
        for n in 0..30 {
            world.put_silently(&format!("uploads/{n}.csv"), csv(n * 10, 3)).await;
        }
        minutes(11).await;
        // It dies after it has told of some.
        let to_uploads =
            |input: &serde_json::Value| input["MessageBody"].as_str().is_some_and(|it| it.contains("bucket"));
        world.on(Rule::new("sqs", "SendMessage", Fault::Delay(Duration::from_secs(900)))
            .when(to_uploads)
            .nth(12));
        world.next_tasks([Accident::Dies(Duration::from_secs(20), 137)]);
        world.sweep(json!({})).await;
        world.until("a killed sweep", || world.ecs().tasks()[0].exit_codes == [Some(137)]).await;
        world.quiet().await;
        let told = world.jobs().await.len();
        assert!((1..30).contains(&told), "{told}");
        minutes(1).await;
        world.swept().await;
        world.settle().await;
        assert_eq!(world.jobs().await.len(), 30);
        let failed =
            world.subjects().into_iter().filter(|it| it.starts_with("[tidemill] failed: the sweep ")).count();
        assert_eq!(failed, 1, "{:?}", world.subjects());
    });
}
