//! What a scenario sees of the dead-letter queue.

/// A message of the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// What it says.
    pub body: String,
    /// Why it is there: the attribute `reason`. None when its queue gave up on it.
    pub reason: Option<String>,
    /// More about it: the attribute `detail`.
    pub detail: Option<String>,
}
