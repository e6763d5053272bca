use std::sync::Arc;

use super::*;
use crate::{job::Job, pipelines::ColumnType};

fn source(key: &str, at: &str) -> Source {
    let mut job = Job::sample("", at.parse().unwrap());
    job.object.key = key.to_owned();
    let id = crate::job::JobId::derive("p", &job.object);
    Source { job: id, ..Source::of(&job, job.created_at) }
}

fn on(key: &str) -> Source {
    source(key, "2026-11-21T12:00:00Z")
}

/// Columns as `name:kind`, with `?` behind a name that some records lack.
fn observed(columns: &str) -> Observed {
    let columns = columns.split_whitespace().map(|column| {
        let (name, kinds) = column.split_once(':').unwrap();
        let kinds = Kinds::try_from(kinds.replace('+', ", ")).unwrap();
        let (name, in_every_record) = name.strip_suffix('?').map_or((name, true), |name| (name, false));
        ObservedColumn { name: Arc::from(name), kinds, in_every_record }
    });
    Observed { columns: columns.collect(), is_table: true, is_partial: false }
}

/// The names of JSON records.
fn records(columns: &str) -> Observed {
    Observed { is_table: false, ..observed(columns) }
}

fn policy(on_drift: OnDrift) -> Policy {
    Policy { on_drift, is_mixed: false }
}

fn after(known: &KnownColumns, columns: &str, source: &Source) -> Decision {
    decide(known, &observed(columns), Policy::default(), source)
}

fn first(columns: &str) -> KnownColumns {
    let decision = after(&KnownColumns::default(), columns, &on("first"));
    assert!(decision.drifts.is_empty(), "the first object is no drift");
    decision.next
}

#[test]
fn a_new_a_missing_and_a_changed_column_are_drifts_once() {
    let known = first("id:number zip:number note:text");
    let second = after(&known, "id:number zip:text tip:number", &on("second"));
    assert_eq!(
        second.drifts.sentence(),
        "new: \"tip\"; missing: \"note\"; changed: \"zip\" from number to text"
    );
    for (name, kind) in [("id", ColumnType::Number), ("zip", ColumnType::Text), ("tip", ColumnType::Number)] {
        assert_eq!(second.types[name], kind);
    }
    let third = after(&second.next, "id:number zip:text tip:number", &on("third"));
    assert_eq!((third.drifts, third.next), (Drifts::default(), second.next));
}

#[test]
fn text_stays_text_and_a_given_type_says_nothing() {
    let known = first("zip:text n: flag:boolean");
    // The check knew that zip is text, and n has a value for the first time.
    let second = after(&known, "zip: n:number flag:boolean", &on("second"));
    assert!(second.drifts.is_empty());
    assert_eq!(second.types["zip"], ColumnType::Text);
    assert_eq!(second.types["n"], ColumnType::Number);
    // Another job made it text while this one found numbers: that is no news.
    let late = after(&second.next, "zip:number n:number flag:boolean", &on("late"));
    assert_eq!((late.drifts, late.types["zip"]), (Drifts::default(), ColumnType::Text));
    let json = decide(
        &second.next,
        &records("zip:number n:number flag:boolean"),
        policy(OnDrift::Notify),
        &on("json"),
    );
    assert_eq!(json.drifts.sentence(), "changed: \"zip\" from text to number");
    // Numbers and true are one column of text.
    let third = after(&second.next, "zip: n: flag:number", &on("third"));
    assert_eq!(third.drifts.sentence(), "changed: \"flag\" from boolean to number");
    assert_eq!(third.types["flag"], ColumnType::Text);
}

