//! Which write of an item counts, whatever order the writes arrive in and however often each comes.
//!
//! Every item says where it comes from: its [`Provenance`]. A write is conditional on it:
//!
//! - of one object, the later version wins, by its sequencer; of one version, the later row;
//! - of two objects, the one whose event is later wins; at equal times, the one whose name sorts last.
//!
//! So a repeated or late write changes nothing, and any order of arrival ends in the same item. [`Provenance::yields_to`] is
//! the rule, and the condition texts are the same rule in DynamoDB's language.

use super::WriteMode;
use crate::{
    object::{Object, Sequencer},
    record::Value,
};

/// The names of the parts of a provenance attribute.
pub const OBJECT: &str = "object";
/// The object version's sequencer, without the zeros that pad it.
pub const SEQUENCER: &str = "sequencer";
/// When the version was created, in milliseconds since 1970.
pub const TIME: &str = "time";
/// The row of the object.
pub const ROW: &str = "row";
/// The write epoch of the row: which attempt of a command, or which replay, it is of. Missing where it is 0.
pub const EPOCH: &str = "epoch";

/// Where an item comes from. It is one attribute of the item, a map of [`OBJECT`], [`SEQUENCER`], [`TIME`], [`ROW`] and
/// [`EPOCH`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// `s3://bucket/key`.
    pub object: String,
    /// The sequencer without the zeros that pad it: such texts compare as the padded ones do.
    pub sequencer: String,
    /// When the version was created, in milliseconds since 1970.
    pub time: i64,
    /// The row, from 1.
    pub row: u64,
    /// The write epoch of the row; 0 before any replay, where rows come out the same each time.
    pub epoch: u64,
}

impl Provenance {
    /// That of a row of an object version, which was created at `time`.
    #[must_use]
    pub fn of(object: &Object, time: i64, row: u64, epoch: u64) -> Self {
        Self { object: object.uri(), sequencer: Self::sequencer_of(&object.sequencer), time, row, epoch }
    }

    /// A sequencer as the attribute has it.
    #[must_use]
    pub fn sequencer_of(sequencer: &Sequencer) -> String {
        sequencer.padded().trim_end_matches('0').to_owned()
    }

    /// The attribute's value.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut parts = vec![
            (OBJECT.to_owned(), Value::Text(self.object.clone())),
            (SEQUENCER.to_owned(), Value::Text(self.sequencer.clone())),
            (TIME.to_owned(), Value::Number(self.time.to_string())),
            (ROW.to_owned(), Value::Number(self.row.to_string())),
        ];
        if self.epoch > 0 {
            parts.push((EPOCH.to_owned(), Value::Number(self.epoch.to_string())));
        }
        Value::Map(parts)
    }

    /// The provenance that an attribute's value says, if it says one.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let Value::Map(parts) = value else { return None };
        let part = |name: &str| parts.iter().find(|(part, _)| part == name).map(|(_, value)| value);
        let text = |name: &str| match part(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let number = |name: &str| match part(name) {
            Some(Value::Number(text)) => Some(text.as_str()),
            _ => None,
        };
        Some(Self {
            object: text(OBJECT)?,
            sequencer: text(SEQUENCER)?,
            time: number(TIME)?.parse().ok()?,
            row: number(ROW)?.parse().ok()?,
            epoch: number(EPOCH).map_or(Some(0), |text| text.parse().ok())?,
        })
    }

    /// Whether an item of this provenance is overwritten by `later`: the rule that [`condition`] has in DynamoDB's
    /// language.
    #[must_use]
    pub fn yields_to(&self, later: &Self) -> bool {
        if self.object == later.object {
            (&self.sequencer, self.epoch, self.row) <= (&later.sequencer, later.epoch, later.row)
        } else {
            (self.time, &self.object) < (later.time, &later.object)
        }
    }

    fn is_version_of(&self, other: &Self) -> bool {
        self.object == other.object && self.sequencer == other.sequencer
    }
}

/// The condition of a write, with `#part` for the table's partition key, `#provenance` for the attribute, `#object` and so on
/// for its parts, and `:object` and so on for those of the row to write. `:epoch` is there where it is not 0.
#[must_use]
pub fn condition(write: WriteMode, has_epochs: bool) -> &'static str {
    match (write, has_epochs) {
        (WriteMode::Upsert | WriteMode::Replace | WriteMode::Merge, false) => {
            "attribute_not_exists(#provenance.#object) \
             OR (#provenance.#object = :object AND (#provenance.#sequencer < :sequencer \
             OR (#provenance.#sequencer = :sequencer AND attribute_not_exists(#provenance.#epoch) \
             AND #provenance.#row <= :row))) \
             OR (#provenance.#object <> :object AND (#provenance.#time < :time \
             OR (#provenance.#time = :time AND #provenance.#object < :object)))"
        }
        (WriteMode::Upsert | WriteMode::Replace | WriteMode::Merge, true) => {
            "attribute_not_exists(#provenance.#object) \
             OR (#provenance.#object = :object AND (#provenance.#sequencer < :sequencer \
             OR (#provenance.#sequencer = :sequencer AND (attribute_not_exists(#provenance.#epoch) \
             OR #provenance.#epoch < :epoch OR (#provenance.#epoch = :epoch AND #provenance.#row <= :row))))) \
             OR (#provenance.#object <> :object AND (#provenance.#time < :time \
             OR (#provenance.#time = :time AND #provenance.#object < :object)))"
        }
        // An item that an earlier row of this very version made counts as not there yet.
        (WriteMode::Insert, false) => {
            "attribute_not_exists(#part) OR (#provenance.#object = :object \
             AND #provenance.#sequencer = :sequencer AND attribute_not_exists(#provenance.#epoch) \
             AND #provenance.#row < :row)"
        }
        (WriteMode::Insert, true) => {
            "attribute_not_exists(#part) OR (#provenance.#object = :object \
             AND #provenance.#sequencer = :sequencer AND (attribute_not_exists(#provenance.#epoch) \
             OR #provenance.#epoch < :epoch OR (#provenance.#epoch = :epoch AND #provenance.#row < :row)))"
        }
    }
}

