//! Tables with one flaw each, repaired: how near they come to their clean twins.
//!
//! The flaws are of the kinds that were counted in public files and that the Pollock benchmark (Vitagliano and others, "Pollock:
//! A Data Loading Benchmark", VLDB 2023) is made of; the table, the flaws and the twins are this project's own. As there, a
//! reader is told how the file is written (delimiter, quotes, escape, encoding, lines and rows of names before the records), and is
//! scored by precision, recall and F1 of the header's names, of the records and of the cells, and by whether it reads the
//! file at all: 10 at the most. The simple score is the mean over all tables; here the second is the mean over the kinds of
//! flaw, where the benchmark weighs a kind by how often it was seen.
//!
//! A plain run takes some rows of each kind, `REPAIRED_ALL=1` all of them:
//!
//! ```sh
//! REPAIRED_ALL=1 cargo test -p readers --release --test repaired -- --nocapture
//! ```

use std::collections::{BTreeMap, HashMap};

use domain::manifest::REPAIRED;
use domain::pipelines::{Delimited, Header, Sign};
use domain::record::Value;
use readers::{Options, ReadError, Rows, Tolerance, check};

const ROWS: usize = 100;
const NAMES: [&str; 8] = ["id", "day", "time", "item", "price", "pieces", "city", "remark"];

/// A table: its names, and its rows of text.
#[derive(Clone, PartialEq, Debug)]
struct Table {
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn clean() -> Table {
    let items = ["bolt, long", "nut", "washer \"M4\"", "lamp", "rope; blue"];
    let cities = ["Bergen", "Oslo", "Åre", "Tromsø"];
    let row = |at: usize| {
        vec![
            (1_000 + at).to_string(),
            format!("2024-{:02}-{:02}", at % 12 + 1, at % 28 + 1),
            format!("{:02}:{:02}", at % 24, at * 7 % 60),
            items[at % items.len()].to_owned(),
            format!("{}.{:02}", at * 37 % 500, at * 13 % 100),
            (at % 9).to_string(),
            cities[at % cities.len()].to_owned(),
            if at.is_multiple_of(3) { String::new() } else { format!("note {at}, see \"{}\"", at + 1) },
        ]
    };
    Table { names: NAMES.map(str::to_owned).to_vec(), rows: (0..ROWS).map(row).collect() }
}

/// How a row is written.
#[derive(Clone, Copy)]
struct Written<'a> {
    delimiter: &'a str,
    quote: char,
    /// What stands before a quote inside a quoted field.
    escape: char,
    everywhere: bool,
}

const PLAIN: Written<'static> = Written { delimiter: ",", quote: '"', escape: '"', everywhere: false };

impl Written<'_> {
    fn field(self, field: &str) -> String {
        let needs = field.contains([self.quote, '\n', '\r', ',', ';', '\t', '|', '"'])
            || field.contains(self.delimiter);
        if !needs && !self.everywhere {
            return field.to_owned();
        }
        let quote = self.quote;
        format!("{quote}{}{quote}", field.replace(quote, &format!("{}{quote}", self.escape)))
    }

    fn row(self, row: &[String]) -> String {
        row.iter().map(|field| self.field(field)).collect::<Vec<_>>().join(self.delimiter)
    }

    fn lines(self, table: &Table) -> Vec<String> {
        std::iter::once(&table.names).chain(&table.rows).map(|row| self.row(row)).collect()
    }
}

/// A file with one flaw, what is said about it, and what it should be read as.
struct Polluted {
    kind: &'static str,
    bytes: Vec<u8>,
    options: Options,
    twin: Table,
}

fn options(written: Written<'_>) -> Options {
    let delimiter = written.delimiter.as_bytes()[0];
    let quote = Sign::Is(u8::try_from(u32::from(written.quote)).expect("a quote is ASCII"));
    let escape = if written.escape == '\\' { Some(Sign::Is(b'\\')) } else { Some(Sign::None) };
    Options {
        delimiter: Some(delimiter),
        repair: Some(5_000),
        table: Delimited {
            header: Some(Header::InFirstRow(true)),
            quote: Some(quote),
            escape,
            skip_lines: Some(0),
            ..Delimited::default()
        },
        ..Options::default()
    }
}

fn file(kind: &'static str, lines: &[String], twin: Table, options: Options) -> Polluted {
    let mut text = lines.join("\n");
    text.push('\n');
    Polluted { kind, bytes: text.into_bytes(), options, twin }
}

/// The rows that are polluted: all, or some of them.
fn places() -> Vec<usize> {
    let all = std::env::var("REPAIRED_ALL").is_ok();
    (1..=ROWS).filter(|row| all || *row <= 2 || row % 9 == 0 || *row >= ROWS - 1).collect()
}