#[test]
fn a_retry_finds_its_own_drifts_again() {
    let known = first("id:number");
    let made = after(&known, "id:text tip:number", &on("second"));
    let other = after(&made.next, "id:text tip:number", &on("third"));
    assert!(other.drifts.is_empty(), "another object has the same columns");
    let again = after(&other.next, "id: tip:number", &on("second"));
    assert_eq!((&again.drifts, &again.next), (&made.drifts, &made.next));
    // A replay of the first object lacks what came later, as any object would.
    let replayed = after(&again.next, "id:number", &on("first"));
    assert_eq!(replayed.drifts.sentence(), "missing: \"tip\"");
}

#[test]
fn what_is_rejected_is_not_remembered_and_what_is_accepted_is_silent() {
    let known = first("id:number");
    let rejected = decide(&known, &observed("id:number tip:text"), policy(OnDrift::Reject), &on("second"));
    assert!(rejected.is_rejected);
    assert_eq!((rejected.next, rejected.drifts.sentence().as_str()), (known.clone(), "new: \"tip\""));
    let accepted = decide(&known, &observed("tip:text"), policy(OnDrift::Accept), &on("second"));
    assert!(!accepted.is_rejected && accepted.drifts.is_empty());
    assert_eq!(accepted.next.groups[0].columns.len(), 2);
    let same = decide(&known, &observed("id:number"), policy(OnDrift::Reject), &on("third"));
    assert!(!same.is_rejected && same.drifts.is_empty());
}

#[test]
fn names_that_some_records_lack_are_never_missing() {
    let known = first("id:number note?:text");
    let second = decide(&known, &records("id:number+text"), policy(OnDrift::Notify), &on("second"));
    assert_eq!(second.drifts.sentence(), "changed: \"id\" from number to text and number");
    // Optional from now on, without a word: other records have it.
    let third = after(&second.next, "id?:text", &on("third"));
    let fourth = after(&third.next, "other:text", &on("fourth"));
    assert_eq!(fourth.drifts.sentence(), "new: \"other\"");
    let partial = Observed { is_partial: true, ..observed("other:text") };
    let partial = decide(&known, &partial, policy(OnDrift::Notify), &on("partial"));
    assert_eq!(partial.drifts.sentence(), "new: \"other\"");
}

