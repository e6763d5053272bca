//! The template's permissions, executed: every grant is used by something that happens, and without any one of them
//! something that has to happen is refused.
//!
//! `cargo test --test permissions -- --nocapture` shows each grant with its uses.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

mod explained;
mod needed;
mod refusals;
mod report;
mod scenarios;
mod unneeded;

use localcloud::iam::{GrantId, GrantUse};

/// Whether two clouds of one template mean the same grant.
fn is_of(grant: &GrantUse, holder: &str, sid: &str, action: &str) -> bool {
    let GrantId { holder: of, sid: named, action: to, .. } = &grant.id;
    (of.as_str(), named.as_str(), to.as_str()) == (holder, sid, action)
}
