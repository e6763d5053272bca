//! Rows that are no records but totals of those above, as reports have them: `Total,,,123.45`.
//!
//! Evidence is needed here too. The first field must be a usual word for a total, all others empty or numbers, and one of
//! these must hold: a number is the sum of its column, the word stands in a column of numbers, or a column is empty that no
//! row above has left empty.

use super::super::super::reason::{BadInput, Reason, Reject, shown};
use super::super::super::schema::{ColumnType, Total};
use super::super::Table;
use super::super::fields::Fields;
use super::super::typing::Typing;
use super::candidate::Candidate;

/// What a row of totals begins with, in lower case.
const WORDS: [&str; 25] = [
    "total",
    "totals",
    "grand total",
    "subtotal",
    "sub-total",
    "sub total",
    "sum",
    "sums",
    "summe",
    "gesamt",
    "gesamtsumme",
    "zwischensumme",
    "insgesamt",
    "totale",
    "totaal",
    "somme",
    "sous-total",
    "suma",
    "summa",
    "sum total",
    "итого",
    "всего",
    "合計",
    "总计",
    "小计",
];

/// The fewest rows above that say what a column is.
const LEAST_ROWS: u64 = 3;

/// The most rows of totals that are left out. An object with more is refused.
const MOST: usize = 1_000;

/// What the rows so far add up to.
pub(super) struct Totals {
    columns: Vec<Column>,
    rows: u64,
    found: Vec<Total>,
}

#[derive(Clone, Copy, Default)]
struct Column {
    sum: f64,
    has_gaps: bool,
}

impl Totals {
    /// Of a table of this many columns.
    pub(super) fn new(columns: usize) -> Self {
        Self { columns: vec![Column::default(); columns], rows: 0, found: Vec::new() }
    }

    /// The rows that were rejected here.
    pub(super) fn into_rows(self) -> Vec<Total> {
        self.found
    }

    /// Rejects the present row if it is a total, else adds it.
    pub(super) fn observe(
        &mut self,
        table: &Table,
        fields: &Fields<'_>,
        candidates: &[Candidate],
    ) -> Result<Option<Reject>, BadInput> {
        if let Some(evidence) = self.evidence(table, fields, candidates) {
            let reject = rejected(table, &evidence);
            if self.found.len() == MOST {
                return Err(BadInput::at(reject.reason, reject.place, reject.message));
            }
            self.found.push(Total { row: table.number(), evidence });
            return Ok(Some(reject));
        }
        self.rows += 1;
        for (at, (column, candidate)) in self.columns.iter_mut().zip(candidates).enumerate() {
            let is_number = candidate.declared == Some(ColumnType::Number)
                || (candidate.declared.is_none() && candidate.number);
            if !is_number && column.has_gaps {
                continue;
            }
            match fields.get(at) {
                None | Some("") => column.has_gaps = true,
                Some(field) if is_number => column.sum += number(field, table.typing()).unwrap_or_default(),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// What says that the row is a total, in words.
    fn evidence(&self, table: &Table, fields: &Fields<'_>, candidates: &[Candidate]) -> Option<String> {
        let named = |at: usize| shown(&table.names()[at]);
        let mut filled = (0..self.columns.len())
            .filter_map(|at| fields.get(at).filter(|field| !field.is_empty()).map(|field| (at, field)));
        let (word_at, _) = filled.next().filter(|(_, field)| is_word(field))?;
        let mut sum = None;
        let mut numbers = 0;
        for (at, field) in filled {
            let value = number(field, table.typing())?;
            numbers += 1;
            let expected = self.columns[at].sum;
            if expected != 0.0 && (value - expected).abs() <= expected.abs() * 1e-9 + 1e-6 {
                sum = sum.or(Some(at));
            }
        }
        if numbers == 0 || self.rows < 2 {
            return None;
        }
        if let Some(at) = sum {
            return Some(format!("{} has the sum of its column", named(at)));
        }
        if self.rows < LEAST_ROWS {
            return None;
        }
        let candidate = &candidates[word_at];
        if candidate.declared.is_none() && candidate.number && candidate.in_range {
            return Some(format!("all rows above have numbers in {}", named(word_at)));
        }
        let gap = (0..self.columns.len())
            .find(|at| !self.columns[*at].has_gaps && fields.get(*at).is_none_or(str::is_empty))?;
        Some(format!("{} is empty, as in no row above", named(gap)))
    }
}

/// The present row, rejected as a total for this evidence.
pub(in super::super::super) fn rejected(table: &Table, evidence: &str) -> Reject {
    table.reject(
        Reason::TotalsRow,
        format!(
            "the row looks like a total of others and not like a record: it begins with a word for it, and {evidence}; remove \
             the row, or have it left out with bad_rows = \"skip\" in the pipelines file"
        ),
    )
}

fn number(field: &str, typing: &Typing) -> Option<f64> {
    typing.number(field).ok()?.parse().ok()
}

fn is_word(field: &str) -> bool {
    const LONGEST: usize = 32;
    let begins =
        |byte: &u8| matches!(byte.to_ascii_lowercase(), b't' | b's' | b'g' | b'z' | b'i') || !byte.is_ascii();
    if field.len() > LONGEST || !field.trim_ascii_start().as_bytes().first().is_some_and(begins) {
        return false;
    }
    let word = field.trim().trim_end_matches(':').trim_end().to_lowercase();
    WORDS.contains(&&*word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_totals_are_told_from_others() {
        for (field, expected) in [
            ("Total", true),
            ("TOTAL:", true),
            (" Summe ", true),
            ("合計", true),
            ("Totals", true),
            ("Grand total", true),
        ]
        .into_iter()
        .chain([("Totale Bar", false), ("bolt", false), ("", false), ("T", false), ("Sumo", false)])
        {
            assert_eq!(is_word(field), expected, "{field}");
        }
    }
}
