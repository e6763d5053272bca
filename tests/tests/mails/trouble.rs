//! Mails that meet trouble on their way.

use std::time::Duration;

use localcloud::{
    events::Mischief,
    faults::{Fault, Rule},
    wire::Refusal,
};
use tests::World;

use crate::{RAGGED, minutes, texts, told};

#[test]
fn a_log_that_cannot_be_read_keeps_no_mail_from_going_out() {
    let broken = || Refusal::client("ServiceUnavailableException", "out of\norder").with_status(500);
    let faults = [
        (Fault::Refuse(broken()), "ServiceUnavailableException"),
        (Fault::Refuse(Refusal::client("AccessDeniedException", "not you")), "AccessDeniedException"),
        (Fault::Delay(Duration::from_hours(1)), "no answer in time"),
        (Fault::LoseAnswer, "failed to"),
    ];
    for alone in [true, false] {
        for (n, (fault, says)) in faults.iter().enumerate() {
            let plan = World::plan(821 + n as u64);
            let plan = if alone { plan.alone() } else { plan };
            plan.run(async |world| {
                world.fault("logs", "*", fault.clone());
                world.put("uploads/ragged.csv", RAGGED).await;
                world.settle().await;
                let mails = texts(world);
                assert_eq!(mails.len(), 1, "{says}");
                let line = mails[0].lines().find(|line| line.starts_with("  They could not be read: "));
                assert!(line.is_some_and(|line| line.contains(says)), "{says}: {}", mails[0]);
                assert!(mails[0].contains("  tidemill replay --job "), "{}", mails[0]);
            });
        }
    }
}

#[test]
fn stops_and_messages_that_come_twice_are_told_of_once_in_a_storm_too() {
    World::plan(831).alone().scheduled().run(async |world| {
        for n in 0..8 {
            world.put(&format!("uploads/{n}.csv"), RAGGED).await;
        }
        let mischief = Mischief { duplicate: 1.0, lose: 0.0, delay: Duration::ZERO };
        world.cloud().services().events.misbehave(mischief);
        world.settle().await;
        for stop in world.heard("ECS Task State Change") {
            world.send("StopsQueue", &stop.to_string());
        }
        world.settle().await;
        minutes(20).await;
        assert_eq!(told(world), (3, 5), "{:#?}", world.subjects());
        assert_eq!(world.dead_letters().await.len(), 8);
    });
}

#[test]
fn while_sns_is_out_of_order_nothing_is_lost_and_nobody_is_flooded_after() {
    World::plan(832).run(async |world| {
        let broken = Refusal::client("InternalError", "out of order").with_status(500);
        world.fault("sns", "Publish", Fault::Refuse(broken));
        for n in 0..40 {
            world.put(&format!("uploads/{n}.csv"), RAGGED).await;
        }
        minutes(10).await;
        assert_eq!(world.mails().len(), 0);
        world.cloud().faults().clear();
        world.settle().await;
        minutes(40).await;
        let (single, folded) = told(world);
        assert_eq!(single + folded, 40, "{:#?}", world.subjects());
        assert!(world.mails().len() <= 6, "{:#?}", world.subjects());
    });
}

#[test]
fn a_fleet_table_that_does_not_answer_delays_the_telling_only() {
    World::plan(833).run(async |world| {
        let storms = |input: &serde_json::Value| input["Item"]["id"]["S"] == "storms:1";
        world.on(Rule::new("dynamodb", "PutItem", Fault::Throttle).when(storms).first(9));
        world.put("uploads/ragged.csv", RAGGED).await;
        world.settle().await;
        assert_eq!(world.subjects(), ["[tidemill] failed: uploads/ragged.csv (ragged_row)"]);
    });
}

#[test]
fn what_waits_for_a_person_and_what_has_not_happened_is_told_by_alarms() {
    World::plan(871).alone().run(async |world| {
        world.put("uploads/ragged.csv", RAGGED).await;
        world.settle().await;
        minutes(10).await;
        let told = |name: &str| world.alarms().iter().filter(|it| it.contains(name)).count();
        assert_eq!((told("DeadLettersWait"), world.alarms().len()), (1, 1), "{:#?}", world.alarms());
        // Nothing lets a sweep run here, and that nothing says so is what this one goes off for.
        minutes(120).await;
        assert_eq!((told("NoSweep"), world.alarms().len()), (1, 2), "{:#?}", world.alarms());
    });
}
