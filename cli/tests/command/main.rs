//! The command as a person uses it: the real program, real processes, and what it leaves behind.

mod data;
mod files;
mod input;
mod mistakes;
mod names;
mod process;
mod samples;
mod signals;
