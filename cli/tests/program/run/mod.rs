//! The command as a person uses it: the real program, real processes, and what it leaves behind.

mod data;
mod errors;
mod files;
mod full_disk;
mod input;
mod names;
mod own_table;
mod samples;
mod signals;
mod waiting;
