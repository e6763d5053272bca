//! What every process of Tidemill says of itself: its log, and within the log its metrics.

pub mod logging;
pub mod metrics;
