//! Delimited text.

use super::*;

#[tokio::test]
async fn quotes_line_ends_and_blank_lines_are_read_as_the_rfc_has_them() {
    let text = b"a,b\r\n1,\"x, \"\"y\"\"\r\nz\"\n\n\r\n2,plain \"quote\"\r3,\r\n\"4\",\"\"";
    assert_eq!(
        lines(text, &csv_options()).await,
        [
            r#"{"a":1,"b":"x, \"y\"\r\nz"}"#,
            r#"{"a":2,"b":"plain \"quote\""}"#,
            r#"{"a":3,"b":""}"#,
            r#"{"a":4,"b":""}"#,
        ]
    );
}

#[tokio::test]
async fn the_delimiter_is_found_by_what_is_consistent() {
    for (text, dialect) in [
        ("a,b\n1,2\n", Dialect::of(b',')),
        ("a\tb\nx, y\tz\n", Dialect::of(b'\t')),
        ("a;b\n1,5;2,5\n", Dialect::of(b';')),
        ("a|b|c\n1|2|3\n", Dialect::of(b'|')),
        ("a;b\n\"x;y\";z\n", Dialect::of(b';')),
        ("single\nvalue\n", Dialect::one_column(false)),
    ] {
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!(checked.schema.layout, Layout::Delimited(dialect), "{text}");
        assert_eq!(checked.rejected, 0, "{text}");
    }
}

