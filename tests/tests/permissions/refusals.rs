//! What a refusal looks like from outside.

use aws::SdkConfig;
use aws_sdk_s3::error::ProvideErrorMetadata;
use domain::verdict::Kind;
use localcloud::connector;
use serde_json::Value;
use tests::{Plan, TestEnv};

use crate::scenarios::{csv, granted};

#[test]
fn a_worker_without_permission_to_read_logs_awss_error_and_the_missing_grant() {
    let plan = granted("WorkerRole", "s3:GetObjectVersion")
        .into_iter()
        .fold(TestEnv::plan(2).dedicated_tasks(), Plan::without);
    plan.run(async |env: &TestEnv| {
        env.put("uploads/people.csv", csv(3)).await;
        let refused = env.iam().refused(|it| it.action == "s3:GetObjectVersion").await;
        let object = format!("arn:aws:s3:::{}/uploads/people.csv", env.bucket());
        assert_eq!(
            refused.advice(),
            format!("role WorkerRole lacks s3:GetObjectVersion on {object}: add it to its policy in template.yaml")
        );
        let role = &env.cloud().stack().resources["WorkerRole"].name;
        let begins = format!("User: arn:aws:sts::123456789012:assumed-role/{role}/");
        let ends = format!(
            " is not authorized to perform: s3:GetObjectVersion on resource: \"{object}\" because no identity-based policy \
             allows the s3:GetObjectVersion action"
        );
        assert!(refused.message.starts_with(&begins) && refused.message.ends_with(&ends), "{refused}");
        env.settle().await;
        let job = env.job("uploads/people.csv").await;
        let reason = job.reason().unwrap();
        assert_eq!(reason.code, Kind::Misconfigured);
        assert!(reason.message.contains("AccessDenied"), "{}", reason.message);
    });
}

#[test]
fn a_function_that_may_not_write_logs_which_permission_it_lacks() {
    let plan = granted("UploadsFunctionRole", "dynamodb:PutItem")
        .into_iter()
        .fold(TestEnv::plan(2).dedicated_tasks(), Plan::without);
    plan.run(async |env: &TestEnv| {
        let function = &env.cloud().stack().resources["UploadsFunction"].name;
        let log = env.cloud().services().logs.stream(&format!("/aws/lambda/{function}"), "in-process");
        let failures = || {
            let lines = log.lines().into_iter();
            let lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
            lines.filter(|line| line["level"] == "ERROR").collect::<Vec<_>>()
        };
        env.put("uploads/people.csv", csv(3)).await;
        env.until("a line about the failure", || !failures().is_empty()).await;
        let failure = &failures()[0];
        let needed = "is not authorized to perform: dynamodb:PutItem on resource:";
        let error = failure["error"].as_str().unwrap_or_default();
        assert_eq!(error.matches(needed).count(), 1, "{failure}");
    });
}

#[test]
fn without_listing_what_is_missing_looks_forbidden() {
    let codes = |plan: tests::Plan| {
        let mut found = Vec::new();
        plan.run(async |env: &TestEnv| {
            let config = acting_as(env, "WorkerRole");
            let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
            let s3 = aws_sdk_s3::Client::from_conf(s3);
            let get = s3.get_object().bucket(env.bucket()).key("uploads/none");
            let error = get.send().await.unwrap_err();
            found.push(error.code().unwrap_or_default().to_owned());
        });
        found
    };
    assert_eq!(codes(TestEnv::plan(3)), ["NoSuchKey"]);
    assert_eq!(
        codes(granted("WorkerRole", "s3:ListBucket").into_iter().fold(TestEnv::plan(3), Plan::without)),
        ["AccessDenied"]
    );
}

#[test]
fn a_role_meets_an_operation_that_is_in_no_table() {
    TestEnv::plan(4).run(async |env: &TestEnv| {
        let sqs = aws_sdk_sqs::Client::new(&acting_as(env, "WorkerRole"));
        let tags = sqs.list_queue_tags().queue_url(&env.cloud().outputs()["JobsQueue"]).send().await;
        let error = tags.unwrap_err();
        assert_eq!(error.code(), Some("AccessDeniedException"));
        let message = error.message().unwrap_or_default();
        assert!(message.contains("does not know which permissions sqs ListQueueTags needs"), "{message}");
    });
}

/// The configuration of a program that acts in this role.
fn acting_as(env: &TestEnv, role: &str) -> SdkConfig {
    let cloud = env.cloud();
    cloud.frontend().credentials().register("ASIAWHOEVER", &cloud.stack().resources[role].name);
    connector::sdk_config(cloud.frontend(), cloud.clock(), "ASIAWHOEVER")
}
