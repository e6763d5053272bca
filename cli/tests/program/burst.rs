//! A burst as real processes: 2,000 small objects and 5 large ones on 4 places, while RunTask is throttled or answers
//! with failures half of the time and one worker in three is killed at a random moment.
//!
//! What must hold: every job is done, nothing is lost or doubled, never more than 4 tasks live, and none in the end.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws::{Clients, SdkConfig, ledger::Ledger, records::Records};
use aws_sdk_s3::{Client, primitives::ByteStream};
use domain::{
    job::{Job, JobId, State},
    record::write_record_json,
};
use futures::{FutureExt, StreamExt, stream};
use localcloud::{
    Cloud,
    ecs::Failure,
    faults::{Call, Rule},
    host::{Exit, Launch, Runner, process},
    wire::Caller,
};
use serde_json::json;

use crate::process::{PROGRAM, root, with_functions};

const SMALL: usize = 2_000;
const LARGE: usize = 5;
const MAXIMUM: usize = 4;
/// Takes two to five minutes, most of them waits after kills; after this, it hangs.
const LIMIT: Duration = Duration::from_secs(600);

const PIPELINES: &str = r#"
version = 1
[[pipeline]]
name = "everything"
match = { prefix = "uploads/" }
dedicated_above = 1_000_000
# A killed worker looks as if it had run out of memory, which counts against the object; on a slow machine a large object may meet it
# several times.
attempts = 9
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_with_everything_going_wrong_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipelines = folder.path().join("pipelines.toml");
    std::fs::write(&pipelines, PIPELINES).expect("a file");
    let (workers, killed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let cloud = cloud(pipelines, workers.clone(), killed.clone()).await;

    cloud.services().ecs.on_run_task(|_| {
        (fastrand::f64() < 0.25).then(|| vec![Failure::because("Capacity is unavailable at this time.")])
    });
    cloud.faults().on(Rule::new("ecs", "RunTask", Call::Throttle).chance(0.33));

    let config = cloud.sdk_config();
    let begun = Instant::now();
    upload(&config, &cloud.outputs()["Bucket"]).await;
    println!("{} objects uploaded after {:.1?}", SMALL + LARGE, begun.elapsed());
    let jobs = settle(&cloud, begun).await;
    println!("all settled after {:.1?}", begun.elapsed());
    for job in &jobs {
        assert_eq!(job.state(), State::Done, "{job:#?}");
    }
    check_records(&cloud, &config, &jobs).await;

    // Nobody stops them: they leave when they have been idle and their paid minute is over.
    tokio::time::timeout(Duration::from_secs(150), cloud.services().ecs.quiet())
        .await
        .expect("all workers leave");
    let calls = cloud.frontend().calls();
    let run_task = calls[&("ecs".to_owned(), "RunTask".to_owned())];
    let (workers, killed) = (workers.load(Ordering::Relaxed), killed.load(Ordering::Relaxed));
    println!(
        "{run_task} RunTask calls, {workers} workers, {killed} killed; all left after {:.1?}",
        begun.elapsed()
    );
    let peak = cloud.services().ecs.peak("tidemill-worker");
    assert!((1..=MAXIMUM).contains(&peak), "{peak} tasks at once");
    assert!(workers > LARGE && killed > 0, "the test tried something");
    cloud.shutdown().await;
}

async fn cloud(pipelines: PathBuf, workers: Arc<AtomicUsize>, killed: Arc<AtomicUsize>) -> Cloud {
    let builder = Cloud::builder(root().join("template.yaml"))
        .serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .parameter("NotifyEmail", "ops@example.com")
        .parameter("WorkerImage", "worker")
        .parameter("MaximumTasks", &MAXIMUM.to_string())
        .layer_file("/opt/pipelines.toml", pipelines);
    let builder = with_functions(builder);
    let worker = process(PROGRAM.into(), vec!["worker".to_owned()]);
    let runner: Runner = Arc::new(move |launch: Launch| {
        let number = workers.fetch_add(1, Ordering::Relaxed);
        let (run, killed) = (worker(launch), killed.clone());
        // The first too, so that some always die; which line they die on is left to chance.
        let doomed = number.is_multiple_of(3);
        let after = Duration::from_secs_f64(0.2 + 8.0 * fastrand::f64());
        async move {
            if !doomed {
                return run.await;
            }
            match tokio::time::timeout(after, run).await {
                Ok(exit) => exit,
                Err(_) => {
                    killed.fetch_add(1, Ordering::Relaxed);
                    Exit::Code(137)
                }
            }
        }
        .boxed()
    });
    builder.container("worker", |_| runner).start().await.expect("a cloud from template.yaml")
}

