//! The shards of the ledger's index: what they are called.

use jiff::Timestamp;

/// The parts that every shard has, so that no partition of the index takes all writes.
pub const STATUS_SHARDS: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// The shard of jobs that have not settled.
#[must_use]
pub fn open_shard(part: char) -> String {
    format!("open:{part}")
}

/// The shard of jobs that settled, or were replaced, in the hour of this time.
#[must_use]
pub fn settled_shard(part: char, at: Timestamp) -> String {
    format!("settled:{}:{part}", at.strftime("%Y-%m-%dT%H"))
}

/// The shard of jobs that were on this one and whose rows, which nobody could see, are deleted.
#[must_use]
pub fn collected_shard(status_shard: &str) -> Option<String> {
    status_shard.strip_prefix("settled:").map(|rest| format!("collected:{rest}"))
}
