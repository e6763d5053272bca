//! A retry means the image of the first attempt, whatever was deployed meanwhile.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::AuditKind;
use localcloud::ecs::{KillCause, TaskSnapshot};
use serde_json::Value;
use tests::{JobAsserts, TestEnv};

use crate::{KEY, csv, hold_reads, pool, records};

/// The revision of the worker's task definition that the template has deployed.
fn deployed(env: &TestEnv) -> String {
    env.cloud().stack().resources["UploadsFunction"].properties["Environment"]["Variables"]["TASK_DEFINITION"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The first worker is lost with the job, which by then was pinned to this revision.
async fn lose_worker_of(env: &TestEnv, revision: &str) {
    hold_reads(env, KEY, 1);
    env.put(KEY, csv(9)).await;
    env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
    let job = env.job(KEY).await;
    assert_eq!(job.revision, Some(deployed(env)), "the revision that began it");
    let cloud = env.cloud();
    let ledger = aws_sdk_dynamodb::Client::new(&cloud.sdk_config());
    let update = ledger.update_item().table_name(&cloud.outputs()["LedgerTable"]);
    let update =
        update.key("job", AttributeValue::S(job.id.to_string())).update_expression("SET revision = :to");
    update.expression_attribute_values(":to", AttributeValue::S(revision.to_owned())).send().await.unwrap();
    assert!(env.ecs().kill(&env.running(), KillCause::Infrastructure));
    env.settle().await;
}

/// The task that the job got for itself.
async fn own_task(env: &TestEnv) -> TaskSnapshot {
    let job = env.job(KEY).await;
    job.assert_done().assert_attempt(2);
    assert_eq!(env.visible(KEY).await, records(9));
    env.ecs()
        .tasks()
        .into_iter()
        .find(|task| job.task.as_ref() == Some(&task.arn))
        .expect("a task of its own")
}

#[test]
fn a_job_that_another_revision_began_gets_a_task_of_that_revision() {
    pool(231).run(async |env| {
        let mut definition: Value = env.cloud().stack().resources["WorkerTask"].properties.clone();
        definition["ContainerDefinitions"][0]["Image"] = "tidemill:before".into();
        let before = env.ecs().register_task_definition(definition).unwrap();
        assert_ne!(before, deployed(env));
        lose_worker_of(env, &before).await;
        assert_eq!(own_task(env).await.definition_arn, before);
    });
}

#[test]
fn a_revision_that_nobody_can_launch_any_more_gives_way_to_the_deployed_one() {
    pool(232).run(async |env| {
        let deployed = deployed(env);
        lose_worker_of(env, &format!("{}:99", deployed.rsplit_once(':').unwrap().0)).await;
        assert_eq!(own_task(env).await.definition_arn, deployed);
        let audit = env.job(KEY).await.audit;
        let launched = audit.iter().find(|note| note.kind == AuditKind::Launched).unwrap();
        assert!(launched.words.contains("with the image deployed now"), "{}", launched.words);
        assert_eq!(env.subjects(), Vec::<String>::new(), "nobody need do anything");
    });
}
