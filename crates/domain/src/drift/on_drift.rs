//! What a pipeline says about drifts.

use serde::{Deserialize, Serialize};

/// What a drift means for the object that has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// It is remembered, and nothing is said.
    Accept,
    /// The digest, `tidemill explain` and a metric say it.
    #[default]
    Notify,
    /// The object fails, and the columns stay known as they were.
    Reject,
}
