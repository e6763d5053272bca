//! A retry means the image of the first attempt, whatever was deployed meanwhile.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{job::State, story::What};
use localcloud::ecs::{KillCause, TaskSnapshot};
use serde_json::Value;
use tests::World;

use crate::{KEY, csv, hold_reads, pool, records};

/// The revision of the worker's task definition that the template has deployed.
fn deployed(world: &World) -> String {
    world.cloud().stack().resources["UploadsFunction"].properties["Environment"]["Variables"]["TASK_DEFINITION"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The first worker is lost with the job, which by then was pinned to this revision.
async fn lose_worker_of(world: &World, revision: &str) {
    hold_reads(world, KEY, 1);
    world.put(KEY, csv(9)).await;
    world.until("a reader", || world.calls("s3", "GetObject") == 1).await;
    let job = world.job(KEY).await;
    assert_eq!(job.revision, Some(deployed(world)), "the revision that began it");
    let cloud = world.cloud();
    let ledger = aws_sdk_dynamodb::Client::new(&cloud.sdk_config());
    let update = ledger.update_item().table_name(&cloud.outputs()["LedgerTable"]);
    let update =
        update.key("job", AttributeValue::S(job.id.to_string())).update_expression("SET revision = :to");
    update.expression_attribute_values(":to", AttributeValue::S(revision.to_owned())).send().await.unwrap();
    assert!(world.ecs().kill(&world.running(), KillCause::Infrastructure));
    world.settle().await;
}

/// The task that the job got for itself.
async fn own_task(world: &World) -> TaskSnapshot {
    let job = world.job(KEY).await;
    assert_eq!((job.state, job.attempt), (State::Done, 2), "{job:#?}");
    assert_eq!(world.visible(KEY).await, records(9));
    world
        .ecs()
        .tasks()
        .into_iter()
        .find(|task| job.task.as_ref() == Some(&task.arn))
        .expect("a task of its own")
}

#[test]
fn a_job_that_another_revision_began_gets_a_task_of_that_revision() {
    pool(231).run(async |world| {
        let mut definition: Value = world.cloud().stack().resources["WorkerTask"].properties.clone();
        definition["ContainerDefinitions"][0]["Image"] = "tidemill:before".into();
        let before = world.ecs().register_task_definition(definition).unwrap();
        assert_ne!(before, deployed(world));
        lose_worker_of(world, &before).await;
        assert_eq!(own_task(world).await.definition_arn, before);
    });
}

#[test]
fn a_revision_that_nobody_can_launch_any_more_gives_way_to_the_deployed_one() {
    pool(232).run(async |world| {
        let deployed = deployed(world);
        lose_worker_of(world, &format!("{}:99", deployed.rsplit_once(':').unwrap().0)).await;
        assert_eq!(own_task(world).await.definition_arn, deployed);
        let story = world.job(KEY).await.story;
        let launched = story.iter().find(|note| note.what == What::Launched).unwrap();
        assert!(launched.words.contains("with the image deployed now"), "{}", launched.words);
        assert_eq!(world.subjects(), Vec::<String>::new(), "nobody need do anything");
    });
}
