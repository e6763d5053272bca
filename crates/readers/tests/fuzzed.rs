//! Damaged tables and JSON: whatever the bytes are, the readers end, do not panic, and read the same twice.
//!
//! A seeded generator writes a text of a known structure and damages it: bytes changed, cut, doubled and moved, signs with a
//! meaning put in. Each is read in pieces of random sizes by options that a pipeline may have. A plain run makes a thousand
//! texts; this runs for an hour and prints the seed to go on with:
//!
//! ```sh
//! FUZZ_SECONDS=3600 cargo test -p readers --release --test fuzzed -- --nocapture
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::Bytes;
use domain::pipelines::{Delimited, ExtraColumns, Header, Names, ShortRows, Sign};
use futures::stream;
use readers::{ColumnType, Format, Options, ReadError, Rows, Tolerance, check};
use tokio_util::io::StreamReader;

/// How long one text of some KB may take, in a development build on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

/// Signs that mean something to a reader.
const SIGNS: [&[u8]; 24] = [
    b"\"",
    b"'",
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r",
    b"\r\n",
    b"\\",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\x1a",
    b"\x1e",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"NaN",
    b"\\u0000",
    b"1e999",
    b"# ",
];

fn one<T: Copy>(of: &[T]) -> T {
    of[fastrand::usize(..of.len())]
}

fn chance(percent: u32) -> bool {
    fastrand::u32(..100) < percent
}

fn field() -> String {
    match fastrand::u32(..8) {
        0 => String::new(),
        1 => fastrand::i64(-1_000..100_000).to_string(),
        2 => format!("{}.{}", fastrand::u32(..100), fastrand::u32(..1_000)),
        3 => "true".to_owned(),
        4 => format!("say \"{}\", or\nnot", fastrand::u32(..9)),
        5 => "\\N".to_owned(),
        6 => "Åre".repeat(fastrand::usize(..20)),
        _ => one(&["bolt", "nut", "Total", "it's", "a;b"]).to_owned(),
    }
}

fn table() -> Vec<u8> {
    let (width, rows) = (fastrand::usize(1..7), fastrand::usize(..80));
    let (delimiter, end) = (one(&[",", ";", "\t", "|", " "]), one(&["\n", "\r\n", "\r"]));
    let quote = one(&['"', '"', '\'']);
    let mut text: String =
        (0..width).map(|column| format!("name_{column}")).collect::<Vec<_>>().join(delimiter);
    for _ in 0..rows {
        text += end;
        let fields = (0..width).map(|_| {
            let field = field();
            if field.contains([',', ';', '\t', '|', ' ', '\n', '"', '\'']) {
                format!("{quote}{}{quote}", field.replace(quote, &format!("{quote}{quote}")))
            } else {
                field
            }
        });
        text += &fields.collect::<Vec<_>>().join(delimiter);
    }
    text.into_bytes()
}

