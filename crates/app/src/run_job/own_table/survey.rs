//! Looking at the keys of all rows before any is written: which rows are bad, and which have a key that another row has.

use std::collections::HashMap;

use domain::{
    bad_input::Reason,
    destination::{DuplicateKeys, KeyHash, KeySet, RowSet, passes},
    job::Change,
    pipelines::Pipeline,
    reject_counts::RejectCounts,
};
use readers::{Place, Reject, Row, Rows, Tolerance};

use super::{OpenRows, OwnTable};
use crate::run_job::job_exit::JobExit;

/// What is known of the keys of an object's rows.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Rows that cannot be in the table.
    pub(crate) refused: RejectCounts,
    /// Rows whose key counts for another row: an earlier one, or with `duplicate_keys = "reject"` a later one.
    pub(crate) repeated: RowSet,
}

impl Survey {
    /// How many rows do not count because a later one has their key.
    pub(crate) fn duplicates(&self, pipeline: &Pipeline) -> u64 {
        if rejects_duplicates(pipeline) { 0 } else { self.repeated.len() }
    }

    /// How many rows are bad because an earlier one has their key.
    pub(crate) fn rejected(&self, pipeline: &Pipeline) -> u64 {
        if rejects_duplicates(pipeline) { self.repeated.len() } else { 0 }
    }
}

/// Whether a row whose key an earlier row has is a bad row.
pub(crate) fn rejects_duplicates(pipeline: &Pipeline) -> bool {
    let rule = pipeline.destination.as_ref().map(|destination| destination.duplicate_keys);
    rule == Some(DuplicateKeys::Reject)
}

/// Reads the rows as often as bounded memory needs: once, or once more where keys repeat, for each million rows.
pub(crate) async fn survey(
    table: &OwnTable,
    rows: &OpenRows<'_>,
    count: u64,
    tolerance: Tolerance,
) -> Result<Survey, JobExit> {
    let mut survey = Survey::default();
    let passes = passes(count);
    for pass in 0..passes {
        let mut keys = KeySet::new(pass, passes);
        let refused = add_keys(table, rows().await?, &mut keys, tolerance).await?;
        if pass == 0 {
            survey.refused = refused;
        }
        let repeated = keys.into_repeated();
        if !repeated.is_empty() {
            note_repeated(table, rows().await?, &repeated, tolerance, &mut survey.repeated).await?;
        }
    }
    Ok(survey)
}

/// Adds the keys of these rows that are of the set's pass. Which rows have none, by reason.
pub(crate) async fn add_keys(
    table: &OwnTable,
    mut rows: Rows,
    keys: &mut KeySet,
    tolerance: Tolerance,
) -> Result<RejectCounts, JobExit> {
    let mut refused = RejectCounts::default();
    while let Some(row) = rows.next().await? {
        match key_of(table, row) {
            Ok(Some((_, key))) => keys.add(key),
            Ok(None) => {}
            Err(reject) if tolerance == Tolerance::None => return Err(bad_row(&reject)),
            Err(reject) => reject.count(&mut refused),
        }
    }
    keys.sort();
    Ok(refused)
}

/// Notes which rows of the repeated keys do not count.
async fn note_repeated(
    table: &OwnTable,
    mut rows: Rows,
    repeated: &KeySet,
    tolerance: Tolerance,
    found: &mut RowSet,
) -> Result<(), JobExit> {
    let mut seen: HashMap<KeyHash, u64> = HashMap::with_capacity(repeated.len());
    while let Some(row) = rows.next().await? {
        let place = row.place;
        let Ok(Some((number, key))) = key_of(table, row) else { continue };
        if !repeated.has(&key) {
            continue;
        }
        match table.destination.duplicate_keys {
            DuplicateKeys::Last => found.extend(seen.insert(key, number)),
            DuplicateKeys::Reject => {
                if let Some(first) = seen.get(&key) {
                    if tolerance == Tolerance::None {
                        return Err(bad_row(&repeated_key(place, Some(*first), String::new())));
                    }
                    found.add(number);
                } else {
                    seen.insert(key, number);
                }
            }
        }
    }
    Ok(())
}

/// The number of a row and the hash of its key; none of a row that is bad text.
fn key_of(table: &OwnTable, row: Row) -> Result<Option<(u64, KeyHash)>, Reject> {
    let Ok(record) = row.content else { return Ok(None) };
    let item = table.item(row.number, row.place, record)?;
    Ok(Some((row.number, item.key_hash())))
}

/// The reject of a row whose key an earlier row has.
pub(crate) fn repeated_key(place: Place, first: Option<u64>, raw: String) -> Reject {
    let of = first.map_or_else(|| "an earlier row".to_owned(), |first| format!("row {first}"));
    Reject {
        reason: Reason::RepeatedKey,
        column: None,
        place,
        message: format!("{of} has the same key"),
        raw,
    }
}

fn bad_row(reject: &Reject) -> JobExit {
    JobExit::new(Change::Fail, reject.reason, format!("{}: {}", reject.place, reject.message))
}
