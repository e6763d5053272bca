//! However the bytes arrive, and whatever they are.

use super::*;

const TEXTS: &[&[u8]] = &[
    b"a,b\r\n1,\"x \"\"y\"\"\r\nz\"\r\n\r\n2,h\xc3\xa9\n3\n4,\xff\n\"5\",t\r6,",
    b"a\tb\n\"q\"\t\"\"\n\t\n1111111111111111111111111111111111111111\t1\n5\t2",
    b"{\"a\":1,\"b\":[true,null,\"\\ud83d\\ude00\\n\"]}\n\n{\"a\":\r\n{\"a\":-1.5e-3}\n{\"a\":1,\"a\":2}",
    b" [ {\"a\" : 1 } ,\n\"x\\\"]\", [ ], {\"b\":{\"c\":[0.5E+1,false]}} , 12 ] \n",
    b"{\"x\":[1,{\"k\":2}],\"k\":{\"rows\":[{\"a\":\"\\u00e9\"},7]},\"z\":\"]\"}",
];

fn options_of(text: &[u8]) -> Options {
    if text.starts_with(b"{\"x\"") { pointer("/k/rows") } else { Options::default() }
}

#[tokio::test]
async fn any_split_of_the_input_gives_the_same_rows() {
    for text in TEXTS {
        for packed in [text.to_vec(), gzip(text), zstandard(text)] {
            let options = options_of(text);
            let whole = read_in(&packed, &options, usize::MAX).await.unwrap();
            assert!(whole.0.rows >= 2);
            for size in 1..40 {
                assert_eq!(read_in(&packed, &options, size).await.unwrap(), whole, "pieces of {size}");
            }
        }
    }
}

/// The look at the beginning hides the pieces from what comes after it, so this text is longer than that.
#[tokio::test]
async fn any_split_beyond_the_look_gives_the_same_rows() {
    let padding = "pad,\"ding\"\n".repeat(6_200).into_bytes();
    let table = [b"a,b\n".to_vec(), padding, TEXTS[0][5..].to_vec()].concat();
    let padding = "{\"a\":\"padding\"},".repeat(4_200).into_bytes();
    let document =
        [b"[".to_vec(), padding, b"{\"a\":\"\\ud83d\\ude00\"},[1,\"]\"],-0.5e+1,null]".to_vec()].concat();
    let padding = "{\"a\":\"padding\"}\n".repeat(4_200).into_bytes();
    let lines = [padding, TEXTS[2].to_vec()].concat();
    for text in [table, document, lines] {
        assert!(text.len() > 65_536 + 40);
        let whole = read_in(&text, &Options::default(), usize::MAX).await.unwrap();
        // Cuts in two places behind the look, many pairs of them.
        let from = text.len() - 40;
        for first in (from..text.len()).step_by(5) {
            for second in (first..text.len()).step_by(2) {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let stream = |pieces: [&[u8]; 3]| {
                    StreamReader::new(stream::iter(
                        pieces.map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece))),
                    ))
                };
                let mut rows =
                    Rows::open(stream(pieces), &Options::default(), Some(&whole.0.schema)).await.unwrap();
                let mut count = 0;
                while let Some(row) = rows.next().await.unwrap() {
                    assert_eq!(row, whole.1[count], "cut at {first} and {second}");
                    count += 1;
                }
                assert_eq!(count, whole.1.len());
            }
        }
    }
}

#[tokio::test]
async fn no_bytes_make_it_panic_or_disagree_with_itself() {
    fastrand::seed(7);
    let alphabet = b"\"\"\"',,\n\n\r\t;|{}[]:\\u0d8cf19.e+-truefalsn \xc3\xa9\xff\0";
    for round in 0..1_500 {
        let mut text: Vec<u8> = match round % 3 {
            0 => (0..fastrand::usize(..80)).map(|_| fastrand::u8(..)).collect(),
            1 => (0..fastrand::usize(..200)).map(|_| alphabet[fastrand::usize(..alphabet.len())]).collect(),
            _ => {
                let mut text = TEXTS[fastrand::usize(..TEXTS.len())].to_vec();
                for _ in 0..fastrand::usize(1..4) {
                    let at = fastrand::usize(..text.len());
                    text[at] = alphabet[fastrand::usize(..alphabet.len())];
                }
                text
            }
        };
        if fastrand::bool() {
            text = if fastrand::bool() { gzip(&text) } else { zstandard(&text) };
            if fastrand::bool() {
                let at = fastrand::usize(..text.len());
                text[at] = fastrand::u8(..);
            }
        }
        for format in [Format::Auto, Format::Csv, Format::JsonLines, Format::Json, Format::DynamodbJson] {
            let pointer = (format == Format::Json && fastrand::bool()).then(|| "/k/rows".to_owned());
            let options = Options { format, pointer, ..Options::default() };
            let outcome = |result: Result<(Checked, Vec<Row>), ReadError>| match result {
                Ok(read) => Ok(read),
                Err(error) => Err(bad(Err::<(), _>(error)).reason),
            };
            let whole = outcome(read_in(&text, &options, 1_000).await);
            let pieces = outcome(read_in(&text, &options, fastrand::usize(1..9)).await);
            assert_eq!(whole, pieces, "{}", text.escape_ascii());
        }
    }
}

#[tokio::test]
async fn memory_does_not_grow_with_what_is_refused() {
    let endless = |start: &'static [u8], piece: &'static [u8], count: usize| {
        let start = std::iter::once(start);
        StreamReader::new(stream::iter(
            start
                .chain(std::iter::repeat_n(piece, count))
                .map(|piece| Ok::<_, io::Error>(Bytes::from_static(piece))),
        ))
    };
    static SPACES: [u8; 1 << 16] = [b' '; 1 << 16];
    static LETTERS: [u8; 1 << 16] = [b'x'; 1 << 16];
    // A line, a field, a string, a name and white space of 16 MiB each.
    for (start, piece, options, reason) in [
        (&b"{\"a\":1}\n{\"a\":\""[..], &LETTERS[..], Options::default(), None),
        (b"a,b\n1,", &LETTERS, csv_options(), None),
        (b"[\"", &LETTERS, json_options(), Some(Reason::JsonCutShort)),
        (b"{\"", &LETTERS, pointer("/a"), Some(Reason::JsonCutShort)),
        (b"[", &SPACES, json_options(), Some(Reason::JsonCutShort)),
        (b"a,b\n1,\"", &LETTERS, csv_options(), Some(Reason::UnbalancedQuote)),
    ] {
        let checked = check(endless(start, piece, 1 << 8), &options, Tolerance::Any).await;
        match reason {
            Some(reason) => assert_eq!(bad(checked).reason, reason),
            None => assert_eq!(checked.unwrap().rejected, 1),
        }
    }
}
