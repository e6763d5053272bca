//! A stop that comes more than once.

use std::time::Duration;

use localcloud::faults::{Call, Delivery};
use tests::{TestEnv, call};

/// EventBridge may deliver a stop twice at once, so that two of λ stops deal with it at the same time: people hear
/// of the job once, and its dead-letter entry is one.
#[test]
fn a_stop_event_that_comes_twice_at_once_is_mailed_once() {
    TestEnv::plan(7).dedicated_tasks().run(async |env| {
        let delivery = Delivery { duplicate: 1.0, ..Delivery::default() };
        env.cloud().services().events.set_delivery_faults(delivery);
        // Time enough for the other one to read the ledger.
        env.on(call::send_mail().meets(Call::Delay(Duration::from_secs(1))));
        env.put("uploads/bad.csv", "a,b\n1,\"2\n").await;
        env.settle().await;
        assert_eq!(env.subjects().len(), 1, "{:#?}", env.subjects());
        assert_eq!(env.dead_letters().await.len(), 1);
    });
}
