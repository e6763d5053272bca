//! The commands for the person on call, as real processes against `tidemill up`.

mod check;
mod cloud;
mod mistakes;
#[path = "../command/process.rs"]
#[expect(dead_code, reason = "the other suite uses all of it")]
mod process;
mod stories;
mod watch;
