//! The ways in which programs write JSON, each by several examples: read right, or refused by name.

use super::*;

fn with(format: Format) -> Options {
    Options { format, ..Options::default() }
}

/// The layout that was found and the rows, whatever pieces the text arrives in.
async fn found(text: &[u8], options: &Options) -> (Layout, Vec<String>) {
    let (checked, rows) = read_in(text, options, 64 * 1024).await.unwrap_or_else(|error| {
        panic!("{error} in {}", String::from_utf8_lossy(&text[..text.len().min(200)]));
    });
    for size in [1, 2, 7] {
        if text.len() < 10_000 {
            assert_eq!(read_in(text, options, size).await.unwrap(), (checked.clone(), rows.clone()));
        }
    }
    (checked.schema.layout, rows.iter().map(line).collect())
}

async fn refused(text: &[u8], options: &Options) -> BadInput {
    let whole = bad(read(text, options).await);
    for size in [1, 2, 7] {
        if text.len() < 10_000 {
            assert_eq!(bad(read_in(text, options, size).await), whole, "pieces of {size}");
        }
    }
    whole
}

#[tokio::test]
async fn values_follow_one_another_with_anything_or_nothing_between() {
    let expected = [r#"{"a":1}"#, r#"{"a":{"b":[2]}}"#, r#"{"a":"}{"}"#];
    for text in [
        r#"{"a":1}{"a":{"b":[2]}}{"a":"}{"}"#,
        r#"{"a":1} {"a":{"b":[2]}}   {"a":"}{"}"#,
        "{\"a\":1}{\"a\":{\"b\":[2]}}\n{\"a\":\"}{\"}\n",
        "{\n  \"a\": 1\n}\n{\n  \"a\": {\"b\": [2]}\n}\n{\n \"a\": \"}{\"\n}\n",
        "{\r\n\"a\":1}\r\n{\"a\":{\"b\":[2]}}\r\n{\"a\":\"}{\"}",
        "{\"a\":1}\n{\n \"a\":{\"b\":[2]}\n}\n{\"a\":\"}{\"}\n",
        "[{\"a\":1},{\"a\":{\"b\":[2]}}]\n[{\"a\":\"}{\"}]\n",
        "[{\"a\":1}][][{\"a\":{\"b\":[2]}},{\"a\":\"}{\"}]",
    ] {
        for options in [Options::default(), json_options()] {
            assert_eq!(
                found(text.as_bytes(), &options).await,
                (Layout::JsonSequence, expected.map(str::to_owned).into()),
                "{text}"
            );
        }
        let members: Vec<u8> = text.as_bytes().chunks(9).flat_map(gzip).collect();
        assert_eq!(found(&members, &Options::default()).await.1, expected);
    }
    assert_eq!(
        found(b"1 2\n\"x\" null", &json_options()).await.1,
        [r#"{"value":1}"#, r#"{"value":2}"#, r#"{"value":"x"}"#, r#"{"value":null}"#]
    );
}

#[tokio::test]
async fn a_pointer_leads_through_every_one_of_them() {
    let text = br#"{"owner":"1","logEvents":[{"id":"0"},{"id":"1"}]}{"owner":"1","logEvents":[]}{"logEvents":[{"id":"2"}]}"#;
    for format in [Format::Auto, Format::Json, Format::JsonLines] {
        let options = Options { format, ..pointer("/logEvents") };
        assert_eq!(found(text, &options).await.1, [r#"{"id":"0"}"#, r#"{"id":"1"}"#, r#"{"id":"2"}"#]);
    }
    let lost = refused(br#"{"r":[{"a":1}]} {"x":[]}"#, &pointer("/r")).await;
    assert_eq!(lost.reason, Reason::PointerNotFound);
    assert!(lost.message.contains("records = \"/r\" leads nowhere"), "{}", lost.message);
}

#[tokio::test]
async fn text_sequences_are_read_and_a_broken_text_costs_itself_alone() {
    let expected = [r#"{"type":"Feature","id":1}"#, r#"{"type":"Feature","id":2}"#];
    for text in [
        "\u{1e}{ \"type\": \"Feature\", \"id\": 1 }\n\u{1e}{ \"type\": \"Feature\", \"id\": 2 }\n",
        "\u{1e}{ \"type\": \"Feature\",\n \"id\": 1 }\u{1e}{ \"type\": \"Feature\", \"id\": 2 }",
        "\u{feff}\n\u{1e}\u{1e}{ \"type\": \"Feature\", \"id\": 1 }\n\u{1e}{ \"type\": \"Feature\", \"id\": 2 }\n",
    ] {
        assert_eq!(
            found(text.as_bytes(), &Options::default()).await,
            (Layout::JsonSequence, expected.map(str::to_owned).into())
        );
    }
    for (text, line) in [
        ("\u{1e}{\"a\":1}\n\u{1e}{\"a\":\n\u{1e}{\"a\":2}\n", 2),
        ("\u{1e}{\"a\":1}\n\u{1e}{\"a\":\"x\n\u{1e}{\"a\":2}\n", 2),
        ("\u{1e}{\"a\":1}\n\n\u{1e}{\"a\" 5, \"x\":[}\n\u{1e}{\"a\":2}\n", 3),
    ] {
        let (checked, rows) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!(
            rows.iter().map(super::line).collect::<Vec<_>>(),
            [r#"{"a":1}"#, "json_syntax", r#"{"a":2}"#],
            "{text:?}"
        );
        assert_eq!(checked.first_rejects[0].1.place.line(), line, "{:?}", checked.first_rejects);
    }
}

#[tokio::test]
async fn lines_are_told_from_a_document_however_long_the_first_one_is() {
    for filler in [100, 70_000, 300_000] {
        let line = format!("{{\"n\":0,\"t\":\"{}\"}}", "z".repeat(filler.min(200_000)))
            + &" ".repeat(filler.saturating_sub(200_000));
        for (text, layout, rows) in [
            (format!("{line}\n{line}\n{line}\n"), Layout::JsonLines, 3),
            (format!("{line}\r\n\r\n{line}"), Layout::JsonLines, 2),
            (format!("{line}{line}{line}"), Layout::JsonSequence, 3),
            (line.clone(), Layout::Json, 1),
            (format!("{line}\n\n"), Layout::Json, 1),
            (format!("{{\n{}\n{}", &line[1..], line), Layout::JsonSequence, 2),
        ] {
            let (checked, read) = read(text.as_bytes(), &Options::default()).await.unwrap();
            assert_eq!((checked.schema.layout, read.len(), checked.rejected), (layout, rows, 0), "{filler}");
        }
        // A line that is broken costs itself alone there too.
        let text = format!("{line}\n{{\"n\":\n{line}\n");
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!((checked.rows, checked.rejected), (3, 1));
        assert_eq!(checked.first_rejects[0].1.place, Place::Line(2));
    }
}

#[tokio::test]
async fn scalars_on_lines_are_records() {
    for (text, expected) in [
        (
            "\"bolt\"\n\"nut\"\n\"washer\"\n",
            &[r#"{"value":"bolt"}"#, r#"{"value":"nut"}"#, r#"{"value":"washer"}"#][..],
        ),
        ("null\ntrue\n{\"a\":1}\n", &[r#"{"value":null}"#, r#"{"value":true}"#, r#"{"a":1}"#]),
    ] {
        assert_eq!(
            found(text.as_bytes(), &Options::default()).await,
            (Layout::JsonLines, expected.iter().map(|it| (*it).to_owned()).collect()),
            "{text}"
        );
    }
    // One line of anything else, or nothing but numbers, makes it a table, which may lack a header.
    for text in ["\"name\"\n\"a\"\nb\n", "1,2\n3,4\n", "1\n2\n3\n", "\"a\",\"b\"\n\"c\",\"d\"\n"] {
        match read(text.as_bytes(), &Options::default()).await {
            Ok((checked, _)) => assert!(matches!(checked.schema.layout, Layout::Delimited(_)), "{text}"),
            Err(error) => assert_eq!(bad(Err::<(), _>(error)).reason, Reason::NoHeader, "{text}"),
        }
    }
}

#[tokio::test]
async fn names_in_brackets_are_no_json() {
    for text in [
        "[item],[pieces]\nbolt,40\n",
        "[1],[2]\na,b\n",
        "[\"a\"];[\"b\"]\n1;2\n",
        "{id},{n}\n1,2\n",
        "[item]\t[n]\nx\t1\n",
    ] {
        let (checked, rows) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert!(matches!(checked.schema.layout, Layout::Delimited(_)), "{text}");
        assert_eq!(rows.len(), 1);
    }
    for text in ["[{\"a\":}]", "[1,x]", "{a:1}", "{'a':1}", "{\"a\":1,}"] {
        let refused = refused(text.as_bytes(), &Options::default()).await;
        assert_eq!(refused.reason, Reason::JsonSyntax, "{text}");
        assert!(refused.message.contains("on line 1, at byte"), "{}", refused.message);
    }
}

#[tokio::test]
async fn two_readings_are_refused_with_the_line_that_settles_it() {
    for (text, words) in [
        (
            r#"{"Records":[{"a":1},{"a":2}]}"#,
            &["\"Records\" with 2 objects", "records = \"/Records\"", "format = \"json\""][..],
        ),
        ("{\n \"a/b\": [ {\"x\":[1]} ]\n}\n", &["\"a/b\" with 1 object:", "records = \"/a~1b\""]),
        (r#"[["id","n"],["a",1]]"#, &["[\\\"id\\\",\\\"n\\\"]", "format = \"json\""]),
        ("[[1,2],[3,4]]", &["array of arrays"]),
        ("[\"a\",1]\n[\"b\",2]\n", &["format = \"jsonl\""]),
        ("[1][2]", &["format = \"jsonl\""]),
    ] {
        let refused = refused(text.as_bytes(), &Options::default()).await;
        assert_eq!(refused.reason, Reason::UnclearRecords, "{text}");
        assert!(words.iter().all(|word| refused.message.contains(word)), "{}", refused.message);
    }
    // Said outright, each is followed.
    assert_eq!(found(br#"{"Records":[{"a":1},{"a":2}]}"#, &pointer("/Records")).await.1.len(), 2);
    assert_eq!(
        found(br#"{"Records":[{"a":1},{"a":2}]}"#, &json_options()).await.1,
        [r#"{"Records":[{"a":1},{"a":2}]}"#]
    );
    assert_eq!(
        found(br#"[["id","n"],["a",1]]"#, &json_options()).await.1,
        [r#"{"value":["id","n"]}"#, r#"{"value":["a",1]}"#]
    );
    assert_eq!(
        found(b"[\"a\",1]\n[\"b\",2]\n", &with(Format::JsonLines)).await.1,
        [r#"{"value":["a",1]}"#, r#"{"value":["b",2]}"#]
    );
    // Other names beside it, or other things in it, make it one record.
    for text in [
        r#"{"id":1,"items":[{"a":1},{"a":2}]}"#,
        r#"{"Records":[]}"#,
        r#"{"Records":[1,{"a":2}]}"#,
        r#"{"Records":{"a":[{}]}}"#,
    ] {
        assert_eq!(found(text.as_bytes(), &Options::default()).await, (Layout::Json, vec![text.to_owned()]));
    }
    // Several of them are records as they are.
    assert_eq!(found(br#"{"r":[{"a":1}]}{"r":[{"a":2}]}"#, &Options::default()).await.1.len(), 2);
}

#[tokio::test]
async fn a_document_too_large_for_a_record_says_where_its_records_are() {
    let element = format!("{{\"t\":\"{}\"}}", "x".repeat(1_000));
    for (text, pointer) in [
        (
            format!("{{\"type\":\"C\",\"few\":[{{}}],\"features\":[{}]}}", [&*element; 500].join(",")),
            "/features",
        ),
        (format!("{{\"a~b\":[{}],\"n\":1}}", [&*element; 500].join(",")), "/a~0b"),
        (format!("{{\"x\":{{}},\"rows\":[{}]}}", [&*element; 6_000].join(",")), "/rows"),
    ] {
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        let (_, reject) = &checked.first_rejects[0];
        assert_eq!(reject.reason, Reason::ItemTooLarge);
        assert!(reject.message.contains(&format!("set records = \"{pointer}\"")), "{}", reject.message);
    }
}

#[tokio::test]
async fn a_name_on_the_way_that_occurs_twice_is_found_at_every_level() {
    for (text, path) in [
        (r#"{"data":{"items":[{"n":1}]},"data":{"items":[{"n":2}]}}"#, "/data/items"),
        (r#"{"data":{"items":[{"n":1}],"items":[]}}"#, "/data/items"),
        (r#"{"a":{"b":{"c":[1],"x":{"c":2}},"y":1,"b":0}}"#, "/a/b/c"),
        (r#"{"a":{"b":{"c":{"n":1}}},"x":{"a":1},"\u0061":0}"#, "/a/b/c"),
        (r#"[{"r":[1]},{"r":[2]}]"#, "/0/r/x"),
        (r#"{"a":[{"r":[1]}],"a":1}"#, "/a/0/r"),
    ] {
        let reason = refused(text.as_bytes(), &pointer(path)).await.reason;
        let expected = if path == "/0/r/x" { Reason::PointerNotFound } else { Reason::DuplicateKey };
        assert_eq!(reason, expected, "{text}");
    }
    for (text, path) in [
        (r#"{"a":{"b":[1]},"c":{"a":1,"b":2},"b":3}"#, "/a/b"),
        (r#"{"a":{"x":{"b":0},"b":[1],"y":{"b":0,"a":1}}}"#, "/a/b"),
        (r#"[{"r":[1]},{"r":[2]}]"#, "/0/r"),
        (r#"{"0":[{"0":[1]},{"0":5}]}"#, "/0/0/0"),
    ] {
        assert_eq!(found(text.as_bytes(), &pointer(path)).await.1, [r#"{"value":1}"#], "{text}");
    }
}

#[tokio::test]
async fn numbers_that_are_none_are_named_with_their_place() {
    for (text, number, place, words) in [
        (
            "{\"step\":1,\"loss\":0.5}\n{\"step\":2,\"loss\":NaN}\n",
            2,
            Place::Line(2),
            "in the field \"loss\": NaN is no number of JSON, at byte 17",
        ),
        (
            "{\"a\":1}\n\n{\"a\":[-Infinity]}\n",
            2,
            Place::Line(3),
            "-Infinity is no number of JSON, at byte 6",
        ),
        (
            "[{\"a\":1},\n {\"a\":Infinity}]",
            2,
            Place::Record { record: 2, line: 2, byte: 11 },
            "Infinity is no number",
        ),
        ("{\"x\":NaN}", 1, Place::Record { record: 1, line: 1, byte: 0 }, "NaN is no number"),
    ] {
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        let (row, reject) = &checked.first_rejects[0];
        assert_eq!((*row, reject.reason, reject.place), (number, Reason::NotFinite, place));
        assert!(reject.message.contains(words), "{}", reject.message);
    }
    // Null where the pipeline says so, and only what it names.
    let nulls = Some(["NaN", "-Infinity"].map(str::to_owned).to_vec());
    let table = domain::pipelines::Delimited { nulls, ..domain::pipelines::Delimited::default() };
    let options = Options { table, ..Options::default() };
    let text = b"{\"a\":NaN}\n{\"a\":[-Infinity,\"NaN\"]}\n{\"a\":Infinity}\n";
    assert_eq!(found(text, &options).await.1, [r#"{"a":null}"#, r#"{"a":[null,"NaN"]}"#, "not_finite"]);
    for text in [
        "{\"a\":nan}\n{\"a\":1}\n",
        "{\"a\":None}\n{\"a\":1}\n",
        "{\"a\":NaNa}\n{\"a\":1}\n",
        "{\"a\":-Inf}\n{\"a\":1}\n",
    ] {
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!((checked.rejected, checked.first_rejects[0].1.reason), (1, Reason::JsonSyntax), "{text}");
    }
}

#[tokio::test]
async fn messages_name_the_true_line_and_byte() {
    for (text, options, message) in [
        (
            "{\"a\":1}\n{\"a\":tru}\n",
            with(Format::JsonLines),
            "line 2: not valid JSON: an unknown word, but \"tru}\" stands there, at byte 8 of the line",
        ),
        (
            "\n\n{\"a\":1}{\"a\":2}\n",
            with(Format::JsonLines),
            "line 3: not valid JSON: the line holds more than one value, but \"{\\\"a\\\":2}\" stands there, at byte 7 of the line; format = \"json\" reads such lines",
        ),
        (
            "[\n{\"a\":1},\n{\"a\":1,}\n]",
            json_options(),
            "not valid JSON: a name in quotes was expected, but \"}\" stands on line 3, at byte 18",
        ),
        (
            "\u{feff}[1,,2]",
            json_options(),
            "not valid JSON: a value was expected, but \",\" stands on line 1, at byte 6",
        ),
        (
            "{\"a\":1},\n{\"a\":2}",
            json_options(),
            "a comma follows a whole value, as in an array, but no bracket opened one: \",\" on line 1, at byte 7",
        ),
        ("a,b\n1,2\n\n3\n", csv_options(), "line 4: 1 field where the header has 2, (\"a\", \"b\")"),
        (
            "a,b\n\"1\n2\",2\n3,4,5\n",
            csv_options(),
            "line 4: 3 fields where the header has 2, (\"a\", \"b\")",
        ),
        ("a,b\r1,2\r3\r", csv_options(), "line 3: 1 field where the header has 2"),
    ] {
        for size in [1, 3, 1_000] {
            let refused = bad(check(arriving(text.as_bytes(), size), &options, Tolerance::None).await);
            assert!(refused.message.starts_with(message), "{}", refused.message);
        }
    }
}

#[tokio::test]
async fn an_export_of_dynamodb_is_what_the_table_held() {
    let item = r#"{"Item":{"pk":{"S":"u#1"},"n":{"N":"5"},"ok":{"BOOL":true},"tags":{"SS":["x","y"]},"m":{"M":{"k":{"S":"v"},"l":{"L":[{"N":"1.10"},{"NULL":true}]}}},"z":{"NULL":true},"b":{"B":"AP8="}}}"#;
    let expected =
        r#"{"pk":"u#1","n":5,"ok":true,"tags":["x","y"],"m":{"k":"v","l":[1.10,null]},"z":null,"b":"AP8="}"#;
    for text in
        [format!("{item}\n{item}\n"), format!("{item}\n"), item.to_owned(), format!("\n{item}\r\n{item}\r\n")]
    {
        for options in [Options::default(), with(Format::DynamodbJson)] {
            let (layout, rows) = found(text.as_bytes(), &options).await;
            assert_eq!((layout, &*rows[0]), (Layout::DynamodbJson, expected));
        }
    }
    let (_, rows) = read(item.as_bytes(), &Options::default()).await.unwrap();
    assert_eq!(
        *field(&rows[0], "tags"),
        Value::Set(domain::record::Set::Text(vec!["x".to_owned(), "y".to_owned()]))
    );
    assert_eq!(*field(&rows[0], "b"), Value::Binary(vec![0, 0xff]));
    // Kept as it is where the pipeline says so.
    assert_eq!(found(item.as_bytes(), &with(Format::JsonLines)).await.1, [item]);
}

#[tokio::test]
async fn what_is_no_item_of_an_export_is_refused() {
    for line in [
        r#"{"Item":{"n":{"N":"x"}}}"#,
        r#"{"Item":{"n":{"N":5}}}"#,
        r#"{"Item":{"n":{"S":"a","N":"5"}}}"#,
        r#"{"Item":{"n":{"X":"a"}}}"#,
        r#"{"Item":{"n":{"NULL":false}}}"#,
        r#"{"Item":{"n":{"SS":[]}}}"#,
        r#"{"Item":{"n":{"NS":["1","1.0"]}}}"#,
        r#"{"Item":{"n":{"B":"=="}}}"#,
        r#"{"Item":{"n":5}}"#,
        r#"{"Item":{},"Other":1}"#,
        r#"{"Keys":{"pk":{"S":"a"}},"NewImage":{"pk":{"S":"a"}}}"#,
        r#"{"pk":{"S":"a"}}"#,
        "[1]",
    ] {
        let (checked, _) = read(line.as_bytes(), &with(Format::DynamodbJson)).await.unwrap();
        assert_eq!(checked.rejected, 1, "{line}");
        let reason = checked.first_rejects[0].1.reason;
        assert!(matches!(reason, Reason::NotDynamodbJson | Reason::NumberOutOfRange), "{line}: {reason}");
    }
    // A line among items that is none.
    let text = "{\"Item\":{\"a\":{\"S\":\"x\"}}}\n{\"a\":\"x\"}\n";
    assert_eq!(found(text.as_bytes(), &Options::default()).await.1, [r#"{"a":"x"}"#, "not_dynamodb_json"]);
    // Whether it is an export, a first line beyond the look does not show in time.
    let long = format!("{{\"Item\":{{\"a\":{{\"S\":\"{}\"}}}}}}\n", "x".repeat(70_000));
    for text in [long.repeat(2), long.clone()] {
        let refused = refused(text.as_bytes(), &Options::default()).await;
        assert_eq!(refused.reason, Reason::UnclearRecords);
        assert!(refused.message.contains("format = \"dynamodb_json\""));
    }
    let levels = |levels: usize| {
        format!(
            "{{\"Item\":{{\"a\":{}{{\"L\":[]}}{}}}}}",
            "{\"L\":[".repeat(levels - 1),
            "]}".repeat(levels - 1)
        )
    };
    assert_eq!(found(levels(32).as_bytes(), &with(Format::DynamodbJson)).await.1.len(), 1);
    assert_eq!(found(levels(33).as_bytes(), &with(Format::DynamodbJson)).await.1, ["json_too_deep"]);
}
