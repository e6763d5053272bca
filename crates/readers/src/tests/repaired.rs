//! Rows that are repaired where a pipeline asks for it.

use domain::manifest::REPAIRED;
use domain::pipelines::{Delimited, Header, Sign};

use super::*;

fn repairing() -> Options {
    Options {
        delimiter: Some(b','),
        repair: Some(10_000),
        table: Delimited {
            header: Some(Header::InFirstRow(true)),
            quote: Some(Sign::Is(b'"')),
            ..Delimited::default()
        },
        ..Options::default()
    }
}

/// The rows in pieces of several sizes, which must make no difference.
async fn repaired(text: &str, options: &Options) -> Vec<String> {
    let (checked, rows) = read(text.as_bytes(), options).await.unwrap();
    let marked = rows.iter().filter(|row| row.is_repaired).count();
    assert_eq!(marked as u64, checked.repaired);
    for size in [1, 3, 7] {
        let (again, same) = read_in(text.as_bytes(), options, size).await.unwrap();
        assert_eq!((again, same), (checked.clone(), rows.clone()), "in pieces of {size}");
    }
    rows.iter().map(line).collect()
}

fn mark(codes: &str, line: u64, raw: &str) -> String {
    format!("\"{REPAIRED}\":{{\"repaired\":[{codes}],\"line\":{line},\"raw\":{}}}", serde_json::json!(raw))
}

