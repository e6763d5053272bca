//! The fleet table: the [slots](domain::fleet::Slot), the [leases](domain::document::Lease), and the small
//! [documents](domain::document::StoredDocument) that one program leaves for another ([`Fleet::put_document`]) or that
//! several change ([`Fleet::update_document`]). Which item has which id is decided in [`domain::document`].

mod documents;
mod leases;
mod slots;
mod table;

pub use slots::{Heartbeat, WorkerStats};
pub use table::Fleet;
