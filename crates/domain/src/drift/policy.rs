//! How a pipeline's objects are compared, as far as the pipeline says it.

use super::OnDrift;
use crate::pipelines::Pipeline;

/// How the objects of a pipeline are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// What a drift means.
    pub on_drift: OnDrift,
    /// The pipeline takes whatever comes, so its objects are compared only with those that have much the same columns.
    /// Otherwise files that have nothing to do with each other would drift from each other, and a column would become
    /// text because some other file has a text under the same name.
    pub is_mixed: bool,
}

impl Policy {
    /// The policy of a pipeline where keys that begin with `watched` are watched.
    ///
    /// A pipeline says what it takes by a prefix below the watched one, by a suffix that is more than an extension, or by
    /// an `on_drift` that reports or rejects what differs. Otherwise it is mixed.
    #[must_use]
    pub fn of(pipeline: &Pipeline, watched: &str) -> Self {
        let on_drift = pipeline.on_drift;
        let says_so = matches!(on_drift, Some(OnDrift::Notify | OnDrift::Reject));
        let is_mixed = !says_so && !pipeline.matches.says_what(watched);
        Self { on_drift: on_drift.unwrap_or_default(), is_mixed }
    }
}
