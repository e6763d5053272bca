//! Polluted tables whose clean twin is known: each is read equal to its twin, or refused with a reason.
//!
//! A seeded generator makes tables of typed columns and writes each in some dialect, with some of the flaws that files
//! have: other quotes and escapes, titles and comments above, lines below, null markers, joined parts, ragged rows, stray
//! quotes, other encodings and line ends. Where a flaw cannot be told without a word of the pipeline, half of the tables
//! come with that word. A plain run makes some hundred tables; this makes ten thousand and prints the shares:
//!
//! ```sh
//! POLLUTED_TABLES=10000 cargo test -p readers --release --test polluted -- --nocapture
//! ```

use std::collections::BTreeMap;

use domain::pipelines::{Delimited, Header, Names, ShortRows};
use domain::record::{Value, write_record_json};
use readers::{Options, ReadError, Rows, Tolerance, check};

/// What a column holds.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Id,
    Price,
    Date,
    Word,
    Phrase,
    Code,
    Flag,
}

/// The table as it is meant: names, and values as text with whether they are numbers.
struct Clean {
    names: Vec<String>,
    kinds: Vec<Kind>,
    rows: Vec<Vec<Option<String>>>,
}

const NAMES: [&str; 14] = [
    "id", "item", "price", "created", "city", "remark", "code", "active", "shelf", "total", "owner",
    "weight", "note", "kind",
];
const WORDS: [&str; 16] = [
    "bolt", "nut", "washer", "Bergen", "Oslo", "cellar", "grey", "black", "north", "Ida", "Per", "lamp",
    "rope", "Café", "Åre", "steel",
];

fn one<T: Clone>(of: &[T]) -> T {
    of[fastrand::usize(..of.len())].clone()
}

fn chance(percent: u32) -> bool {
    fastrand::u32(..100) < percent
}

fn clean() -> Clean {
    let width = fastrand::usize(2..8);
    let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    fastrand::shuffle(&mut names);
    names.truncate(width);
    let mut kinds: Vec<Kind> = (0..width)
        .map(|_| {
            one(&[Kind::Price, Kind::Date, Kind::Word, Kind::Word, Kind::Phrase, Kind::Code, Kind::Flag])
        })
        .collect();
    if chance(85) {
        kinds[0] = Kind::Id;
    }
    let count = fastrand::usize(3..60);
    let rows = (0..count).map(|row| kinds.iter().map(|kind| value(*kind, row)).collect()).collect();
    Clean { names, kinds, rows }
}

fn value(kind: Kind, row: usize) -> Option<String> {
    Some(match kind {
        Kind::Id => (1_000 + row).to_string(),
        // The first rows have values: a column that is empty all over has no type.
        Kind::Price if row > 1 && chance(8) => return None,
        Kind::Price => format!("{}.{:02}", fastrand::u32(..2_000), fastrand::u32(..100)),
        Kind::Date => {
            format!("20{:02}-{:02}-{:02}", fastrand::u32(10..30), fastrand::u32(1..13), fastrand::u32(1..29))
        }
        Kind::Word => one(&WORDS).to_owned(),
        Kind::Phrase => {
            let words: Vec<&str> = (0..fastrand::usize(1..6)).map(|_| one(&WORDS)).collect();
            words.join(one(&[" ", " ", ", ", " \"q\" ", "; ", " it's "]))
        }
        Kind::Code => format!("0{:04}", fastrand::u32(..10_000)),
        Kind::Flag => one(&["true", "false"]).to_owned(),
    })
}

/// The quotes of a dialect.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Quotes {
    WhereNeeded,
    Everywhere,
    Apostrophes,
    Backslashes,
}

/// A written table, what the pipeline says about it, and the records it stands for.
struct Polluted {
    bytes: Vec<u8>,
    options: Options,
    records: Vec<String>,
    flaws: Vec<&'static str>,
}

