//! Decisions: who may, who may not, and what is said of it.

use std::{collections::BTreeMap, path::Path};

use super::*;
use crate::template::Template;

mod documents;
mod keys;

const WORKERS: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/s-worker:3";
const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/tide";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:jobs";
const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/uploads";
const WORKER_ROLE: &str = "arn:aws:iam::123456789012:role/worker";

/// What the tests ask about.
const TEMPLATE: &str = r#"
Resources:
  Launcher:
    Type: AWS::IAM::Role
    Properties:
      RoleName: launcher
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Sid: Launch
                Effect: Allow
                Action: ecs:RunTask
                Resource: arn:aws:ecs:us-east-1:123456789012:task-definition/s-worker:*
                Condition: { ArnEquals: { ecs:cluster: arn:aws:ecs:us-east-1:123456789012:cluster/tide } }
              - Sid: Pass
                Effect: Allow
                Action: iam:PassRole
                Resource: [arn:aws:iam::123456789012:role/worker, arn:aws:iam::123456789012:role/start]
                Condition: { StringEquals: { iam:PassedToService: ecs-tasks.amazonaws.com } }
              - Sid: Read
                Effect: Allow
                Action: [s3:GetObject, s3:GetObjectVersion]
                Resource: arn:aws:s3:::bucket/uploads/*
              - Sid: List
                Effect: Allow
                Action: s3:ListBucket
                Resource: arn:aws:s3:::bucket
                Condition: { StringLike: { s3:prefix: uploads/* } }
              - Sid: NotThat
                Effect: Deny
                Action: s3:*
                Resource: arn:aws:s3:::bucket/uploads/secret/*
  Bucket: { Type: AWS::S3::Bucket, Properties: { BucketName: bucket } }
  BucketPolicy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: OnlyOverTls
            Effect: Deny
            Principal: "*"
            Action: s3:*
            Resource: [!GetAtt Bucket.Arn, !Sub "${Bucket.Arn}/*"]
            Condition: { Bool: { aws:SecureTransport: "false" } }
          - Sid: Frozen
            Effect: Deny
            Principal: { AWS: "*" }
            Action: s3:PutObject
            Resource: !Sub "${Bucket.Arn}/frozen/*"
  OfTheAlias:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: arn:aws:lambda:us-east-1:123456789012:function:f:live
      Principal: events.amazonaws.com
      SourceArn: arn:aws:events:us-east-1:123456789012:rule/uploads
  Jobs: { Type: AWS::SQS::Queue, Properties: { QueueName: jobs } }
  JobsPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Jobs]
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Sid: FromTheRules
            Effect: Allow
            Principal: { Service: events.amazonaws.com }
            Action: sqs:SendMessage
            Resource: !GetAtt Jobs.Arn
            Condition:
              ArnEquals:
                aws:SourceArn:
                  - arn:aws:events:us-east-1:123456789012:rule/uploads
                  - arn:aws:events:us-east-1:123456789012:rule/stops
"#;

fn iam() -> Iam {
    let iam = Iam::default();
    iam.load(&stack(TEMPLATE), &[]).unwrap();
    iam
}

fn stack(text: &str) -> crate::template::Stack {
    let template = Template::parse(text, Path::new("template.yaml"), crate::resource_types()).unwrap();
    template.resolve(&BTreeMap::new(), "s", "http://cloud.local").unwrap()
}

fn launcher() -> Who {
    Who::role("launcher", "session")
}

fn may(who: &Who, required: RequiredAction) -> bool {
    iam().authorize(who, &[required]).is_ok()
}

#[test]
fn running_a_task_is_pinned_to_its_family_and_cluster() {
    let run = |definition: &str, cluster: &str| {
        RequiredAction::new("ecs:RunTask", definition).with("ecs:cluster", cluster)
    };
    assert!(may(&launcher(), run(WORKERS, CLUSTER)));
    for (definition, cluster) in [
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/s-sweep:3", CLUSTER),
        ("arn:aws:ecs:us-east-1:123456789012:task-definition/s-worker-2:1", CLUSTER),
        ("arn:aws:ecs:us-east-1:210987654321:task-definition/s-worker:3", CLUSTER),
        (WORKERS, "arn:aws:ecs:us-east-1:123456789012:cluster/another"),
    ] {
        assert!(!may(&launcher(), run(definition, cluster)), "{definition} on {cluster}");
    }
    // Nobody said on which cluster.
    assert!(!may(&launcher(), RequiredAction::new("ecs:RunTask", WORKERS)));
}

#[test]
fn two_roles_are_passed_to_tasks_and_to_nothing_else() {
    let pass =
        |role: &str, to: &str| RequiredAction::new("iam:PassRole", role).with("iam:PassedToService", to);
    for role in ["worker", "start"] {
        let role = format!("arn:aws:iam::123456789012:role/{role}");
        assert!(may(&launcher(), pass(&role, "ecs-tasks.amazonaws.com")));
        assert!(!may(&launcher(), pass(&role, "lambda.amazonaws.com")));
    }
    for role in ["admin", "worker2", "launcher"] {
        let role = format!("arn:aws:iam::123456789012:role/{role}");
        assert!(!may(&launcher(), pass(&role, "ecs-tasks.amazonaws.com")), "{role}");
    }
}

#[test]
fn a_deny_wins_wherever_it_is() {
    let read = |key: &str| RequiredAction::new("s3:GetObject", format!("arn:aws:s3:::bucket/{key}"));
    assert!(may(&launcher(), read("uploads/a")));
    assert!(!may(&launcher(), read("elsewhere/a")));
    let refused = iam().authorize(&launcher(), &[read("uploads/secret/a")]).unwrap_err();
    assert!(refused.message.ends_with("with an explicit deny in an identity-based policy"), "{refused}");
    let write = |key: &str| RequiredAction::new("s3:PutObject", format!("arn:aws:s3:::bucket/{key}"));
    assert!(may(&Who::Owner, write("uploads/a")));
    let refused = iam().authorize(&Who::Owner, &[write("frozen/a")]).unwrap_err();
    assert!(refused.message.contains("arn:aws:iam::123456789012:root is not authorized"), "{refused}");
    assert!(refused.message.ends_with("with an explicit deny in a resource-based policy"), "{refused}");
}

#[test]
fn a_condition_needs_its_key() {
    let list = || RequiredAction::new("s3:ListBucket", "arn:aws:s3:::bucket");
    assert!(may(&launcher(), list().with("s3:prefix", "uploads/2026")));
    assert!(!may(&launcher(), list().with("s3:prefix", "rejects/")));
    assert!(!may(&launcher(), list()));
}

#[test]
fn a_queue_admits_its_rules_and_nobody_elses() {
    let send = |source: &str| RequiredAction::new("sqs:SendMessage", QUEUE).from_source(source);
    let events = Who::Service("events.amazonaws.com");
    assert!(may(&events, send(RULE)));
    assert!(!may(&events, send("arn:aws:events:us-east-1:123456789012:rule/another")));
    assert!(!may(&events, send("arn:aws:events:us-east-1:210987654321:rule/uploads")));
    assert!(!may(&Who::Service("sns.amazonaws.com"), send(RULE)));
    assert!(!may(&Who::Service("s3.amazonaws.com"), send("arn:aws:s3:::foreign-bucket")));
    let receive = RequiredAction::new("sqs:ReceiveMessage", QUEUE).from_source(RULE);
    assert!(!may(&events, receive));
}

#[test]
fn a_role_is_assumed_by_whom_it_trusts() {
    let assume = || RequiredAction::new("sts:AssumeRole", "arn:aws:iam::123456789012:role/launcher");
    assert!(may(&Who::Service("lambda.amazonaws.com"), assume()));
    assert!(!may(&Who::Service("ecs-tasks.amazonaws.com"), assume()));
    assert!(!may(&launcher(), assume()));
}

#[test]
fn a_role_that_no_template_has_may_do_nothing() {
    let required = RequiredAction::new("ecs:RunTask", WORKERS).with("ecs:cluster", CLUSTER);
    assert!(!may(&Who::role(WORKER_ROLE, "x"), required));
}

#[test]
fn a_refusal_says_who_lacks_what_in_awss_words_and_in_ours() {
    let iam = iam();
    let required = RequiredAction::new("s3:GetObject", "arn:aws:s3:::bucket/a\nb");
    let refused = iam.authorize(&launcher(), &[required]).unwrap_err();
    assert_eq!(
        refused.message,
        "User: arn:aws:sts::123456789012:assumed-role/launcher/session is not authorized to perform: s3:GetObject on \
         resource: \"arn:aws:s3:::bucket/a\nb\" because no identity-based policy allows the s3:GetObject action"
    );
    assert_eq!(
        refused.advice(),
        "role Launcher lacks s3:GetObject on arn:aws:s3:::bucket/a\\nb: add it to its policy in template.yaml"
    );
    // Another key of the bucket is the same mistake.
    iam.authorize(&launcher(), &[RequiredAction::new("s3:GetObject", "arn:aws:s3:::bucket/c")]).unwrap_err();
    assert_eq!(iam.refusals(), [refused]);
    for (service, code, status) in [
        ("s3", "AccessDenied", 403),
        ("sqs", "AccessDeniedException", 400),
        ("sns", "AuthorizationError", 403),
    ] {
        let denied = crate::registry::api(service).unwrap().access_denied;
        let error = iam.refusals()[0].api_error(denied);
        assert_eq!((error.code.as_str(), error.status), (code, status));
    }
}

#[test]
fn each_grant_is_counted_when_it_allows_and_can_be_left_out() {
    let counted = |iam: &Iam| -> Vec<(String, String, u64)> {
        let used = iam.grants().into_iter().filter(|grant| grant.uses > 0);
        used.map(|grant| (grant.id.sid, grant.id.resource, grant.uses)).collect()
    };
    let iam = iam();
    assert_eq!(counted(&iam), []);
    let send = || RequiredAction::new("sqs:SendMessage", QUEUE).from_source(RULE);
    let pass = RequiredAction::new("iam:PassRole", WORKER_ROLE)
        .with("iam:PassedToService", "ecs-tasks.amazonaws.com");
    for _ in 0..2 {
        iam.authorize(&Who::Service("events.amazonaws.com"), &[send()]).unwrap();
    }
    iam.authorize(&launcher(), &[pass]).unwrap();
    let of_the_rule = format!("{QUEUE} for {RULE}");
    let expected = [("FromTheRules", of_the_rule.as_str(), 2), ("Pass", WORKER_ROLE, 1)];
    assert_eq!(counted(&iam), expected.map(|(sid, on, uses)| (sid.to_owned(), on.to_owned(), uses)));

    let used = iam.grants().into_iter().find(|grant| grant.uses == 2).unwrap();
    let without = Iam::default();
    without.load(&stack(TEMPLATE), &[used.id]).unwrap();
    assert_eq!(without.grants().len(), iam.grants().len() - 1);
    without.authorize(&Who::Service("events.amazonaws.com"), &[send()]).unwrap_err();
}

#[test]
fn nobody_is_refused_before_there_are_policies() {
    let iam = Iam::default();
    assert!(!iam.enforces());
    iam.authorize(&launcher(), &[RequiredAction::new("s3:GetObject", "arn:aws:s3:::bucket/a")]).unwrap();
    assert_eq!(iam.refusals(), []);
}

#[test]
fn a_resource_whose_name_is_no_arn_is_refused_and_not_a_panic() {
    for resource in ["", "arn", "arn:aws:s3:::", "arn:aws:ecs:x:y:task/ü", "::::::", "arn:::::"] {
        assert!(!may(&launcher(), RequiredAction::new("s3:GetObject", resource)), "{resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_be_waited_for() {
    let iam = iam();
    let waiting = iam.clone();
    let wait = tokio::spawn(async move { waiting.refused(|it| it.action == "s3:PutObject").await.holder });
    tokio::task::yield_now().await;
    for action in ["s3:DeleteObject", "s3:PutObject"] {
        iam.authorize(&launcher(), &[RequiredAction::new(action, "arn:aws:s3:::bucket/a")]).unwrap_err();
    }
    assert_eq!(wait.await.unwrap(), "Launcher");
    assert_eq!(iam.refused(|it| it.action == "s3:DeleteObject").await.holder, "Launcher");
}

#[test]
fn who_may_invoke_an_alias_may_not_invoke_the_function_nor_another_alias() {
    let invoked = |name: &str| {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{name}");
        may(
            &Who::Service("events.amazonaws.com"),
            RequiredAction::new("lambda:InvokeFunction", arn).from_source(RULE),
        )
    };
    assert!(invoked("f:live"));
    assert!(!invoked("f") && !invoked("f:next") && !invoked("g:live"));
}
