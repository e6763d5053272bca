//! RunTask: what is refused, what is failed, what is given again.

use super::*;

async fn refused(ecs: &Ecs, more: Value) -> ApiError {
    call(ecs, "RunTask", run_with(more)).await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn what_aws_refuses_is_refused() {
    let ecs = ecs(exits(0));
    let long = "x".repeat(9000);
    let spot = json!([{ "capacityProvider": "FARGATE_SPOT" }]);
    let tags: Vec<Value> = (0..51).map(|n| json!({ "key": n.to_string(), "value": "" })).collect();
    for (more, code, says) in [
        (json!({ "cluster": "other" }), "ClusterNotFoundException", "Cluster not found"),
        (json!({ "taskDefinition": "worker:9" }), "ClientException", "TaskDefinition not found"),
        (json!({ "count": 11 }), "InvalidParameterException", "between 1 and 10"),
        (json!({ "count": 0 }), "InvalidParameterException", "between 1 and 10"),
        (json!({ "count": "two" }), "SerializationException", "invalid type"),
        (json!({ "startedBy": "job 1" }), "InvalidParameterException", "startedBy"),
        (json!({ "startedBy": "j".repeat(129) }), "InvalidParameterException", "startedBy"),
        (json!({ "clientToken": "a b" }), "InvalidParameterException", "clientToken"),
        (json!({ "clientToken": "t".repeat(65) }), "InvalidParameterException", "clientToken"),
        (json!({ "networkConfiguration": null }), "InvalidParameterException", "Network Configuration"),
        (
            json!({ "networkConfiguration": { "awsvpcConfiguration": { "subnets": [] } } }),
            "InvalidParameterException",
            "subnets",
        ),
        (json!({ "capacityProviderStrategy": spot }), "InvalidParameterException", "both a launch type"),
        (json!({ "launchType": null }), "InvalidParameterException", "No Container Instances"),
        (
            json!({ "launchType": null, "capacityProviderStrategy": [{ "capacityProvider": "mine" }] }),
            "InvalidParameterException",
            "mine",
        ),
        (
            json!({ "overrides": { "cpu": "512", "memory": "512" } }),
            "InvalidParameterException",
            "No Fargate configuration",
        ),
        (json!({ "overrides": { "cpu": 512 } }), "SerializationException", "strings"),
        (
            json!({ "overrides": { "containerOverrides": [{ "name": "w2" }] } }),
            "InvalidParameterException",
            "w2",
        ),
        (
            json!({ "overrides": { "containerOverrides": [{ "name": "worker", "command": [long] }] } }),
            "InvalidParameterException",
            "8192",
        ),
        (json!({ "platformVersion": "9" }), "PlatformUnknownException", "platform"),
        (json!({ "tags": tags }), "InvalidParameterException", "tags"),
        (json!({ "tags": [{ "key": "aws:x", "value": "" }] }), "InvalidParameterException", "aws:"),
    ] {
        let error = refused(&ecs, more.clone()).await;
        assert_eq!(error.code, code, "{more}: {error}");
        assert!(error.message.contains(says), "{more}: {error}");
        assert_eq!(error.status, 400);
    }
    assert!(ecs.tasks().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_token_gives_the_same_tasks_until_an_hour_after_their_end() {
    let ecs = ecs(exits(0));
    let input = run_with(json!({ "clientToken": "job-1.1", "count": 2 }));
    let first = call(&ecs, "RunTask", input.clone()).await.unwrap();
    let arns = |answer: &Value| -> Vec<String> {
        let tasks = answer["tasks"].as_array().unwrap();
        tasks.iter().map(|task| task["taskArn"].as_str().unwrap().to_owned()).collect()
    };
    tokio::time::sleep(Duration::from_secs(60)).await;
    let again = call(&ecs, "RunTask", input.clone()).await.unwrap();
    assert_eq!(arns(&again), arns(&first));
    assert_eq!(again["tasks"][0]["lastStatus"], "STOPPED", "a replay of a dead task");
    // Its tasks stopped ten seconds in.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let later = call(&ecs, "RunTask", input).await.unwrap();
    assert_ne!(arns(&later), arns(&first));
    assert_eq!(ecs.tasks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_with_other_parameters_conflicts_and_names_the_tasks_to_adopt() {
    let ecs = ecs(stubborn());
    let input = run_with(json!({ "clientToken": "job-1.1" }));
    let first = call(&ecs, "RunTask", input.clone()).await.unwrap();
    // The same call after a deploy: `worker` is another revision now.
    ecs.register_task_definition(definition()).unwrap();
    let error = call(&ecs, "RunTask", input).await.unwrap_err();
    assert_eq!(error.code, "ConflictException");
    assert_eq!(error.detail, json!({ "resourceIds": [first["tasks"][0]["taskArn"]] }));
    let pinned = run_with(json!({ "clientToken": "job-1.1", "taskDefinition": "worker:1" }));
    let replayed = call(&ecs, "RunTask", pinned).await.unwrap();
    assert_eq!(replayed["tasks"][0]["taskArn"], first["tasks"][0]["taskArn"]);
}

#[tokio::test(start_paused = true)]
async fn failures_come_in_a_200_also_together_with_tasks() {
    let ecs = ecs(exits(0));
    ecs.on_run_task(|request| (request.count > 1).then(|| vec![Failure::because("RESOURCE:FARGATE")]));
    let answer = call(&ecs, "RunTask", run_with(json!({ "count": 3 }))).await.unwrap();
    assert_eq!(answer["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(answer["failures"], json!([{ "reason": "RESOURCE:FARGATE" }]));
    // A failed launch does not use its token up.
    ecs.on_run_task(|_| Some(vec![Failure::no_capacity()]));
    let input = run_with(json!({ "clientToken": "t" }));
    let answer = call(&ecs, "RunTask", input.clone()).await.unwrap();
    assert_eq!(answer["tasks"], json!([]));
    assert!(answer["failures"][0]["reason"].as_str().unwrap().starts_with("Capacity is unavailable"));
    ecs.on_run_task(|_| None);
    assert_eq!(call(&ecs, "RunTask", input).await.unwrap()["failures"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_fault_at_the_gate_fails_all_tasks_of_a_call() {
    let ecs = ecs(exits(0));
    let partial = Partial::LaunchFailures { reason: "RESOURCE:FARGATE".to_owned(), detail: None };
    let caller = Caller { partial: Some(partial), ..Caller::owner() };
    let answer = ecs.call("RunTask", run_with(json!({ "count": 2 })), &caller).await.unwrap();
    assert_eq!(
        answer["failures"],
        json!([{ "reason": "RESOURCE:FARGATE" }, { "reason": "RESOURCE:FARGATE" }])
    );
    assert!(ecs.tasks().is_empty() && ecs.emitted().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_accounts_limits_hold() {
    let ecs = ecs(exits(0));
    ecs.set_limits(Limits { vcpus: Some(0.5), ..Limits::default() });
    let answer = call(&ecs, "RunTask", run_with(json!({ "count": 3 }))).await.unwrap();
    assert_eq!(answer["tasks"].as_array().unwrap().len(), 2);
    assert!(answer["failures"][0]["reason"].as_str().unwrap().contains("limit on the number of vCPUs"));
    ecs.quiet().await;
    ecs.set_limits(Limits { addresses: Some(1), ..Limits::default() });
    let two = json!({ "count": 3, "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-a", "subnet-b"] } } });
    let answer = call(&ecs, "RunTask", run_with(two)).await.unwrap();
    assert_eq!(answer["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(answer["failures"][0]["reason"], "RESOURCE:ENI");
    let zones: Vec<_> =
        answer["tasks"].as_array().unwrap().iter().map(|task| task["availabilityZone"].clone()).collect();
    assert_eq!(zones, ["us-east-1a", "us-east-1b"]);
}

#[tokio::test(start_paused = true)]
async fn rates_throttle_and_recover() {
    let ecs = ecs(exits(0));
    let rate = Rate { per_second: 1.0, burst: 2.0 };
    ecs.set_limits(Limits { calls: Some(rate), ..Limits::default() });
    launch(&ecs).await;
    launch(&ecs).await;
    let error = call(&ecs, "RunTask", run()).await.unwrap_err();
    assert_eq!((error.code.as_str(), error.message.as_str()), ("ThrottlingException", "Rate exceeded"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    launch(&ecs).await;
    ecs.set_limits(Limits { launches: Some(rate), ..Limits::default() });
    assert_eq!(refused(&ecs, json!({ "count": 3 })).await.code, "ThrottlingException");
    let spot = json!({ "count": 2, "launchType": null, "capacityProviderStrategy": [{ "capacityProvider": "FARGATE_SPOT" }] });
    call(&ecs, "RunTask", run_with(json!({ "count": 2 }))).await.unwrap();
    call(&ecs, "RunTask", run_with(spot)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_strategy_shares_tasks_by_base_and_weight() {
    let ecs = ecs(exits(0));
    let input = json!({ "count": 7, "launchType": null, "capacityProviderStrategy": [
        { "capacityProvider": "FARGATE", "base": 1, "weight": 1 }, { "capacityProvider": "FARGATE_SPOT", "weight": 2 },
    ] });
    let answer = call(&ecs, "RunTask", run_with(input)).await.unwrap();
    let spot = ecs.tasks().iter().filter(|task| task.provider == Provider::Spot).count();
    assert_eq!(spot, 4);
    assert_eq!(answer["tasks"][0]["capacityProviderName"], "FARGATE");
}

#[tokio::test(start_paused = true)]
async fn definitions_fargate_would_refuse_are_refused() {
    let ecs = ecs(exits(0));
    let mut cases: Vec<(Value, &str)> = Vec::new();
    let mut case = |path: &str, value: Value, says: &'static str| {
        let mut changed = definition();
        *changed.pointer_mut(path).unwrap() = value;
        cases.push((changed, says));
    };
    case("/Cpu", json!(300), "No Fargate configuration");
    case("/Family", json!("a b"), "Family");
    case("/NetworkMode", json!("bridge"), "awsvpc");
    case("/RequiresCompatibilities", json!(["EC2"]), "FARGATE");
    case("/ContainerDefinitions", json!([]), "essential");
    case("/ContainerDefinitions/0/StopTimeout", json!(121), "stopTimeout");
    case("/ContainerDefinitions/0/Image", json!(""), "image");
    case("/ContainerDefinitions/0/LogConfiguration/Options", json!({}), "awslogs-region");
    case("/ContainerDefinitions/0/Environment", json!("x"), "cannot be read");
    for (changed, says) in cases {
        let error = ecs.register_task_definition(changed).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert!(ecs.register_task_definition(definition()).unwrap().ends_with("/worker:2"));
}
