//! How many fields the rows of a text have, where rows are repaired and the header may be wrong.

use domain::pipelines::{Delimited, Header};

use super::super::delimited::dialect::Dialect;
use super::super::delimited::fields_of;
use super::super::delimited::split::{Splitter, Whole};
use super::super::options::Limits;
use super::grid::ROWS;

/// The fewest rows that prove their header wrong.
const LEAST_ROWS: u64 = 3;

/// How many fields nearly all rows of `text` have, if the header has another number, or no names for columns at its end that
/// have values; else 0. `text` begins with the table, and `whole` says whether it is all of it.
pub(super) fn common(text: &[u8], whole: bool, dialect: Dialect, said: &Delimited) -> usize {
    let header_rows = match said.header {
        Some(Header::Names(_) | Header::InFirstRow(false)) => 0,
        Some(Header::InRows(rows)) => rows as usize,
        Some(Header::InFirstRow(true)) | None => 1,
    };
    let comment = said.comment.as_deref().map(str::as_bytes);
    let mut lines = text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|line| !line.is_empty() && comment.is_none_or(|comment| !line.starts_with(comment)))
        .peekable();
    let mut splitter = Splitter::new(dialect, &Limits::default());
    let mut width = |line: &[u8]| {
        splitter.begin_line();
        (splitter.whole(line) == Whole::Record).then(|| (splitter.fields(), filled(&splitter)))
    };
    let (header, named) = lines.by_ref().take(header_rows).filter_map(&mut width).last().unwrap_or_default();
    let mut has_unnamed = false;
    let mut counts: Vec<(usize, u64)> = Vec::new();
    let mut total = 0;
    for _ in 0..ROWS {
        let Some(line) = lines.next() else { break };
        // The look may have cut the last line.
        if !whole && lines.peek().is_none() {
            break;
        }
        let Some((fields, filled)) = width(line) else { continue };
        total += 1;
        has_unnamed |= fields == header && filled > named;
        match counts.iter_mut().find(|(known, _)| *known == fields) {
            Some((_, count)) => *count += 1,
            None => counts.push((fields, 1)),
        }
    }
    match counts.into_iter().max_by_key(|(_, count)| *count) {
        Some((fields, count)) if fields != header && total >= LEAST_ROWS && count * 10 >= total * 9 => fields,
        _ if has_unnamed => header,
        _ => 0,
    }
}

/// How many fields the row has without the empty ones at its end.
fn filled(splitter: &Splitter) -> usize {
    let (text, ends) = splitter.record();
    let last = fields_of(text, ends).enumerate().filter(|(_, field)| !field.trim_ascii().is_empty()).last();
    last.map_or(0, |(at, _)| at + 1)
}
