//! The real program as real processes, and what it leaves behind. One test program for all of it, so that what waits for a
//! minute waits beside the others.

mod burst;
mod cloud;
mod commands;
mod containers;
mod newcomer;
mod process;
mod reading;
mod run;
mod transcripts;

/// Tests begin in the order of their names, as many at once as there are processors. This one and the burst wait for two
/// minutes each: they begin first and wait side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_transcripts_are_as_they_were_kept() {
    transcripts::play().await;
}