/// Jobs that run at the same time add in any order: the columns known in the end are the same.
#[test]
fn the_order_of_objects_does_not_matter_for_the_columns() {
    let objects =
        ["id:number zip:number", "id:number zip:text", "id:number tip:boolean", "id:text note?:map"];
    let known = first("id:number zip:number");
    let all = |order: &[usize]| {
        order.iter().fold(known.clone(), |known, at| after(&known, objects[*at], &on(objects[*at])).next)
    };
    let of = |known: &KnownColumns| {
        let columns = known.groups[0].columns.iter();
        columns.map(|(name, it)| (name.clone(), it.kinds, it.is_optional)).collect::<Vec<_>>()
    };
    let forwards = of(&all(&[0, 1, 2, 3]));
    assert_eq!(forwards.iter().map(|(name, ..)| &**name).collect::<Vec<_>>(), ["id", "note", "tip", "zip"]);
    for order in [[3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let other = of(&all(&order));
        for (forwards, other) in forwards.iter().zip(&other) {
            assert_eq!((&forwards.0, forwards.1), (&other.0, other.1));
            // Whether objects lack a column is found by those that come after the first that has it.
            assert!(other.2 || other.0 != "zip");
        }
    }
}

#[test]
fn the_document_stays_within_its_bound_whatever_names_come() {
    let mut known = first("id:number");
    for object in 0..40 {
        let names: Vec<String> = (0..1_000).map(|n| format!("name-{object}-{n}:text")).collect();
        let columns = format!("id:number {}", names.join(" "));
        let decision = after(&known, &columns, &on(&format!("object {object}")));
        assert!(decision.drifts.listed.len() <= 20);
        known = decision.next;
    }
    assert!(known.is_full);
    let json = serde_json::to_string(&known).unwrap();
    assert!(json.len() < 380 << 10, "{}", json.len());
    // Nor does a mixed pipeline begin groups without end.
    let mixed = Policy { is_mixed: true, ..Policy::default() };
    for object in 0..40 {
        let source = on(&format!("other object {object}"));
        let decision = decide(&known, &observed(&format!("other-{object}:text")), mixed, &source);
        known = decision.next;
    }
    assert_eq!(known.groups.len(), 1);
    // A text is still a text for ever.
    let changed = after(&known, "id:text one-more:text", &on("last"));
    assert_eq!(changed.drifts.listed[0].column, "id");
    assert_eq!(changed.types["id"], ColumnType::Text);
    assert!(!changed.drifts.listed.iter().any(|drift| drift.change == Change::New), "it was full before");
}

#[test]
fn the_last_day_is_written_once_a_day() {
    let known = first("id:number");
    let later = after(&known, "id:number", &source("second", "2026-11-21T23:59:00Z"));
    assert_eq!(later.next, known);
    let tomorrow = after(&known, "id:number", &source("third", "2026-11-22T00:01:00Z"));
    assert_eq!(tomorrow.next.groups[0].columns["id"].last_day.to_string(), "2026-11-22");
    assert!(tomorrow.drifts.is_empty());
}

#[test]
fn it_is_stored_in_plain_words() {
    let known = first("id:number");
    let known = after(&known, "id:text", &on("second")).next;
    let json = serde_json::to_value(&known).unwrap();
    let column = &json["groups"][0]["columns"]["id"];
    assert_eq!(column["kinds"], "text, number");
    assert_eq!(column["changed"], serde_json::json!({ "by": 1, "before": "number", "found": "text" }));
    assert_eq!(serde_json::from_value::<KnownColumns>(json).unwrap(), known);
    assert_eq!(serde_json::from_str::<KnownColumns>("{}").unwrap(), KnownColumns::default());
    assert!(Kinds::try_from("date".to_owned()).is_err());
    let drifts = after(&first("id:number"), "id:number tip:text", &on("third")).drifts;
    let json = serde_json::to_string(&drifts).unwrap();
    assert_eq!(json, r#"{"listed":[{"column":"tip","change":"new"}],"total":1}"#);
}

/// Files that have nothing to do with each other do not drift from each other, and a column of one is not read as text
/// because another has a text under its name.
#[test]
fn a_mixed_pipeline_compares_objects_with_those_that_have_much_the_same_columns() {
    let mixed = Policy { is_mixed: true, ..Policy::default() };
    let add =
        |known: &KnownColumns, columns: &str, key: &str| decide(known, &observed(columns), mixed, &on(key));
    let orders = add(&KnownColumns::default(), "id:number code:text total:number", "orders");
    let people = add(&orders.next, "code:number name:text", "people");
    assert_eq!((people.drifts.total, people.next.groups.len()), (0, 2));
    assert_eq!(people.types["code"], ColumnType::Number);
    let known = |columns: &KnownColumns| Known {
        columns: Arc::new(columns.clone()),
        policy: mixed,
        job: on("later").job,
    };
    let texts = |names: &[&'static str]| known(&people.next).text_columns(names.iter().copied());
    assert_eq!(texts(&["id", "code", "total"]).into_iter().collect::<Vec<_>>(), ["code"]);
    assert_eq!(texts(&["code", "name"]).into_iter().collect::<Vec<_>>(), ["name"]);
    assert!(texts(&["code", "and", "others"]).is_empty());
    // Half of all columns are known: this is an order with other columns.
    let other = add(&people.next, "id:number code: tip:number", "orders of today");
    assert_eq!(other.drifts.sentence(), "new: \"tip\"; missing: \"total\"");
    // What became of it changes nothing for an attempt that comes later.
    let again = add(&other.next, "id:number code: tip:number", "orders of today");
    assert_eq!((again.drifts, again.next), (other.drifts, other.next));
}

#[test]
fn a_pipeline_that_takes_whatever_comes_is_mixed_unless_it_says_what_a_drift_means() {
    let of = |keys: &str| Policy::of(&Job::sample(keys, on("k").at).pipeline, "uploads/");
    for mixed in [
        "match = { prefix = \"uploads/\" }",
        "match = { prefix = \"upl\", suffix = \".csv.gz\" }",
        "match = { suffix = \".csv\" }\non_drift = \"accept\"",
    ] {
        assert!(of(mixed).is_mixed, "{mixed}");
    }
    for one in [
        "match = { prefix = \"uploads/orders/\" }",
        "match = { prefix = \"uploads/or\" }\non_drift = \"accept\"",
        "match = { prefix = \"uploads/\", suffix = \"orders.csv\" }",
        "match = { prefix = \"uploads/\" }\non_drift = \"notify\"",
    ] {
        assert!(!of(one).is_mixed, "{one}");
    }
    assert_eq!(of("match = { prefix = \"uploads/\" }").on_drift, OnDrift::Notify);
    let reject = of("match = { prefix = \"uploads/\" }\non_drift = \"reject\"");
    assert_eq!(reject, Policy { on_drift: OnDrift::Reject, is_mixed: false });
}

#[test]
fn an_empty_object_lacks_every_column_each_time() {
    let known = first("id:number note?:text zip:text");
    for key in ["empty", "empty too"] {
        let empty = after(&known, "", &on(key));
        assert_eq!((empty.drifts.sentence().as_str(), &empty.next), ("missing: \"id\", \"zip\"", &known));
        assert!(!empty.is_rejected);
    }
    let decide = |policy| decide(&known, &observed(""), policy, &on("empty"));
    assert!(decide(policy(OnDrift::Reject)).is_rejected);
    assert!(decide(policy(OnDrift::Accept)).drifts.is_empty());
    assert!(decide(Policy { is_mixed: true, ..Policy::default() }).drifts.is_empty());
    let nothing = after(&KnownColumns::default(), "", &on("empty"));
    assert_eq!(nothing, Decision::default());
    let nothing =
        super::decide(&KnownColumns::default(), &observed(""), policy(OnDrift::Reject), &on("empty"));
    assert!(!nothing.is_rejected);
}

#[test]
fn an_object_that_takes_all_records_away_is_reported() {
    let known = first("id:number");
    let of = |on_drift, records| {
        let policy = Policy { on_drift, is_mixed: true };
        decide(&known, &observed("id:"), policy, &on("header only")).emptying(records, &known, policy)
    };
    let reported = of(OnDrift::Notify, 1_234);
    assert_eq!(reported.drifts.sentence(), "no records, where its older version has 1,234");
    assert_eq!((reported.drifts.count(), reported.is_rejected), (1, false));
    assert!(of(OnDrift::Reject, 1).is_rejected && !of(OnDrift::Reject, 0).is_rejected);
    assert!(of(OnDrift::Accept, 1).drifts.is_empty() && of(OnDrift::Notify, 0).drifts.is_empty());
}

#[test]
fn forgetting_an_object_takes_its_name_and_what_only_it_had() {
    let known = first("id:number zip:number");
    let second = source("second", "2026-11-22T12:00:00Z");
    let known = after(&known, "id:number zip:number secret:text shared:text", &second).next;
    let mut known = after(&known, "id:number shared:text", &source("third", "2026-11-23T12:00:00Z")).next;
    assert_eq!(known.forget(&[&second.job]), 1);
    let group = &known.groups[0];
    assert_eq!(group.columns.keys().collect::<Vec<_>>(), ["id", "shared", "zip"]);
    let stored = serde_json::to_string(&known).unwrap();
    assert!(!stored.contains("second") && !stored.contains("secret"), "{stored}");
    assert_eq!(known.clone().forget(&[&second.job]), 0, "a repeat");
    let mut alone = first("id:number");
    assert_eq!(alone.forget(&[&on("first").job]), 1);
    assert_eq!(alone, KnownColumns::default());
}