fn polluted() -> Polluted {
    let mut clean = clean();
    let mut flaws = Vec::new();
    let mut said = Delimited::default();
    let mut options = Options::default();
    let delimiter = one(&[b',', b',', b',', b';', b';', b'\t', b'\t', b'|', b'~', b'^', 1]);
    let quotes = one(&[
        Quotes::WhereNeeded,
        Quotes::WhereNeeded,
        Quotes::WhereNeeded,
        Quotes::Everywhere,
        Quotes::Apostrophes,
        Quotes::Backslashes,
    ]);
    let spaced = delimiter != b'\t' && chance(8);
    let null = if chance(20) { one(&["\\N", "NULL", "NaN", "N/A"]) } else { "" };
    let decimal_comma = chance(8);
    if decimal_comma && chance(50) {
        said.decimal = Some(',');
    }
    if chance(2) {
        let name = clean.names[0].clone();
        if let Some(last) = clean.names.last_mut() {
            *last = name;
        }
        flaws.push("duplicate names");
        if chance(50) {
            said.duplicate_names = Names::Number;
        }
    }
    let mut lines: Vec<String> = Vec::new();
    let sign = char::from(delimiter);
    let write = |fields: &[String], is_header: bool| {
        let fields = fields.iter().map(|field| written(field, sign, quotes, is_header));
        fields.collect::<Vec<_>>().join(&if spaced { format!("{sign} ") } else { sign.to_string() })
    };
    let texts = |row: &Vec<Option<String>>| -> Vec<String> {
        let decimal = |text: &String, kind: Kind| {
            if decimal_comma && kind == Kind::Price { text.replace('.', ",") } else { text.clone() }
        };
        let fields = row.iter().zip(&clean.kinds);
        fields
            .map(|(field, kind)| field.as_ref().map_or(null.to_owned(), |text| decimal(text, *kind)))
            .collect()
    };
    let header = write(&clean.names, true);
    let has_header = !chance(4);
    if has_header {
        lines.push(header.clone());
    } else {
        flaws.push("no header");
        if chance(50) {
            said.header = Some(one(&[Header::InFirstRow(false), Header::Names(clean.names.clone())]));
        }
    }
    for (at, row) in clean.rows.iter().enumerate() {
        if at > 0 && has_header && chance(1) {
            flaws.push("repeated header");
            lines.push(header.clone());
        }
        if at > 0 && chance(1) {
            flaws.push("blank line");
            lines.push(String::new());
        }
        lines.push(write(&texts(row), false));
    }
    spoil(&mut lines, &mut flaws, &mut said, &mut clean, sign, has_header);
    if chance(14) {
        above(&mut lines, &mut flaws, sign, clean.names.len());
    }
    let records = records(&clean, &said, decimal_comma, null);
    let (bytes, encoding) = encoded(&lines, &mut flaws);
    options.encoding = encoding;
    options.table = said;
    Polluted { bytes, options, records, flaws }
}

