//! Forgetting an object that also left items in tables of the user's own.

use app::forget::{Forget, Forgotten, UnreadReport};
use aws::{dead_letters::DeadLetters, objects::Objects};
use domain::{
    drift::KnownColumns,
    sweep::{
        hour_of,
        report::{lines_key, summary_key},
    },
};
use serde_json::json;
use tests::TestEnv;

use crate::{
    deletes::erase,
    own_table::{KEY, csv, expected, names, people},
};

async fn forget(env: &TestEnv, key: &str) -> Forgotten {
    let (clients, outputs) = (env.clients(), env.cloud().outputs());
    let forget = Forget {
        ledger: env.ledger(),
        records: env.records(),
        fleet: env.fleet(),
        tables: env.own_tables(),
        objects: &Objects::new(clients),
        dead_letters: &DeadLetters::new(clients, &outputs["DeadLetterQueue"], &outputs["FailedJobsQueue"]),
        rejects_prefix: &outputs["RejectsPrefix"],
        reports_prefix: &outputs["ReportsPrefix"],
        dry_run: false,
    };
    forget.object(env.bucket(), key).await.unwrap()
}

#[test]
fn items_and_columns_of_a_forgotten_object_go_and_unreadable_reports_are_named() {
    people(361, "").run(async |env| {
        env.put_item("people", json!({ "id": { "N": "9" }, "name": { "S": "mine" } })).await;
        env.put("uploads/acme/other.csv", csv(&[(3, "other")])).await;
        env.settle().await;
        let first = env.put(KEY, "id,name,secret\n1,ann,x\n2,bob,y\n").await;
        env.settle().await;
        // What the older version wrote is of the object, too.
        let second = env.put(KEY, csv(&[(2, "bea")])).await;
        env.settle().await;
        assert_eq!(names(env).len(), 4);
        let job = env.job_of(&second).await;
        let hour = hour_of(job.settled_at().unwrap());
        let lines = lines_key("reports/", hour);
        let line = |id: &str| format!("{}\n", json!({ "v": 1, "job": id, "object": "o" }));
        env.put(&lines, format!("{}{}no JSON\n", line(job.id.as_str()), line("another"))).await;
        let summary = summary_key("reports/", hour);
        env.put(&summary, "{ \"cut\": ").await;
        for version in [&first, &second] {
            erase(env, KEY, version).await;
        }
        let forgotten = forget(env, KEY).await;
        assert_eq!(names(env), expected(&[(3, "other"), (9, "mine")]));
        assert_eq!((forgotten.jobs, forgotten.items, forgotten.reports, forgotten.columns), (2, 2, 1, 1));
        assert_eq!(env.text(&lines).await, format!("{}no JSON\n", line("another")));
        let [lined, summed] = &forgotten.unread[..] else { panic!("{:#?}", forgotten.unread) };
        assert_eq!((summed.key.as_str(), summed.line), (summary.as_str(), None));
        assert_eq!((lined.key.as_str(), lined.line), (lines.as_str(), Some(2)), "as it is now");
        let UnreadReport { problem, .. } = lined;
        assert!(problem.contains("expected"), "{problem}");
        let known = env.fleet().get_document_for::<KnownColumns>("people").await.unwrap().unwrap();
        let known = serde_json::to_string(&known).unwrap();
        assert!(!known.contains("secret") && !known.contains("people.csv"), "{known}");
        assert!(known.contains("other.csv"), "{known}");
        assert_eq!(forget(env, KEY).await, Forgotten::default(), "a repeat finds nothing");
    });
}

#[test]
fn a_table_whose_items_do_not_say_where_they_come_from_is_named() {
    people(362, "provenance = \"none\"").run(async |env| {
        let version = env.put(KEY, csv(&[(1, "ann")])).await;
        env.settle().await;
        erase(env, KEY, &version).await;
        let forgotten = forget(env, KEY).await;
        assert_eq!((forgotten.items, names(env)), (0, expected(&[(1, "ann")])));
        assert_eq!(forgotten.tables.into_iter().collect::<Vec<_>>(), ["people"]);
    });
}

#[test]
fn an_item_that_the_application_takes_over_meanwhile_stays() {
    people(363, "").run(async |env| {
        let version = env.put(KEY, csv(&[(1, "ann"), (2, "bob")])).await;
        env.settle().await;
        erase(env, KEY, &version).await;
        env.put_item("people", json!({ "id": { "N": "1" }, "name": { "S": "mine" } })).await;
        assert_eq!(forget(env, KEY).await.items, 1);
        assert_eq!(names(env), expected(&[(1, "mine")]));
    });
}
