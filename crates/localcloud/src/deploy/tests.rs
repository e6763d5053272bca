//! The deployed template, running: with functions and a worker that only look at what they are given.

mod schedules;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use clock::Clock;
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Builder, Cloud, DeployError};
use crate::{
    frontend::Frontend,
    host::{Exit, Launch, Runner},
    resource::ResourceError,
    services::{
        lambda::{FunctionHost, Invocation},
        sqs::Counts,
    },
    wire::Caller,
};

mod templates;

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

/// Where the layer has it.
const PIPELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/pipelines.toml");

type Seen<T> = Arc<Mutex<Vec<T>>>;

/// The template's cloud, whose scheduled functions succeed at once; those of uploads and stops are for the test.
fn builder() -> Builder {
    let idle = Seen::default();
    Cloud::builder(TEMPLATE)
        .function("ScheduleFunction", witness(&idle))
        .function("BacklogFunction", witness(&idle))
        .function("ScalerFunction", witness(&idle))
        .parameter("NotifyEmail", "ops@example.com")
        .parameter("WorkerImage", "worker:1")
        .clock(Clock::starting_at(Timestamp::UNIX_EPOCH))
}

/// A function that remembers its invocations and succeeds.
fn witness(seen: &Seen<Invocation>) -> impl FnOnce(&Frontend) -> FunctionHost + Send + 'static {
    let seen = seen.clone();
    move |_| {
        FunctionHost::Direct(Arc::new(move |invocation| {
            seen.lock().unwrap().push(invocation);
            async { Ok(Value::Null) }.boxed()
        }))
    }
}

/// A worker that remembers its launches and succeeds.
fn worker(seen: &Seen<Launch>) -> impl FnOnce(&Frontend) -> Runner + Send + 'static {
    let seen = seen.clone();
    move |_| {
        Arc::new(move |launch| {
            seen.lock().unwrap().push(launch);
            async { Exit::Code(0) }.boxed()
        })
    }
}

/// The records of the SQS events that a function got: the bodies, as JSON.
fn bodies(seen: &Seen<Invocation>) -> Vec<Value> {
    let seen = seen.lock().unwrap();
    let records = seen.iter().flat_map(|it| it.payload["Records"].as_array().cloned().unwrap_or_default());
    records.map(|record| serde_json::from_str(record["body"].as_str().unwrap()).unwrap()).collect()
}