/// A field as a dialect writes it.
fn written(field: &str, delimiter: char, quotes: Quotes, is_header: bool) -> String {
    let needs = field.contains([delimiter, '\n', '\r', '"']) || field.starts_with([' ', '\'']);
    match quotes {
        Quotes::WhereNeeded if !needs => field.to_owned(),
        Quotes::WhereNeeded | Quotes::Everywhere => format!("\"{}\"", field.replace('"', "\"\"")),
        Quotes::Apostrophes if is_header && !needs => field.to_owned(),
        Quotes::Apostrophes => format!("'{}'", field.replace('\'', "''")),
        Quotes::Backslashes if needs || field.contains("\\") && field != "\\N" => {
            format!("\"{}\"", field.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Quotes::Backslashes => field.to_owned(),
    }
}

/// Flaws in the rows.
fn spoil(
    lines: &mut Vec<String>,
    flaws: &mut Vec<&'static str>,
    said: &mut Delimited,
    clean: &mut Clean,
    sign: char,
    has_header: bool,
) {
    let first = usize::from(has_header);
    if chance(2) {
        flaws.push("short row");
        let (row, at) = (clean.rows.len() - 1, lines.len() - 1);
        if clean
            .kinds
            .last()
            .is_some_and(|kind| matches!(kind, Kind::Id | Kind::Price | Kind::Word | Kind::Code))
            && let Some((kept, _)) = lines[at].rsplit_once(sign)
        {
            lines[at] = kept.to_owned();
            if chance(50) {
                said.short_rows = ShortRows::Null;
                if let Some(last) = clean.rows[row].last_mut() {
                    *last = Some("\u{0}".to_owned());
                }
            }
        }
    }
    match fastrand::u32(..100) {
        0 if said.short_rows == ShortRows::Reject => {
            flaws.push("long row");
            let at = fastrand::usize(first..lines.len());
            if !lines[at].is_empty() {
                lines[at].push_str(&format!("{sign}x"));
            }
        }
        1 if clean.kinds[0] == Kind::Word => {
            flaws.push("stray quotes");
            let at = lines.len() - 1;
            lines[at] = format!("\"Big\" {}", lines[at]);
            if let Some(Some(word)) = clean.rows.last_mut().map(|row| &mut row[0]) {
                *word = format!("\"Big\" {word}");
            }
        }
        2 => {
            flaws.push("open quote");
            let at = fastrand::usize(first..lines.len());
            lines[at] = format!("\"{}", lines[at]);
        }
        3 => {
            flaws.push("lost delimiter");
            let at = fastrand::usize(first..lines.len());
            lines[at] = lines[at].replacen(sign, " ", 1);
        }
        4..7 if has_header && !flaws.contains(&"short row") => {
            flaws.push("delimiter at the end");
            for line in lines.iter_mut().filter(|line| !line.is_empty()) {
                line.push(sign);
            }
        }
        // Where short rows are allowed, such a line is one.
        7 if said.short_rows == ShortRows::Reject => {
            flaws.push("line below");
            lines.push(one(&["Total rows: 12", "(12 rows affected)", "-- end of report"]).to_owned());
        }
        8..10 => {
            flaws.push("end-of-file byte");
        }
        _ => {}
    }
}

/// Lines above the header.
fn above(lines: &mut Vec<String>, flaws: &mut Vec<&'static str>, sign: char, width: usize) {
    flaws.push("lines above");
    let padding = sign.to_string().repeat(width - 1);
    let above: Vec<String> = match fastrand::u32(..6) {
        0 => vec!["Stock on 3 May".to_owned()],
        1 => vec!["# exported by till 4".to_owned(), "# second line".to_owned()],
        2 => vec!["Report: stock".to_owned(), "Shop: north".to_owned(), String::new()],
        3 => vec![format!("Stock on 3 May{padding}")],
        4 => vec![format!("Stock{sign} 3 May")],
        _ => vec![format!("sep={sign}")],
    };
    lines.splice(..0, above);
}

/// The lines as bytes, and the encoding that the pipeline names.
fn encoded(lines: &[String], flaws: &mut Vec<&'static str>) -> (Vec<u8>, Option<String>) {
    let end = one(&["\n", "\n", "\n", "\r\n", "\r\n", "\r"]);
    let mut text = lines.join(end);
    if chance(70) {
        text.push_str(end);
    }
    if flaws.contains(&"end-of-file byte") {
        text.push('\u{1a}');
    }
    match fastrand::u32(..40) {
        0 => ([b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
        1 => ([b"\xef\xbb\xbf\xef\xbb\xbf", text.as_bytes()].concat(), None),
        2 => (format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(), None),
        3 => (format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(), None),
        4 => {
            flaws.push("windows-1252");
            let bytes = text.chars().map(|sign| u8::try_from(u32::from(sign)).unwrap_or(b'?')).collect();
            (bytes, chance(50).then(|| "windows-1252".to_owned()))
        }
        _ => (text.into_bytes(), None),
    }
}

/// The records that the table stands for, as JSON.
fn records(clean: &Clean, said: &Delimited, decimal_comma: bool, null: &str) -> Vec<String> {
    let mut names = clean.names.clone();
    if said.header == Some(Header::InFirstRow(false)) {
        names = (1..=names.len()).map(|column| format!("column_{column}")).collect();
    } else if said.duplicate_names == Names::Number
        && !matches!(said.header, Some(Header::Names(_)))
        && let Some(last) = names.last_mut()
    {
        *last = format!("{last}_2");
    }
    let is_text = |kind: Kind| match kind {
        Kind::Id | Kind::Flag => false,
        Kind::Price => decimal_comma && said.decimal.is_none(),
        _ => true,
    };
    clean
        .rows
        .iter()
        .map(|row| {
            let record = row.iter().zip(&clean.kinds).zip(&names).map(|((field, kind), name)| {
                let value = match field.as_deref() {
                    Some("\u{0}") => Value::Null,
                    None if is_text(*kind) => Value::Text(null.to_owned()),
                    None => Value::Null,
                    Some(text) if is_text(*kind) && *kind == Kind::Price => {
                        Value::Text(text.replace('.', ","))
                    }
                    Some(text) if is_text(*kind) => Value::Text(text.to_owned()),
                    Some(text) if *kind == Kind::Flag => Value::Bool(text == "true"),
                    Some(text) => Value::Number(text.to_owned()),
                };
                (name.as_str().into(), value)
            });
            json(&record.collect())
        })
        .collect()
}

fn json(record: &domain::record::Record) -> String {
    let mut out = Vec::new();
    write_record_json(record, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// What the readers make of the bytes: the records, or the reason.
async fn outcome(table: &Polluted) -> Result<Vec<String>, (String, String)> {
    let open = || std::io::Cursor::new(table.bytes.clone());
    let told = |error: ReadError| match error {
        ReadError::Bad(bad) => (bad.reason.code().to_owned(), bad.message),
        ReadError::Source(error) => panic!("{error}"),
    };
    let checked = check(open(), &table.options, Tolerance::None).await.map_err(told)?;
    let mut rows = Rows::open(open(), &table.options, Some(&checked.schema)).await.map_err(told)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next().await.map_err(told)? {
        records.push(json(&row.content.expect("the check has refused none")));
    }
    Ok(records)
}

#[tokio::test]
async fn every_polluted_table_is_read_right_or_refused() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (count, from) = (number("POLLUTED_TABLES").unwrap_or(400), number("POLLUTED_FROM").unwrap_or(0));
    let (mut right, mut wrong) = (0_u64, Vec::new());
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    let mut refused_by_flaw: BTreeMap<String, u64> = BTreeMap::new();
    for seed in from..from + count {
        fastrand::seed(seed);
        let table = polluted();
        match outcome(&table).await {
            Ok(records) if records == table.records => right += 1,
            Ok(records) => {
                let differs = records.iter().zip(&table.records).find(|(read, meant)| read != meant);
                wrong.push(format!(
                    "seed {seed} {:?}: {} records of {}; {differs:?}\n{}",
                    table.flaws,
                    records.len(),
                    table.records.len(),
                    table.bytes[..table.bytes.len().min(400)].escape_ascii()
                ));
            }
            Err((reason, message)) => {
                assert!(!message.is_empty(), "seed {seed}: {reason} says nothing");
                let flaws = if table.flaws.is_empty() { "none".to_owned() } else { table.flaws.join(", ") };
                if std::env::var("POLLUTED_SHOW").is_ok_and(|flaw| flaws == flaw) {
                    let begin = table.bytes[..table.bytes.len().min(300)].escape_ascii();
                    println!("seed {seed}: {reason}: {message}\n{begin}");
                }
                *refused_by_flaw.entry(format!("{reason} {flaws}")).or_default() += 1;
                *refused.entry(reason).or_default() += 1;
            }
        }
    }
    println!(
        "{count} tables: {right} read right, {} refused, {} wrong",
        refused.values().sum::<u64>(),
        wrong.len()
    );
    println!("refused: {refused:?}");
    if std::env::var("POLLUTED_SHOW").is_ok() {
        println!("by flaw: {refused_by_flaw:#?}");
    }
    assert!(
        wrong.is_empty(),
        "{} tables are silently wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(12)].join("\n")
    );
    assert!(right * 100 >= count * 85, "only {right} of {count} tables are read");
}
