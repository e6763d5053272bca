//! What looking costs, in calls.

use std::collections::BTreeMap;

use app::scale::Trigger;

use crate::harness::FleetHarness;

fn calls<const N: usize>(calls: [(&str, u64); N]) -> BTreeMap<String, u64> {
    calls.map(|(operation, count)| (operation.to_owned(), count)).into()
}

#[test]
fn an_idle_minute_costs_a_read_and_a_count() {
    FleetHarness::play(10, async |harness| {
        let idle = calls([("BatchGetItem", 1), ("GetQueueAttributes", 1)]);
        assert_eq!(harness.calls(harness.tick()).await, idle);
        harness.pass(60).await;
        assert_eq!(harness.calls(harness.tick()).await, idle);
    });
}

#[test]
fn an_idle_minute_after_work_costs_no_more_once_that_is_remembered() {
    FleetHarness::play(10, async |harness| {
        harness.run(Trigger::Queued { count: 1 }).await.unwrap();
        harness.pass(60).await;
        let slot = harness.slots().await.remove(0);
        assert!(harness.fleet.free(slot.number, slot.generation).await.unwrap());
        harness.kill(&harness.tasks()[0]);
        let news = calls([("BatchGetItem", 1), ("GetQueueAttributes", 1), ("PutItem", 1)]);
        assert_eq!(harness.calls(harness.tick()).await, news, "the queue is empty now");
        harness.pass(60).await;
        let idle = calls([("BatchGetItem", 1), ("GetQueueAttributes", 1)]);
        assert_eq!(harness.calls(harness.tick()).await, idle);
        harness.pass(600).await;
        assert_eq!(harness.calls(harness.tick()).await, idle);
    });
}

#[test]
fn queueing_work_costs_one_read_while_a_worker_polls() {
    FleetHarness::play(10, async |harness| {
        let run = || harness.run(Trigger::Queued { count: 10 });
        let launch = calls([
            ("BatchGetItem", 1),
            ("GetQueueAttributes", 1),
            // The look, and the slot.
            ("PutItem", 2),
            ("RunTask", 1),
            ("UpdateItem", 1),
        ]);
        assert_eq!(harness.calls(run()).await, launch);
        let look = calls([("BatchGetItem", 1)]);
        assert_eq!(harness.calls(run()).await, look, "it starts");
        harness.pass(60).await;
        assert_eq!(harness.calls(run()).await, look, "it polls");
    });
}
