//! Records in a table of the user's own.

use std::{collections::BTreeMap, time::Duration};

use localcloud::{
    ecs::KillCause,
    faults::{Call, Delivery, Rule},
};
use serde_json::{Value, json};
use tests::{JobAsserts, Plan, TestEnv, call};

pub(crate) const KEY: &str = "uploads/acme/people.csv";

const PEOPLE: &str = r#"
[[table]]
name = "people"
partition_key = { name = "id", type = "N" }

[[pipeline]]
name = "people"
match = { prefix = "uploads/{tenant}/" }
table = "people"
"#;

/// A pipeline that writes to the table `people`, with these further keys.
pub(crate) fn people(seed: u64, keys: &str) -> Plan {
    TestEnv::plan(seed).pipelines(&format!("version = 1\n{PEOPLE}{keys}\n")).dedicated_tasks()
}

pub(crate) fn csv(rows: &[(u32, &str)]) -> String {
    let rows = rows.iter().map(|(id, name)| format!("{id},{name}\n"));
    std::iter::once("id,name\n".to_owned()).chain(rows).collect()
}

/// The names in the table, by their ids.
pub(crate) fn names(env: &TestEnv) -> BTreeMap<u32, String> {
    let items = env.items("people").into_iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items.map(|item| (text(&item["id"]["N"]).parse().unwrap(), text(&item["name"]["S"]))).collect()
}

pub(crate) fn expected(rows: &[(u32, &str)]) -> BTreeMap<u32, String> {
    rows.iter().map(|(id, name)| (*id, (*name).to_owned())).collect()
}

/// The row with this name is written minutes late.
pub(crate) fn slow_row(name: &'static str) -> Rule {
    let writes = call::write_record("people").only(move |input| input["Item"]["name"]["S"] == name);
    writes.meets(Call::Delay(Duration::from_secs(150))).first(1)
}

async fn counts(env: &TestEnv, version: &str) -> String {
    let job = env.job_of(version).await;
    job.assert_done();
    job.progress().unwrap().table.unwrap().to_string()
}

#[test]
fn two_pipelines_share_one_table_with_composite_keys() {
    let file = r#"
version = 1

[[table]]
name = "shop"
partition_key = { name = "PK", type = "S" }
sort_key = { name = "SK", type = "S" }

[[pipeline]]
name  = "orders"
match = { prefix = "uploads/{tenant}/orders/{day}/" }
table = "shop"
key   = { PK = "CUSTOMER#{tenant}#{customer_id}", SK = "ORDER#{order_id}" }
set   = { source = "{s3.key}", day = "{day}", expires_at = "{order_date|epoch|+90d}" }
columns = { total = "number", zip = "text" }
rename = { "Order Total" = "total" }
omit  = ["comment"]

[[pipeline]]
name  = "customers"
match = { prefix = "uploads/{tenant}/customers/" }
table = "shop"
key   = { PK = "CUSTOMER#{tenant}#{customer_id}", SK = "PROFILE" }
"#;
    TestEnv::plan(301).pipelines(file).dedicated_tasks().run(async |env| {
        let orders = "customer_id,order_id,Order Total,comment,order_date,zip\n7,A-1,9.50,hello,1970-01-02,01001\n";
        let order = "uploads/acme/orders/2026-01-02/a.csv";
        env.put(order, orders).await;
        env.put("uploads/acme/customers/all.jsonl", "{\"customer_id\":7.0,\"name\":\"Ann\"}\n").await;
        env.settle().await;
        let mut items = env.items("shop");
        items.sort_by_key(|item| item["SK"]["S"].as_str().map(str::to_owned));
        for item in &mut items {
            let provenance = item["_tidemill"]["M"].take();
            assert_eq!(provenance["row"]["N"], "1", "{provenance}");
            assert!(provenance["object"]["S"].as_str().unwrap().starts_with("s3://"), "{provenance}");
            item.as_object_mut().unwrap().remove("_tidemill");
        }
        let customer = json!({ "S": "CUSTOMER#acme#7" });
        assert_eq!(
            items,
            [
                json!({
                    "PK": customer, "SK": { "S": "ORDER#A-1" }, "customer_id": { "N": "7" }, "order_id": { "S": "A-1" },
                    "total": { "N": "9.5" }, "order_date": { "S": "1970-01-02" }, "zip": { "S": "01001" },
                    "source": { "S": order }, "day": { "S": "2026-01-02" }, "expires_at": { "N": "7862400" },
                }),
                json!({
                    "PK": customer, "SK": { "S": "PROFILE" }, "customer_id": { "N": "7" }, "name": { "S": "Ann" },
                }),
            ]
        );
        assert_eq!(env.contents().rows, 0, "nothing in the records table but the manifests");
    });
}

