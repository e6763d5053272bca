//! What people are told of an hour.

use domain::sweep::report::Summary;
use localcloud::faults::{Fault, Rule};
use serde_json::json;
use tests::{Accident, World};

use crate::{csv, minutes};

const RAGGED: &str = "id,name\n1,one\n2,two,too many\n3,three\n";

async fn tick(world: &World, at: &str) {
    world.schedule(json!({ "scheduled_at": at })).await;
    world.quiet().await;
}

async fn summary(world: &World, hour: &str) -> Summary {
    serde_json::from_str(&world.text(&format!("reports/2026/01/01/{hour}.json")).await).unwrap()
}

#[test]
fn an_hours_report_and_digest_say_what_happened() {
    World::plan(441).alone().run(async |world| {
        // One after the other, so that every run is the same to the millisecond.
        world.put("uploads/a.csv", csv(1, 3)).await;
        world.settle().await;
        world.put("uploads/ragged.csv", RAGGED).await;
        world.settle().await;
        world.put_silently("uploads/z lost.csv", csv(1, 2)).await;
        minutes(60).await;
        tick(world, "2026-01-01T01:00:00Z").await;
        let mut lines: Vec<String> =
            world.text("reports/2026/01/01/00.jsonl").await.lines().map(str::to_owned).collect();
        lines.sort_by_key(|line| line.find("a.csv").is_none());
        let digest = world.mails().pop().unwrap();
        let text = format!(
            "{}\n\n{}\n{}\n\n{}",
            lines.join("\n"),
            world.text("reports/2026/01/01/00.json").await,
            digest.subject,
            digest.body
        );
        world.golden_text("hourly-report", &text).await;
        assert_eq!(world.jobs().await.len(), 3, "what lies in reports/ is not watched");
    });
}

#[test]
fn hours_without_a_sweep_are_made_up_for_and_quiet_ones_are_not_mailed() {
    World::plan(442).alone().run(async |world| {
        world.put("uploads/a.csv", csv(1, 3)).await;
        world.settle().await;
        minutes(62).await;
        tick(world, "2026-01-01T01:00:00Z").await;
        minutes(60).await;
        world.put("uploads/b.csv", csv(1, 3)).await;
        world.settle().await;
        minutes(180).await;
        tick(world, "2026-01-01T05:00:00Z").await;
        for (hour, done) in [("00", 1), ("01", 0), ("02", 1), ("03", 0), ("04", 0)] {
            let summary = summary(world, hour).await;
            assert_eq!(summary.settled.get("done").copied().unwrap_or_default(), done, "{summary:#?}");
            assert_eq!(summary.came_in, done);
        }
        assert_eq!(world.subjects(), ["[tidemill] 00:00-01:00: 1 done", "[tidemill] 02:00-03:00: 1 done"]);
    });
}

#[test]
fn a_job_that_is_replaced_in_the_next_hour_is_still_in_the_report_of_its_own() {
    World::plan(443).alone().run(async |world| {
        world.put("uploads/a.csv", csv(1, 3)).await;
        world.settle().await;
        minutes(60).await;
        world.put("uploads/a.csv", csv(1, 4)).await;
        world.settle().await;
        tick(world, "2026-01-01T01:00:00Z").await;
        minutes(60).await;
        tick(world, "2026-01-01T02:00:00Z").await;
        let (first, second) = (summary(world, "00").await, summary(world, "01").await);
        assert_eq!((first.came_in, first.records, second.came_in, second.records), (1, 3, 1, 4));
    });
}

#[test]
fn a_report_that_is_interrupted_is_written_by_the_next_sweep() {
    World::plan(444).alone().run(async |world| {
        world.put("uploads/a.csv", csv(1, 3)).await;
        world.settle().await;
        minutes(62).await;
        let of_summary = |input: &serde_json::Value| input.to_string().contains("00.json\"");
        world.on(Rule::new("s3", "PutObject", Fault::Delay(std::time::Duration::from_secs(600)))
            .when(of_summary)
            .nth(1));
        world.next_tasks([Accident::Dies(std::time::Duration::from_secs(60), 1)]);
        tick(world, "2026-01-01T01:00:00Z").await;
        minutes(60).await;
        tick(world, "2026-01-01T02:00:00Z").await;
        assert_eq!(summary(world, "00").await.records, 3);
        let digests = world.subjects().into_iter().filter(|it| it.starts_with("[tidemill] 00:00")).count();
        assert_eq!(digests, 1);
    });
}

#[test]
fn who_asks_for_failures_only_gets_no_digest() {
    World::plan(445).alone().parameter("NotifyOn", "failures").run(async |world| {
        world.put("uploads/a.csv", csv(1, 3)).await;
        world.settle().await;
        minutes(62).await;
        tick(world, "2026-01-01T01:00:00Z").await;
        assert_eq!(summary(world, "00").await.records, 3);
        assert_eq!(world.mails(), []);
    });
}