fn json(levels: u32) -> String {
    match fastrand::u32(..if levels == 0 { 5 } else { 8 }) {
        0 => "null".to_owned(),
        1 => "true".to_owned(),
        2 => fastrand::i32(..).to_string(),
        3 => format!("{}.5e{}", fastrand::u8(..), fastrand::i8(-9..9)),
        4 => format!("{:?}", field().replace('\n', " ")).replace("\\'", "'"),
        5 => format!("[{}]", (0..fastrand::u32(..4)).map(|_| json(levels - 1)).collect::<Vec<_>>().join(",")),
        _ => {
            let members = (0..fastrand::u32(..5)).map(|at| format!("\"m{at}\":{}", json(levels - 1)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
    }
}

fn text() -> Vec<u8> {
    match fastrand::u32(..8) {
        0..5 => table(),
        5 => (0..fastrand::u32(..40))
            .map(|_| json(3) + one(&["\n", "", "\n\n"]))
            .collect::<String>()
            .into_bytes(),
        6 => format!("{{\"Records\":[{}]}}", (0..9).map(|_| json(2)).collect::<Vec<_>>().join(","))
            .into_bytes(),
        _ => (0..fastrand::u32(..20))
            .map(|at| format!("{{\"Item\":{{\"id\":{{\"N\":\"{at}\"}},\"t\":{{\"S\":{:?}}}}}}}\n", field()))
            .collect::<String>()
            .into_bytes(),
    }
}

fn damage(text: &mut Vec<u8>) {
    for _ in 0..fastrand::u32(..6) {
        if text.is_empty() {
            return;
        }
        let (at, other) = (fastrand::usize(..text.len()), fastrand::usize(..text.len()));
        let (from, to) = (at.min(other), at.max(other).min(at.min(other) + 200));
        match fastrand::u32(..8) {
            0 => text[at] = fastrand::u8(..),
            1 => drop(text.drain(from..to)),
            2 => text.truncate(at),
            3 => {
                let part = text[from..to].to_vec();
                text.splice(at..at, part);
            }
            4 => text.reverse(),
            _ => drop(text.splice(at..at, one(&SIGNS).iter().copied())),
        }
    }
}

fn options() -> Options {
    let sign = |signs: &[u8]| match fastrand::usize(..signs.len() + 2) {
        0 => Some(Sign::None),
        at => signs.get(at - 1).map(|sign| Sign::Is(*sign)),
    };
    let header = match fastrand::u32(..8) {
        0 => Some(Header::InFirstRow(false)),
        1 => Some(Header::InFirstRow(true)),
        2 => Some(Header::InRows(2)),
        3 => Some(Header::Names(vec!["a".to_owned(), "b".to_owned()])),
        _ => None,
    };
    let columns = if chance(10) { [("name_0".to_owned(), ColumnType::Number)].into() } else { [].into() };
    Options {
        format: one(&[
            Format::Auto,
            Format::Auto,
            Format::Csv,
            Format::Json,
            Format::JsonLines,
            Format::DynamodbJson,
        ]),
        delimiter: if chance(30) { Some(one(b",;\t|\n ")) } else { None },
        pointer: chance(5).then(|| "/Records".to_owned()),
        repair: chance(40).then_some(10_000),
        table: Delimited {
            header,
            skip_lines: chance(10).then(|| fastrand::u32(..4)),
            comment: chance(10).then(|| "#".to_owned()),
            quote: sign(b"\"'"),
            escape: sign(b"\\"),
            trim: chance(10).then_some(true),
            short_rows: one(&[ShortRows::Reject, ShortRows::Null]),
            extra_columns: one(&[ExtraColumns::Reject, ExtraColumns::IgnoreEmpty]),
            duplicate_names: one(&[Names::Reject, Names::Number]),
            unnamed: one(&[Names::Reject, Names::Number]),
            ..Delimited::default()
        },
        columns,
        ..Options::default()
    }
}

/// The text, arriving in pieces of random sizes.
fn arriving(text: &[u8]) -> impl tokio::io::AsyncRead + Send + use<> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    let most = one(&[1_usize, 7, 64, 100_000]);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(fastrand::usize(1..=most).min(rest.len()));
        pieces.push(Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)));
        rest = behind;
    }
    StreamReader::new(stream::iter(pieces))
}

/// Reads the text twice, as the worker does: true if it was read, false if it was refused.
async fn read(text: &[u8], options: &Options) -> bool {
    let refused = |error: ReadError| match error {
        ReadError::Bad(bad) => (bad.reason, bad.message),
        ReadError::Source(error) => panic!("{error}"),
    };
    let checked = check(arriving(text), options, Tolerance::Any).await.map_err(refused);
    let again = check(arriving(text), options, Tolerance::Any).await.map_err(refused);
    assert_eq!(checked, again, "two checks of the same bytes differ");
    let Ok(checked) = checked else { return false };
    let mut rows =
        Rows::open(arriving(text), options, Some(&checked.schema)).await.expect("what was checked");
    let (mut all, mut rejected, mut repaired, mut bytes) = (0, 0, 0, 0);
    while let Some(row) = rows.next().await.expect("what was checked") {
        all += 1;
        repaired += u64::from(row.is_repaired);
        match row.content {
            Ok(record) => {
                bytes += domain::record::size_bytes(&record) as u64;
                let names: std::collections::BTreeSet<&str> =
                    record.iter().map(|(name, _)| &**name).collect();
                assert_eq!(names.len(), record.len(), "a name occurs twice");
            }
            Err(reject) => {
                rejected += 1;
                assert!(!reject.message.is_empty() && reject.raw.len() <= 3 * 1024, "{reject:?}");
            }
        }
    }
    assert_eq!((all, rejected, repaired), (checked.rows, checked.rejected, checked.repaired));
    assert!(
        bytes <= checked.item_bytes,
        "{bytes} bytes of records, where the check allowed for {}",
        checked.item_bytes
    );
    true
}

#[test]
fn damaged_texts_are_read_the_same_twice_or_refused() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seconds = number("FUZZ_SECONDS").map(Duration::from_secs);
    let from = number("FUZZ_FROM").unwrap_or(0);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let began = Instant::now();
    let (mut seed, mut read_count) = (from, 0_u64);
    while seconds.map_or(seed < from + 1_000, |seconds| began.elapsed() < seconds) {
        fastrand::seed(seed);
        let mut text = text();
        damage(&mut text);
        let options = options();
        let one = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(read(&text, &options))));
        let took = one.elapsed();
        assert!(result.is_ok(), "seed {seed}: {options:?}\n{}", text.escape_ascii());
        assert!(took < LONGEST, "seed {seed} took {took:?}: {options:?}\n{}", text.escape_ascii());
        read_count += u64::from(result.unwrap_or_default());
        seed += 1;
    }
    println!("{} texts, {read_count} of them read, up to seed {seed}", seed - from);
    assert!(read_count * 10 > seed - from, "only {read_count} are read: the generator damages too much");
}
