//! ListTasks, DescribeTasks and the rest.

use super::*;

#[tokio::test(start_paused = true)]
async fn stopped_tasks_are_listed_and_described_for_an_hour() {
    let ecs = ecs(exits(0));
    let arn = launch(&ecs).await;
    let list = |status: &str| json!({ "cluster": "mill", "desiredStatus": status });
    assert_eq!(call(&ecs, "ListTasks", list("RUNNING")).await.unwrap(), json!({ "taskArns": [arn] }));
    ecs.quiet().await;
    assert_eq!(call(&ecs, "ListTasks", list("RUNNING")).await.unwrap(), json!({ "taskArns": [] }));
    assert_eq!(call(&ecs, "ListTasks", list("STOPPED")).await.unwrap(), json!({ "taskArns": [arn] }));
    tokio::time::sleep(Duration::from_secs(3599)).await;
    let task = &describe(&ecs, &arn).await["tasks"][0];
    assert_eq!(task["stoppedAt"], json!(1_785_542_410.0), "epoch seconds in the API");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(describe(&ecs, &arn).await["failures"], json!([{ "arn": arn, "reason": "MISSING" }]));
}

#[tokio::test(start_paused = true)]
async fn started_by_is_the_only_filter_and_pages_go_on_where_they_ended() {
    let ecs = ecs(stubborn());
    call(&ecs, "RunTask", run_with(json!({ "startedBy": "other" }))).await.unwrap();
    call(&ecs, "RunTask", run_with(json!({ "count": 3 }))).await.unwrap();
    let both = json!({ "cluster": "mill", "startedBy": "job-1", "family": "worker" });
    assert_eq!(call(&ecs, "ListTasks", both).await.unwrap_err().code, "InvalidParameterException");
    let mut input = json!({ "cluster": "mill", "startedBy": "job-1", "maxResults": 2 });
    let first = call(&ecs, "ListTasks", input.clone()).await.unwrap();
    assert_eq!(first["taskArns"].as_array().unwrap().len(), 2);
    input["nextToken"] = first["nextToken"].clone();
    let second = call(&ecs, "ListTasks", input.clone()).await.unwrap();
    assert_eq!(second["taskArns"].as_array().unwrap().len(), 1);
    assert!(second.get("nextToken").is_none());
    input["nextToken"] = json!("nonsense");
    assert_eq!(call(&ecs, "ListTasks", input).await.unwrap_err().code, "InvalidParameterException");
}

#[tokio::test(start_paused = true)]
async fn a_fresh_task_may_not_be_known_yet() {
    let ecs = ecs(stubborn());
    ecs.set_visibility_delay(Duration::from_secs(3));
    let arn = launch(&ecs).await;
    assert_eq!(describe(&ecs, &arn).await["failures"][0]["reason"], "MISSING");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(describe(&ecs, &arn).await["tasks"][0]["lastStatus"], "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn clusters_definitions_and_tags_are_shown() {
    let ecs = ecs(stubborn());
    let arn = launch(&ecs).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = call(&ecs, "DescribeClusters", json!({ "clusters": ["mill", "x"] })).await.unwrap();
    assert_eq!(answer["clusters"][0]["runningTasksCount"], 1);
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
    let shown = call(&ecs, "DescribeTaskDefinition", json!({ "taskDefinition": "worker" })).await.unwrap();
    assert_eq!(shown["taskDefinition"]["revision"], 1);
    assert_eq!(shown["taskDefinition"]["cpu"], "256");
    let options = &shown["taskDefinition"]["containerDefinitions"][0]["logConfiguration"]["options"];
    assert_eq!(options["awslogs-group"], "/mill/worker");
    call(&ecs, "TagResource", json!({ "resourceArn": arn, "tags": [{ "key": "k", "value": "v" }] }))
        .await
        .unwrap();
    let tags = call(&ecs, "ListTagsForResource", json!({ "resourceArn": arn })).await.unwrap();
    assert_eq!(tags, json!({ "tags": [{ "key": "k", "value": "v" }] }));
    assert_eq!(call(&ecs, "CreateService", json!({})).await.unwrap_err().status, 501);
    let unknown = call(&ecs, "StopTask", json!({ "cluster": "mill", "task": "none" })).await.unwrap_err();
    assert_eq!(unknown.code, "InvalidParameterException");
}