/// The condition of deleting an item that an older version of the object of `:object` and `:sequencer` wrote.
pub const OLDER_VERSION: &str = "#provenance.#object = :object AND #provenance.#sequencer < :sequencer";

/// The condition of deleting an item that this version or an older one of `:object` wrote: for a version that may not
/// leave anything behind.
pub const THIS_OR_OLDER_VERSION: &str =
    "#provenance.#object = :object AND #provenance.#sequencer <= :sequencer";

/// The condition of deleting an item that this version of `:object` wrote, and no other.
pub const THIS_VERSION: &str = "#provenance.#object = :object AND #provenance.#sequencer = :sequencer";

/// The condition of deleting an item that any version of `:object` wrote.
pub const ANY_VERSION: &str = "#provenance.#object = :object";

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It is in the table, or was written by an earlier attempt.
    Written,
    /// An item is there that the pipeline does not write over.
    Kept,
    /// A newer version of the object, or a later object, has written the item.
    Superseded,
    /// A later row of the same version has written it.
    Duplicate,
}

/// What a refused condition means for the row `ours`, from the provenance of the item that is there.
#[must_use]
pub fn refused(write: WriteMode, ours: &Provenance, found: Option<&Provenance>) -> WriteOutcome {
    match (write, found) {
        (_, Some(found)) if found.is_version_of(ours) => {
            // An earlier attempt has inserted this row.
            if found.row == ours.row { WriteOutcome::Written } else { WriteOutcome::Duplicate }
        }
        (WriteMode::Insert, _) => WriteOutcome::Kept,
        (WriteMode::Upsert | WriteMode::Replace | WriteMode::Merge, _) => WriteOutcome::Superseded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(object: &str, sequencer: &str, time: i64, row: u64) -> Provenance {
        Provenance { object: object.to_owned(), sequencer: sequencer.to_owned(), time, row, epoch: 0 }
    }

    /// What is in the item after these writes in this order.
    fn after<'a>(writes: impl IntoIterator<Item = &'a Provenance>) -> Option<Provenance> {
        writes.into_iter().fold(None, |item: Option<Provenance>, write| match item {
            Some(item) if !item.yields_to(write) => Some(item),
            _ => Some(write.clone()),
        })
    }

    #[test]
    fn any_order_and_number_of_writes_ends_in_the_same_item() {
        fastrand::seed(14);
        for _ in 0..2_000 {
            let mut writes: Vec<Provenance> = (0..fastrand::usize(1..8))
                .map(|_| {
                    let time = fastrand::i64(0..4);
                    // The sequencers of an object grow with the times of its events.
                    row(
                        ["s3://b/a", "s3://b/b", "s3://b/c"][fastrand::usize(..3)],
                        &format!("{time}"),
                        time,
                        fastrand::u64(1..4),
                    )
                })
                .collect();
            let end = after(&writes);
            fastrand::shuffle(&mut writes);
            let again: Vec<Provenance> = writes.iter().chain(&writes).cloned().collect();
            assert_eq!(after(&again), end, "{writes:?}");
        }
    }

    #[test]
    fn the_order_is_by_version_then_row_and_between_objects_by_time_then_name() {
        let item = row("s3://b/b", "05", 10, 4);
        for (later, wins) in [
            (row("s3://b/b", "06", 9, 1), true),
            (row("s3://b/b", "04", 11, 9), false),
            (row("s3://b/b", "05", 10, 4), true),
            (row("s3://b/b", "05", 10, 3), false),
            (row("s3://b/a", "99", 10, 9), false),
            (row("s3://b/c", "01", 10, 1), true),
            (row("s3://b/a", "01", 11, 1), true),
            (row("s3://b/c", "99", 9, 9), false),
        ] {
            assert_eq!(item.yields_to(&later), wins, "{later:?}");
        }
    }

    #[test]
    fn a_refusal_is_explained_by_what_is_there() {
        let ours = row("s3://b/b", "05", 10, 4);
        let table = [
            (WriteMode::Upsert, Some(row("s3://b/b", "06", 10, 4)), WriteOutcome::Superseded),
            (WriteMode::Upsert, Some(row("s3://b/c", "01", 11, 4)), WriteOutcome::Superseded),
            (WriteMode::Merge, Some(row("s3://b/b", "05", 10, 7)), WriteOutcome::Duplicate),
            (WriteMode::Insert, None, WriteOutcome::Kept),
            (WriteMode::Insert, Some(row("s3://b/b", "04", 9, 4)), WriteOutcome::Kept),
            (WriteMode::Insert, Some(row("s3://b/b", "05", 10, 4)), WriteOutcome::Written),
        ];
        for (write, found, outcome) in table {
            assert_eq!(refused(write, &ours, found.as_ref()), outcome, "{write:?} over {found:?}");
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let mut ours = row("s3://b/b", "05", 10, 4);
        assert_eq!(Provenance::read(&ours.value()), Some(ours.clone()));
        ours.epoch = 3;
        assert_eq!(Provenance::read(&ours.value()), Some(ours));
        assert_eq!(Provenance::read(&Value::Text("mine".to_owned())), None);
    }
}
