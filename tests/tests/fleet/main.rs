//! The one path by which pooled workers are launched, and the repair of their slots: whatever happens to calls, launchers
//! and tasks, there are never more tasks than places, no place is lost, and no work waits without a worker on its way.

mod costs;
mod harness;
mod histories;
mod launching;
mod recovery;
mod repair;