#[tokio::test]
async fn rows_that_do_not_fit_are_read_as_they_were_meant_and_say_so() {
    let good = "zip,name,land\n1,Oslo,NO\n2,\"Big \"\"Inn\"\"\",NL\n";
    for (row, fields, codes) in [
        ("1095,Joost", r#""zip":1095,"name":"Joost","land":null"#, "\"short_row\""),
        (
            "1015,\"Cafe \"De Tuin\" Amsterdam\",NL",
            r#""zip":1015,"name":"Cafe \"De Tuin\" Amsterdam","land":"NL""#,
            "\"stray_quote\"",
        ),
        ("7,\"open,SE", r#""zip":7,"name":"\"open","land":"SE""#, "\"stray_quote\""),
        ("7,'a, b','SE'", r#""zip":7,"name":"a, b","land":"SE""#, "\"other_quote\""),
        ("'7','a','SE'", r#""zip":7,"name":"a","land":"SE""#, "\"other_quote\""),
        ("7,\"a \\\"b\\\", c\",SE", r#""zip":7,"name":"a \"b\", c","land":"SE""#, "\"other_escape\""),
        ("7;a;SE", r#""zip":7,"name":"a","land":"SE""#, "\"other_delimiter\""),
        ("7\ta\tSE", r#""zip":7,"name":"a","land":"SE""#, "\"other_delimiter\""),
        ("7, \"a, b\", SE", r#""zip":7,"name":"a, b","land":"SE""#, "\"other_delimiter\""),
        ("ab,SE", r#""zip":"ab","name":"SE","land":null"#, "\"short_row\",\"wrong_type\""),
    ] {
        for end in ["\n", "\r\n", "\r", ""] {
            let text = format!("{good}{row}{end}");
            let rows = repaired(&text, &repairing()).await;
            assert_eq!(rows[2], format!("{{{fields},{}}}", mark(codes, 4, row)), "{row}");
            assert_eq!(rows[1], r#"{"zip":2,"name":"Big \"Inn\"","land":"NL"}"#, "{row}");
        }
    }
    let rows = repaired(&format!("{good}3,Bar,NL,5,x\n4,Bar,NL,\n"), &repairing()).await;
    assert!(rows[2].ends_with(r#""raw":"3,Bar,NL,5,x","extra":["5","x"]}}"#), "{}", rows[2]);
    assert!(rows[3].ends_with(r#""raw":"4,Bar,NL,","extra":[""]}}"#), "{}", rows[3]);
}

#[tokio::test]
async fn a_quoted_field_over_lines_is_one_and_an_open_quote_swallows_no_row() {
    let text = "id,text,end\n1,\"two\nlines, and\r\nmore\",x\n2,\"open,y\n3,fine,z\n4,\"a \"\"b\"\"\nc\",w\n";
    let rows = repaired(text, &repairing()).await;
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0], r#"{"id":1,"text":"two\nlines, and\r\nmore","end":"x"}"#);
    assert!(rows[1].starts_with(r#"{"id":2,"text":"\"open","end":"y","#), "{}", rows[1]);
    assert_eq!(rows[2], r#"{"id":3,"text":"fine","end":"z"}"#);
    assert_eq!(rows[3], r#"{"id":4,"text":"a \"b\"\nc","end":"w"}"#);
}

#[tokio::test]
async fn repaired_rows_move_no_type_and_a_declared_one_still_holds() {
    let text = "id,price\n1,2.50\n2,3.75\nx\n3,1.25\n";
    let rows = repaired(text, &repairing()).await;
    assert!(rows[0].contains(r#""id":1,"price":2.50"#), "{}", rows[0]);
    assert!(rows[2].contains(r#""id":"x","price":null"#), "{}", rows[2]);
    let declared = Options { columns: declared(&[("id", ColumnType::Number)]).columns, ..repairing() };
    assert_eq!(repaired(text, &declared).await[2], "wrong_type");
}

#[tokio::test]
async fn headers_are_completed_numbered_and_put_together() {
    let names = async |text: &str, options: &Options| {
        let (checked, _) = read(text.as_bytes(), options).await.unwrap();
        let names: Vec<String> = checked.schema.columns.iter().map(|it| it.name.to_string()).collect();
        (names.join("|"), checked.repaired)
    };
    let rows = "1,2,3\n4,5,6\n7,8,9\n";
    for (header, expected, count) in [
        ("a,b,c", "a|b|c", 0),
        ("a,b", "a|b|column_3", 0),
        ("a,,b,c", "a|b|c", 0),
        ("a,b,", "a|b|column_3", 0),
        ("a,,c", "a|column_2|c", 0),
        ("a,a,c", "a|a_2|c", 0),
        ("a,\"b,c", "a|\"b|c", 0),
    ] {
        assert_eq!(
            names(&format!("{header}\n{rows}"), &repairing()).await,
            (expected.to_owned(), count),
            "{header}"
        );
    }
    let mut two = repairing();
    two.table.header = Some(Header::InRows(2));
    let text = format!("size,,weight\nm,,kg\n{rows}");
    assert_eq!(names(&text, &two).await, ("size m|column_2|weight kg".to_owned(), 0));
    let strict = Options { repair: None, ..two };
    let text = format!("size,price,weight\nm,,kg\n{rows}");
    assert_eq!(names(&text, &strict).await.0, "size m|price|weight kg");
}

#[tokio::test]
async fn too_many_repaired_rows_fail_the_object_with_what_was_done() {
    let options = Options { repair: Some(5_000), ..repairing() };
    let text = "a,b\n1,2\n1\n2\n3,4\n5\n";
    let refused = bad(check(text.as_bytes(), &options, Tolerance::Any).await);
    assert_eq!(refused.reason, Reason::TooManyRepaired);
    assert_eq!(
        refused.message,
        "3 of 5 rows are repaired: short_row 3; the first is on line 3; max_repaired allows 50.00 %"
    );
}

#[tokio::test]
async fn an_object_of_open_quotes_is_not_read_over_and_over() {
    let text = "a,b,c\n".to_owned() + &"x\",\"y\n".repeat(2_000);
    let (checked, _) = read(text.as_bytes(), &repairing()).await.unwrap();
    assert_eq!(checked.rows, 2_000);
    let text = "a,b,c\n\"\n".to_owned() + &format!("{}\n\"\n", "junk\n".repeat(2_000)).repeat(10);
    read(text.as_bytes(), &repairing()).await.unwrap();
}
