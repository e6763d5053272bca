//! The commands for the person on call, as real processes against `tidemill up`.

mod check;
mod env;
mod errors;
mod jobs;
mod names;
mod past;
mod preview;
mod replay;
mod watch;
