//! The commands for the person on call, as real processes against `tidemill up`.

mod check;
mod cloud;
mod errors;
mod jobs;
#[path = "../run/process.rs"]
#[expect(dead_code, reason = "the other suite uses all of it")]
mod process;
mod watch;
