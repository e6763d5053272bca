//! Small templates, deployed: what of a resource is heeded, and what is refused.

use std::error::Error as _;

use super::*;

/// A cloud from these resources.
async fn deploy(resources: &str, data: Option<&Path>) -> Result<Cloud, DeployError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    std::fs::write(&file, format!("Resources:\n{resources}")).unwrap();
    let builder = Cloud::builder(file).clock(Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap()));
    match data {
        Some(data) => builder.data(data),
        None => builder,
    }
    .start()
    .await
}

/// The error of a template with these resources, with its causes.
async fn api_error(resources: &str) -> String {
    let error = deploy(resources, None).await.expect_err("it was not refused");
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |causes, cause| format!("{causes}: {cause}"))
}

const ALARM: &str = "  Jobs: {Type: AWS::SQS::Queue}
  Heard: {Type: AWS::SQS::Queue}
  HeardPolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Heard]
      PolicyDocument:
        Statement:
          - Effect: Allow
            Principal: {Service: events.amazonaws.com}
            Action: sqs:SendMessage
            Resource: !GetAtt Heard.Arn
            Condition: {ArnEquals: {aws:SourceArn: !GetAtt Rule.Arn}}
  Ops: {Type: AWS::SNS::Topic}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern:
        source: [aws.cloudwatch]
        detail-type: [CloudWatch Alarm State Change]
        resources: [!GetAtt Backlog.Arn]
        detail: {alarmName: [!Ref Backlog], state: {value: [ALARM]}}
      Targets: [{Id: q, Arn: !GetAtt Heard.Arn}]
  Backlog:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: Jobs wait.
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions: [{Name: QueueName, Value: !GetAtt Jobs.QueueName}]
      Statistic: Maximum
      Period: 60
      EvaluationPeriods: '2'
      DatapointsToAlarm: 1
      Threshold: '0.5'
      ComparisonOperator: GreaterThanOrEqualToThreshold
      TreatMissingData: notBreaching
      AlarmActions: [!Ref Ops]
";

#[tokio::test(start_paused = true)]
async fn an_alarm_watches_its_queue_and_ends_with_the_cloud() {
    let cloud = deploy(ALARM, None).await.unwrap();
    let (stack, services) = (cloud.stack(), cloud.services().clone());
    let name = stack.resources["Backlog"].name.clone();
    services.sqs.send(&stack.resources["Jobs"].arn, "job", Default::default(), None).unwrap();
    let heard = || services.sqs.peek(&stack.resources["Heard"].arn).unwrap();
    tokio::time::sleep(Duration::from_secs(119)).await;
    assert!(heard().is_empty());
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(heard().len(), 1);
    assert_eq!(services.cloudwatch.status(&name).unwrap().state, crate::services::cloudwatch::State::Alarm);

    cloud.shutdown().await;
    let begun = services.cloudwatch.status(&name).unwrap();
    services.sqs.call("PurgeQueue", json!({ "QueueUrl": services.sqs.url("gone") })).await.unwrap_err();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(services.cloudwatch.status(&name).unwrap(), begun);
}

#[tokio::test(start_paused = true)]
async fn what_an_alarm_would_not_heed_is_refused() {
    for (from, to, expected) in [
        ("Statistic: Maximum", "Metrics: []", "unknown field `Metrics`"),
        ("Statistic: Maximum", "Unit: Count", "unknown field `Unit`"),
        ("Statistic: Maximum", "ExtendedStatistic: p99", "does not compute p99"),
        ("Statistic: Maximum", "Namespace: AWS/SQS", "Namespace"),
        ("      Statistic: Maximum\n", "", "Exactly one of Statistic and ExtendedStatistic"),
        ("Period: 60", "Period: 30", "multiple of 60"),
        ("notBreaching", "maybe", "unknown variant `maybe`"),
        ("[!Ref Ops]", "[!GetAtt Jobs.Arn]", "SNS topics only"),
        ("Threshold: '0.5'", "Threshold: much", "is not a number"),
    ] {
        let refused = api_error(&ALARM.replace(from, to)).await;
        assert!(refused.contains(expected), "{to}: {refused}");
    }
}

const TABLE: &str = "  Ledger:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: ledger
      BillingMode: PAY_PER_REQUEST
      DeletionProtectionEnabled: 'true'
      AttributeDefinitions:
        - {AttributeName: job, AttributeType: S}
        - {AttributeName: state, AttributeType: S}
      KeySchema: [{AttributeName: job, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      GlobalSecondaryIndexes:
        - IndexName: by-state
          KeySchema: [{AttributeName: state, KeyType: HASH}, {AttributeName: job, KeyType: RANGE}]
          Projection: {ProjectionType: INCLUDE, NonKeyAttributes: [due]}
";

async fn call(cloud: &Cloud, operation: &str, input: Value) -> Value {
    cloud.services().dynamodb.call(operation, input, &Caller::owner()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_table_has_its_indexes_expiry_and_protection_also_on_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let without_index = TABLE.split("      GlobalSecondaryIndexes").next().unwrap();
    let without_index = without_index.replace("        - {AttributeName: state, AttributeType: S}\n", "");
    let old = deploy(&without_index, Some(folder.path())).await.unwrap();
    let item = json!({ "job": { "S": "a" }, "state": { "S": "waiting" }, "more": { "S": "m" } });
    call(&old, "PutItem", json!({ "TableName": "ledger", "Item": item })).await;
    old.shutdown().await;

    for _ in 0..2 {
        let cloud = deploy(TABLE, Some(folder.path())).await.unwrap();
        let expiry = call(&cloud, "DescribeTimeToLive", json!({ "TableName": "ledger" })).await;
        assert_eq!(
            expiry["TimeToLiveDescription"],
            json!({ "AttributeName": "expires", "TimeToLiveStatus": "ENABLED" })
        );
        let table = call(&cloud, "DescribeTable", json!({ "TableName": "ledger" })).await;
        assert_eq!(table["Table"]["DeletionProtectionEnabled"], true);
        assert_eq!(table["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"], "ACTIVE");
        let query = json!({
            "TableName": "ledger", "IndexName": "by-state",
            "KeyConditionExpression": "#s = :s", "ExpressionAttributeNames": { "#s": "state" },
            "ExpressionAttributeValues": { ":s": { "S": "waiting" } },
        });
        let found = call(&cloud, "Query", query).await;
        assert_eq!(found["Items"], json!([{ "job": { "S": "a" }, "state": { "S": "waiting" } }]));
        cloud.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_table_would_not_heed_is_refused() {
    let more = |property: &str| format!("{TABLE}      {property}\n");
    for (resources, expected) in [
        (more("StreamSpecification: {StreamViewType: NEW_IMAGE}"), "unknown field `StreamSpecification`"),
        (TABLE.replace("AttributeName: expires, ", ""), "needs its AttributeName"),
        (TABLE.replace("ProjectionType: INCLUDE", "ProjectionType: MOST"), "projectionType"),
        (TABLE.replace("Enabled: true", "Enabled: true, After: 5"), "unknown field `After`"),
        (
            TABLE.replace("IndexName: by-state", "IndexName: by-state\n          Sparse: true"),
            "unknown field `Sparse`",
        ),
    ] {
        let refused = api_error(&resources).await;
        assert!(refused.contains(expected), "{refused}");
    }
}
