//! The commands for the person on call, as real processes against `tidemill up`.

mod check;
mod errors;
mod jobs;
mod preview;
mod watch;