fn polluted() -> Vec<Polluted> {
    let mut files = whole_files();
    files.extend(headers());
    let (table, lines) = (clean(), PLAIN.lines(&clean()));
    for row in places() {
        let fields: Vec<String> = table.rows[row - 1].iter().map(|field| PLAIN.field(field)).collect();
        let with_line = |line: String| {
            let mut lines = lines.clone();
            lines[row] = line;
            lines
        };
        let with_row = |fields: Vec<String>| {
            let mut twin = table.clone();
            twin.rows[row - 1] = fields;
            twin
        };
        for column in 0..NAMES.len() {
            if column + 1 < NAMES.len()
                && !fields[column].ends_with('"')
                && !fields[column + 1].starts_with('"')
            {
                let mut merged = fields.clone();
                let next = merged.remove(column + 1);
                merged[column].push_str(&next);
                let mut meant = table.rows[row - 1].clone();
                let next = meant.remove(column + 1);
                meant[column].push_str(&next);
                meant.push(String::new());
                files.push(file(
                    "delimiter missing",
                    &with_line(merged.join(",")),
                    with_row(meant),
                    options(PLAIN),
                ));
            }
            let mut more = fields.clone();
            more.insert(column, String::new());
            let mut meant = table.rows[row - 1].clone();
            meant.insert(column, String::new());
            meant.truncate(NAMES.len());
            files.push(file(
                "delimiter too many",
                &with_line(more.join(",")),
                with_row(meant),
                options(PLAIN),
            ));
            for (kind, at) in [("quote at the start", 0), ("quote inside", 1), ("quote at the end", 2)] {
                let value = &table.rows[row - 1][column];
                let at = [0, value.len() / 2, value.len()][at];
                if !value.is_char_boundary(at) {
                    continue;
                }
                // In a quoted field, the quote stands between those around it and is not doubled.
                let written = &fields[column];
                let is_quoted = written.starts_with('"');
                let (mut meant, mut spoilt) = (table.rows[row - 1].clone(), fields.clone());
                if is_quoted {
                    if value.contains('"') {
                        continue;
                    }
                    spoilt[column].insert(at + 1, '"');
                } else {
                    spoilt[column].insert(at, '"');
                }
                meant[column].insert(at, '"');
                files.push(file(kind, &with_line(spoilt.join(",")), with_row(meant), options(PLAIN)));
            }
        }
        let row_written = |written: Written<'_>| with_line(written.row(&table.rows[row - 1]));
        for delimiter in [";", "\t", "|", ", "] {
            let other = row_written(Written { delimiter, ..PLAIN });
            files.push(file("other delimiter in a row", &other, table.clone(), options(PLAIN)));
        }
        for everywhere in [false, true] {
            let other = row_written(Written { quote: '\'', escape: '\'', everywhere, ..PLAIN });
            files.push(file("other quote in a row", &other, table.clone(), options(PLAIN)));
        }
        let other = row_written(Written { escape: '\\', ..PLAIN });
        files.push(file("other escape in a row", &other, table.clone(), options(PLAIN)));
        for end in ["\r", "\r\n", "\n\n", "\r\n\r\n"] {
            let text = format!("{}{end}{}", lines[..=row].join("\n"), lines[row + 1..].join("\n"));
            let bytes = text.into_bytes();
            files.push(Polluted {
                kind: "other line end in a row",
                bytes,
                options: options(PLAIN),
                twin: table.clone(),
            });
        }
        let mut bad = lines.join("\n").into_bytes();
        let start = lines[..row].iter().map(|line| line.len() + 1).sum::<usize>();
        bad[start + 7] = 0xe5;
        let mut meant = table.rows[row - 1].clone();
        meant[1].replace_range(2..3, "å");
        files.push(Polluted {
            kind: "bad byte in a row",
            bytes: bad,
            options: options(PLAIN),
            twin: with_row(meant),
        });
    }
    files
}

