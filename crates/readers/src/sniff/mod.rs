//! How a delimited text is written, from its first rows: evidence or refusal.
//!
//! Every way to read the text is scored by consistency, as the literature does it: the share of rows with as many fields
//! as the header, by the share of fields that are whole by themselves. CleverCSV (van den Burg and others, 2019) weighs
//! patterns of rows by the types of cells; the table uniformity of García (2024) adds how evenly fields are spread;
//! DuckDB's sniffer (2023) takes the dialect that makes the most columns consistently, and looks for the header by types.
//! They all answer with the best dialect there is, even when the second fits as well, and so do the crates that follow
//! them (qsv-sniffer, csv-nose): that is why this is own code. Records go to a table unseen, so the winner here needs a
//! margin over the next best reading and a header that the columns below it bear out. If it has not, the object is
//! refused with both readings and the line for pipelines.toml that settles it.
//!
//! What wins is verified on the way to the end of the object, by the check: every row has to fit it.

mod cells;
mod delimiters;
mod grid;
mod header;
mod kinds;
mod names;
mod one_column;
mod reading;
mod readings;
mod width;

use self::delimiters::{COMMON, RARE, after_lines, is_on_most_lines, rivals};
use self::grid::lines_before;
use self::header::Evidence;
use self::reading::{Look, Reading};
pub use self::readings::{ScoredReading, readings};
use super::delimited::dialect::{Dialect, spelled};
use super::delimited::names::row_shown;
use super::options::Options;
use super::reason::{BadInput, Reason, shown};

/// Signs that divide every line evenly in some texts, and are common in all: only many columns speak for them.
const WEAK: [u8; 2] = [b' ', b':'];

/// What the best reading has to score.
const LEAST_SCORE: f64 = 0.5;

/// What the next best may score, as a share of the best.
const MARGIN: f64 = 0.6;

/// With this number of columns, a weak delimiter counts as a strong one.
const WEAK_COLUMNS: usize = 4;

/// How the text that begins with `text` is written; `whole` says that this is all of it.
pub(super) fn dialect(text: &[u8], whole: bool, options: &Options) -> Result<Dialect, BadInput> {
    let dialect = strict_dialect(text, whole, options)?;
    if options.repair.is_none() || text.is_empty() {
        return Ok(dialect);
    }
    let table = &text[after_lines(text, dialect.skip_lines)..];
    Ok(Dialect { columns: width::common(table, whole, dialect, &options.table), ..dialect })
}

fn strict_dialect(text: &[u8], whole: bool, options: &Options) -> Result<Dialect, BadInput> {
    let said = &options.table;
    let skipped = said.skip_lines.unwrap_or_default();
    let below = &text[after_lines(text, skipped)..];
    if below.trim_ascii().is_empty() {
        return Ok(Dialect { skip_lines: skipped, ..Dialect::of(b',') });
    }
    if let Some(kind) = kinds::certain(below) {
        return Err(BadInput::new(
            Reason::NoTable,
            format!("the object is {kind}, not a table; it begins with {}", first_line(below)),
        ));
    }
    if skipped == 0
        && let Some((delimiter, rest)) = excel_line(below)
        && options.delimiter.is_none_or(|declared| declared == delimiter)
    {
        let lines = lines_before(text, text.len() - rest.len());
        return among(&[delimiter], Look { text: rest, whole, options, rivals: &[] }, true)
            .map(|dialect| Dialect { skip_lines: dialect.skip_lines + lines, ..dialect });
    }
    let rivals = rivals(below);
    let look = Look { text: below, whole, options, rivals: &rivals };
    let found = match options.delimiter {
        Some(b'\n') => one_column::declared(look),
        Some(delimiter) => declared(delimiter, look),
        None => free(look),
    }?;
    Ok(Dialect { skip_lines: found.skip_lines + skipped, ..found })
}

/// Whether lines are a column whose first line is a name by what stands below it.
pub(super) fn is_column_under_name(lines: &[&[u8]]) -> bool {
    let text = lines.join(&b'\n');
    let grid = grid::Grid::of(&text, true, Dialect::one_column(false), None, false);
    !grid.is_broken && header::evidence(&grid, 0) == Evidence::Names
}

/// The delimiter is declared: it is followed, and checked.
fn declared(delimiter: u8, look: Look<'_>) -> Result<Dialect, BadInput> {
    let said = &look.options.table;
    // Rows that are repaired prove nothing against what is said.
    if look.options.repair.is_some() && said.header.is_some() && said.quote.is_some() {
        return Ok(reading::declared(look, delimiter));
    }
    if let Some(found) = reading::best(look, delimiter) {
        return header_of(found, look);
    }
    // Quotes that make no sense: the check says where.
    let plain = Dialect::of(delimiter);
    if look.grid(plain).is_broken {
        return Ok(plain);
    }
    let others = COMMON.into_iter().filter(|other| *other != delimiter);
    let other = others.filter_map(|other| reading::best(look, other)).find(|other| other.fit >= 1.0);
    match other {
        Some(other) => Err(BadInput::new(
            Reason::AmbiguousDialect,
            format!(
                "the pipeline says delimiter = {}, but the first row, {}, has none; with delimiter = {} every row has {} \
                 fields",
                spelled(Some(delimiter)),
                first_line(look.text),
                spelled(other.dialect.delimiter),
                other.width
            ),
        )),
        None => Ok(one_column::dialect(look)),
    }
}

