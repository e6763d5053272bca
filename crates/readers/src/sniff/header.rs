//! Whether the first row of a table has names: what its columns hold below it tells.

use super::cells::{Class, class};
use super::grid::{Grid, Row};
use super::names;

/// The most rows that are compared with the first.
const ROWS: usize = 200;

/// What the rows say about the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// It has names over columns of something else.
    Names,
    /// It is like the rows below.
    Data,
    /// All columns are text, and only the looks of the first row speak for names; or there are no rows.
    Unknown,
}

/// Compares row `first` of the grid with those below it.
pub(super) fn evidence(grid: &Grid, first: usize) -> Evidence {
    let Some(head) = grid.rows.get(first).copied() else { return Evidence::Unknown };
    let below = &grid.rows[first + 1..grid.rows.len().min(first + 1 + ROWS)];
    // Where files were joined, the header comes again.
    let body: Vec<Row> = below.iter().copied().filter(|row| !is_same(grid, *row, head)).collect();
    let body = &body[..];
    let (mut alike, mut unlike, mut years, mut recurs) = (0, 0, 0, false);
    for column in 0..head.width {
        let (name, _) = grid.cell(head, column);
        let own = class(name);
        if matches!(own, Class::Empty | Class::Null) {
            continue;
        }
        match column_class(grid, body, column) {
            Some(typed) if own == typed => {
                // A year over other numbers may well be a name.
                let others = body.iter().any(|row| !is_year(grid.cell(*row, column).0));
                if is_year(name) && others { years += 1 } else { alike += 1 }
            }
            Some(_) if own == Class::Text => unlike += 1,
            Some(_) => {}
            None if own.is_typed() && !is_year(name) => alike += 1,
            None => {
                recurs |= body.iter().any(|row| row.width == head.width && grid.cell(*row, column).0 == name);
            }
        }
    }
    match (alike, unlike, years) {
        (0, 1.., _) | (0, 0, 2..) => Evidence::Names,
        (0, 0, 0)
            if !recurs
                && grid.fields(head).all(|(name, _)| is_like_a_name(name))
                && names::are_borne_out(grid, head, body) =>
        {
            Evidence::Unknown
        }
        _ => Evidence::Data,
    }
}

/// What the fields of a column are, if all but a few are the same thing that is no text.
fn column_class(grid: &Grid, body: &[Row], column: usize) -> Option<Class> {
    let mut counts: Vec<(Class, usize)> = Vec::new();
    let mut filled = 0;
    for row in body {
        let class = class(grid.cell(*row, column).0);
        if matches!(class, Class::Empty | Class::Null) {
            continue;
        }
        filled += 1;
        match counts.iter_mut().find(|(known, _)| *known == class) {
            Some((_, count)) => *count += 1,
            None => counts.push((class, 1)),
        }
    }
    let (class, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (class.is_typed() && count * 10 >= filled * 9).then_some(class)
}

/// Whether a field may be the name of a column, for all its looks: a few words without quotes.
fn is_like_a_name(field: &[u8]) -> bool {
    let words = field.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    words <= 12 && !field.contains(&b'"')
}

fn is_year(name: &[u8]) -> bool {
    matches!(name, [b'1', b'9', a, b] | [b'2', b'0', a, b] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// Whether two rows have the same fields.
pub(super) fn is_same(grid: &Grid, one: Row, other: Row) -> bool {
    one.width == other.width
        && grid.fields(one).map(|(field, _)| field).eq(grid.fields(other).map(|(field, _)| field))
}