/// Flaws of the whole file.
fn whole_files() -> Vec<Polluted> {
    let table = clean();
    let mut files = vec![file("none", &PLAIN.lines(&table), table.clone(), options(PLAIN))];
    for delimiter in [";", "\t", "|", " ", ":", ", ", "~"] {
        let written = Written { delimiter, ..PLAIN };
        files.push(file("delimiter", &written.lines(&table), table.clone(), options(written)));
    }
    for (quote, escape) in [('\'', '\''), ('"', '\\'), ('\'', '\\')] {
        let written = Written { quote, escape, everywhere: true, ..PLAIN };
        files.push(file("quotes", &written.lines(&table), table.clone(), options(written)));
    }
    let lines = PLAIN.lines(&table);
    for (kind, end, last) in [
        ("line ends", "\r", "\r"),
        ("line ends", "\r\n", "\r\n"),
        ("last line end", "\n", ""),
        ("last line end", "\n", "\n\n"),
        ("last line end", "\r\n", "\r\n\r\n\r\n"),
    ] {
        let bytes = format!("{}{last}", lines.join(end)).into_bytes();
        files.push(Polluted { kind, bytes, options: options(PLAIN), twin: table.clone() });
    }
    let text = lines.join("\n");
    let latin: Vec<u8> = text.chars().map(|sign| u8::try_from(u32::from(sign)).expect("Latin 1")).collect();
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, name) in [
        (latin, Some("windows-1252")),
        (utf16, Some("utf-16le")),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
    ] {
        let options = Options { encoding: name.map(str::to_owned), ..options(PLAIN) };
        files.push(Polluted { kind: "encoding", bytes, options, twin: table.clone() });
    }
    let none = Table { names: table.names.clone(), rows: Vec::new() };
    files.push(file("header only", &lines[..1], none, options(PLAIN)));
    let one = Table { names: table.names.clone(), rows: table.rows[..1].to_vec() };
    files.push(file("one row", &lines[..2], one, options(PLAIN)));
    files.push(Polluted {
        kind: "no bytes",
        bytes: Vec::new(),
        options: options(PLAIN),
        twin: Table { names: Vec::new(), rows: Vec::new() },
    });
    for above in [&["Stock on 3 May", "Shop: north", ""][..], &["a,b,c,d,e,f,g,h", "# of the till"]] {
        let mut lines = lines.clone();
        lines.splice(..0, above.iter().map(|line| (*line).to_owned()));
        let mut options = options(PLAIN);
        options.table.skip_lines = u32::try_from(above.len()).ok();
        files.push(file("lines above", &lines, table.clone(), options));
    }
    for width in [NAMES.len() - 3, NAMES.len(), NAMES.len() + 2] {
        let (mut lines, mut twin) = (lines.clone(), table.clone());
        for row in 0..20 {
            let fields: Vec<String> = (0..width).map(|column| format!("x{row}y{column}")).collect();
            lines.push(fields.join(","));
            let mut fields = fields;
            fields.resize(NAMES.len(), String::new());
            twin.rows.push(fields);
        }
        files.push(file("second table below", &lines, twin, options(PLAIN)));
    }
    files
}

/// Flaws of the header.
fn headers() -> Vec<Polluted> {
    let (table, lines) = (clean(), PLAIN.lines(&clean()));
    let mut files = Vec::new();
    let named = |names: Vec<String>| Table { names, rows: table.rows.clone() };
    for names in [Header::InFirstRow(false), Header::Names(table.names.clone())] {
        let twin = match &names {
            Header::Names(names) => names.clone(),
            _ => (1..=NAMES.len()).map(|column| format!("column_{column}")).collect(),
        };
        let mut options = options(PLAIN);
        options.table.header = Some(names);
        files.push(file("no header", &lines[1..], named(twin), options));
    }
    for rows in [2, 3] {
        let parts: Vec<Vec<String>> = (0..rows)
            .map(|row| table.names.iter().map(|name| format!("{name}{row}")).collect::<Vec<String>>())
            .collect();
        let names = (0..NAMES.len())
            .map(|column| parts.iter().map(|row| row[column].clone()).collect::<Vec<_>>().join(" "))
            .collect();
        let mut lines = lines[1..].to_vec();
        lines.splice(..0, parts.iter().map(|row| row.join(",")));
        let mut options = options(PLAIN);
        options.table.header = Some(Header::InRows(rows));
        files.push(file("header of several rows", &lines, named(names), options));
    }
    for column in 0..NAMES.len() {
        let header = |edit: &dyn Fn(&mut Vec<String>)| {
            let mut names = table.names.clone();
            edit(&mut names);
            let mut lines = lines.clone();
            lines[0] = names.join(",");
            lines
        };
        if column + 1 < NAMES.len() {
            let lines = header(&|names| {
                let next = names.remove(column + 1);
                names[column].push_str(&next);
            });
            let mut names = table.names.clone();
            let next = names.remove(column + 1);
            names[column].push_str(&next);
            names.push(format!("column_{}", NAMES.len()));
            files.push(file("header lacks a delimiter", &lines, named(names), options(PLAIN)));
        }
        let lines = header(&|names| names.insert(column, String::new()));
        files.push(file("header has a delimiter too many", &lines, table.clone(), options(PLAIN)));
        let quoted = header(&|names| names[column].insert(0, '"'));
        let mut names = table.names.clone();
        names[column].insert(0, '"');
        files.push(file("quote in the header", &quoted, named(names), options(PLAIN)));
        let empty = header(&|names| names[column].clear());
        let mut names = table.names.clone();
        names[column] = format!("column_{}", column + 1);
        files.push(file("name missing", &empty, named(names), options(PLAIN)));
        if column > 0 {
            let double = header(&|names| names[column] = names[0].clone());
            let mut names = table.names.clone();
            names[column] = format!("{}_2", names[0]);
            files.push(file("name twice", &double, named(names), options(PLAIN)));
        }
    }
    files
}