#[test]
fn of_an_object_the_last_row_of_a_key_wins_and_the_others_are_counted() {
    people(302, "").run(async |env| {
        let rows = "id,name\n1,ann\n2,bob\n1.0,abe\n01e0,art\n";
        let version = env.put(KEY, rows).await;
        env.settle().await;
        assert_eq!(names(env), expected(&[(1, "art"), (2, "bob")]));
        assert_eq!(
            counts(env, &version).await,
            "2 records written, 2 left out for a later row of the same key"
        );
    });
}

#[test]
fn repeated_keys_can_be_bad_rows() {
    let rows = csv(&[(1, "ann"), (2, "bob"), (1, "abe")]);
    people(303, "duplicate_keys = \"reject\"").run(async |env| {
        env.put(KEY, rows.clone()).await;
        env.settle().await;
        env.job(KEY).await.assert_failed().assert_reason("repeated_key");
        assert_eq!(names(env), expected(&[]), "nothing is written of an object that does not pass");
    });
    let skip = "duplicate_keys = \"reject\"\nbad_rows = \"skip\"\nmax_rejected = \"50%\"";
    people(304, skip).run(async |env| {
        env.put(KEY, rows.clone()).await;
        env.settle().await;
        assert_eq!(env.job(KEY).await.rejected(), 1);
        assert_eq!(names(env), expected(&[(1, "ann"), (2, "bob")]));
    });
}

#[test]
fn a_late_older_version_changes_nothing_that_is_newer() {
    people(305, "").run(async |env| {
        env.on(slow_row("ann"));
        let first = env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.until("its first item", || !env.items("people").is_empty()).await;
        let second = env.put(KEY, csv(&[(1, "abe"), (2, "bea")])).await;
        env.settle().await;
        env.job_of(&first).await.assert_superseded();
        assert_eq!(counts(env, &second).await, "2 records written");
        // What a newer version does not have stays, unless write is "replace".
        assert_eq!(names(env), expected(&[(1, "abe"), (2, "bea"), (3, "cid")]));
    });
}

#[test]
fn of_two_objects_the_later_one_wins_whatever_runs_first() {
    people(306, "").run(async |env| {
        // The first object's row of the key that both have is written late.
        env.on(slow_row("bob"));
        let first = env.put("uploads/acme/a.csv", csv(&[(1, "ann"), (2, "bob")])).await;
        // S3's events have whole seconds.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let second = env.put("uploads/acme/b.csv", csv(&[(2, "bea"), (3, "cid")])).await;
        env.settle().await;
        assert_eq!(counts(env, &first).await, "1 record written, 1 superseded by later objects");
        assert_eq!(counts(env, &second).await, "2 records written");
        assert_eq!(names(env), expected(&[(1, "ann"), (2, "bea"), (3, "cid")]));
    });
}

#[test]
fn insert_leaves_what_is_there() {
    people(307, "write = \"insert\"").run(async |env| {
        env.put_item("people", json!({ "id": { "N": "1" }, "name": { "S": "mine" } })).await;
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        assert_eq!(counts(env, &version).await, "1 record written, 1 kept as they were");
        let newer = env.put(KEY, csv(&[(2, "bea"), (3, "cid")])).await;
        env.settle().await;
        assert_eq!(counts(env, &newer).await, "1 record written, 1 kept as they were");
        assert_eq!(names(env), expected(&[(1, "mine"), (2, "bob"), (3, "cid")]));
    });
}

#[test]
fn a_worker_that_dies_over_an_insert_counts_its_own_items_as_written() {
    people(308, "write = \"insert\"").run(async |env| {
        env.on(call::write_record("people").meets(Call::Delay(Duration::from_secs(4))).first(3));
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid"), (4, "dee")])).await;
        env.until("an item", || !env.items("people").is_empty()).await;
        assert!(env.ecs().kill(&env.running(), KillCause::OutOfMemory));
        env.settle().await;
        assert_eq!(counts(env, &version).await, "4 records written");
        assert_eq!(names(env), expected(&[(1, "ann"), (2, "bob"), (3, "cid"), (4, "dee")]));
    });
}

