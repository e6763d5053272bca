//! JSON documents and lines.

use super::*;

#[tokio::test]
async fn numbers_keep_every_digit_and_values_their_types() {
    let text = br#"[{"n":12345678901234567890.10,"e":1e5,"t":"a\u00e9\ud83d\ude00\n","b":true,"z":null,"l":[1,{"m":-0.5}],"o":{}}]"#;
    assert_eq!(
        lines(text, &Options::default()).await,
        [r#"{"n":12345678901234567890.10,"e":1e5,"t":"aé😀\n","b":true,"z":null,"l":[1,{"m":-0.5}],"o":{}}"#]
    );
}

#[tokio::test]
async fn the_layout_is_told_from_the_content() {
    for (text, layout, rows) in [
        ("[]", Layout::Json, 0),
        ("[{\"a\":1},{\"a\":2}]", Layout::Json, 2),
        ("{\"a\":1}", Layout::Json, 1),
        ("\n {\n \"a\": 1\n}\n", Layout::Json, 1),
        ("{\"a\":1}\n{\"a\":2}\n", Layout::JsonLines, 2),
        ("{\"a\":1}\r\n\r\n{\"a\":2}", Layout::JsonLines, 2),
        ("{\"a\":}\n{\"a\":2}\n", Layout::JsonLines, 2),
        ("{\"a\":1}\n[2]\nnot json\n", Layout::JsonLines, 3),
        ("\u{feff}[1,\"x\"]", Layout::Json, 2),
    ] {
        let (checked, read) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!((checked.schema.layout, read.len()), (layout, rows), "{text}");
    }
    let long = format!("{{\"a\":\"{}\"}}\n{{\"a\":1}}\n", "x".repeat(40_000)).repeat(3);
    assert_eq!(read(long.as_bytes(), &Options::default()).await.unwrap().0.schema.layout, Layout::JsonLines);
}

#[tokio::test]
async fn what_is_no_object_is_a_record_of_one_value() {
    let expected = [r#"{"value":1}"#, r#"{"value":"x"}"#, r#"{"value":[2]}"#, r#"{"value":null}"#];
    assert_eq!(lines(b"[1,\"x\",[2],null]", &Options::default()).await, expected);
    let lines_options = Options { format: Format::JsonLines, ..Options::default() };
    assert_eq!(lines(b"1\n\"x\"\n[2]\n null \n", &lines_options).await, expected);
    assert_eq!(lines(b"42", &json_options()).await, [r#"{"value":42}"#]);
    assert_eq!(lines(b" \"x\" ", &json_options()).await, [r#"{"value":"x"}"#]);
    assert!(lines(b" \n", &json_options()).await.is_empty());
}

#[tokio::test]
async fn a_pointer_leads_to_the_records() {
    let text = br#"{"skip":[{"rows":[9]},"]}"],"data":{"a/b":[{"m~n":[{"x":1},{"x":2}]},{"x":3}]},"tail":{"x":[1,2]}}"#;
    for (path, expected) in [
        ("/data/a~1b/0/m~0n", &[r#"{"x":1}"#, r#"{"x":2}"#][..]),
        ("/data/a~1b/1", &[r#"{"x":3}"#]),
        ("/tail", &[r#"{"x":[1,2]}"#]),
        ("/tail/x", &[r#"{"value":1}"#, r#"{"value":2}"#]),
        ("/skip/0/rows", &[r#"{"value":9}"#]),
    ] {
        assert_eq!(lines(text, &pointer(path)).await, expected, "{path}");
    }
    for (path, reason) in [
        ("/nothing", Reason::PointerNotFound),
        ("/data/a~1b/2", Reason::PointerNotFound),
        ("/data/a~1b/00", Reason::PointerNotFound),
        ("/tail/x/0/y", Reason::PointerNotFound),
        ("/data/a", Reason::PointerNotFound),
        ("/tail/x/0", Reason::PointerNotRecords),
        ("data", Reason::PointerNotFound),
        ("/a~2", Reason::PointerNotFound),
    ] {
        assert_eq!(bad(read(text, &pointer(path)).await).reason, reason, "{path}");
    }
    let twice = br#"{"rows":[1],"x":{"rows":2},"rows":[3]}"#;
    assert_eq!(bad(read(twice, &pointer("/rows")).await).reason, Reason::DuplicateKey);
    assert_eq!(lines(br#"{"\u0061":[1],"x":{"a":2}}"#, &pointer("/a")).await, [r#"{"value":1}"#]);
}

#[tokio::test]
async fn an_unacceptable_element_costs_itself_alone() {
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let long = "1".repeat(39);
    let text = format!(
        r#"[{{"a":1,"a":2}},{{"a":{{"k":1,"k":1}}}},{},{},{},{{"a":{long}}},{{"a":1E126}},{{"":1}},{{"_object":1}},{{"a":"\ud800"}},{{"a":"\udc00x"}},{{"a":"{}"}},{{"a":"{}","b":"{}"}},{{"a":"{}"}},{{"a":0}}]"#,
        deep(32),
        deep(33),
        deep(3_000),
        "x".repeat(390 * 1024),
        "x".repeat(300 * 1024),
        "x".repeat(300 * 1024),
        "x".repeat(5 * 1024 * 1024),
    );
    let got = lines(text.as_bytes(), &Options::default()).await;
    assert!(got[2].starts_with("{\"a\":[[["));
    let mut codes: Vec<_> = got.iter().map(String::as_str).collect();
    codes.remove(2);
    assert_eq!(
        codes,
        [
            "duplicate_key",
            "duplicate_key",
            "json_too_deep",
            "json_too_deep",
            "number_out_of_range",
            "number_out_of_range",
            "empty_name",
            "reserved_name",
            "lone_surrogate",
            "lone_surrogate",
            "field_too_large",
            "item_too_large",
            "item_too_large",
            r#"{"a":0}"#,
        ]
    );
}

#[tokio::test]
async fn a_name_among_many_is_found_twice() {
    let names: String = (0..2_000).map(|at| format!("\"n{at}\":1,")).collect();
    let text = format!("[{{{names}\"n7\":2}}]");
    assert_eq!(lines(text.as_bytes(), &Options::default()).await, ["duplicate_key"]);
}

#[tokio::test]
async fn a_broken_document_is_condemned() {
    for (text, reason) in [
        ("[{\"a\":1}", Reason::JsonCutShort),
        ("[{\"a\":\"x", Reason::JsonCutShort),
        ("{\"a\":", Reason::JsonCutShort),
        ("[1,2", Reason::JsonCutShort),
        ("-", Reason::JsonCutShort),
        ("[1,]", Reason::JsonSyntax),
        ("[1 2]", Reason::JsonSyntax),
        ("[01]", Reason::JsonSyntax),
        ("[1.]", Reason::JsonSyntax),
        ("[+1]", Reason::JsonSyntax),
        ("[Nan]", Reason::JsonSyntax),
        ("[-I]", Reason::JsonSyntax),
        ("[tru]", Reason::JsonSyntax),
        ("[\"\t\"]", Reason::JsonSyntax),
        ("[\"\\x\"]", Reason::JsonSyntax),
        ("[\"\\u12g4\"]", Reason::JsonSyntax),
        ("[{\"a\":1,}]", Reason::JsonSyntax),
        ("[{a:1}]", Reason::JsonSyntax),
        ("[{\"a\" 1}]", Reason::JsonSyntax),
        ("[}", Reason::JsonSyntax),
        ("{]", Reason::JsonSyntax),
        ("[[1}]", Reason::JsonSyntax),
        ("[1]]", Reason::JsonTrailing),
        ("[1] x", Reason::JsonTrailing),
        ("{\"a\":1},{\"a\":2}", Reason::JsonTrailing),
        ("{\"a\":1}]", Reason::JsonTrailing),
        ("1\"a\"", Reason::JsonTrailing),
    ] {
        for size in [1, 2, 1_000] {
            let refused = bad(read_in(text.as_bytes(), &json_options(), size).await);
            assert_eq!(refused.reason, reason, "{text}");
        }
    }
    let brackets = "[".repeat(100_000);
    assert_eq!(bad(read(brackets.as_bytes(), &json_options()).await).reason, Reason::JsonTooDeep);
    // A mistake behind the records counts as much as one before.
    let behind = br#"{"rows":[{"a":1}],"more":[1,,2]}"#;
    assert_eq!(bad(read(behind, &pointer("/rows")).await).reason, Reason::JsonSyntax);
}

#[tokio::test]
async fn a_bad_line_costs_itself_alone() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(5 * 1024 * 1024));
    let text = [
        b"{\"a\":1                                                       }\n{\"a\":\n{\"a\":1,\"a\":2}\n{\"a\":\"\xff\"}\n{\"a\":\"\0\"}\n{\"a\":1}{\"a\":2}\n"
            .as_slice(),
        long.as_bytes(),
        b"\n\n   \n{\"a\":2}",
    ]
    .concat();
    let options = Options::default();
    assert_eq!(
        lines(&text, &options).await,
        [
            r#"{"a":1}"#,
            "json_syntax",
            "duplicate_key",
            "invalid_utf8",
            "nul_byte",
            "json_syntax",
            "item_too_large",
            r#"{"a":2}"#,
        ]
    );
    let (checked, _) = read(&text, &options).await.unwrap();
    assert_eq!(checked.first_rejects[0].1.raw, "{\"a\":");
    assert_eq!(checked.schema.layout, Layout::JsonLines);
}

#[tokio::test]
async fn declared_types_apply_to_fields() {
    let options =
        declared(&[("id", ColumnType::Text), ("n", ColumnType::Number), ("b", ColumnType::Boolean)]);
    assert_eq!(
        lines(
            br#"[{"id":12.0,"n":"1.50","b":"TRUE"},{"id":null},{"n":"x"},{"n":[1]},{"id":true}]"#,
            &options
        )
        .await,
        [
            r#"{"id":"12.0","n":1.50,"b":true}"#,
            r#"{"id":null}"#,
            "wrong_type",
            "wrong_type",
            r#"{"id":"true"}"#
        ]
    );
    let refused = bad(read(br#"[{"id":1,"n":2}]"#, &options).await);
    assert_eq!(refused.reason, Reason::UnknownColumn);
    assert!(refused.message.contains("\"id\", \"n\""), "{}", refused.message);
}

#[tokio::test]
async fn the_size_of_records_is_told() {
    let (checked, _) = read(br#"[{"a":"xy","n":12},{"a":""}]"#, &Options::default()).await.unwrap();
    assert_eq!((checked.item_bytes, checked.write_units), (1 + 2 + 1 + 2 + 1, 2));
}
