//! Shapes of tables that people have, each in several variants: the right records, or a refusal that says what to do.

use domain::pipelines::{Delimited, ExtraColumns, Header, Names as Numbering, ShortRows, Sign};

use super::*;

/// The records of a text, or the reason and the message of its refusal.
async fn outcome(bytes: &[u8], options: &Options) -> Result<Vec<String>, (Reason, String)> {
    match check(arriving(bytes, 7), options, Tolerance::None).await {
        Err(ReadError::Bad(bad)) => Err((bad.reason, bad.message)),
        Err(other) => panic!("{other}"),
        Ok(_) => Ok(lines(bytes, options).await),
    }
}

async fn reads(text: &str, expected: &[&str]) {
    reads_with(text.as_bytes(), &Options::default(), expected).await;
}

async fn reads_with(bytes: &[u8], options: &Options, expected: &[&str]) {
    let found = outcome(bytes, options).await;
    assert_eq!(
        found.as_deref().map(|it| it.iter().map(String::as_str).collect::<Vec<_>>()),
        Ok(expected.to_vec()),
        "{}",
        bytes.escape_ascii()
    );
}

async fn refuses(text: &str, reason: Reason, words: &str) {
    refuses_with(text.as_bytes(), &Options::default(), reason, words).await;
}

async fn refuses_with(bytes: &[u8], options: &Options, reason: Reason, words: &str) {
    match outcome(bytes, options).await {
        Err((found, message)) => {
            assert_eq!(found, reason, "{}: {message}", bytes.escape_ascii());
            assert!(message.contains(words), "{}: {message}", bytes.escape_ascii());
        }
        Ok(read) => panic!("{}: {read:?}", bytes.escape_ascii()),
    }
}

fn saying(table: Delimited) -> Options {
    Options { table, ..Options::default() }
}

