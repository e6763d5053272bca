//! What a check finds out about columns, for the next object of the same pipeline.

use domain::{
    drift::{Kind, Known, KnownColumns, Observed, ObservedColumn, Policy, Source, decide},
    job::JobId,
    pipelines::ColumnType,
};

use crate::{Options, Rows, Tolerance, check};

async fn observed(text: &'static str, options: &Options) -> Vec<(String, String, bool)> {
    let checked = check(text.as_bytes(), options, Tolerance::None).await.unwrap();
    assert!(!checked.observed.is_partial);
    let columns = checked.observed.columns.iter();
    columns.map(|it| (it.name.to_string(), it.kinds.to_string(), it.in_every_record)).collect()
}

fn row(name: &str, kinds: &str, in_every_record: bool) -> (String, String, bool) {
    (name.to_owned(), kinds.to_owned(), in_every_record)
}

#[tokio::test]
async fn of_a_column_without_values_or_with_a_given_type_nothing_is_known() {
    let mut options = Options::default();
    options.columns.insert("given".into(), ColumnType::Text);
    let text = "id,zip,none,nulls,ok,given\n1,01001,,NULL,true,5\n2,94110,,,false,6\n";
    let found = observed(text, &options).await;
    let expected = [
        row("id", "number", true),
        row("zip", "text", true),
        row("none", "", true),
        row("nulls", "", true),
        row("ok", "boolean", true),
        row("given", "", true),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn names_of_json_records_have_all_their_kinds() {
    let text = "{\"a\":1,\"b\":null}\n{\"b\":null,\"a\":\"x\",\"c\":[1]}\n{\"a\":true,\"b\":null,\"c\":{}}\n";
    let expected =
        [row("a", "text, number, boolean", true), row("b", "", true), row("c", "list, map", false)];
    assert_eq!(observed(text, &Options::default()).await, expected);
}

#[tokio::test]
async fn ever_new_names_are_kept_up_to_a_bound() {
    let text: String = (0..5_000).map(|n| format!("{{\"id\":{n},\"n{n}\":1}}\n")).collect();
    let text: &'static str = text.leak();
    let checked = check(text.as_bytes(), &Options::default(), Tolerance::None).await.unwrap();
    assert!(checked.observed.is_partial);
    assert_eq!(checked.observed.columns.len(), 4_096);
    assert!(checked.observed.columns[0].in_every_record && !checked.observed.columns[1].in_every_record);
}

/// A number out of range is a fault of a column of numbers, and none of a column that is known as text.
#[tokio::test]
async fn a_column_that_was_text_is_text_to_the_last_row() {
    let text = "id,zip\n1,94110\n2,1234567890123456789012345678901234567890\n";
    let mut options = Options::default();
    assert!(check(text.as_bytes(), &options, Tolerance::None).await.is_err());
    let at = "2026-11-28T00:00:00Z".parse().unwrap();
    let job = |digit: &str| JobId::parse(&digit.repeat(32)).unwrap();
    let source = Source { job: job("1"), object: String::new(), at };
    let column =
        |name: &str| ObservedColumn { name: name.into(), kinds: Kind::Text.into(), in_every_record: true };
    let columns = ["zip", "not there"].map(column).into();
    let earlier = Observed { columns, is_table: true, is_partial: false };
    let columns = decide(&KnownColumns::default(), &earlier, Policy::default(), &source).next;
    options.known = Some(Known { columns: columns.into(), policy: Policy::default(), job: job("2") });
    let checked = check(text.as_bytes(), &options, Tolerance::None).await.unwrap();
    assert_eq!((checked.rows, checked.rejected), (2, 0));
    let mut rows = Rows::open(text.as_bytes(), &options, Some(&checked.schema)).await.unwrap();
    let first = rows.next().await.unwrap().unwrap().content.unwrap();
    assert_eq!(format!("{:?}", first[1]), r#"("zip", Text("94110"))"#);
    // What a pipeline declares goes before what other objects had.
    options.columns.insert("zip".into(), ColumnType::Number);
    assert!(check(text.as_bytes(), &options, Tolerance::None).await.is_err());
}
