//! Any AWS client works against the local cloud: here boto3, which shares no line with the Rust SDK and parses
//! answers and errors its own way. `boto3/check.py` says what it expects.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::{path::Path, sync::Arc, time::Duration};

use localcloud::{
    Cloud,
    host::{Exit, Runner},
    lambda::FunctionHost,
};
use serde_json::{Value, json};
use tests::packages::python_with;
use tokio::process::Command;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stack/boto3");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_finds_a_cloud_that_it_cannot_tell_from_aws() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boto3");
    let python = python_with(&folder, &Path::new(HERE).join("requirements.txt")).await;
    let cloud = cloud().await;
    let resource = |id: &str| cloud.stack().resources[id].clone();
    let known = json!({
        "outputs": cloud.outputs(),
        "task_definition": resource("WorkerTask").physical_id,
        "family": resource("WorkerTask").name,
        "function": resource("UploadsFunction").name,
        "log_group": resource("WorkerLogs").name,
        "subnets": [resource("SubnetA").physical_id, resource("SubnetB").physical_id],
        "security_group": resource("WorkerSecurityGroup").physical_id,
    });
    let mut check = Command::new(&python);
    check
        .arg(Path::new(HERE).join("check.py"))
        .arg(known.to_string())
        // Nothing of the machine's own AWS configuration may reach it.
        .env_clear()
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("AWS_ENDPOINT_URL", cloud.endpoint())
        .env("AWS_ACCESS_KEY_ID", "tidemill")
        .env("AWS_SECRET_ACCESS_KEY", "tidemill")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), check.output()).await;
    let output = output.expect("check.py hangs").unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    println!("{out}");
    cloud.shutdown().await;
}

/// The template's cloud, served; its functions succeed at once and its worker works until it is stopped.
async fn cloud() -> Cloud {
    let idle = |_: &_| FunctionHost::Direct(Arc::new(|_| Box::pin(async { Ok(Value::Null) })));
    let worker: Runner = Arc::new(|launch| {
        Box::pin(async move {
            launch.logs.push("working");
            launch.stop.cancelled().await;
            Exit::Code(143)
        })
    });
    Cloud::builder(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml"))
        .parameter("NotifyEmail", "ops@example.com")
        .parameter("WorkerImage", "worker:1")
        .function("UploadsFunction", idle)
        .function("ScheduleFunction", idle)
        .function("BacklogFunction", idle)
        .function("ScalerFunction", idle)
        .function("StopsFunction", idle)
        .container("worker", move |_| worker)
        .serve(([127, 0, 0, 1], 0).into())
        .start()
        .await
        .unwrap()
}