/// Lets virtual time pass until all that was in flight has arrived.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_reaches_its_function_and_a_stopped_task_the_other() {
    let (uploads, stops, launches) = (Seen::default(), Seen::default(), Seen::default());
    let cloud = builder()
        .function("UploadsFunction", witness(&uploads))
        .function("StopsFunction", witness(&stops))
        .container("worker", worker(&launches))
        .start()
        .await
        .unwrap();
    let s3 = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&cloud.sdk_config()).force_path_style(true).build(),
    );
    for key in ["uploads/a b.csv", "rejects/not watched.csv"] {
        let put = s3.put_object().bucket(&cloud.outputs()["Bucket"]).key(key);
        put.body(b"x".to_vec().into()).send().await.unwrap();
    }
    settle().await;

    let events = bodies(&uploads);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["detail"]["object"]["key"], "uploads/a b.csv");
    let environment: BTreeMap<String, String> = uploads.lock().unwrap()[0].environment.clone();
    assert_eq!(environment["LEDGER_TABLE"], cloud.outputs()["LedgerTable"]);
    assert_eq!(environment["PIPELINES_FILE"], PIPELINES);
    assert_eq!(environment["AWS_ENDPOINT_URL"], "http://cloud.local");
    assert!(
        cloud
            .frontend()
            .credentials()
            .find(&environment["AWS_ACCESS_KEY_ID"])
            .is_some_and(|it| it.role.is_some())
    );

    let request = json!({
        "cluster": environment["CLUSTER"],
        "taskDefinition": environment["TASK_DEFINITION"],
        "launchType": "FARGATE",
        "networkConfiguration": { "awsvpcConfiguration": {
            "subnets": environment["SUBNETS"].split(',').collect::<Vec<_>>(),
            "securityGroups": [environment["SECURITY_GROUP"]],
            "assignPublicIp": "ENABLED",
        } },
        "overrides": { "containerOverrides": [
            { "name": environment["CONTAINER"], "environment": [{ "name": "JOB", "value": "j1" }] }
        ] },
    });
    let answer = cloud.services().ecs.call("RunTask", request, &Caller::owner()).await.unwrap();
    assert_eq!(answer["failures"], json!([]));
    settle().await;

    let launched = launches.lock().unwrap()[0].clone();
    assert_eq!(launched.command, ["job"]);
    assert_eq!(launched.env["JOB"], "j1");
    assert_eq!(launched.env["RECORDS_TABLE"], cloud.outputs()["RecordsTable"]);
    assert_ne!(launched.env["AWS_ACCESS_KEY_ID"], environment["AWS_ACCESS_KEY_ID"]);
    let events = bodies(&stops);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["detail"]["containers"][0]["exitCode"], 0);
    for queue in ["UploadsQueue", "StopsQueue", "DeadLetterQueue"] {
        let arn = &cloud.stack().resources[queue].arn;
        assert_eq!(cloud.services().sqs.counts(arn).unwrap(), Counts::default(), "{queue}");
    }
    cloud.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn what_nobody_runs_is_named() {
    let seen = Seen::default();
    let error = builder().function("UploadsFunction", witness(&seen)).start().await.unwrap_err();
    assert!(matches!(&error, DeployError::Resource { source: ResourceError::NoHost { .. }, .. }), "{error}");

    let (uploads, stops, launches) = (Seen::default(), Seen::default(), Seen::default());
    let error = builder()
        .function("UploadsFunction", witness(&uploads))
        .function("StopsFunction", witness(&stops))
        .function("StartsFunction", witness(&stops))
        .container("worker", worker(&launches))
        .start()
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the template has no function StartsFunction to run");
}

#[tokio::test(start_paused = true)]
async fn a_template_error_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data: PathBuf = folder.path().join("data");
    let error = builder().parameter("WatchedPrefix", "rejects/").data(&data).start().await.unwrap_err();
    assert!(matches!(error, DeployError::Template(_)), "{error}");
    assert!(!Path::exists(&data));
}

#[tokio::test(start_paused = true)]
async fn hosts_are_let_go_of_when_the_cloud_ends_or_is_dropped() {
    for ends in [true, false] {
        let (uploads, stops, held) = (Seen::default(), Seen::default(), Arc::new(()));
        let holding = held.clone();
        let cloud = builder()
            .function("UploadsFunction", witness(&uploads))
            .function("StopsFunction", witness(&stops))
            .container("worker", move |frontend| {
                let frontend = frontend.clone();
                Arc::new(move |_| {
                    let _ = (&frontend, &holding);
                    async { Exit::Code(0) }.boxed()
                })
            })
            .start()
            .await
            .unwrap();
        if ends {
            cloud.shutdown().await;
        } else {
            drop(cloud);
        }
        assert_eq!(Arc::strong_count(&held), 1);
    }
}

#[tokio::test]
async fn it_serves_where_it_is_told_to() {
    let (uploads, stops, launches) = (Seen::default(), Seen::default(), Seen::default());
    let cloud = builder()
        .function("UploadsFunction", witness(&uploads))
        .function("StopsFunction", witness(&stops))
        .container("worker", worker(&launches))
        .serve(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap();
    assert!(cloud.endpoint().starts_with("http://127.0.0.1:"));
    assert!(cloud.outputs()["UploadsQueue"].starts_with(cloud.endpoint()));
    cloud.shutdown().await;
}
