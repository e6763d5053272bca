//! The scenarios. Most of their time they wait, for retries and for the minute: they run side by side.

use std::time::Duration;

use futures::{FutureExt, future::LocalBoxFuture};
use localcloud::{
    faults::{Call, Rule},
    wire::ApiError,
};
use tokio::runtime::Handle;

use super::harness::{Plan, ProcessHarness};

const GOOD: &str = "id,name\n1,one\n2,two\n";
const RAGGED: &str = "id,name\n1,one\n2,two,too many\n";

/// Every object has a task of its own.
const ALONE: &str = "dedicated_above = 0\n";

/// Plays all of them.
pub(crate) async fn play() {
    let scenarios: [fn() -> LocalBoxFuture<'static, ()>; 8] = [
        || success().boxed_local(),
        || bad_input().boxed_local(),
        || out_of_memory_grows_one_size().boxed_local(),
        || two_spot_reclaims_move_a_job_to_on_demand().boxed_local(),
        || an_image_that_cannot_be_pulled().boxed_local(),
        || the_breaker_pauses_jobs_and_continues_them().boxed_local(),
        || similar_failures_are_grouped().boxed_local(),
        || one_object_meets_a_duplicate_a_throttle_a_kill_and_a_retry().boxed_local(),
    ];
    // Each on a thread of its own, which blocks while it asks the command: one that watches for a call of a few seconds would
    // else miss it. Their clouds run on the runtime's threads.
    let runtime = Handle::current();
    let threads = scenarios.map(|scenario| {
        let runtime = runtime.clone();
        tokio::task::spawn_blocking(move || runtime.block_on(scenario()))
    });
    for thread in threads {
        thread.await.unwrap();
    }
}

async fn success() {
    let harness = ProcessHarness::start(Plan::default()).await;
    harness.put("people.csv", GOOD).await;
    harness.settled(1).await;
    let text = harness.explain("people.csv") + &harness.mail_texts(9);
    harness.golden("success", &text).await;
}

async fn bad_input() {
    let harness = ProcessHarness::start(Plan::default()).await;
    harness.put("ragged.csv", RAGGED).await;
    harness.settled(1).await;
    let text = harness.explain("ragged.csv")
        + &harness.mail_texts(9)
        + "\n$ tidemill dead\n"
        + &harness.ask(&["dead"]);
    harness.golden("bad-input", &text).await;
}

/// Holds 600 MiB in a process that its parent's watch does not see, so that it is the container's limit that it meets.
const HOG: &str = r#"dedicated_above = 0
format = "command"
command = ["python3", "-c", '''
import os, json, time
child = os.fork()
if child == 0:
    os.setsid()
    held = bytearray(600 << 20)
    time.sleep(1)
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps({"held": 600}))
''']
"#;

async fn out_of_memory_grows_one_size() {
    let harness = ProcessHarness::start(Plan { pipeline: HOG, ..Plan::default() }).await;
    harness.put("large.bin", "bytes").await;
    harness.settled(1).await;
    let text = harness.explain("large.bin") + &harness.mail_texts(9);
    harness.golden("out-of-memory", &text).await;
}

async fn two_spot_reclaims_move_a_job_to_on_demand() {
    let plan = Plan { pipeline: ALONE, parameters: vec![("SpotShare", "100")] };
    let harness = ProcessHarness::start(plan).await;
    // Longer than the scenario: the worker waits in this call until it is stopped.
    harness.on(Rule::new("s3", "GetObject", Call::Delay(Duration::from_secs(600))).first(2));
    harness.put("people.csv", GOOD).await;
    for n in 1..=2 {
        harness.until("the read", async || harness.calls("s3", "GetObject") == n).await;
        assert!(harness.cloud().services().ecs.spot_warning(&harness.running().await));
    }
    harness.settled(1).await;
    let text = harness.explain("people.csv") + &harness.mail_texts(9);
    harness.golden("spot", &text).await;
}

async fn an_image_that_cannot_be_pulled() {
    let harness = ProcessHarness::start(Plan { pipeline: ALONE, ..Plan::default() }).await;
    harness.cloud().services().ecs.fail_to_start("CannotPullContainerError: worker: not found", 1);
    harness.put("people.csv", GOOD).await;
    harness.settled(1).await;
    let text = harness.explain("people.csv") + &harness.mail_texts(9);
    harness.golden("image", &text).await;
}

async fn the_breaker_pauses_jobs_and_continues_them() {
    let harness = ProcessHarness::start(Plan { pipeline: ALONE, ..Plan::default() }).await;
    let denied = ApiError::client("AccessDeniedException", "is not authorized to perform: iam:PassRole");
    harness.fault("ecs", "RunTask", Call::Refuse(denied));
    for name in ["a.csv", "b.csv", "c.csv"] {
        harness.put(name, GOOD).await;
    }
    harness.mailed(1).await;
    harness.cloud().faults().clear();
    harness.settled(3).await;
    harness.mailed(2).await;
    let text = harness.explain("a.csv") + &harness.mail_texts(9);
    harness.golden("breaker", &text).await;
}

async fn similar_failures_are_grouped() {
    let harness = ProcessHarness::start(Plan::default()).await;
    for n in 0..200 {
        harness.put(&format!("ragged-{n:03}.csv"), RAGGED).await;
    }
    harness.settled(200).await;
    // Three at once, and the rest in one.
    harness.mailed(4).await;
    let mails = harness.mails().len();
    assert!(mails < 8, "{mails} mails");
    // On a slow machine the minute may come before all have failed.
    let text = harness.mail_texts(4);
    harness.golden("grouped-failures", &text).await;
}

async fn one_object_meets_a_duplicate_a_throttle_a_kill_and_a_retry() {
    let harness = ProcessHarness::start(Plan { pipeline: ALONE, ..Plan::default() }).await;
    let ecs = &harness.cloud().services().ecs;
    harness.on(Rule::new("ecs", "RunTask", Call::Throttle).first(3));
    harness.on(Rule::new("s3", "GetObject", Call::Delay(Duration::from_secs(600))).first(1));
    harness.put("people.csv", GOOD).await;
    harness.until("the read", async || harness.calls("s3", "GetObject") == 1).await;
    assert!(ecs.kill(&harness.running().await, localcloud::ecs::KillCause::Infrastructure));
    harness.settled(1).await;
    let bucket = harness.cloud().outputs()["Bucket"].clone();
    let jobs = harness.jobs();
    let event = serde_json::json!({
        "source": "aws.s3", "detail-type": "Object Created", "account": "123456789012", "region": "us-east-1",
        "time": jobs[0]["event_at"], "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "bucket": { "name": bucket },
            "object": { "key": "uploads/people.csv", "size": GOOD.len(), "version-id": jobs[0]["version"] },
            "reason": "PutObject",
        },
    });
    harness.cloud().services().events.emit(event);
    harness.until("the duplicate", async || harness.explain("people.csv").contains("duplicate")).await;
    let text = harness.explain("people.csv") + &harness.mail_texts(9);
    harness.golden("everything-at-once", &text).await;
}
