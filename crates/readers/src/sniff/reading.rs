//! One way to read a text as a table, and how well it fits.

use domain::pipelines::{ExtraColumns, Sign};

use super::super::delimited::dialect::{Dialect, Spaces};
use super::super::options::Options;
use super::cells::{Class, class};
use super::grid::{Grid, lines_before};
use super::header::{Evidence, evidence, is_same};

/// The header is looked for behind at most this number of rows.
const PREAMBLE_ROWS: usize = 20;

/// A way to read the text.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) dialect: Dialect,
    pub(super) grid: Grid,
    /// The row with the names, or the first one where none has.
    pub(super) start: usize,
    /// How many fields it has.
    pub(super) width: usize,
    /// The share of rows that have as many.
    pub(super) fit: f64,
    /// `fit` by the share of fields that are sound.
    pub(super) score: f64,
    pub(super) evidence: Evidence,
}

/// The text, and what else every reading of it needs.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) text: &'a [u8],
    pub(super) whole: bool,
    pub(super) options: &'a Options,
    /// Delimiters that most lines have.
    pub(super) rivals: &'a [u8],
}

impl Look<'_> {
    pub(super) fn grid(&self, dialect: Dialect) -> Grid {
        let comment = self.options.table.comment.as_deref();
        Grid::of(self.text, self.whole, dialect, comment, self.options.repair.is_some())
    }
}

/// The dialect with this delimiter and what else the pipeline says.
pub(super) fn declared(look: Look<'_>, delimiter: u8) -> Dialect {
    let said = &look.options.table;
    let mut dialect = Dialect::of(delimiter);
    if let Some(quote) = said.quote {
        dialect.quote = byte_of(quote);
    }
    dialect.escape = said.escape.and_then(byte_of);
    if said.trim == Some(true) {
        dialect.spaces = Spaces::Trimmed;
    } else if said.trim.is_none() && is_spaced(look.text, delimiter) {
        dialect.spaces = Spaces::SkippedBefore;
    }
    dialect
}

/// The best reading with this delimiter, whatever its quotes are.
pub(super) fn best(look: Look<'_>, delimiter: u8) -> Option<Reading> {
    let said = &look.options.table;
    let plain = declared(look, delimiter);
    let first = reading(look, plain);
    let is_clean = |reading: &Reading| !reading.grid.is_broken && reading.fit >= 1.0;
    if said.quote.is_none() && has_opening_apostrophe(look.text, delimiter) {
        let quoted = reading(look, Dialect { quote: Some(b'\''), ..plain })
            .filter(|it| is_clean(it) && quotes_say_so(it));
        if let Some(quoted) = quoted
            && first.as_ref().is_none_or(|first| first.grid.is_broken || quoted.score >= first.score)
        {
            return Some(quoted);
        }
    }
    if first.as_ref().is_some_and(|first| is_clean(first) && first.score >= 1.0) {
        return first;
    }
    if said.escape.is_none() && has_escapes(look.text, delimiter) {
        let escaped = reading(look, Dialect { escape: Some(b'\\'), ..plain }).filter(is_clean);
        if let Some(escaped) = escaped
            && first.as_ref().is_none_or(|first| !is_clean(first))
        {
            return Some(escaped);
        }
    }
    // In tab-separated text a quote is data where it cannot be read otherwise.
    if said.quote.is_none() && delimiter == b'\t' && first.as_ref().is_none_or(|first| first.grid.is_broken) {
        let bare =
            reading(look, Dialect { quote: None, ..plain }).filter(|it| is_clean(it) && !has_doubled(it));
        if bare.is_some() {
            return bare;
        }
    }
    first
}

fn byte_of(sign: Sign) -> Option<u8> {
    match sign {
        Sign::None => None,
        Sign::Is(byte) => Some(byte),
    }
}

/// Whether every delimiter outside quotes has a space behind it, empty fields aside.
fn is_spaced(text: &[u8], delimiter: u8) -> bool {
    if matches!(delimiter, b' ' | b'\t') {
        return false;
    }
    let (mut quoted, mut count) = (false, 0);
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        if *byte == b'"' {
            quoted = !quoted;
        } else if *byte == delimiter && !quoted {
            match bytes.peek() {
                Some(b' ' | b'\t') => count += 1,
                None | Some(b'\r' | b'\n') => {}
                // As they stand behind a title.
                Some(next) if **next == delimiter => {}
                Some(_) => return false,
            }
        }
    }
    count >= 2
}

