//! What looking costs, in calls.

use std::collections::BTreeMap;

use aws::scaling::Trigger;

use crate::stage::Stage;

fn calls<const N: usize>(calls: [(&str, u64); N]) -> BTreeMap<String, u64> {
    calls.map(|(operation, count)| (operation.to_owned(), count)).into()
}

#[test]
fn an_idle_minute_costs_a_read_and_a_count() {
    Stage::play(10, async |stage| {
        let idle = calls([("BatchGetItem", 1), ("GetQueueAttributes", 1)]);
        assert_eq!(stage.calls(stage.tick()).await, idle);
        stage.pass(60).await;
        assert_eq!(stage.calls(stage.tick()).await, idle);
    });
}

#[test]
fn an_idle_minute_after_work_costs_no_more_once_that_is_remembered() {
    Stage::play(10, async |stage| {
        stage.run(Trigger::Queued { count: 1 }).await.unwrap();
        stage.pass(60).await;
        let slot = stage.slots().await.remove(0);
        assert!(stage.fleet.free(slot.number, slot.generation).await.unwrap());
        stage.kill(&stage.tasks()[0]);
        let news = calls([("BatchGetItem", 1), ("GetQueueAttributes", 1), ("PutItem", 1)]);
        assert_eq!(stage.calls(stage.tick()).await, news, "the queue is empty now");
        stage.pass(60).await;
        let idle = calls([("BatchGetItem", 1), ("GetQueueAttributes", 1)]);
        assert_eq!(stage.calls(stage.tick()).await, idle);
        stage.pass(600).await;
        assert_eq!(stage.calls(stage.tick()).await, idle);
    });
}

#[test]
fn who_queues_work_asks_for_the_slots_and_no_more_while_a_worker_is_there() {
    Stage::play(10, async |stage| {
        let run = || stage.run(Trigger::Queued { count: 10 });
        let launch = calls([
            ("BatchGetItem", 1),
            ("GetQueueAttributes", 1),
            // The look, and the slot.
            ("PutItem", 2),
            ("RunTask", 1),
            ("UpdateItem", 1),
        ]);
        assert_eq!(stage.calls(run()).await, launch);
        let look = calls([("BatchGetItem", 1)]);
        assert_eq!(stage.calls(run()).await, look, "it starts");
        stage.pass(60).await;
        assert_eq!(stage.calls(run()).await, look, "it polls");
    });
}