#[test]
fn merge_leaves_the_attributes_that_the_application_added() {
    people(309, "write = \"merge\"").run(async |env| {
        env.put_item(
            "people",
            json!({ "id": { "N": "1" }, "name": { "S": "old" }, "likes": { "S": "tea" } }),
        )
        .await;
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        assert_eq!(counts(env, &version).await, "2 records written");
        assert_eq!(names(env), expected(&[(1, "ann"), (2, "bob")]));
        let items = env.items("people");
        assert!(items.iter().any(|item| item["likes"]["S"] == "tea"), "{items:?}");
    });
}

#[test]
fn replace_deletes_what_a_newer_version_lacks() {
    people(310, "write = \"replace\"").run(async |env| {
        env.put_item("people", json!({ "id": { "N": "9" }, "name": { "S": "mine" } })).await;
        env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid"), (4, "dee")])).await;
        env.settle().await;
        // Another object has taken over one of its items.
        env.put("uploads/acme/other.csv", csv(&[(4, "other")])).await;
        env.settle().await;
        let newer = env.put(KEY, csv(&[(2, "bea"), (5, "eve")])).await;
        env.settle().await;
        assert_eq!(counts(env, &newer).await, "2 records written, 2 deleted");
        assert_eq!(names(env), expected(&[(2, "bea"), (4, "other"), (5, "eve"), (9, "mine")]));
    });
}

#[test]
fn a_worker_killed_in_the_middle_of_replace_leaves_its_work_to_the_next() {
    people(311, "write = \"replace\"").run(async |env| {
        env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.settle().await;
        env.on(call::delete_item("people").meets(Call::Delay(Duration::from_secs(4))).nth(2));
        let newer = env.put(KEY, csv(&[(1, "abe")])).await;
        env.until("a delete", || env.items("people").len() == 2).await;
        assert!(env.ecs().kill(&env.running(), KillCause::OutOfMemory));
        env.settle().await;
        env.job_of(&newer).await.assert_done();
        assert_eq!(names(env), expected(&[(1, "abe")]));
    });
}

#[test]
fn a_version_that_was_overtaken_takes_back_what_it_wrote() {
    people(312, "write = \"replace\"").run(async |env| {
        env.on(slow_row("ann"));
        let first = env.put(KEY, csv(&[(1, "ann"), (2, "bob"), (3, "cid")])).await;
        env.until("its first item", || !env.items("people").is_empty()).await;
        let second = env.put(KEY, csv(&[(2, "bea")])).await;
        env.settle().await;
        env.job_of(&first).await.assert_superseded();
        env.job_of(&second).await.assert_done();
        assert_eq!(names(env), expected(&[(2, "bea")]));
    });
}

#[test]
fn what_an_older_version_writes_until_its_own_publish_is_deleted_too() {
    people(313, "write = \"replace\"").run(async |env| {
        env.on(slow_row("ann"));
        let first = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.until("its first item", || !env.items("people").is_empty()).await;
        // It has looked for items to delete by then, and is published after the first.
        env.on(call::publish().meets(Call::Delay(Duration::from_secs(200))).nth(1));
        let second = env.put(KEY, csv(&[(2, "bea")])).await;
        env.settle().await;
        assert_eq!(counts(env, &first).await, "2 records written");
        assert_eq!(counts(env, &second).await, "1 record written, 1 deleted");
        assert_eq!(names(env), expected(&[(2, "bea")]));
    });
}

#[test]
fn without_provenance_items_go_in_batches() {
    people(313, "provenance = \"none\"").run(async |env| {
        let rows: Vec<(u32, String)> = (0..60).map(|n| (n % 50, format!("name {n}"))).collect();
        let rows: Vec<(u32, &str)> = rows.iter().map(|(id, name)| (*id, name.as_str())).collect();
        let version = env.put(KEY, csv(&rows)).await;
        env.settle().await;
        assert_eq!(names(env), expected(&rows), "of equal keys the last one is in the map");
        assert_eq!(
            counts(env, &version).await,
            "50 records written, 10 left out for a later row of the same key"
        );
        assert!(env.items("people").iter().all(|item| item.get("_tidemill").is_none()));
        assert_eq!(env.calls("dynamodb", "BatchWriteItem"), 2);
    });
}

