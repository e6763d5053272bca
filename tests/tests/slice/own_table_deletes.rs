//! Objects that are deleted, and their items in a table of the user's own.

use std::{collections::BTreeMap, time::Duration};

use domain::job::Job;
use localcloud::{
    ecs::KillCause,
    faults::{Call, Delivery, Rule},
};
use serde_json::json;
use tests::{JobAsserts, Plan, TestEnv, call};

use crate::{
    deletes::{delete, erase},
    own_table::{KEY, csv, expected, names, people, slow_row},
};

const OTHER: &str = "uploads/acme/other.csv";

fn removing(seed: u64, keys: &str) -> Plan {
    people(seed, &format!("on_delete = \"remove\"\n{keys}"))
}

/// The jobs of the deletions so far.
async fn removals(env: &TestEnv) -> Vec<Job> {
    env.jobs().await.into_iter().filter(|job| job.removal.is_some()).collect()
}

/// How many items the only deletion so far removed.
async fn removed(env: &TestEnv) -> u64 {
    let jobs = removals(env).await;
    let [job] = &jobs[..] else { panic!("{jobs:#?}") };
    job.assert_done();
    job.progress().unwrap().table.unwrap().deleted
}

#[test]
fn the_items_of_a_deleted_object_go_and_no_others() {
    removing(331, "").run(async |env| {
        env.put_item("people", json!({ "id": { "N": "9" }, "name": { "S": "mine" } })).await;
        env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.settle().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        env.put(OTHER, csv(&[(3, "other")])).await;
        env.settle().await;
        delete(env, KEY).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[(3, "other"), (9, "mine")]));
        assert_eq!(removed(env).await, 2);
        assert_eq!(env.calls("dynamodb", "Scan"), 0, "the version was read again");
        let manifest = env.manifest(KEY).await.unwrap();
        assert_eq!(manifest.job, removals(env).await[0].id);
        env.put(KEY, csv(&[(1, "amy")])).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[(1, "amy"), (3, "other"), (9, "mine")]));
        assert_eq!((env.mails().len(), env.dead_letters().await), (0, vec![]));
    });
}

#[test]
fn what_older_versions_wrote_goes_too() {
    removing(332, "").run(async |env| {
        env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        env.put(KEY, csv(&[(2, "bea"), (3, "cid")])).await;
        env.settle().await;
        assert_eq!(names(env).len(), 3);
        delete(env, KEY).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[]));
        assert_eq!((removed(env).await, env.calls("dynamodb", "Scan")), (3, 0));
    });
}

#[test]
fn items_of_versions_that_the_bucket_has_no_more_are_found_in_the_table() {
    // The older version expires, as the rule for noncurrent versions has it, and then the object is deleted.
    removing(333, "").run(async |env| {
        let first = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        env.put(KEY, csv(&[(2, "bea")])).await;
        env.put(OTHER, csv(&[(5, "other")])).await;
        env.settle().await;
        erase(env, KEY, &first).await;
        env.settle().await;
        assert_eq!(removals(env).await.len(), 0, "of a version that is not visible nothing goes");
        delete(env, KEY).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[(5, "other")]));
        assert_eq!((removed(env).await, env.calls("dynamodb", "Scan")), (2, 1));
    });
    // The visible version is deleted for good.
    removing(334, "write = \"replace\"").run(async |env| {
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        erase(env, KEY, &version).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[]));
        assert_eq!((removed(env).await, env.calls("dynamodb", "Scan")), (2, 1));
    });
}

#[test]
fn a_version_that_replaced_the_older_ones_is_read_alone() {
    removing(335, "write = \"replace\"").run(async |env| {
        let first = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        env.put(KEY, csv(&[(2, "bea"), (3, "cid")])).await;
        env.settle().await;
        erase(env, KEY, &first).await;
        delete(env, KEY).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[]));
        assert_eq!((removed(env).await, env.calls("dynamodb", "Scan")), (2, 0));
    });
}

#[test]
fn a_worker_killed_while_it_removes_items_leaves_the_rest_to_the_next() {
    removing(336, "").run(async |env| {
        env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid"), (4, "dee")])).await;
        env.settle().await;
        env.on(call::delete_item("people").meets(Call::Throttle).first(3));
        env.on(call::delete_item("people").meets(Call::LoseAnswer).nth(4));
        env.on(call::delete_item("people").meets(Call::Delay(Duration::from_secs(20))).nth(5));
        delete(env, KEY).await;
        env.until("a delete", || (1..4).contains(&env.items("people").len())).await;
        assert!(env.ecs().kill(&env.running(), KillCause::OutOfMemory));
        env.settle().await;
        assert_eq!(names(env), expected(&[]));
        let jobs = removals(env).await;
        jobs[0].assert_done();
        assert!(jobs[0].fence > 1, "{jobs:#?}");
    });
}