/// Whether an apostrophe stands where a field may begin. Most stand inside words.
fn has_opening_apostrophe(text: &[u8], delimiter: u8) -> bool {
    memchr::memchr_iter(b'\'', text).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        before.is_none_or(|byte| *byte == delimiter || matches!(byte, b'\n' | b'\r' | b' ' | b'\t'))
    })
}

fn has_escapes(text: &[u8], delimiter: u8) -> bool {
    memchr::memchr_iter(b'\\', text)
        .any(|at| text.get(at + 1).is_some_and(|next| *next == b'"' || *next == delimiter))
}

/// Whether apostrophes are quotes: in some column every field is enclosed by them, and no field has one too few.
fn quotes_say_so(reading: &Reading) -> bool {
    let (grid, rows) = (&reading.grid, &reading.grid.rows[reading.start..]);
    let body = rows.get(1..).unwrap_or_default();
    let head = rows[0];
    let all_enclosed = (0..reading.width).any(|column| {
        // Where files were joined, the header comes again.
        let records = body.iter().filter(|row| !is_same(grid, **row, head));
        let mut filled =
            records.map(|row| grid.cell(*row, column)).filter(|(field, quoted)| *quoted || !field.is_empty());
        let count = filled.clone().count();
        count >= 2 && filled.all(|(_, quoted)| quoted)
    });
    let no_stray =
        rows.iter().all(|row| grid.fields(*row).all(|(field, quoted)| quoted || !field.starts_with(b"'")));
    all_enclosed && no_stray
}

/// A column whose fields mostly stand between apostrophes that are no quotes by this reading: an example.
pub(super) fn between_apostrophes(reading: &Reading) -> Option<String> {
    let grid = &reading.grid;
    let body = grid.rows.get(reading.start + 1..).unwrap_or_default();
    (0..reading.width).find_map(|column| {
        let (mut count, mut enclosed, mut example) = (0, 0, None);
        for (field, quoted) in body.iter().map(|row| grid.cell(*row, column)) {
            count += usize::from(quoted || !field.is_empty());
            if !quoted && field.len() >= 2 && field.starts_with(b"'") && field.ends_with(b"'") {
                enclosed += 1;
                example = example.or_else(|| Some(String::from_utf8_lossy(field).into_owned()));
            }
        }
        example.filter(|_| enclosed >= 2 && enclosed * 2 >= count)
    })
}

/// Whether a field is quoted as RFC 4180 has it, with doubled quotes inside: no writer without quotes does that.
fn has_doubled(reading: &Reading) -> bool {
    reading.grid.rows.iter().any(|row| {
        reading.grid.fields(*row).any(|(field, _)| {
            field.len() > 3
                && field.starts_with(b"\"")
                && field.ends_with(b"\"")
                && field[1..field.len() - 1].windows(2).any(|pair| pair == b"\"\"")
        })
    })
}

/// The text read by this dialect, from the row that fits best.
pub(super) fn reading(look: Look<'_>, dialect: Dialect) -> Option<Reading> {
    let grid = look.grid(dialect);
    let (titles, starts) = starts(&grid, look);
    let scored = starts.into_iter().filter_map(|start| {
        let evidence = evidence(&grid, start);
        // Rows are skipped only if what stands below them proves to be a header.
        if start > 0 && evidence != Evidence::Names {
            return None;
        }
        let width = grid.rows.get(start)?.width;
        let (fit, sound) = (fit(&grid, start, look), sound(&grid, start, look, dialect));
        let score = fit * sound * if start > 0 { 0.9 } else { 1.0 };
        (width >= 2).then_some((start, width, fit, score, evidence))
    });
    // Titles and comments are none of the table once a header below them is proven.
    let mut scored = scored.peekable();
    let proven = scored.next_if(|it| it.0 > 0 && it.0 == titles);
    let best = proven.or_else(|| scored.reduce(|best, next| if next.3 > best.3 { next } else { best }));
    let (start, width, fit, score, evidence) = best?;
    let skip_lines = match look.options.table.skip_lines {
        _ if start == 0 => 0,
        Some(_) => 0,
        None => lines_before(look.text, grid.rows[start].at),
    };
    Some(Reading { dialect: Dialect { skip_lines, ..dialect }, grid, start, width, fit, score, evidence })
}

/// Whether the text has columns by this reading, and not only lines that end with a delimiter.
pub(super) fn has_columns(reading: &Reading) -> bool {
    let grid = &reading.grid;
    let is_filled = |column: usize| !grid.cell(grid.rows[reading.start], column).0.trim_ascii().is_empty();
    let is_empty =
        |column: usize| grid.rows.iter().all(|row| grid.cell(*row, column).0.trim_ascii().is_empty());
    (1..reading.width).any(is_filled) || (1..reading.width).all(is_empty)
}

