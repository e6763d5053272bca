//! Telling people: of failures, each in a mail of its own or counted in one for many.

mod alerts;
#[cfg(feature = "logs")]
mod failure;

pub use alerts::Storms;