#[tokio::test]
async fn the_delimiter_that_leaves_whole_fields_wins_a_tie() {
    reads(
        "Preis, EUR;Menge\n3,20;4\n7,05;1\n",
        &[r#"{"Preis, EUR":"3,20","Menge":4}"#, r#"{"Preis, EUR":"7,05","Menge":1}"#],
    )
    .await;
    reads("x\ty, z\n8\t9, 10\n", &[r#"{"x":8,"y, z":"9, 10"}"#]).await;
    reads("Last, First\tYear\nOrd, Una\t1999\n", &[r#"{"Last, First":"Ord, Una","Year":1999}"#]).await;
    reads(
        "name|size, cm\nbox|1,5\njar|2,25\n",
        &[r#"{"name":"box","size, cm":"1,5"}"#, r#"{"name":"jar","size, cm":"2,25"}"#],
    )
    .await;
    refuses("a,b;c\nd,e;f\ng,h;i\n", Reason::AmbiguousDialect, "Put delimiter = ").await;
    refuses("k\tl;m\nn\to;p\n", Reason::AmbiguousDialect, "delimiter = \"tab\"").await;
}

#[tokio::test]
async fn quotes_that_are_none_are_data_in_tabs_and_refused_elsewhere() {
    reads(
        "id\ttitle\n1\t\"Low tide\" again\n2\tHigh\n",
        &[r#"{"id":1,"title":"\"Low tide\" again"}"#, r#"{"id":2,"title":"High"}"#],
    )
    .await;
    for delimiter in [',', ';', '|'] {
        let text = format!(
            "id{delimiter}name{delimiter}n\n1{delimiter}\"Tall\" Tom{delimiter}5\n2{delimiter}Eve{delimiter}6\n"
        );
        refuses(&text, Reason::TextAfterQuote, "field 2").await;
        let options = saying(Delimited { quote: Some(Sign::None), ..Delimited::default() });
        reads_with(
            text.as_bytes(),
            &options,
            &[r#"{"id":1,"name":"\"Tall\" Tom","n":5}"#, r#"{"id":2,"name":"Eve","n":6}"#],
        )
        .await;
    }
    refuses(
        "id\tnote\n1\t\"first\n2\tsecond\n3\tthird\"\n4\tlast\n",
        Reason::SwallowedRows,
        "quote = \"none\"",
    )
    .await;
    refuses("id,a,b\n1,x,\"y\n2,x,z\"\n3,x,y\n", Reason::SwallowedRows, "line 2").await;
    reads(
        "id,note\n1,\"two\nlines, here\"\n2,one\n",
        &[r#"{"id":1,"note":"two\nlines, here"}"#, r#"{"id":2,"note":"one"}"#],
    )
    .await;
    refuses("part,width,place\nB2,5\"low, right\"\n", Reason::StrayQuote, "inside field 2").await;
    reads("part,a,b\nB2,5\" disk,3\" tape\n", &[r#"{"part":"B2","a":"5\" disk","b":"3\" tape"}"#]).await;
}

#[tokio::test]
async fn other_quotes_and_spaces_are_read_where_all_rows_have_them() {
    reads(
        "item,tint\n'cup','red'\n'pan','blue, dark'\n",
        &[r#"{"item":"cup","tint":"red"}"#, r#"{"item":"pan","tint":"blue, dark"}"#],
    )
    .await;
    reads(
        "item,said\ncup,'tis\npan,no\n",
        &[r#"{"item":"cup","said":"'tis"}"#, r#"{"item":"pan","said":"no"}"#],
    )
    .await;
    reads(
        "id, who, sum\n1, \"Roe, A\", 2.50\n2, \"Poe, B\", 3.00\n",
        &[r#"{"id":1,"who":"Roe, A","sum":2.50}"#, r#"{"id":2,"who":"Poe, B","sum":3.00}"#],
    )
    .await;
    reads("id; n\n1; 40\n2; 75\n", &[r#"{"id":1,"n":40}"#, r#"{"id":2,"n":75}"#]).await;
    reads(
        "item,tint,room\ncup,red,hall\npan,\"a \\\"b\\\" c\",attic\n",
        &[
            r#"{"item":"cup","tint":"red","room":"hall"}"#,
            r#"{"item":"pan","tint":"a \"b\" c","room":"attic"}"#,
        ],
    )
    .await;
    refuses("item,tint,room\ncup,red,hall\npan,blue\\,dark\n", Reason::StrayEscape, "escape = ").await;
    reads(
        "dir,n\nC:\\in\\,4\nD:\\out\\,5\n",
        &[r#"{"dir":"C:\\in\\","n":4}"#, r#"{"dir":"D:\\out\\","n":5}"#],
    )
    .await;
}

#[tokio::test]
async fn a_first_row_of_data_is_no_header() {
    refuses("9001,cup,0.75\n9002,pan,0.20\n", Reason::NoHeader, "header = false").await;
    refuses(
        "\"b\",\"k/1.txt\",\"12\"\n\"b\",\"k/2.txt\",\"13\"\n",
        Reason::NoHeader,
        "(\"b\", \"k/1.txt\", \"12\")",
    )
    .await;
    refuses("1|ef\\|gh|10\n2|x|20\n3|y|30\n", Reason::NoHeader, "escape").await;
    refuses("4\u{1}one\u{1}40\n5\u{1}\\N\u{1}50\n", Reason::NoHeader, "\\u0001").await;
    refuses("2024-01-01\n2024-01-02\n", Reason::NoHeader, "header = [").await;
    refuses("100,200\n", Reason::NoHeader, "looks like data").await;
    reads(
        "land,2019,2020\nA,1.5,2.5\nB,3,4\n",
        &[r#"{"land":"A","2019":1.5,"2020":2.5}"#, r#"{"land":"B","2019":3,"2020":4}"#],
    )
    .await;
    let told = |names: &[&str]| {
        saying(Delimited {
            header: Some(Header::Names(names.iter().map(|it| (*it).to_owned()).collect())),
            ..Delimited::default()
        })
    };
    reads_with(
        b"9001,cup,0.75\n",
        &told(&["id", "item", "price"]),
        &[r#"{"id":9001,"item":"cup","price":0.75}"#],
    )
    .await;
    reads_with(b"id,item\n1,cup\n", &told(&["id", "item"]), &[r#"{"id":1,"item":"cup"}"#]).await;
    let none = saying(Delimited { header: Some(Header::InFirstRow(false)), ..Delimited::default() });
    reads_with(
        b"9001,cup\n9002,pan\n",
        &none,
        &[r#"{"column_1":9001,"column_2":"cup"}"#, r#"{"column_1":9002,"column_2":"pan"}"#],
    )
    .await;
    let first = saying(Delimited { header: Some(Header::InFirstRow(true)), ..Delimited::default() });
    reads_with(b"1,2\n3,4\n", &first, &[r#"{"1":3,"2":4}"#]).await;
}

#[tokio::test]
async fn lines_before_the_header_are_skipped_if_the_header_is_proven() {
    for d in [",", ";", "\t", "|"] {
        let rows = format!("item{d}n\ncup{d}4\npan{d}7\n");
        for preamble in [
            "Stock of May\n",
            "# made by till 7\n",
            "#one\n#two: 2024-01-01 08:00\n\n",
            "Report\n\nAll shops\n",
        ] {
            reads(&format!("{preamble}{rows}"), &[r#"{"item":"cup","n":4}"#, r#"{"item":"pan","n":7}"#])
                .await;
        }
        let padded = format!(
            "# a title{d}{d}\n# of 2024{d}{d}\nday{d}sum{d}more\n2024-01-02{d}4{d}2\n2024-01-03{d}5{d}3\n"
        );
        reads(
            &padded,
            &[r#"{"day":"2024-01-02","sum":4,"more":2}"#, r#"{"day":"2024-01-03","sum":5,"more":3}"#],
        )
        .await;
        refuses(
            &format!("Colours\nitem{d}tint\ncup{d}red\npan{d}blue\n"),
            Reason::AmbiguousHeader,
            "skip_lines = 1",
        )
        .await;
        let skip = saying(Delimited { skip_lines: Some(1), ..Delimited::default() });
        reads_with(
            format!("Colours\nitem{d}tint\ncup{d}red\n").as_bytes(),
            &skip,
            &[r#"{"item":"cup","tint":"red"}"#],
        )
        .await;
    }
    refuses("Made: Tue, 02 Jan 2024\nid,sum\n1,10\n2,20\n", Reason::AmbiguousHeader, "skip_lines").await;
    for line in ["sep=;\n", "sep=;\r\n", "\"sep=;\"\n", "SEP=;\n"] {
        reads(&format!("{line}id;n\n1;2\n"), &[r#"{"id":1,"n":2}"#]).await;
    }
    refuses(
        "When;In;Out\n;[C];[K]\n2024-03-05 22:00;21.5;294\n2024-03-05 22:10;21;293\n",
        Reason::AmbiguousHeader,
        "row of units",
    )
    .await;
    refuses("item,mass\n,kg\ncup,0.5\npan,0.2\n", Reason::AmbiguousHeader, "(\"\", \"kg\")").await;
}

#[tokio::test]
async fn joined_files_and_second_tables_are_found() {
    reads(
        "id,n\n1,10\nid,n\n2,20\nid,n\n3,30\n",
        &[r#"{"id":1,"n":10}"#, r#"{"id":2,"n":20}"#, r#"{"id":3,"n":30}"#],
    )
    .await;
    reads("\u{feff}id,n\n1,10\n\u{feff}id,n\n2,20\n", &[r#"{"id":1,"n":10}"#, r#"{"id":2,"n":20}"#]).await;
    reads("\u{feff}\u{feff}id,n\n1,10\n", &[r#"{"id":1,"n":10}"#]).await;
    reads("id,n\n1,10\n\u{feff}2,20\n", &[r#"{"id":1,"n":10}"#, r#"{"id":2,"n":20}"#]).await;
    refuses("item,n\ncup,40\n\nshelf,room\nB2,hall\n", Reason::TwoTables, "line 4").await;
    refuses("item,tint\ncup,red\n\nshelf,room\nB,hall\n", Reason::TwoTables, "blank lines").await;
    reads("id,n\n1,2\n\n3,4\n", &[r#"{"id":1,"n":2}"#, r#"{"id":3,"n":4}"#]).await;
    refuses("status\nok\nstatus\nlate\n", Reason::AmbiguousHeader, "comes again, or data").await;
    for end in ["\u{1a}", "\u{1a}\u{1a}", "\r\n\u{1a}"] {
        reads(&format!("id,t\r\n1,a\r\n2,b{end}"), &[r#"{"id":1,"t":"a"}"#, r#"{"id":2,"t":"b"}"#]).await;
    }
}

#[tokio::test]
async fn one_column_is_a_table_only_where_it_plainly_is_one() {
    reads("reading\n7\n\n9\n", &[r#"{"reading":7}"#, r#"{"reading":null}"#, r#"{"reading":9}"#]).await;
    reads("word\none\rtwo\nthree\n", &[r#"{"word":"one\rtwo"}"#, r#"{"word":"three"}"#]).await;
    reads("word\rone\rtwo\r", &[r#"{"word":"one"}"#, r#"{"word":"two"}"#]).await;
    reads(
        "\"said\"\n\"Well, this is a long sentence, quoted.\"\n\"x\"\n",
        &[r#"{"value":"said"}"#, r#"{"value":"Well, this is a long sentence, quoted."}"#, r#"{"value":"x"}"#],
    )
    .await;
    reads("\"id\"\n\"1\"\n\"2\"\n", &[r#"{"id":1}"#, r#"{"id":2}"#]).await;
    for (text, words) in [
        ("gateway timed out\n", "a single line"),
        ("\u{1f}", "a single line"),
        ("Dear all,\nthe report is late again.\nSorry for that, and thanks.\n", "free text"),
        ("2026-05-03T08:00:00Z started\n2026-05-03T08:00:04Z stopped\n", "a log"),
        ("name: x\nversion: 2\nsteps:\n- run: a\n", "YAML"),
        ("[main]\nkey=value\nother=2\n", "an INI file"),
        ("<html>\n<body>Sign in</body>\n</html>\n", "an HTML page"),
        ("<!DOCTYPE html>\n<p>x, y</p>\n", "an HTML page"),
        ("<?xml version=\"1.0\"?>\n<a><b/></a>\n", "XML"),
        ("#!/bin/sh\necho a,b\necho c,d\n", "source code"),
        ("From: a@b.org\nSubject: hello\n\nHi, there\n", "an e-mail"),
        ("#Version: 1.0\n#Fields: date time\n2024-03-05\t21:02\n", "extended format"),
    ] {
        refuses(text, Reason::NoTable, words).await;
    }
    for sign in ["$", "=", "&", "/"] {
        refuses(
            &format!("item{sign}n\ncup{sign}4\npan{sign}7\n"),
            Reason::AmbiguousDialect,
            "delimiter = \"none\"",
        )
        .await;
    }
    for sign in ["~", "^", "\u{1}", "\u{1f}"] {
        reads(
            &format!("item{sign}n\ncup{sign}4\npan{sign}7\n"),
            &[r#"{"item":"cup","n":4}"#, r#"{"item":"pan","n":7}"#],
        )
        .await;
    }
    reads(
        "v who at from to n\n2 me eni 1 2 10\n2 you eni 2 1 12\n",
        &[
            r#"{"v":2,"who":"me","at":"eni","from":1,"to":2,"n":10}"#,
            r#"{"v":2,"who":"you","at":"eni","from":2,"to":1,"n":12}"#,
        ],
    )
    .await;
    let none = Options { delimiter: Some(b'\n'), ..Options::default() };
    reads_with(b"note\nthis, that; and more.\n", &none, &[r#"{"note":"this, that; and more."}"#]).await;
    reads("[item],[n]\ncup,4\n", &[r#"{"item":"cup","n":4}"#]).await;
}

#[tokio::test]
async fn what_stands_for_nothing_makes_no_column_text() {
    for null in ["\\N", "NULL", "NaN", "N/A", "null", "#N/A"] {
        let text = format!("id,n,t\n1,10,{null}\n2,{null},b\n3,30,c\n");
        let kept = serde_json::to_string(null).unwrap();
        reads(
            &text,
            &[
                &format!(r#"{{"id":1,"n":10,"t":{kept}}}"#),
                r#"{"id":2,"n":null,"t":"b"}"#,
                r#"{"id":3,"n":30,"t":"c"}"#,
            ],
        )
        .await;
        let (checked, _) = read(text.as_bytes(), &Options::default()).await.unwrap();
        assert!(checked.notes[0].contains("\"n\": 1 of its values"), "{:?}", checked.notes);
        let declared = declared(&[("n", ColumnType::Number)]);
        assert_eq!(outcome(text.as_bytes(), &declared).await.unwrap().len(), 3);
    }
    let told = saying(Delimited { nulls: Some(vec!["-".to_owned()]), ..Delimited::default() });
    reads_with(
        b"id,n,t\n1,-,-\n2,5,NULL\n",
        &told,
        &[r#"{"id":1,"n":null,"t":null}"#, r#"{"id":2,"n":5,"t":"NULL"}"#],
    )
    .await;
    reads(
        "p,v\na,1.9\nb,1.10\nc,1.1\n",
        &[r#"{"p":"a","v":"1.9"}"#, r#"{"p":"b","v":"1.10"}"#, r#"{"p":"c","v":"1.1"}"#],
    )
    .await;
    reads(
        "k,v\na,1.5\nb,7\nc,7.0\nd,2.50\n",
        &[r#"{"k":"a","v":1.5}"#, r#"{"k":"b","v":7}"#, r#"{"k":"c","v":7.0}"#, r#"{"k":"d","v":2.50}"#],
    )
    .await;
    let comma = saying(Delimited { decimal: Some(','), thousands: Some('.'), ..Delimited::default() });
    reads_with(
        b"k;v\na;1.200,50\nb;-88,25\n",
        &comma,
        &[r#"{"k":"a","v":1200.50}"#, r#"{"k":"b","v":-88.25}"#],
    )
    .await;
}

#[tokio::test]
async fn widths_and_names_are_strict_until_the_pipeline_says_otherwise() {
    refuses("a,b,c,d\n1,2\n3,4,5\n6,7,8,9\n", Reason::RaggedRow, "short_rows = \"null\"").await;
    let short = saying(Delimited { short_rows: ShortRows::Null, ..Delimited::default() });
    reads_with(
        b"a,b,c\n1,x\n2,y,z\n",
        &short,
        &[r#"{"a":1,"b":"x","c":null}"#, r#"{"a":2,"b":"y","c":"z"}"#],
    )
    .await;
    refuses("a,b\n1,2,\n3,4\n5,6\n7,8\n", Reason::RaggedRow, "extra_columns = \"ignore_empty\"").await;
    let extra = saying(Delimited { extra_columns: ExtraColumns::IgnoreEmpty, ..Delimited::default() });
    reads_with(b"a,b\n1,2,\n3,4\n", &extra, &[r#"{"a":1,"b":2}"#, r#"{"a":3,"b":4}"#]).await;
    reads(
        "id,day,\n1,2024-01-01,\n2,2024-01-02,\n",
        &[r#"{"id":1,"day":"2024-01-01"}"#, r#"{"id":2,"day":"2024-01-02"}"#],
    )
    .await;
    refuses("id,day,\n1,2024-01-01,x\n", Reason::EmptyHeader, "column 3 has no name").await;
    refuses(",town,n\n0,Bonn,5\n1,Bern,7\n", Reason::EmptyHeader, "unnamed = \"number\"").await;
    let unnamed = saying(Delimited { unnamed: Numbering::Number, ..Delimited::default() });
    reads_with(b",town\n0,Bonn\n", &unnamed, &[r#"{"column_1":0,"town":"Bonn"}"#]).await;
    refuses("id,Tag,Tag\n1,a,b\n", Reason::DuplicateHeader, "Tag_2").await;
    let twice = saying(Delimited { duplicate_names: Numbering::Number, ..Delimited::default() });
    reads_with(b"id,Tag,Tag,Tag_2\n1,a,b,c\n", &twice, &[r#"{"id":1,"Tag":"a","Tag_3":"b","Tag_2":"c"}"#])
        .await;
    let comments = saying(Delimited { comment: Some("//".to_owned()), ..Delimited::default() });
    reads_with(b"// x\na,b\n// y\n1,/2\n", &comments, &[r#"{"a":1,"b":"/2"}"#]).await;
    let trim = saying(Delimited { trim: Some(true), ..Delimited::default() });
    reads_with(b"a,b\n 1 ,x \n2,\" y \"\n", &trim, &[r#"{"a":1,"b":"x"}"#, r#"{"a":2,"b":" y "}"#]).await;
}

#[tokio::test]
async fn an_encoding_is_followed_and_checked() {
    let western = Options { encoding: Some("windows-1252".to_owned()), ..Options::default() };
    reads_with(
        b"q,a\nx,10 \x96 20\ny,caf\xe9\n",
        &western,
        &["{\"q\":\"x\",\"a\":\"10 \u{2013} 20\"}", "{\"q\":\"y\",\"a\":\"caf\u{e9}\"}"],
    )
    .await;
    refuses_with(
        b"q,a\nx,caf\xe9\n",
        &Options::default(),
        Reason::InvalidUtf8,
        "encoding = \"windows-1252\"",
    )
    .await;
    refuses_with("q,a\nx,café\n".as_bytes(), &western, Reason::EncodingMismatch, "valid UTF-8").await;
    refuses_with("\u{feff}q,a\nx,y\n".as_bytes(), &western, Reason::EncodingMismatch, "byte order mark")
        .await;
    let japanese = Options { encoding: Some("shift_jis".to_owned()), ..Options::default() };
    reads_with(b"q,a\nx,\x93\xfa\n", &japanese, &["{\"q\":\"x\",\"a\":\"\u{65e5}\"}"]).await;
    refuses_with(b"q,a\nx,\x93\n", &japanese, Reason::EncodingMismatch, "malformed").await;
    let wide: Vec<u8> = "q,a\nx,é\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let told = Options { encoding: Some("utf-16le".to_owned()), ..Options::default() };
    reads_with(&wide, &told, &["{\"q\":\"x\",\"a\":\"é\"}"]).await;
    for name in domain::pipelines::ENCODINGS {
        assert!(encoding_rs::Encoding::for_label(name.as_bytes()).is_some(), "{name}");
    }
}

#[tokio::test]
async fn too_many_rejected_rows_fail_the_object() {
    let text = b"a,b\n1,2\n3\n4,5\n6,7\n8,9\n10,11\n12,13\n14,15\n16,17\n18,19\n";
    assert_eq!(check(arriving(text, 9), &csv_options(), Tolerance::Share(1_000)).await.unwrap().rejected, 1);
    let refused = bad(check(arriving(text, 9), &csv_options(), Tolerance::Share(999)).await);
    assert_eq!(refused.reason, Reason::TooManyRejected);
    assert!(
        refused.message.contains("1 of 10 rows") && refused.message.contains("line 3"),
        "{}",
        refused.message
    );
    let all = bad(check(arriving(b"a,b\n1\n", 9), &csv_options(), Tolerance::Share(5_000)).await);
    assert_eq!(all.reason, Reason::TooManyRejected);
}
