//! Reading a table back: the items that a version of an object wrote.

use domain::{
    destination::{
        TableName,
        guard::{self, Provenance},
    },
    manifest::Manifest,
    record::Record,
};

use super::{Tables, found};
use crate::{
    CallError,
    attributes::{Item, text},
    records::record,
};

/// Where the next page of [`Tables::written`] starts.
#[derive(Debug)]
pub struct TablePage(Item);

impl Tables {
    /// A page of the items of `table` that this manifest's version of the object `uri` wrote and that are still its own, with
    /// their rows, in no order; and the token of the next page. `attribute` has the provenance. Reads the whole table.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn written(
        &self,
        table: &TableName,
        attribute: &str,
        (manifest, uri): (&Manifest, &str),
        page: Option<TablePage>,
    ) -> Result<(Vec<(u64, Record)>, Option<TablePage>), CallError> {
        let attempt = || format!("read the items of {uri} in table {table}");
        let answer = self
            .known(table)
            .client
            .scan()
            .table_name(table.as_str())
            .consistent_read(true)
            .filter_expression("#provenance.#object = :object AND #provenance.#sequencer = :sequencer")
            .expression_attribute_names("#provenance", attribute)
            .expression_attribute_names("#object", guard::OBJECT)
            .expression_attribute_names("#sequencer", guard::SEQUENCER)
            .expression_attribute_values(":object", text(uri))
            .expression_attribute_values(":sequencer", text(Provenance::sequencer_of(&manifest.sequencer)))
            .set_exclusive_start_key(page.map(|page| page.0))
            .send()
            .await
            .map_err(|error| CallError::of(attempt(), error))?;
        let mut rows = Vec::new();
        for mut item in answer.items.unwrap_or_default() {
            let from = found(Some(&item), attribute)
                .ok_or_else(|| CallError::malformed_response(attempt(), "an item without provenance"))?;
            item.remove(attribute);
            let record = record(item).map_err(|error| CallError::malformed_response(attempt(), error))?;
            rows.push((from.row, record));
        }
        Ok((rows, answer.last_evaluated_key.map(TablePage)))
    }
}