/// How many rows are titles or comments, and the rows that may have the names, the one behind them first.
fn starts(grid: &Grid, look: Look<'_>) -> (usize, Vec<usize>) {
    if look.options.table.skip_lines.is_some() || grid.rows.is_empty() {
        return (0, vec![0]);
    }
    let titles = titles(grid);
    let mut starts = vec![titles];
    if titles > 0 && !grid.cell(grid.rows[0], 0).0.starts_with(b"#") {
        starts.push(0);
    }
    // The first row from which on all have the same width, behind rows that have another.
    if let Some(last) = grid.rows.last() {
        let unlike = grid.rows.iter().rposition(|row| row.width != last.width);
        if let Some(unlike) = unlike.filter(|unlike| *unlike < PREAMBLE_ROWS && unlike + 2 < grid.rows.len())
            && unlike + 1 > titles
            && last.width >= 2
            && grid.rows[titles..=unlike].iter().all(|row| row.width != last.width)
        {
            starts.push(unlike + 1);
        }
    }
    (titles, starts)
}

/// How many rows at the beginning are comments or titles: one field, and a row of more below.
pub(super) fn titles(grid: &Grid) -> usize {
    let filled =
        |at: usize| grid.fields(grid.rows[at]).filter(|(field, _)| !field.trim_ascii().is_empty()).count();
    let most = grid.rows.len().min(PREAMBLE_ROWS);
    let is_title = |at: usize| {
        let row = grid.rows[at];
        let (first, _) = grid.cell(row, 0);
        let is_comment = [&b"#"[..], b"//", b"%", b"!"].iter().any(|sign| first.starts_with(sign));
        let fuller = (at + 1..grid.rows.len().min(at + 1 + PREAMBLE_ROWS)).any(|next| filled(next) > 1);
        (row.width == 1 || (filled(at) == 1 && !first.is_empty()) || (is_comment && filled(at) < row.width))
            && fuller
            || (is_comment && row.width == 1)
    };
    let count = (0..most).take_while(|at| is_title(*at)).count();
    if count == grid.rows.len() { 0 } else { count }
}

/// The share of rows from `start` on that have as many fields as that row.
fn fit(grid: &Grid, start: usize, look: Look<'_>) -> f64 {
    let rows = &grid.rows[start..];
    let width = rows[0].width;
    let unnamed =
        (0..width).rev().take_while(|column| grid.cell(rows[0], *column).0.trim_ascii().is_empty()).count();
    let ignores_empty = look.options.table.extra_columns == ExtraColumns::IgnoreEmpty;
    let fits = rows.iter().filter(|row| {
        (row.width <= width && row.width + unnamed >= width)
            || (ignores_empty
                && row.width > width
                && (width..row.width).all(|column| grid.cell(**row, column).0.is_empty()))
    });
    share(fits.count(), rows.len())
}

/// The share of fields that are whole by themselves: no quote that stays open, no other delimiter that most lines have.
fn sound(grid: &Grid, start: usize, look: Look<'_>, dialect: Dialect) -> f64 {
    let width = grid.rows[start].width;
    let (mut count, mut sound) = (0, 0);
    for row in grid.rows[start..].iter().filter(|row| row.width == width) {
        for (field, quoted) in grid.fields(*row) {
            count += 1;
            sound += usize::from(quoted || is_sound(field, look.rivals, dialect));
        }
    }
    share(sound, count)
}

fn is_sound(field: &[u8], rivals: &[u8], dialect: Dialect) -> bool {
    let quotes = memchr::memchr_iter(b'"', field).count();
    let is_open = quotes % 2 == 1 || field.trim_ascii().starts_with(b"\"");
    let is_escape = field.ends_with(b"\\") && dialect.escape.is_none();
    let divided = rivals
        .iter()
        .filter(|rival| dialect.delimiter != Some(**rival))
        .any(|rival| memchr::memchr(*rival, field).is_some() && !(*rival == b',' && is_comma_natural(field)));
    !(is_escape || divided || (is_open && dialect.quote.is_some()))
}

/// Whether commas in a field are those of text or of a number.
fn is_comma_natural(field: &[u8]) -> bool {
    class(field) == Class::Number
        || memchr::memchr_iter(b',', field).all(|at| matches!(field.get(at + 1), None | Some(b' ')))
}

#[expect(clippy::cast_precision_loss, reason = "thousands of rows at the most")]
fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 1.0 } else { part as f64 / of as f64 }
}
