//! Text of one column: a table only where it plainly is one.

use domain::pipelines::{Header, Sign};

use super::super::delimited::dialect::{Dialect, Spaces, spelled};
use super::super::delimited::names::row_shown;
use super::super::reason::{BadInput, Reason, shown};
use super::cells::{Class, class};
use super::grid::Grid;
use super::header::{Evidence, evidence};
use super::reading::Look;

/// Signs that a line may have without being divided by them.
const NATURAL: &[u8] = b"-_.'\"()[]<>@\\?`{}\t,;|";

/// What a line of a column may have of words, unless it is quoted.
const MOST_WORDS: usize = 8;

/// One field on each line, with the line ends of the text.
pub(super) fn dialect(look: Look<'_>) -> Dialect {
    let said = &look.options.table;
    // The first line end tells which kind there is: nothing else could.
    let first = look.text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    let lone_cr = first.is_some_and(|at| look.text[at] == b'\r' && look.text.get(at + 1) != Some(&b'\n'));
    let mut dialect = Dialect::one_column(lone_cr);
    match said.quote {
        Some(Sign::None) => dialect.quote = None,
        Some(Sign::Is(quote)) => dialect.quote = Some(quote),
        None => {}
    }
    if let Some(Sign::Is(escape)) = said.escape {
        dialect.escape = Some(escape);
    }
    if said.trim == Some(true) {
        dialect.spaces = Spaces::Trimmed;
    }
    dialect
}

/// The pipeline says that each line is one field.
pub(super) fn declared(look: Look<'_>) -> Result<Dialect, BadInput> {
    let dialect = dialect(look);
    header(look, &look.grid(dialect), dialect)?;
    Ok(dialect)
}

/// The dialect, if the text plainly is a table of one column.
pub(super) fn plain(look: Look<'_>) -> Result<Option<Dialect>, BadInput> {
    let dialect = dialect(look);
    let grid = look.grid(dialect);
    let no_header = matches!(look.options.table.header, Some(Header::Names(_) | Header::InFirstRow(false)));
    if grid.is_broken || grid.rows.len() < if no_header { 1 } else { 2 } {
        return Ok(None);
    }
    let is_quoted = grid.rows.iter().all(|row| grid.cell(*row, 0).1);
    if !is_quoted {
        if is_pairs(&grid) {
            return Ok(None);
        }
        if let Some(sign) = common_sign(&grid) {
            let first = String::from_utf8_lossy(grid.cell(grid.rows[grid.rows.len() / 2], 0).0).into_owned();
            return Err(BadInput::new(
                Reason::AmbiguousDialect,
                format!(
                    "most lines have as many of the sign {} as {}: it may separate columns. Put delimiter = {} \
                     into the pipelines file if it does, or delimiter = \"none\" if each line is one field",
                    spelled(Some(sign)),
                    shown(&first),
                    spelled(Some(sign))
                ),
            ));
        }
        if !is_plain(&grid) {
            return Ok(None);
        }
    }
    header(look, &grid, dialect)?;
    Ok(Some(dialect))
}

fn header(look: Look<'_>, grid: &Grid, dialect: Dialect) -> Result<(), BadInput> {
    if look.options.table.header.is_some() || grid.rows.is_empty() || evidence(grid, 0) != Evidence::Data {
        return Ok(());
    }
    let texts = grid.texts(grid.rows[0]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Err(BadInput::new(
        Reason::NoHeader,
        format!(
            "the first line, {}, looks like data and not like the name of a column. Put header = [\"…\"] with the name into \
             the pipelines file, header = false to number it, or header = true if it is the name (read with {dialect})",
            row_shown(&texts)
        ),
    ))
}

/// A sign that most lines have as often. Spaces count only if all have them: words are common.
fn common_sign(grid: &Grid) -> Option<u8> {
    let middle = grid.cell(*grid.rows.get(grid.rows.len() / 2)?, 0).0;
    let candidates = middle.iter().copied().filter(|sign| {
        (sign.is_ascii_punctuation() || sign.is_ascii_control() || *sign == b' ') && !NATURAL.contains(sign)
    });
    let count = |field: &[u8], sign: u8| memchr::memchr_iter(sign, field).count();
    candidates.into_iter().find(|sign| {
        let expected = count(middle, *sign);
        let alike = grid.rows.iter().filter(|row| count(grid.cell(**row, 0).0, *sign) == expected).count();
        if *sign == b' ' { alike == grid.rows.len() } else { alike >= 2 && alike * 3 >= grid.rows.len() }
    })
}

/// Whether most lines are names and values as YAML and mail headers have them.
fn is_pairs(grid: &Grid) -> bool {
    let pairs = grid.rows.iter().filter(|row| {
        let (field, _) = grid.cell(**row, 0);
        memchr::memchr(b':', field).is_some_and(|at| matches!(field.get(at + 1), None | Some(b' ')))
    });
    pairs.count() * 4 >= grid.rows.len() * 3
}

/// Whether the lines are values under a name and not text, code or a log.
fn is_plain(grid: &Grid) -> bool {
    let mut rows = grid.rows.iter().map(|row| grid.cell(*row, 0));
    let Some((name, _)) = rows.next() else { return false };
    let words = |field: &[u8]| field.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    let ends_like_text = |field: &[u8]| {
        matches!(
            field.trim_ascii_end().last(),
            Some(b'.' | b':' | b';' | b',' | b'!' | b'?' | b'{' | b'}' | b')' | b'>')
        )
    };
    let divided = |field: &[u8]| {
        field.iter().any(|byte| matches!(byte, 0x01..=0x09 | 0x0e..=0x1f | b';' | b'|' | b',' | b'=' | b'<'))
    };
    let is_name = name.len() <= 64
        && (1..=4).contains(&words(name))
        && !name.iter().any(u8::is_ascii_control)
        && !ends_like_text(name)
        && !divided(name);
    let values: Vec<(&[u8], bool)> = rows.filter(|(field, _)| !field.is_empty()).collect();
    let typed =
        values.iter().filter(|(field, _)| class(field).is_typed() || class(field) == Class::Null).count();
    if typed * 10 >= values.len() * 9 {
        return is_name;
    }
    let total: usize = values.iter().map(|(field, _)| words(field)).sum();
    let like_text = values.iter().filter(|(field, quoted)| !quoted && ends_like_text(field)).count();
    is_name
        && values.iter().all(|(field, quoted)| *quoted || (!divided(field) && words(field) <= MOST_WORDS))
        && total <= values.len() * 3
        && like_text * 5 <= values.len()
}
