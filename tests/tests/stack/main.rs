//! The whole stack, from days on virtual time to another SDK. One program for all of it, because each one takes seconds to link.

mod boto3;
mod day;
mod large_rejects;
mod metrics;
mod replay;
mod stops_twice;