/// What is made of object `n`, so that a row says which object it is from.
fn content(n: usize, rows: usize) -> Vec<u8> {
    let mut text = String::from("object,row,words\n");
    for row in 0..rows {
        text += &format!("{n},{row},some words of no meaning at all\n");
    }
    text.into_bytes()
}

fn rows_of(n: usize) -> usize {
    if n < SMALL { 1 + n % 40 } else { 40_000 }
}

async fn upload(config: &SdkConfig, bucket: &str) {
    let client = Client::from_conf(aws_sdk_s3::config::Builder::from(config).force_path_style(true).build());
    let put = |n: usize| {
        let body = ByteStream::from(content(n, rows_of(n)));
        client.put_object().bucket(bucket).key(format!("uploads/{n:05}.csv")).body(body).send()
    };
    stream::iter((0..SMALL + LARGE).map(put))
        .buffer_unordered(16)
        .for_each(async |put| drop(put.expect("a put")))
        .await;
}

/// Waits until every object has a job and every job is over.
async fn settle(cloud: &Cloud, begun: Instant) -> Vec<Job> {
    let ledger = Ledger::new(&Clients::new(&cloud.sdk_config()), &cloud.outputs()["LedgerTable"]);
    let mut over: HashMap<JobId, Job> = HashMap::new();
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let open: Vec<JobId> = ids(cloud).await.into_iter().filter(|id| !over.contains_key(id)).collect();
        let known = over.len() + open.len();
        let found = ledger.read_all(&open).await.expect("the ledger answers");
        let found = found.into_iter().map(|job| job.expect("a job"));
        over.extend(found.filter(Job::is_over).map(|job| (job.id.clone(), job)));
        assert!(known <= SMALL + LARGE, "more jobs than objects");
        if over.len() == SMALL + LARGE {
            return over.into_values().collect();
        }
        assert!(
            begun.elapsed() < LIMIT,
            "{} of {known} jobs are over: {:#?}",
            over.len(),
            cloud.services().ecs.tasks()
        );
    }
}

async fn ids(cloud: &Cloud) -> Vec<JobId> {
    let (mut ids, mut start) = (Vec::new(), None);
    loop {
        let mut input = json!({ "TableName": cloud.outputs()["LedgerTable"], "ProjectionExpression": "job" });
        if let Some(start) = start {
            input["ExclusiveStartKey"] = start;
        }
        let answer = cloud.services().dynamodb.call("Scan", input, &Caller::owner()).await.expect("a scan");
        let items = answer["Items"].as_array().expect("items").iter();
        ids.extend(items.map(|item| item["job"]["S"].as_str().and_then(JobId::parse).expect("an id")));
        start = answer.get("LastEvaluatedKey").cloned();
        if start.is_none() {
            return ids;
        }
    }
}

/// Every object's visible records are its own rows, each once and in order.
async fn check_records(cloud: &Cloud, config: &SdkConfig, jobs: &[Job]) {
    let records = Records::new(&Clients::new(config), &cloud.outputs()["RecordsTable"]);
    for job in jobs {
        let n: usize = job.object.key["uploads/".len()..][..5].parse().expect("a number");
        let manifest =
            records.manifest(&job.object.bucket, &job.object.key).await.expect("the table answers");
        let manifest = manifest.expect("a done job has a manifest");
        assert_eq!((&manifest.job, manifest.records), (&job.id, rows_of(n) as u64));
        let mut rows = 0;
        for partition in 0..manifest.shards {
            let mut after = None;
            loop {
                let page = records.rows(&manifest, partition, after).await.expect("a page");
                let Some(last) = page.last() else { break };
                after = Some(last.0);
                rows += page.len();
                for (row, record) in page {
                    let mut text = Vec::new();
                    write_record_json(&record, &mut text).expect("memory takes it");
                    let text = String::from_utf8(text).expect("JSON is text");
                    assert!(text.contains(&format!("\"object\":{n},")), "{text}");
                    assert!(text.contains(&format!("\"row\":{},", row - 1)), "row {row}: {text}");
                }
            }
        }
        assert_eq!(rows, rows_of(n), "object {n}");
    }
}
