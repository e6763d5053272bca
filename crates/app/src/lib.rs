//! The use cases of Tidemill: each reads what it needs through the adapters of [`aws`], lets the [`domain`] decide,
//! and writes the decision down.

#[cfg(feature = "worker")]
pub mod run_job;
#[cfg(feature = "worker")]
pub mod sweep;