#[test]
fn a_version_that_is_written_while_its_object_is_deleted_takes_back_its_items() {
    removing(337, "").run(async |env| {
        env.on(slow_row("ann"));
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.until("its first item", || !env.items("people").is_empty()).await;
        delete(env, KEY).await;
        env.settle().await;
        env.job_of(&version).await.assert_source_deleted();
        assert_eq!(names(env), expected(&[]));
    });
    // The same where its bytes are gone when it takes back.
    removing(338, "").run(async |env| {
        env.on(slow_row("ann"));
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.until("its first item", || !env.items("people").is_empty()).await;
        delete(env, KEY).await;
        erase(env, KEY, &version).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[]));
    });
}

#[test]
fn a_version_deleted_for_good_while_it_is_written_leaves_nothing_and_takes_no_older_item() {
    removing(339, "").run(async |env| {
        env.put(KEY, csv(&[(7, "gus"), (8, "hal")])).await;
        env.settle().await;
        env.on(slow_row("ann"));
        let second = env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.until("its first item", || names(env).len() > 2).await;
        erase(env, KEY, &second).await;
        env.settle().await;
        env.until("the removal", || names(env).len() == 2).await;
        assert_eq!(names(env), expected(&[(7, "gus"), (8, "hal")]));
        let jobs = env.jobs().await;
        let of_second = jobs
            .iter()
            .find(|job| job.removal.is_none() && job.object.version_id.as_deref() == Some(second.as_str()));
        of_second.unwrap().assert_source_deleted();
    });
}

#[test]
fn a_deletion_whose_event_comes_after_the_next_upload_removes_what_that_lacks() {
    removing(340, "").run(async |env| {
        env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        let bus = &env.cloud().services().events;
        bus.set_delivery_faults(Delivery { delay: Duration::from_secs(90), ..Delivery::default() });
        delete(env, KEY).await;
        bus.set_delivery_faults(Delivery::default());
        let second = env.put(KEY, csv(&[(2, "bea"), (3, "cid")])).await;
        env.until("the second version", || names(env).len() == 3).await;
        env.settle().await;
        env.job_of(&second).await.assert_done();
        env.until("the removal", || names(env).len() == 2).await;
        assert_eq!(names(env), expected(&[(2, "bea"), (3, "cid")]));
    });
}

#[test]
fn an_upload_that_is_published_before_the_items_are_removed_keeps_only_its_own() {
    removing(343, "").run(async |env| {
        env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        // The job of the deletion looks for versions when the next one is published.
        let late = Call::Delay(Duration::from_secs(150));
        env.on(Rule::new("s3", "ListObjectVersions", late).first(1));
        delete(env, KEY).await;
        env.until("the job of the deletion", || env.calls("s3", "ListObjectVersions") > 0).await;
        let second = env.put(KEY, csv(&[(2, "bea"), (3, "cid")])).await;
        env.until("the second version", || names(env).len() == 3).await;
        env.settle().await;
        env.job_of(&second).await.assert_done();
        assert_eq!(names(env), expected(&[(2, "bea"), (3, "cid")]));
        assert_eq!((removed(env).await, env.calls("dynamodb", "Scan")), (1, 0));
    });
}

#[test]
fn a_deletion_whose_function_dies_before_it_records_its_job_is_repeated() {
    removing(341, "").run(async |env| {
        env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        env.on(call::record_job(KEY).meets(Call::LoseRequest).first(9));
        delete(env, KEY).await;
        env.settle().await;
        assert_eq!((names(env), removed(env).await), (expected(&[]), 2));
    });
}

