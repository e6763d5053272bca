//! What every process of Tidemill writes about itself: its log, and within the log its metrics.

mod causes;
pub mod logging;
pub mod metrics;

pub use causes::{causes, failed_invocation};
