//! Queues and topics that a key of the template encrypts: senders and receivers need the key too.

use std::time::Duration;

use super::*;
use crate::Cloud;

/// A queue and a topic under one key, whose policy has these statements.
fn encrypted(statements: &str) -> (Iam, String, String) {
    let text = format!(
        "
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      RoleName: r
      AssumeRolePolicyDocument:
        Statement: {{ Effect: Allow, Principal: {{ Service: lambda.amazonaws.com }}, Action: sts:AssumeRole }}
      Policies:
        - PolicyName: p
          PolicyDocument:
            Statement:
              - {{ Effect: Allow, Action: ['sqs:SendMessage', 'sqs:ReceiveMessage', 'sqs:DeleteMessage'], Resource: !GetAtt Q.Arn }}
              - {{ Effect: Allow, Action: 'sns:Publish', Resource: !Ref T }}
              - {{ Sid: Receive, Effect: Allow, Action: 'kms:Decrypt', Resource: !GetAtt K.Arn }}
  K: {{ Type: AWS::KMS::Key, Properties: {{ KeyPolicy: {{ Statement: [{statements}] }} }} }}
  A: {{ Type: AWS::KMS::Alias, Properties: {{ AliasName: alias/mine, TargetKeyId: !Ref K }} }}
  Q: {{ Type: AWS::SQS::Queue, Properties: {{ QueueName: q, KmsMasterKeyId: !Ref K }} }}
  T: {{ Type: AWS::SNS::Topic, Properties: {{ TopicName: t, KmsMasterKeyId: alias/mine }} }}
  QPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Q]
      PolicyDocument:
        Statement:
          - {{ Effect: Allow, Principal: {{ Service: events.amazonaws.com }}, Action: 'sqs:SendMessage', Resource: !GetAtt Q.Arn }}
"
    );
    let stack = stack(&text);
    let iam = Iam::default();
    iam.load(&stack, &[]).unwrap();
    (iam, stack.resources["Q"].arn.clone(), stack.resources["T"].arn.clone())
}

const TO_THE_ACCOUNT: &str =
    "{ Effect: Allow, Principal: { AWS: 'arn:aws:iam::123456789012:root' }, Action: 'kms:*', Resource: '*' }";
const TO_EVENTS: &str = "{ Effect: Allow, Principal: { Service: events.amazonaws.com }, \
                         Action: ['kms:GenerateDataKey*', 'kms:Decrypt'], Resource: '*' }";

fn lacks(iam: &Iam, who: &Who, action: &str, on: &str) -> Option<String> {
    iam.authorize(who, &[RequiredAction::new(action, on).from_source(RULE)])
        .err()
        .map(|refused| refused.action)
}

#[test]
fn a_key_opens_to_whom_its_policy_says_only() {
    let role = Who::role("r", "x");
    let events = Who::Service("events.amazonaws.com");
    let (iam, queue, topic) = encrypted(TO_THE_ACCOUNT);
    // The role's own policy counts, since the key leaves it to the account; that lets it receive, and not send.
    assert_eq!(lacks(&iam, &role, "sqs:ReceiveMessage", &queue), None);
    assert_eq!(lacks(&iam, &role, "sqs:DeleteMessage", &queue), None);
    assert_eq!(lacks(&iam, &role, "sqs:SendMessage", &queue), Some("kms:GenerateDataKey".to_owned()));
    assert_eq!(lacks(&iam, &role, "sns:Publish", &topic), Some("kms:GenerateDataKey".to_owned()));
    // A service is not of the account.
    assert_eq!(lacks(&iam, &events, "sqs:SendMessage", &queue), Some("kms:GenerateDataKey".to_owned()));
    assert_eq!(lacks(&iam, &Who::Owner, "sqs:SendMessage", &queue), None);

    let (iam, queue, topic) = encrypted(TO_EVENTS);
    assert_eq!(lacks(&iam, &events, "sqs:SendMessage", &queue), None);
    // Not left to the account, it is closed to the role, whatever that's own policy says, and to the owner.
    assert_eq!(lacks(&iam, &role, "sqs:ReceiveMessage", &queue), Some("kms:Decrypt".to_owned()));
    assert_eq!(lacks(&iam, &Who::Owner, "sqs:SendMessage", &queue), Some("kms:GenerateDataKey".to_owned()));
    let alarms = Who::Service("cloudwatch.amazonaws.com");
    assert_eq!(lacks(&iam, &alarms, "sns:Publish", &topic), Some("kms:GenerateDataKey".to_owned()));
}

#[test]
fn a_key_can_be_kept_to_one_service_and_one_queue() {
    let only = "{ Effect: Allow, Principal: { AWS: 'arn:aws:iam::123456789012:role/r' }, Action: 'kms:*', Resource: '*', \
                Condition: { StringEquals: { kms:ViaService: sqs.us-east-1.amazonaws.com, \
                'kms:EncryptionContext:aws:sqs:arn': 'arn:aws:sqs:us-east-1:123456789012:q' } } }";
    let (iam, queue, topic) = encrypted(only);
    assert_eq!(lacks(&iam, &Who::role("r", "x"), "sqs:SendMessage", &queue), None);
    assert_eq!(
        lacks(&iam, &Who::role("r", "x"), "sns:Publish", &topic),
        Some("kms:GenerateDataKey".to_owned())
    );
}

#[test]
fn a_queue_under_an_unknown_key_is_said() {
    let text = "Resources: { Q: { Type: AWS::SQS::Queue, Properties: { KmsMasterKeyId: alias/none } } }";
    let error = Iam::default().load(&stack(text), &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "line 1: Q: its policy cannot be enforced: its key alias/none is no key of the template"
    );
}

/// A rule, its queue under a key, and a dead-letter queue under none.
const RULED: &str = "
Resources:
  K: { Type: AWS::KMS::Key, Properties: { KeyPolicy: { Statement: [STATEMENTS] } } }
  Q: { Type: AWS::SQS::Queue, Properties: { KmsMasterKeyId: !Ref K } }
  D: { Type: AWS::SQS::Queue }
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: { source: [shop] }
      Targets: [{ Id: q, Arn: !GetAtt Q.Arn, DeadLetterConfig: { Arn: !GetAtt D.Arn } }]
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Q, !Ref D]
      PolicyDocument:
        Statement:
          Effect: Allow
          Principal: { Service: events.amazonaws.com }
          Action: sqs:SendMessage
          Resource: '*'
          Condition: { ArnEquals: { aws:SourceArn: !GetAtt Rule.Arn } }
";

/// What is in the queue and in the dead-letter queue after an event.
async fn arrived(statements: &str) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, RULED.replace("STATEMENTS", statements)).unwrap();
    let cloud = Cloud::builder(file).start().await.unwrap();
    cloud.services().events.emit(serde_json::json!({ "source": "shop" }));
    tokio::time::sleep(Duration::from_secs(5)).await;
    let held = |queue: &str| cloud.services().sqs.peek(&cloud.stack().resources[queue].arn).unwrap().len();
    let held = (held("Q"), held("D"));
    cloud.shutdown().await;
    held
}

#[tokio::test(start_paused = true)]
async fn an_event_reaches_an_encrypted_queue_only_if_the_key_admits_eventbridge() {
    assert_eq!(arrived(TO_EVENTS).await, (1, 0));
    assert_eq!(arrived(TO_THE_ACCOUNT).await, (0, 1));
}