#[test]
fn a_table_that_is_not_there_is_named_with_what_to_do() {
    let file = "version = 1\n[[pipeline]]\nname = \"people\"\ntable = \"people\"\n";
    TestEnv::plan(314)
        .parameter("TableArns", "arn:aws:dynamodb:us-east-1:123456789012:table/people")
        .pipelines(file)
        .dedicated_tasks()
        .run(async |env| {
            env.put(KEY, csv(&[(1, "ann")])).await;
            env.until("the job's return", || env.ecs_launches() == 2).await;
            let job = env.job(KEY).await;
            let said = &job.history[0].verdict;
            assert_eq!(said.code.as_str(), "misconfigured");
            assert!(
                said.message.contains(
                    "table people does not exist; create it, or correct table in the pipelines file"
                ),
                "{said:?}"
            );
        });
    TestEnv::plan(315).pipelines(file).dedicated_tasks().run(async |env| {
        env.put(KEY, csv(&[(1, "ann")])).await;
        env.until("the job's return", || env.ecs_launches() == 2).await;
        let said = env.job(KEY).await.history[0].verdict.clone();
        assert!(said.message.contains("add its ARN to the stack's parameter TableArns"), "{said:?}");
    });
}

/// Uploads and overwrites of objects that share keys, while calls fail, answers are lost, events come twice and workers are
/// killed: in the end the table is what the newest versions say.
#[test]
fn after_any_history_the_table_is_what_the_newest_versions_say() {
    let seeds = std::env::var("SEEDS").map_or(8, |text| text.parse().unwrap());
    for seed in 0..seeds {
        let mode = ["upsert", "replace"][usize::try_from(seed % 2).unwrap()];
        people(seed, &format!("write = \"{mode}\"\nattempts = 10")).run(async |env| {
            let services = env.cloud().services();
            services.events.set_delivery_faults(Delivery { duplicate: 0.2, ..Delivery::default() });
            for operation in ["PutItem", "DeleteItem"] {
                env.on(Rule::new("dynamodb", operation, Call::Throttle).chance(0.05));
                env.on(Rule::new("dynamodb", operation, Call::LoseAnswer).chance(0.05));
            }
            let mut uploaded = Vec::new();
            for n in 0..8 {
                let object = fastrand::u32(..3);
                let key = format!("uploads/t/{object}.csv");
                // Objects share ids, unless they replace.
                let first = if mode == "replace" { 100 * object } else { 0 };
                let rows: Vec<(u32, String)> = (0..fastrand::u32(1..40))
                    .map(|row| (first + fastrand::u32(..60), format!("{n}-{row}")))
                    .collect();
                let text: Vec<(u32, &str)> = rows.iter().map(|(id, name)| (*id, name.as_str())).collect();
                let version = env.put(&key, csv(&text)).await;
                uploaded.push((version, key, rows));
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1_500..60_000))).await;
                if fastrand::u8(..3) == 0
                    && let Some(task) = services.ecs.tasks().pop()
                {
                    services.ecs.kill(&task.arn, KillCause::OutOfMemory);
                }
            }
            env.settle().await;
            let newest = |at: usize| !uploaded[at + 1..].iter().any(|(_, key, _)| *key == uploaded[at].1);
            let found = names(env);
            let mut wanted: BTreeMap<u32, String> = BTreeMap::new();
            for (_, (_, _, rows)) in uploaded.iter().enumerate().filter(|(at, _)| newest(*at)) {
                wanted.extend(rows.iter().cloned());
            }
            if mode == "upsert" {
                // Items of older versions stay, and one may be later than a newest version of another object.
                assert!(wanted.keys().all(|id| found.contains_key(id)), "seed {seed}");
                for (id, name) in &found {
                    let n: usize = name.split('-').next().unwrap().parse().unwrap();
                    let later = uploaded[n + 1..].iter().enumerate().any(|(at, (_, _, rows))| {
                        newest(n + 1 + at) && rows.iter().any(|(other, _)| other == id)
                    });
                    assert!(!later, "seed {seed}: {id} is {name}, and a newer object has it too");
                }
            } else {
                assert_eq!(found, wanted, "seed {seed}");
            }
        });
    }
}