#[test]
fn the_sweep_finds_a_deletion_whose_event_was_lost() {
    // In a table of the user's own, and in the records table.
    for keys in ["table = \"people\"", ""] {
        let file = format!(
            "version = 1\n\n[[table]]\nname = \"people\"\npartition_key = {{ name = \"id\", type = \"N\" }}\n\n[[pipeline]]\n\
             name = \"people\"\nmatch = {{ prefix = \"uploads/\" }}\non_delete = \"remove\"\n{keys}\n"
        );
        TestEnv::plan(342).pipelines(&file).dedicated_tasks().run(async |env| {
            let (kept, again) = ("uploads/kept.csv", "uploads/again.csv");
            for (key, id) in [(KEY, 1), (kept, 2), (again, 3)] {
                env.put(key, csv(&[(id, "one")])).await;
            }
            env.settle().await;
            tokio::time::sleep(Duration::from_secs(2)).await;
            let bus = &env.cloud().services().events;
            bus.set_delivery_faults(Delivery { lose: 1.0, ..Delivery::default() });
            delete(env, KEY).await;
            delete(env, again).await;
            bus.set_delivery_faults(Delivery::default());
            env.put(again, csv(&[(4, "two")])).await;
            env.settle().await;
            // The sweep looks at what is at least ten minutes old.
            tokio::time::sleep(Duration::from_mins(30)).await;
            env.swept().await;
            env.settle().await;
            let manifest = env.manifest(KEY).await.unwrap();
            assert_eq!(manifest.records, 0);
            assert!(manifest.deleted.unwrap().reason.unwrap().contains("event was lost"));
            for key in [kept, again] {
                assert_eq!(env.manifest(key).await.unwrap().records, 1, "{key}");
            }
            if !keys.is_empty() {
                assert!(!names(env).contains_key(&1) && names(env).contains_key(&2), "{:?}", names(env));
            }
            // The next upload is later than the deletion, and the next sweep has nothing to do.
            env.put(KEY, csv(&[(1, "three")])).await;
            env.settle().await;
            tokio::time::sleep(Duration::from_mins(60)).await;
            env.swept().await;
            env.settle().await;
            assert_eq!(env.manifest(KEY).await.unwrap().records, 1);
            assert_eq!(env.dead_letters().await, []);
        });
    }
}

/// `replace` with `remove` makes a table mirror a folder: uploads, overwrites and deletions of three objects, while calls fail,
/// answers are lost, events come twice, late and in any order, and workers are killed.
#[test]
fn after_any_history_the_table_mirrors_the_folder() {
    let seeds = std::env::var("SEEDS").map_or(6, |text| text.parse().unwrap());
    let first = std::env::var("FIRST_SEED").map_or(0, |text| text.parse().unwrap());
    for seed in first..first + seeds {
        eprintln!("seed {seed}");
        // Without λ scaler nobody would launch another pooled worker for the jobs of deletions after one was killed.
        removing(3_000 + seed, "write = \"replace\"\nattempts = 10")
            .scheduled()
            .run(async |env| history(env, seed).await);
    }
}

async fn history(env: &TestEnv, seed: u64) {
    let services = env.cloud().services();
    for operation in ["PutItem", "DeleteItem", "UpdateItem", "Scan", "GetObject", "ListObjectVersions"] {
        env.on(Rule::new("*", operation, Call::Throttle).chance(0.04));
        env.on(Rule::new("*", operation, Call::LoseAnswer).chance(0.04));
    }
    let mut folder: BTreeMap<u32, BTreeMap<u32, String>> = BTreeMap::new();
    let mut versions: Vec<(u32, String)> = Vec::new();
    for n in 0..14 {
        services.events.set_delivery_faults(Delivery {
            duplicate: 0.2,
            delay: Duration::from_secs(fastrand::u64(..90)),
            ..Delivery::default()
        });
        let object = fastrand::u32(..3);
        let key = format!("uploads/t/{object}.csv");
        match fastrand::u8(..10) {
            0..=5 => {
                let rows: BTreeMap<u32, String> = (0..fastrand::u32(1..30))
                    .map(|row| (100 * object + fastrand::u32(..40), format!("{n}-{row}")))
                    .collect();
                let text: Vec<(u32, &str)> = rows.iter().map(|(id, name)| (*id, name.as_str())).collect();
                versions.push((object, env.put(&key, csv(&text)).await));
                folder.insert(object, rows);
            }
            6..=8 => {
                delete(env, &key).await;
                folder.remove(&object);
            }
            // The newest version goes for good behind its delete marker.
            _ if !folder.contains_key(&object) => {
                if let Some(at) = versions.iter().rposition(|(of, _)| *of == object) {
                    let (_, version) = versions.remove(at);
                    erase(env, &key, &version).await;
                }
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(500..40_000))).await;
        if fastrand::u8(..4) == 0
            && let Some(task) = services.ecs.tasks().pop()
        {
            services.ecs.kill(&task.arn, KillCause::OutOfMemory);
        }
    }
    env.settle().await;
    let wanted: BTreeMap<u32, String> = folder.into_values().flatten().collect();
    if names(env) != wanted {
        eprintln!("{}", env.state().await);
    }
    assert_eq!(names(env), wanted, "seed {seed}");
    assert_eq!(env.dead_letters().await, [], "seed {seed}");
}
