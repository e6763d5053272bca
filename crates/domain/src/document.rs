//! The ids of the fleet table's items. An item's id belongs to its type and is made here alone, so that the reader and
//! the writer of an item cannot disagree.
//!
//! | id | item |
//! | --- | --- |
//! | `slot:0001` … | a slot of the fleet ([`slot_id`]) |
//! | `lease:NAME` | a [`Lease`]: who may do what only one may do at a time |
//! | `NAME:VERSION`, `NAME:VERSION:KEY` | a [`StoredDocument`] that one program leaves for another, or that several change |

use std::borrow::Cow;

/// A type that is stored in the fleet table as one item, or as one item for each key. The type must have no attributes
/// `id` and `stamp`, which the table's own bookkeeping uses.
pub trait StoredDocument {
    /// The document's name, unique in the table.
    const NAME: &'static str;
    /// The version of its layout. A layout that old programs cannot read has another version and thus another id: during
    /// a deployment old and new programs run side by side, and neither reads the other's.
    const VERSION: u32 = 1;
}

/// The id of the one document of this type.
#[must_use]
pub fn document_id<T: StoredDocument>() -> String {
    format!("{}:{}", T::NAME, T::VERSION)
}

/// The id of the document of this type for this key.
#[must_use]
pub fn keyed_document_id<T: StoredDocument>(key: &str) -> String {
    format!("{}:{}:{key}", T::NAME, T::VERSION)
}

/// The id of the slot with this number.
#[must_use]
pub fn slot_id(number: u32) -> String {
    format!("slot:{number:04}")
}

/// What only one program may do at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease<'a> {
    /// The sweep: only one runs at a time.
    Sweep,
    /// Notifying people that launches are held back or work again.
    LaunchNotice,
    /// Notifying people that this task, of a sweep or a scheduled command, has failed.
    TaskNotice(&'a str),
}

impl Lease<'_> {
    /// The id of the lease's item.
    #[must_use]
    pub fn id(&self) -> String {
        let name: Cow<'_, str> = match self {
            Self::Sweep => "sweep".into(),
            Self::LaunchNotice => "launch_notice".into(),
            Self::TaskNotice(task) => format!("task_notice:{task}").into(),
        };
        format!("lease:{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alerts, breaker, drift, scaling, schedule_runs, sweep};

    #[test]
    fn no_two_kinds_of_items_share_an_id() {
        let ids = [
            document_id::<breaker::Breaker>(),
            document_id::<scaling::QueueSnapshot>(),
            document_id::<alerts::AlertState>(),
            document_id::<sweep::KeptPipelines>(),
            document_id::<sweep::Progress>(),
            document_id::<schedule_runs::ScheduleRuns>(),
            keyed_document_id::<drift::KnownColumns>("orders"),
        ];
        let names = ["breaker:1", "queue_snapshot:1", "alerts:1", "pipelines:1", "sweep_progress:1"];
        assert_eq!(ids[..5], names);
        assert_eq!(ids[5..], ["schedule_runs:1", "columns:1:orders"]);
        assert_eq!(slot_id(7), "slot:0007");
        assert_eq!(
            [Lease::Sweep, Lease::TaskNotice("arn")].map(|it| it.id()),
            ["lease:sweep", "lease:task_notice:arn"]
        );
    }
}
