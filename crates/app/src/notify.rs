//! Mails: each failure at once, or counted in one mail for many that are alike; and the pauses of launches.

mod alerts;
#[cfg(feature = "functions")]
mod failures;
#[cfg(feature = "functions")]
mod job_mails;
mod launches;

pub use alerts::Alerts;
#[cfg(feature = "functions")]
pub(crate) use failures::schedule_of;
#[cfg(feature = "functions")]
pub use failures::{Notified, Notifier};
#[cfg(feature = "functions")]
pub use job_mails::JobMails;
pub use launches::mail_launches;