/// Nothing is declared.
fn free(look: Look<'_>) -> Result<Dialect, BadInput> {
    let mut best = among(&COMMON, look, false);
    if let Err(refused) = &best
        && refused.reason == Reason::NoTable
    {
        let rare = RARE.into_iter().filter(|delimiter| is_on_most_lines(look.text, *delimiter));
        best = among(&rare.collect::<Vec<u8>>(), look, false);
    }
    match best {
        Err(refused) if refused.reason == Reason::NoTable => {}
        settled => return settled,
    }
    // Quotes that make no sense in the very first row: the check says where.
    let broken = look.rivals.iter().find(|delimiter| look.grid(Dialect::of(**delimiter)).is_broken);
    if let Some(delimiter) = broken {
        return Ok(Dialect::of(*delimiter));
    }
    if kinds::is_log(look.text) {
        return Err(no_table(look, "a log"));
    }
    if let Some(settled) = weak(look) {
        return settled;
    }
    if let Some(refused) = unproven_title(look) {
        return Err(refused);
    }
    match one_column::plain(look)? {
        Some(dialect) => Ok(dialect),
        None => Err(no_table(look, kinds::likely(look.text))),
    }
}

/// The best reading with one of these delimiters, if it has a margin over the next.
fn among(delimiters: &[u8], look: Look<'_>, told: bool) -> Result<Dialect, BadInput> {
    // A delimiter that occurs nowhere makes no columns. To look for it costs much less than to read by it.
    let present = delimiters.iter().filter(|delimiter| memchr::memchr(**delimiter, look.text).is_some());
    let readings = present.filter_map(|delimiter| reading::best(look, *delimiter));
    let mut readings: Vec<Reading> = readings.filter(reading::has_columns).collect();
    readings.sort_by(|one, other| other.score.total_cmp(&one.score));
    let mut readings = readings.into_iter();
    let Some(first) = readings.next() else {
        return Err(no_table(look, kinds::likely(look.text)));
    };
    let second = readings.next();
    if let Some(second) = &second
        && second.score > first.score * MARGIN
        && second.score > 0.0
    {
        return Err(ambiguous(&first, second));
    }
    // Where rows are short or long, the delimiter is still certain if most rows have it and no other is there.
    let alone = second.is_none() && first.start == 0 && look.rivals.len() <= 1 && has_in_most_rows(&first);
    if !told && first.score < LEAST_SCORE && !alone {
        return Err(no_table(look, kinds::likely(look.text)));
    }
    header_of(first, look)
}

fn has_in_most_rows(reading: &Reading) -> bool {
    let rows = &reading.grid.rows;
    rows.iter().filter(|row| row.width >= 2).count() * 4 >= rows.len() * 3
}

/// The dialect of a reading, if its header is one.
fn header_of(reading: Reading, look: Look<'_>) -> Result<Dialect, BadInput> {
    if look.options.table.quote.is_none()
        && let Some(example) = reading::between_apostrophes(&reading)
    {
        return Err(BadInput::new(
            Reason::AmbiguousDialect,
            format!(
                "fields such as {} stand between apostrophes, but not all of the column; put quote = \"'\" into the \
                 pipelines file if they are quotes, or quote = \"\\\"\" if they are text",
                shown(&example)
            ),
        ));
    }
    if look.options.table.header.is_some() {
        return Ok(reading.dialect);
    }
    if let Some(refused) = title_with_delimiters(&reading) {
        return Err(refused);
    }
    if reading.evidence != Evidence::Data {
        return Ok(reading.dialect);
    }
    let row = reading.grid.texts(reading.grid.rows[reading.start]);
    Err(no_header(&row, &reading.dialect))
}

/// A first row that reads like a sentence, `Stock, 3 May`, or a second row that the columns below it prove to have names.
fn title_with_delimiters(reading: &Reading) -> Option<BadInput> {
    let (grid, start) = (&reading.grid, reading.start);
    let spaced = |row: usize, column: usize| {
        let (field, quoted) = grid.cell(grid.rows[row], column);
        !quoted && field.starts_with(b" ") && !field.trim_ascii().is_empty()
    };
    let is_sentence = (1..reading.width)
        .any(|column| spaced(start, column) && (start + 1..grid.rows.len()).all(|row| !spaced(row, column)));
    let second = (grid.rows.len() > start + 3 && header::evidence(grid, start + 1) == Evidence::Names)
        .then(|| grid.rows[start + 1])
        .filter(|row| row.width == reading.width && !header::is_same(grid, *row, grid.rows[start]))
        .filter(|row| grid.fields(*row).all(|(field, _)| !field.is_empty()));
    let shown_row = |row: grid::Row| {
        let texts = grid.texts(row);
        row_shown(&texts.iter().map(String::as_str).collect::<Vec<&str>>())
    };
    let first = shown_row(grid.rows[start]);
    let message = match second {
        Some(second) => format!(
            "the header is {first}, but the next row, {}, has text where the rows below have something else: it looks like \
             a row of units or like the real header; skip_lines and header = [\"names\"] in the pipelines file settle it",
            shown_row(second)
        ),
        None if is_sentence => format!(
            "the first row, {first}, reads like a title: a space follows its delimiter, and that of no other row; put \
             skip_lines = 1 into the pipelines file if it is one, or header = true"
        ),
        None => return None,
    };
    Some(BadInput::new(Reason::AmbiguousHeader, message))
}

