//! The real program as real processes, and what it leaves behind. One test program for all of it, so that what waits for a
//! minute waits beside the others.

mod burst;
mod cloud;
mod commands;
mod containers;
mod process;
mod run;
mod transcripts;
