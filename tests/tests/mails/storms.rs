//! Many failures, few mails.

use domain::{job::State, storm::SINGLES};
use localcloud::faults::{Fault, Rule};
use tests::World;

use crate::{RAGGED, minutes, most_in_a_second, texts, told};

async fn upload(world: &World, folder: &str, count: usize) {
    for n in 0..count {
        world.put(&format!("uploads/{folder}/{n:03}.csv"), RAGGED).await;
    }
}

#[test]
fn two_hundred_bad_objects_are_a_handful_of_mails_and_each_is_told_of() {
    World::plan(801).run(async |world| {
        upload(world, "orders", 200).await;
        world.settle().await;
        minutes(20).await;
        let jobs = world.jobs().await;
        assert!(jobs.iter().all(|job| job.state == State::Failed && job.notified_at.is_some()));
        assert_eq!(world.dead_letters().await.len(), 200);
        assert_eq!(told(world), (3, 197), "{:#?}", world.subjects());
        let subjects = world.subjects();
        assert!(subjects.len() <= 6, "{subjects:#?}");
        assert!(most_in_a_second(world) <= 10);
        let quiet: Vec<_> = subjects.iter().filter(|it| it.starts_with("[tidemill] quiet: ")).collect();
        assert_eq!(quiet.len(), 1, "{subjects:#?}");
        world.golden_text("storm", &texts(world)[3..].join("\n\n----\n\n")).await;

        // Nothing is left of it: the next failure has a mail of its own.
        let before = subjects.len();
        world.put("uploads/orders/later.csv", RAGGED).await;
        world.settle().await;
        assert_eq!(world.subjects()[before..], ["[tidemill] failed: uploads/orders/later.csv (ragged_row)"]);
    });
}

#[test]
fn a_storm_that_goes_on_is_told_of_ever_more_rarely() {
    World::plan(802).run(async |world| {
        for n in 0..100 {
            upload(world, &format!("{n:03}"), 1).await;
            minutes(1).await;
        }
        world.settle().await;
        minutes(61).await;
        let (single, folded) = told(world);
        assert_eq!((single, single + folded), (3, 100));
        // Three single, after 1, 5, 15 and 60 minutes, and that it is quiet; the sweeps' digests are others.
        let ours = world.subjects().into_iter().filter(|it| it.contains("failed:") || it.contains("quiet:"));
        let ours: Vec<_> = ours.collect();
        assert_eq!(ours.len(), 8, "{ours:#?}");
    });
}

#[test]
fn storms_of_many_causes_at_once_stay_below_the_rate_that_sns_takes() {
    let pipelines: String = (0..30)
        .map(|n| format!("[[pipeline]]\nname = \"p{n}\"\nmatch = {{ prefix = \"uploads/p{n}/\" }}\n"))
        .collect();
    World::plan(803).pipelines(&format!("version = 1\n{pipelines}")).run(async |world| {
        for n in 0..24 {
            upload(world, &format!("p{n}"), 4).await;
        }
        world.settle().await;
        minutes(45).await;
        let (single, folded) = told(world);
        assert_eq!(single + folded, 96, "{:#?}", world.subjects());
        assert!(most_in_a_second(world) <= SINGLES + 2, "{}", most_in_a_second(world));
        let sent = world.mails().iter().map(|mail| mail.sent_at).collect::<Vec<_>>();
        let most = sent
            .iter()
            .map(|at| sent.iter().filter(|it| *it >= at && it.duration_since(*at).as_secs() < 60).count());
        // Six single ones, and what two flushes send.
        assert!(most.max().unwrap() <= 18);
    });
}

#[test]
fn who_wants_no_mails_gets_none_of_a_storm_either() {
    World::plan(804).parameter("NotifyOn", "none").run(async |world| {
        upload(world, "orders", 20).await;
        world.settle().await;
        minutes(30).await;
        assert_eq!(world.subjects(), [""; 0]);
        assert_eq!(world.dead_letters().await.len(), 20);
        assert!(world.jobs().await.iter().all(|job| job.notified_at.is_some()));
    });
}

#[test]
fn an_idle_minute_costs_one_read() {
    World::plan(805).run(async |world| {
        minutes(2).await;
        let before = [world.calls("dynamodb", "GetItem"), world.calls("dynamodb", "PutItem")];
        minutes(50).await;
        let after = [world.calls("dynamodb", "GetItem"), world.calls("dynamodb", "PutItem")];
        assert_eq!([after[0] - before[0], after[1] - before[1]], [50, 0]);
        assert_eq!(world.calls("sns", "Publish"), 0);
    });
}

#[test]
fn a_flush_that_dies_before_its_note_sends_that_mail_once_more_and_no_other() {
    World::plan(806).run(async |world| {
        let note = |input: &serde_json::Value| {
            input["Item"]["id"]["S"] == "storms:1"
                && input["Item"]["causes"]["L"][0]["M"]["storm"]["M"]["mails"]["N"] == "1"
        };
        // As often as the SDK asks.
        world.on(Rule::new("dynamodb", "PutItem", Fault::LoseRequest).when(note).first(3));
        upload(world, "orders", 10).await;
        world.settle().await;
        minutes(20).await;
        let subjects = world.subjects();
        let folded: Vec<_> = subjects.iter().filter(|it| it.contains(" 7 failed: ")).collect();
        assert_eq!(folded.len(), 2, "{subjects:#?}");
        assert_eq!(subjects.len(), 3 + 2 + 1, "{subjects:#?}");
    });
}

#[test]
fn counts_that_are_written_at_once_are_all_kept() {
    World::plan(807).run(async |world| {
        // The functions meet each other at every change, and some of the answers are lost.
        let storms = |input: &serde_json::Value| input["Item"]["id"]["S"] == "storms:1";
        world
            .on(Rule::new("dynamodb", "PutItem", Fault::Delay(std::time::Duration::from_millis(50)))
                .when(storms));
        world.on(Rule::new("dynamodb", "PutItem", Fault::LoseAnswer).when(storms).chance(0.1));
        upload(world, "orders", 60).await;
        world.settle().await;
        minutes(20).await;
        let (single, folded) = told(world);
        assert_eq!(single + folded, 60, "{:#?}", world.subjects());
    });
}