fn no_header(row: &[String], dialect: &Dialect) -> BadInput {
    let row: Vec<&str> = row.iter().map(String::as_str).collect();
    BadInput::new(
        Reason::NoHeader,
        format!(
            "the first row, {}, looks like data: it has no names over columns of other kinds. Put header = [\"…\", …] with \
             {} into the pipelines file, header = false to number them, or header = true if it has the names (read with \
             {dialect})",
            row_shown(&row),
            if row.len() == 1 { "the name".to_owned() } else { format!("the {} names", row.len()) }
        ),
    )
}

/// Two readings that fit about equally well.
fn ambiguous(first: &Reading, second: &Reading) -> BadInput {
    let shown_by = |reading: &Reading| {
        let row = reading.grid.rows.get(reading.start + 1).unwrap_or(&reading.grid.rows[reading.start]);
        let texts = reading.grid.texts(*row);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        format!(
            "{} makes {} fields of a row, {}, and scores {:.2}",
            reading.dialect,
            texts.len(),
            row_shown(&texts),
            reading.score
        )
    };
    BadInput::new(
        Reason::AmbiguousDialect,
        format!(
            "two ways to read the text fit about equally well: {}; {}. Put delimiter = {} or delimiter = {} into the \
             pipelines file",
            shown_by(first),
            shown_by(second),
            spelled(first.dialect.delimiter),
            spelled(second.dialect.delimiter)
        ),
    )
}

fn no_table(look: Look<'_>, kind: &str) -> BadInput {
    BadInput::new(
        Reason::NoTable,
        format!(
            "no table can be read out of the text, which looks like {kind}; it begins with {}. If it is a table, say in the \
             pipelines file how it is written, such as delimiter = \";\", or delimiter = \"none\" if each line is one field",
            first_line(look.text)
        ),
    )
}

/// A space or a colon divides every line into as many fields: a table if there are many of them under names.
fn weak(look: Look<'_>) -> Option<Result<Dialect, BadInput>> {
    let weak = WEAK.into_iter().filter_map(|delimiter| reading::best(look, delimiter));
    let found = weak
        .filter(|it| it.fit >= 1.0 && it.start == 0 && it.grid.rows.len() >= 2)
        .max_by_key(|it| it.width)?;
    if found.width >= WEAK_COLUMNS && found.evidence != Evidence::Unknown && found.score >= LEAST_SCORE {
        return Some(header_of(found, look));
    }
    None
}

/// Lines of one field and below them a table whose header nothing bears out.
fn unproven_title(look: Look<'_>) -> Option<BadInput> {
    look.rivals.iter().find_map(|delimiter| {
        let grid = look.grid(Dialect::of(*delimiter));
        let titles = reading::titles(&grid);
        let width = grid.rows.get(titles)?.width;
        if titles == 0 || width < 2 || grid.rows.len() < titles + 2 || !grid.rows[titles..].iter().all(|row| row.width == width) {
            return None;
        }
        let texts = grid.texts(grid.rows[titles]);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let lines = lines_before(look.text, grid.rows[titles].at);
        Some(BadInput::new(
            Reason::AmbiguousHeader,
            format!(
                "line 1, {}, looks like a title and line {}, {}, like the header, but all columns are text and nothing \
                 proves it; put skip_lines = {lines} into the pipelines file if it is so",
                first_line(look.text),
                lines + 1,
                row_shown(&texts)
            ),
        ))
    })
}

/// Excel's own first line, `sep=;`: the delimiter, and the text behind the line.
fn excel_line(text: &[u8]) -> Option<(u8, &[u8])> {
    let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let line = text[..end].trim_ascii();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let (name, sign) = line.split_at_checked(4)?;
    let [sign] = sign else { return None };
    let rest = text[end..].strip_prefix(b"\r\n").unwrap_or(&text[end + 1..]);
    (name.eq_ignore_ascii_case(b"sep=") && sign.is_ascii() && !sign.is_ascii_alphanumeric())
        .then_some((*sign, rest))
}

/// The first line that is not empty, as it may stand in a message.
fn first_line(text: &[u8]) -> String {
    let mut lines =
        text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.trim_ascii().is_empty());
    let line = lines.next().unwrap_or_default();
    shown(&String::from_utf8_lossy(&line[..line.len().min(200)]))
}
