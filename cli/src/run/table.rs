//! The table of a run's objects, in as many columns as there is room for.
//!
//! On a terminal no line is broken: columns that say the least are left out first, then texts are shortened. In a pipe or a
//! file the table is as wide as it is.

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, LineStyle, Table, presets};
use domain::text::shortened;

/// A row, in the order of [`TITLES`].
pub(super) struct Row {
    pub(super) cells: [String; 8],
    /// Of the outcome.
    pub(super) color: Option<Color>,
}

const TITLES: [&str; 8] =
    ["object", "pipeline", "format", "records", "rejected", "attempts", "outcome", "time"];
const OBJECT: usize = 0;
const OUTCOME: usize = 6;
const NUMBERS: [usize; 4] = [3, 4, 5, 7];

const REJECTED: usize = 4;
const ATTEMPTS: usize = 5;

/// The columns that are left out where there is no room, in this order, after those that say nothing.
const LEFT_OUT: [usize; 5] = [ATTEMPTS, 2, 1, REJECTED, 7];

/// What the object and the outcome are not shortened below.
const LEAST: usize = 16;

/// The table for a terminal of this width, if there is one.
pub(super) fn table(rows: Vec<Row>, width: Option<usize>) -> Table {
    let widths: Vec<usize> = (0..TITLES.len()).map(|at| widest(&rows, at)).collect();
    let shown = chosen(&left_out(&rows), &widths, width);
    let (object, outcome) = lengths(&widths, &shown, width);
    let mut table = Table::new();
    // A line for each object, and none between them.
    let style = presets::UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(shown.iter().map(|at| Cell::new(TITLES[*at]).add_attribute(Attribute::Bold)));
    for (place, at) in shown.iter().enumerate() {
        if let Some(column) = table.column_mut(place).filter(|_| NUMBERS.contains(at)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for Row { cells, color } in rows {
        let cell = |at: &usize| match *at {
            OBJECT => Cell::new(shortened(&cells[OBJECT], object)),
            OUTCOME => {
                let cell = Cell::new(shortened(&cells[OUTCOME], outcome));
                color.map_or_else(
                    || cell.clone().add_attribute(Attribute::Dim),
                    |color| cell.clone().fg(color),
                )
            }
            at => Cell::new(&cells[at]),
        };
        table.add_row(shown.iter().map(cell));
    }
    table
}

fn widest(rows: &[Row], at: usize) -> usize {
    let cells = rows.iter().map(|row| row.cells[at].chars().count());
    cells.max().unwrap_or_default().max(TITLES[at].len())
}

/// What the columns take, each with a blank on both sides, and a blank between two.
fn total(widths: &[usize], shown: &[usize]) -> usize {
    shown.iter().map(|at| widths[*at] + 3).sum::<usize>().saturating_sub(1)
}

/// The columns that may be left out, the first first: a number that is the usual one in all rows says nothing.
fn left_out(rows: &[Row]) -> Vec<usize> {
    let says_nothing = |at: &usize| {
        let usual = match *at {
            REJECTED => "0",
            ATTEMPTS => "1",
            _ => return false,
        };
        rows.iter().all(|row| ["", usual].contains(&row.cells[*at].as_str()))
    };
    let (mut first, others): (Vec<usize>, Vec<usize>) = LEFT_OUT.into_iter().partition(says_nothing);
    first.extend(others);
    first
}

/// The columns for this width.
fn chosen(left_out: &[usize], widths: &[usize], width: Option<usize>) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..widths.len()).collect();
    // An object and an outcome of this width are worth more than the other columns.
    let worth: Vec<usize> = widths
        .iter()
        .enumerate()
        .map(|(at, width)| match at {
            OBJECT => (*width).min(2 * LEAST),
            _ => *width,
        })
        .collect();
    for at in left_out {
        if width.is_none_or(|width| total(&worth, &shown) <= width) {
            break;
        }
        shown.retain(|shown| shown != at);
    }
    shown
}

/// How many characters an object and an outcome have.
fn lengths(widths: &[usize], shown: &[usize], width: Option<usize>) -> (usize, usize) {
    let Some(width) = width else { return (usize::MAX, usize::MAX) };
    let over = total(widths, shown).saturating_sub(width);
    let object = widths[OBJECT].saturating_sub(over).max(LEAST.min(widths[OBJECT]));
    let over = over.saturating_sub(widths[OBJECT] - object);
    (object, widths[OUTCOME].saturating_sub(over).max(LEAST.min(widths[OUTCOME])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(object: &str, outcome: &str) -> Row {
        let cells = [object, "everything", "csv.gz", "10,000", "0", "1", outcome, "2.3 s"];
        Row { cells: cells.map(str::to_owned), color: None }
    }

    fn shown(rows: Vec<Row>, width: Option<usize>) -> Vec<String> {
        table(rows, width).to_string().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    #[test]
    fn what_says_the_least_is_left_out_and_no_line_is_broken() {
        let rows =
            || vec![row("a.csv", "done"), row("birdstrikes-of-a-long-year.csv.gz", "failed: ragged_row")];
        for width in [60, 80, 100, 120] {
            let lines = shown(rows(), Some(width));
            // Three rules, the titles and the rows.
            assert_eq!(lines.len(), 6, "{lines:#?}");
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:#?}");
            assert!(lines[4].contains("failed: ragged_row"), "{lines:#?}");
        }
        let eighty = shown(rows(), Some(80));
        let titles: Vec<&str> = eighty[1].split_whitespace().collect();
        assert_eq!(titles, ["object", "records", "outcome", "time"], "{eighty:#?}");
        let mut tried_again = row("a.csv", "done");
        tried_again.cells[ATTEMPTS] = "2".to_owned();
        let titles = shown(vec![tried_again], Some(75))[1].clone();
        assert!(titles.contains("attempts") && !titles.contains("rejected"), "{titles}");
        let wide = shown(rows(), None);
        assert!(wide[1].contains("attempts") && wide[4].contains("csv.gz"), "{wide:#?}");
    }

    #[test]
    fn a_long_name_is_shortened_in_its_middle() {
        let long = format!("2026/{}/part-00001.csv", "x".repeat(200));
        let lines = shown(vec![row(&long, "done")], Some(80));
        assert!(lines[3].chars().count() <= 80 && lines[3].contains("2026/xx"), "{lines:#?}");
        assert!(lines[3].contains("...") && lines[3].contains("part-00001.csv"), "{lines:#?}");
        assert!(shown(vec![row(&long, "done")], None)[3].contains(&long));
    }
}
