//! From launch to end: what the events say.

use tokio::sync::mpsc;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_task_that_succeeds_emits_eight_events() {
    let ecs = ecs(exits(0));
    let timing = Timing {
        provisioning: Duration::from_secs(10),
        pending: Duration::from_secs(20),
        deprovisioning: Duration::from_secs(5),
    };
    ecs.set_timing(timing);
    launch(&ecs).await;
    ecs.quiet().await;
    assert_eq!(
        story(&ecs),
        [
            "  0 v1 PROVISIONING/RUNNING - -",
            " 10 v2 PENDING/RUNNING - -",
            " 30 v3 ACTIVATING/RUNNING - -",
            " 30 v4 RUNNING/RUNNING - -",
            " 40 v5 DEACTIVATING/STOPPED EssentialContainerExited 0",
            " 40 v6 STOPPING/STOPPED EssentialContainerExited 0",
            " 40 v7 DEPROVISIONING/STOPPED EssentialContainerExited 0",
            " 45 v8 STOPPED/STOPPED EssentialContainerExited 0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_stopped_event_has_the_documented_members() {
    let ecs = ecs(exits(3));
    let arn = launch(&ecs).await;
    ecs.quiet().await;
    let event = ecs.emitted().pop().unwrap();
    assert_eq!(event["source"], "aws.ecs");
    assert_eq!(event["detail-type"], "ECS Task State Change");
    assert_eq!(event["resources"], json!([arn]));
    assert_eq!(event["time"], "2026-08-01T00:00:10Z");
    let mut detail = event["detail"].clone();
    let id = arn.rsplit('/').next().unwrap().to_owned();
    let container = &detail["containers"][0];
    assert!(container["runtimeId"].as_str().unwrap().starts_with(&id));
    assert_eq!(container["networkInterfaces"][0]["attachmentId"], detail["attachments"][0]["id"]);
    assert_eq!(container["exitCode"], 3);
    assert_eq!(container["lastStatus"], "STOPPED");
    for drawn in ["attachments", "containers"] {
        detail.as_object_mut().unwrap().remove(drawn);
    }
    assert_eq!(
        detail,
        json!({
            "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
            "availabilityZone": "us-east-1a",
            "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/mill",
            "connectivity": "CONNECTED",
            "connectivityAt": "2026-08-01T00:00:00.000Z",
            "cpu": "256",
            "createdAt": "2026-08-01T00:00:00.000Z",
            "desiredStatus": "STOPPED",
            "enableExecuteCommand": false,
            "executionStoppedAt": "2026-08-01T00:00:10.000Z",
            "group": "family:worker",
            "lastStatus": "STOPPED",
            "launchType": "FARGATE",
            "memory": "512",
            "overrides": {
                "containerOverrides": [{ "name": "worker" }], "inferenceAcceleratorOverrides": [],
            },
            "platformVersion": "1.4.0",
            "pullStartedAt": "2026-08-01T00:00:00.000Z",
            "pullStoppedAt": "2026-08-01T00:00:00.000Z",
            "startedAt": "2026-08-01T00:00:00.000Z",
            "startedBy": "job-1",
            "stopCode": "EssentialContainerExited",
            "stoppedAt": "2026-08-01T00:00:10.000Z",
            "stoppedReason": "Essential container in task exited",
            "stoppingAt": "2026-08-01T00:00:10.000Z",
            "taskArn": arn,
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/worker:1",
            "updatedAt": "2026-08-01T00:00:10.000Z",
            "version": 8,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_stubborn_task_is_killed_after_its_stop_timeout_and_shows_the_callers_reason() {
    let ecs = ecs(stubborn());
    let arn = launch(&ecs).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let stop = json!({ "cluster": "mill", "task": arn, "reason": "overdue: 60 min" });
    let answer = call(&ecs, "StopTask", stop.clone()).await.unwrap();
    assert_eq!(answer["task"]["desiredStatus"], "STOPPED");
    assert_eq!(answer["task"]["lastStatus"], "RUNNING");
    tokio::time::sleep(Duration::from_secs(1)).await;
    call(&ecs, "StopTask", json!({ "cluster": "mill", "task": arn, "reason": "again" })).await.unwrap();
    ecs.quiet().await;
    let task = &describe(&ecs, &arn).await["tasks"][0];
    assert_eq!(task["stoppedReason"], "overdue: 60 min");
    assert_eq!(task["stopCode"], "UserInitiated");
    assert_eq!(task["containers"][0]["exitCode"], 137);
    assert_eq!(story(&ecs).pop().unwrap(), " 65 v8 STOPPED/STOPPED UserInitiated 137");
    let answer = call(&ecs, "StopTask", stop).await.unwrap();
    assert_eq!(answer["task"]["lastStatus"], "STOPPED", "stopping a stopped task changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_task_stopped_before_it_ran_has_no_exit_code() {
    let ecs = ecs(stubborn());
    ecs.set_timing(Timing { provisioning: Duration::from_secs(10), ..Timing::default() });
    let arn = launch(&ecs).await;
    call(&ecs, "StopTask", json!({ "cluster": "mill", "task": arn })).await.unwrap();
    ecs.quiet().await;
    assert_eq!(
        story(&ecs),
        [
            "  0 v1 PROVISIONING/RUNNING - -",
            "  0 v2 DEPROVISIONING/STOPPED UserInitiated -",
            "  0 v3 STOPPED/STOPPED UserInitiated -",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_spot_warning_comes_before_the_interruption() {
    let ecs = ecs(stubborn());
    let arn = launch(&ecs).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(ecs.spot_warning(&arn));
    ecs.quiet().await;
    assert_eq!(
        story(&ecs)[3..],
        [
            "  0 v4 RUNNING/RUNNING - -",
            "  5 v5 RUNNING/STOPPED TerminationNotice -",
            " 65 v6 DEACTIVATING/STOPPED SpotInterruption -",
            " 65 v7 STOPPING/STOPPED SpotInterruption -",
            " 65 v8 DEPROVISIONING/STOPPED SpotInterruption 137",
            " 65 v9 STOPPED/STOPPED SpotInterruption 137",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn kills_look_as_they_do_on_fargate() {
    for (cause, code, exit, reason) in [
        (
            KillCause::OutOfMemory,
            "EssentialContainerExited",
            json!(137),
            "OutOfMemoryError: Container killed due to memory usage",
        ),
        (KillCause::Signal, "EssentialContainerExited", json!(137), ""),
        (KillCause::Infrastructure, "InfrastructureHealth", json!(137), ""),
    ] {
        let ecs = ecs(polite());
        let arn = launch(&ecs).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(ecs.kill(&arn, cause));
        ecs.quiet().await;
        let task = &describe(&ecs, &arn).await["tasks"][0];
        assert_eq!(task["stopCode"], code);
        assert_eq!(task["containers"][0]["exitCode"], exit);
        assert_eq!(task["containers"][0]["reason"].as_str().unwrap_or_default(), reason);
        assert!(!ecs.kill(&arn, cause), "it is dead already");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_cannot_start_has_no_exit_code_and_maybe_no_containers() {
    let ecs = ecs(exits(0));
    ecs.fail_to_start("CannotPullContainerError: pull image manifest has been retried 1 time(s)", 1);
    ecs.fail_to_start("ResourceInitializationError: unable to pull secrets", 1);
    let (first, second, third) = (launch(&ecs).await, launch(&ecs).await, launch(&ecs).await);
    ecs.quiet().await;
    let pull = &describe(&ecs, &first).await["tasks"][0];
    assert_eq!(pull["stopCode"], "TaskFailedToStart");
    assert_eq!(pull["containers"][0]["reason"], pull["stoppedReason"]);
    assert!(pull["containers"][0].get("exitCode").is_none());
    assert!(pull.get("startedAt").is_none());
    let init = &describe(&ecs, &second).await["tasks"][0];
    assert_eq!(init["containers"], json!([]));
    assert_eq!(describe(&ecs, &third).await["tasks"][0]["containers"][0]["exitCode"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_program_that_is_missing_or_a_host_that_panics_ends_the_task_and_not_the_cloud() {
    let ecs = ecs(crate::host::process("/nowhere/worker".into(), Vec::new()));
    let missing = launch(&ecs).await;
    ecs.quiet().await;
    let task = &describe(&ecs, &missing).await["tasks"][0];
    assert_eq!(task["stopCode"], "TaskFailedToStart");
    assert!(
        task["stoppedReason"]
            .as_str()
            .unwrap()
            .starts_with("CannotStartContainerError: failed to start /nowhere")
    );
    ecs.set_runner("worker", Arc::new(|_| Box::pin(async { panic!("a bug of the worker") })));
    let panicking = launch(&ecs).await;
    ecs.quiet().await;
    assert_eq!(describe(&ecs, &panicking).await["tasks"][0]["containers"][0]["exitCode"], 101);
}

#[tokio::test(start_paused = true)]
async fn a_container_gets_its_environment_command_and_log_stream() {
    let (sender, mut launches) = mpsc::unbounded_channel::<Launch>();
    let ecs = ecs(Arc::new(move |launch: Launch| {
        launch.logs.push("hello");
        sender.send(launch).unwrap();
        Box::pin(async { Exit::Code(0) })
    }));
    ecs.set_endpoint_env([("AWS_REGION".to_owned(), "us-east-1".to_owned())].into());
    ecs.set_role_environment(Arc::new(|role| {
        [("AWS_ACCESS_KEY_ID".to_owned(), role.unwrap_or_default().to_owned())].into()
    }));
    let input = run_with(json!({ "overrides": { "containerOverrides": [{
        "name": "worker", "command": ["drain"], "environment": [{ "name": "MODE", "value": "fast" }],
    }] } }));
    let answer = call(&ecs, "RunTask", input).await.unwrap();
    let launch = launches.recv().await.unwrap();
    assert_eq!(launch.command, ["drain"]);
    let env: Vec<_> = launch.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        env,
        [
            "AWS_ACCESS_KEY_ID=arn:aws:iam::123456789012:role/worker",
            "AWS_REGION=us-east-1",
            "MODE=fast",
            "TABLE=jobs"
        ]
    );
    let id = answer["tasks"][0]["taskArn"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(ecs.inner.logs.stream("/mill/worker", &format!("w/worker/{id}")).lines()[0].text, "hello");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_service_kills_what_runs() {
    let (sender, mut alive) = mpsc::channel::<()>(1);
    let ecs = ecs(Arc::new(move |_| {
        let held = sender.clone();
        Box::pin(async move {
            let _held = held;
            std::future::pending().await
        })
    }));
    launch(&ecs).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(ecs);
    assert_eq!(alive.recv().await, None, "the container's future is gone, and its runner");
}
