//! Reading a table back: the items that an object wrote, found by their provenance.

use domain::{
    destination::{
        TableName,
        guard::{self, Provenance},
    },
    manifest::Manifest,
    object::Sequencer,
    record::Record,
};

use super::{Table, Tables, found};
use crate::{
    CallError,
    attributes::{Item, text},
    records::record,
};

/// Where the next page of [`Tables::written`] or [`Table::keys_of`] starts.
#[derive(Debug)]
pub struct TablePage(Item);

impl Table {
    /// A page of the keys of the items that versions of the object `uri` wrote and no other object has written since, in no
    /// order, and the token of the next page. With a place: only items of versions up to it. `attribute` has the provenance.
    /// Reads the whole table, strongly consistent.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn keys_of(
        &self,
        attribute: &str,
        uri: &str,
        place: Option<&Sequencer>,
        page: Option<TablePage>,
    ) -> Result<(Vec<Record>, Option<TablePage>), CallError> {
        let attempt = || format!("find the items of {uri} in table {}", self.name);
        let mut scan = self
            .client
            .scan()
            .table_name(self.name.as_str())
            .consistent_read(true)
            .expression_attribute_names("#provenance", attribute)
            .expression_attribute_names("#object", guard::OBJECT)
            .expression_attribute_values(":object", text(uri))
            .set_exclusive_start_key(page.map(|page| page.0));
        scan = match place {
            None => scan.filter_expression("#provenance.#object = :object"),
            Some(place) => scan
                .filter_expression(guard::THIS_OR_OLDER_VERSION)
                .expression_attribute_names("#sequencer", guard::SEQUENCER)
                .expression_attribute_values(":sequencer", text(Provenance::sequencer_of(place))),
        };
        let names = ["#k0", "#k1"].into_iter().zip(self.schema.keys());
        let mut projection = Vec::with_capacity(2);
        for (name, key) in names {
            scan = scan.expression_attribute_names(name, &key.name);
            projection.push(name);
        }
        let answer = scan.projection_expression(projection.join(", ")).send().await;
        let answer = answer.map_err(|error| CallError::of(attempt(), error))?;
        let keys = answer.items.unwrap_or_default().into_iter().map(record);
        let keys = keys.collect::<Result<_, _>>();
        let keys = keys.map_err(|error| CallError::malformed_response(attempt(), error))?;
        Ok((keys, answer.last_evaluated_key.map(TablePage)))
    }
}

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