#[tokio::test]
async fn a_single_column_keeps_its_values_whole() {
    assert_eq!(lines(b"name\nx\ny z\n", &Options::default()).await, [r#"{"name":"x"}"#, r#"{"name":"y z"}"#]);
}

#[tokio::test]
async fn nothing_and_a_header_alone_are_no_rows() {
    for text in ["", "\n\n", "a,b", "a,b\n", "\u{feff}", "\u{feff}a,b\r\n"] {
        let (checked, rows) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!((rows.len(), checked.rejected), (0, 0), "{text:?}");
    }
}

#[tokio::test]
async fn a_column_has_the_type_all_of_its_values_have() {
    for (values, kind) in [
        (&["1", "", "-2.5", ".097", "1e-7"][..], ColumnType::Number),
        (&["\"1\"", "2"], ColumnType::Number),
        (&["1", "007"], ColumnType::Text),
        (&["1", "12E4"], ColumnType::Text),
        (&["1", " 2"], ColumnType::Text),
        (&["true", "", "FALSE"], ColumnType::Boolean),
        (&["true", "1"], ColumnType::Text),
        (&["true", "yes"], ColumnType::Text),
        (&["", ""], ColumnType::Text),
        // Ids too long for any number, all of them.
        (
            &["1234567890123456789012345678901234567890", "2234567890123456789012345678901234567891"],
            ColumnType::Text,
        ),
        (&["1234567890123456789012345678901234567890", "x"], ColumnType::Text),
    ] {
        let text = format!("k,v\n{}", values.iter().map(|value| format!("x,{value}\n")).collect::<String>());
        let (checked, rows) = read(text.as_bytes(), &csv_options()).await.unwrap();
        assert_eq!(checked.schema.columns[1].kind, kind, "{values:?}");
        assert_eq!(checked.rejected, 0, "{values:?}");
        for (row, value) in rows.iter().zip(values) {
            let empty = value.is_empty() && kind != ColumnType::Text;
            assert_eq!(*field(row, "v") == Value::Null, empty, "{values:?}");
        }
    }
}

#[tokio::test]
async fn a_number_out_of_range_costs_its_row_only_in_a_column_of_numbers() {
    let long = "1".repeat(39);
    let text = format!("n,t\n1,1\n{long},{long}\n3,x\n1E+126,y\n");
    assert_eq!(
        lines(text.as_bytes(), &csv_options()).await,
        [r#"{"n":1,"t":"1"}"#, "number_out_of_range", r#"{"n":3,"t":"x"}"#, "number_out_of_range"]
    );
    let refused = bad(check(arriving(text.as_bytes(), 7), &csv_options(), Tolerance::None).await);
    assert_eq!((refused.reason, refused.line()), (Reason::NumberOutOfRange, Some(3)));
    assert!(refused.message.contains("declare the column text"));
    let text = format!("n\n1\n{long}\n");
    assert_eq!(
        lines(text.as_bytes(), &declared(&[("n", ColumnType::Text)])).await,
        [r#"{"n":"1"}"#.to_owned(), format!("{{\"n\":\"{long}\"}}")]
    );
}

#[tokio::test]
async fn many_ways_to_be_out_of_range_are_given_up_at_some_point() {
    let long = "1".repeat(39);
    let mut text = (0..10).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",") + "\n";
    text += &(["1"; 10].join(",") + "\n");
    for combination in 1..400 {
        let row: Vec<_> = (0..10).map(|bit| if combination >> bit & 1 == 1 { &*long } else { "1" }).collect();
        text += &(row.join(",") + "\n");
    }
    let refused = bad(check(arriving(text.as_bytes(), 9_999), &csv_options(), Tolerance::Any).await);
    assert_eq!((refused.reason, refused.line()), (Reason::NumberOutOfRange, Some(259)));
}

#[tokio::test]
async fn a_declared_type_wins() {
    let options = declared(&[("n", ColumnType::Number), ("b", ColumnType::Boolean), ("t", ColumnType::Text)]);
    assert_eq!(
        lines(b"n,b,t,s\n12E4,TRUE,007,1\nx,true,1,oops\n,,,3\n1,maybe,1,oops\n", &options).await,
        [
            r#"{"n":12E4,"b":true,"t":"007","s":1}"#,
            "wrong_type",
            r#"{"n":null,"b":null,"t":"","s":3}"#,
            "wrong_type",
        ]
    );
    let refused = bad(read(b"n,b\n1,true\n", &options).await);
    assert_eq!(refused.reason, Reason::UnknownColumn);
    assert!(
        refused.message.contains("\"t\"") && refused.message.contains("\"n\", \"b\""),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn a_bad_row_costs_itself_alone() {
    let wide = "x".repeat(390 * 1024);
    let half = "y".repeat(300 * 1024);
    let text = [
        &b"a,b\n1,one and enough text to be known as text before a NUL comes\n2\n3,x,y\n4,\xff\n5,a\0b\n6,\xc3,\xa9\n\xc3,\xa9\n7,"[..],
        wide.as_bytes(),
        b"\n8,\"",
        wide.as_bytes(),
        b"\"\n",
        half.as_bytes(),
        b",",
        half.as_bytes(),
        b"\n9,nine\n",
    ]
    .concat();
    let expected = [
        r#"{"a":1,"b":"one and enough text to be known as text before a NUL comes"}"#,
        "ragged_row",
        "ragged_row",
        "invalid_utf8",
        "nul_byte",
        "ragged_row",
        "invalid_utf8",
        "field_too_large",
        "field_too_large",
        "item_too_large",
        r#"{"a":9,"b":"nine"}"#,
    ];
    for size in [1_000, 4_093, 64 * 1024] {
        let (checked, rows) = read_in(&text, &csv_options(), size).await.unwrap();
        assert_eq!(rows.iter().map(line).collect::<Vec<_>>(), expected);
        assert_eq!(checked.first_rejects[0].1.raw, "2");
        assert_eq!(rows[7].content.as_ref().unwrap_err().raw.len(), 1024);
    }
}

#[tokio::test]
async fn tolerance_decides_when_bad_rows_condemn_the_object() {
    let text = b"a,b\n1,2\n3\n4\n";
    assert_eq!(bad(check(arriving(text, 9), &csv_options(), Tolerance::None).await).line(), Some(3));
    let refused = bad(check(arriving(text, 9), &csv_options(), Tolerance::UpTo(1)).await);
    assert_eq!((refused.reason, refused.line()), (Reason::RaggedRow, Some(4)));
    let message = &refused.message;
    assert!(message.starts_with("more than 1 bad row; line 4: 1 field where the header has 2"), "{message}");
    for tolerance in [Tolerance::UpTo(2), Tolerance::Any] {
        assert_eq!(check(arriving(text, 9), &csv_options(), tolerance).await.unwrap().rejected, 2);
    }
}

#[tokio::test]
async fn a_mistake_that_hides_rows_fails_the_object() {
    let swallowed = format!("a,b\n1,2\n3,\"{}", "and,so,on\n".repeat(60_000));
    for (text, reason, line) in [
        ("a,b\n1,2\n3,\"open\n4,5\n", Reason::UnbalancedQuote, Some(3)),
        (&*swallowed, Reason::UnbalancedQuote, Some(3)),
        ("a,b\n1,\"x\"y\n", Reason::TextAfterQuote, Some(2)),
        ("\"a\"x,b\n", Reason::TextAfterQuote, None),
        ("\"a,b\n1,2\n", Reason::UnbalancedQuote, None),
        ("a,a\n1,2\n", Reason::DuplicateHeader, None),
        ("a,,b\n1,2,3\n", Reason::EmptyHeader, None),
        ("a, \n1,2\n", Reason::EmptyHeader, Some(2)),
        ("a,_row\n1,2\n", Reason::ReservedName, None),
    ] {
        for size in [1, 1_000_000] {
            if text.len() > 1_000 && size == 1 {
                continue;
            }
            let refused = bad(read_in(text.as_bytes(), &csv_options(), size).await);
            assert_eq!((refused.reason, refused.line()), (reason, line), "{:.40}", text);
        }
    }
    let wide = (0..5_000).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    assert_eq!(bad(read(wide.as_bytes(), &csv_options()).await).reason, Reason::TooManyColumns);
    let long = format!("a,{}\n1,2\n", "n".repeat(70_000));
    assert_eq!(bad(read(long.as_bytes(), &csv_options()).await).reason, Reason::NameTooLong);
    assert_eq!(bad(read(b"a,\xff\n1,2\n", &csv_options()).await).reason, Reason::BadHeader);
}

#[tokio::test]
async fn a_header_other_than_the_checked_one_is_refused() {
    let checked = check(arriving(b"a,b\n1,2\n", 8), &csv_options(), Tolerance::None).await.unwrap();
    let other = Rows::open(arriving(b"a,c\n1,2\n", 8), &csv_options(), Some(&checked.schema)).await;
    assert_eq!(bad(other.map(|_| ())).reason, Reason::BadHeader);
}

/// Where a title was taken for the header, the message shows it.
#[tokio::test]
async fn errors_about_columns_show_the_header_that_was_taken() {
    for (text, expected) in [
        ("a,n\n1,2\n3,x\n", "the value \"x\" of column \"n\" is no number; the header is (\"a\", \"n\")"),
        ("a;n\n1;2\n3;5,00\n", "is no number unless decimal = \",\" in the pipelines file says so; the"),
        (
            "a;n\n1;2\n3;5,000\n",
            "is no number unless decimal = \",\" or thousands = \",\" in the pipelines file says what",
        ),
        ("a,n\n1,2\n3,4,5\n", "3 fields where the header has 2, (\"a\", \"n\")"),
        ("a,m\n1,2\n", "the column \"n\" is declared but not there; there are \"a\", \"m\""),
    ] {
        let options = declared(&[("n", ColumnType::Number)]);
        let error = check(text.as_bytes(), &options, Tolerance::None).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
