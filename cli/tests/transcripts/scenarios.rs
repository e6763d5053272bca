//! The scenarios. Most of their time they wait, for retries and for the minute: they run side by side.

use std::time::Duration;

use localcloud::{
    faults::{Fault, Rule},
    wire::Refusal,
};

use crate::stage::{Plan, Stage};

const GOOD: &str = "id,name\n1,one\n2,two\n";
const RAGGED: &str = "id,name\n1,one\n2,two,too many\n";

/// Every object has a task of its own.
const ALONE: &str = "dedicated_above = 0\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_person_reads_when_something_stops() {
    // On this thread, which blocks while one of them asks the command; their clouds run on the others.
    futures::join!(
        success(),
        bad_input(),
        out_of_memory_grows_one_size(),
        spot_is_taken_back_twice_and_it_goes_on_on_demand(),
        an_image_that_cannot_be_pulled(),
        the_breaker_parks_jobs_and_lets_them_go_on(),
        a_storm_is_folded(),
        one_object_meets_a_duplicate_a_throttle_a_kill_and_a_retry(),
    );
}

async fn success() {
    let stage = Stage::start(Plan::default()).await;
    stage.put("people.csv", GOOD).await;
    stage.settled(1).await;
    let text = stage.explain("people.csv") + &stage.mails(9);
    stage.golden("success", &text).await;
}

async fn bad_input() {
    let stage = Stage::start(Plan::default()).await;
    stage.put("ragged.csv", RAGGED).await;
    stage.settled(1).await;
    let text = stage.explain("ragged.csv") + &stage.mails(9) + "\n$ tidemill dead\n" + &stage.ask(&["dead"]);
    stage.golden("bad-input", &text).await;
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
    let stage = Stage::start(Plan { pipeline: HOG, ..Plan::default() }).await;
    stage.put("large.bin", "bytes").await;
    stage.settled(1).await;
    let text = stage.explain("large.bin") + &stage.mails(9);
    stage.golden("out-of-memory", &text).await;
}

async fn spot_is_taken_back_twice_and_it_goes_on_on_demand() {
    let plan = Plan { pipeline: ALONE, parameters: vec![("SpotShare", "100")] };
    let stage = Stage::start(plan).await;
    // Longer than the scenario: the worker sits in this call until it is told to stop.
    stage.on(Rule::new("s3", "GetObject", Fault::Delay(Duration::from_secs(600))).first(2));
    stage.put("people.csv", GOOD).await;
    for n in 1..=2 {
        stage.until("the read", async || stage.calls("s3", "GetObject") == n).await;
        assert!(stage.cloud().services().ecs.spot_warning(&stage.running().await));
    }
    stage.settled(1).await;
    let text = stage.explain("people.csv") + &stage.mails(9);
    stage.golden("spot", &text).await;
}

async fn an_image_that_cannot_be_pulled() {
    let stage = Stage::start(Plan { pipeline: ALONE, ..Plan::default() }).await;
    stage.cloud().services().ecs.fail_to_start("CannotPullContainerError: worker: not found", 1);
    stage.put("people.csv", GOOD).await;
    stage.settled(1).await;
    let text = stage.explain("people.csv") + &stage.mails(9);
    stage.golden("image", &text).await;
}

async fn the_breaker_parks_jobs_and_lets_them_go_on() {
    let stage = Stage::start(Plan { pipeline: ALONE, ..Plan::default() }).await;
    let denied = Refusal::client("AccessDeniedException", "is not authorized to perform: iam:PassRole");
    stage.fault("ecs", "RunTask", Fault::Refuse(denied));
    for name in ["a.csv", "b.csv", "c.csv"] {
        stage.put(name, GOOD).await;
    }
    stage.mailed(1).await;
    stage.cloud().faults().clear();
    stage.settled(3).await;
    stage.mailed(2).await;
    let text = stage.explain("a.csv") + &stage.mails(9);
    stage.golden("breaker", &text).await;
}

async fn a_storm_is_folded() {
    let stage = Stage::start(Plan::default()).await;
    for n in 0..200 {
        stage.put(&format!("ragged-{n:03}.csv"), RAGGED).await;
    }
    stage.settled(200).await;
    // Three at once, and the rest in one.
    stage.mailed(4).await;
    let mails = stage.letters().len();
    assert!(mails < 8, "{mails} mails");
    // On a slow machine the minute may come before all have failed.
    let text = stage.mails(4);
    stage.golden("storm", &text).await;
}

async fn one_object_meets_a_duplicate_a_throttle_a_kill_and_a_retry() {
    let stage = Stage::start(Plan { pipeline: ALONE, ..Plan::default() }).await;
    let ecs = &stage.cloud().services().ecs;
    stage.on(Rule::new("ecs", "RunTask", Fault::Throttle).first(3));
    stage.on(Rule::new("s3", "GetObject", Fault::Delay(Duration::from_secs(600))).first(1));
    stage.put("people.csv", GOOD).await;
    stage.until("the read", async || stage.calls("s3", "GetObject") == 1).await;
    assert!(ecs.kill(&stage.running().await, localcloud::ecs::KillCause::Infrastructure));
    stage.settled(1).await;
    let bucket = stage.cloud().outputs()["Bucket"].clone();
    let jobs = stage.jobs();
    let event = serde_json::json!({
        "source": "aws.s3", "detail-type": "Object Created", "account": "123456789012", "region": "us-east-1",
        "time": jobs[0]["event_at"], "resources": [format!("arn:aws:s3:::{bucket}")],
        "detail": {
            "bucket": { "name": bucket },
            "object": { "key": "uploads/people.csv", "size": GOOD.len(), "version-id": jobs[0]["version"] },
            "reason": "PutObject",
        },
    });
    stage.cloud().services().events.emit(event);
    stage.until("the duplicate", async || stage.explain("people.csv").contains("duplicate")).await;
    let text = stage.explain("people.csv") + &stage.mails(9);
    stage.golden("everything-at-once", &text).await;
}
