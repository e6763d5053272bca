//! Mails: each failure at once, or counted in one mail for many that are alike; and the pauses of launches.

mod alerts;
#[cfg(feature = "functions")]
mod failures;
mod launches;

pub use alerts::Alerts;
#[cfg(feature = "functions")]
pub use failures::{Notified, Notifier};
pub use launches::mail_launches;
