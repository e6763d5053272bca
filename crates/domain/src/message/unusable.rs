//! Why a message is a dead letter: nothing can be done with it, and none of its retries would change that.

use crate::table::table;

/// What is fixed about a reason why a message cannot be acted on, besides its code and its sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What a person can do about it.
    pub advice: &'static str,
}

table! {
    /// Why a message cannot be acted on.
    Unusable: Row {
        Malformed = "malformed", "the message is not one that Tidemill knows" {
            advice: "Fix the program that sends it, and send it again.",
        }
        Foreign = "foreign", "the message is well formed, but not one for this queue" {
            advice: "Send it to the queue it belongs to.",
        }
        UnknownJob = "unknown_job", "the ledger has no such job" {
            advice: "Check the job's id. To process its object, send a message with the bucket and the key.",
        }
        NoSuchObject = "no_such_object", "the object is not in the bucket, or not in this version" {
            advice: "Check the bucket, the key and the version, or upload the object again.",
        }
        NotWatched = "not_watched", "the key is outside the watched prefix" {
            advice: "Upload the object under the watched prefix.",
        }
    }
}