/// The table as it is read, and how many of its records say that they were repaired.
async fn loaded(file: &Polluted) -> Result<(Table, u64), String> {
    let open = || std::io::Cursor::new(file.bytes.clone());
    let told = |error: ReadError| error.to_string();
    let checked = check(open(), &file.options, Tolerance::Any).await.map_err(told)?;
    let mut rows = Rows::open(open(), &file.options, Some(&checked.schema)).await.map_err(told)?;
    let names = checked.schema.columns.iter().map(|column| column.name.to_string()).collect();
    let mut table = Table { names, rows: Vec::new() };
    let mut marked = 0;
    while let Some(row) = rows.next().await.map_err(told)? {
        let Ok(record) = row.content else { continue };
        marked += u64::from(record.iter().any(|(name, _)| **name == *REPAIRED));
        let fields = record.iter().filter(|(name, _)| **name != *REPAIRED).map(|(_, value)| match value {
            Value::Null => String::new(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) | Value::Text(text) => text.clone(),
            other => panic!("{other:?} in a table"),
        });
        table.rows.push(fields.collect());
    }
    assert_eq!(marked, checked.repaired, "every repaired record is marked");
    assert_eq!(table.rows.len() as u64, checked.rows - checked.rejected, "both readings agree");
    Ok((table, marked))
}

/// Precision, recall and F1 of what was read, summed.
fn agreement<T: std::hash::Hash + Eq>(read: Vec<T>, meant: Vec<T>) -> f64 {
    let (read_count, meant_count) = (read.len(), meant.len());
    let mut open: HashMap<T, usize> = HashMap::new();
    for it in meant {
        *open.entry(it).or_default() += 1;
    }
    let mut same = 0_usize;
    for it in read {
        if let Some(count) = open.get_mut(&it).filter(|count| **count > 0) {
            *count -= 1;
            same += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand cells")]
    let share = |of: usize| match (of, read_count + meant_count) {
        (_, 0) => 1.0,
        (0, _) => 0.0,
        (of, _) => same as f64 / of as f64,
    };
    let (precision, recall) = (share(read_count), share(meant_count));
    let f1 = if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 };
    precision + recall + f1
}

fn score(read: &Table, meant: &Table) -> f64 {
    let cells = |table: &Table| table.rows.iter().flatten().cloned().collect::<Vec<_>>();
    1.0 + agreement(read.names.clone(), meant.names.clone())
        + agreement(read.rows.clone(), meant.rows.clone())
        + agreement(cells(read), cells(meant))
}

#[tokio::test]
async fn repaired_tables_come_near_their_clean_twins() {
    let mut by_kind: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut worst: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    for file in polluted() {
        let (score, seen) = match loaded(&file).await {
            Ok((table, marked)) => {
                // No row is repaired without a word, and none is marked that is as it should be.
                if file.kind == "none" {
                    assert_eq!(marked, 0);
                }
                let rows = table.rows.iter().zip(&file.twin.rows);
                let differs = rows.clone().find(|(read, meant)| read != meant);
                (score(&table, &file.twin), format!("{:?} {differs:?}", table.names))
            }
            Err(error) => (0.0, error),
        };
        by_kind.entry(file.kind).or_default().push(score);
        let known = worst.entry(file.kind).or_insert((11.0, String::new()));
        if score < known.0 {
            *known = (score, seen);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "some thousand tables")]
    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
    for (kind, scores) in &by_kind {
        let (least, seen) = &worst[kind];
        println!("{kind}: {} tables, {:.3}, worst {least:.3}", scores.len(), mean(scores));
        if *least < 9.99 {
            println!("    {seen}");
        }
    }
    let all: Vec<f64> = by_kind.values().flatten().copied().collect();
    let kinds: Vec<f64> = by_kind.values().map(|scores| mean(scores)).collect();
    let (simple, by_kind) = (mean(&all), mean(&kinds));
    println!("{} tables: simple {simple:.3}, by kind {by_kind:.3} of 10", all.len());
    assert!(simple >= 9.96, "{simple}");
    assert!(by_kind >= 9.6, "{by_kind}");
}
