//! Where a job is, what can happen to it, and the one function that moves it.

use serde::{Deserialize, Serialize};

/// Where a job is. Only [`next`] moves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No worker has it: its next launch is due, or a task is starting.
    Waiting,
    /// A worker holds its claim.
    Running,
    /// All its records were published.
    Done,
    /// It has failed for good, with a reason.
    Failed,
    /// A newer version of its key was visible first.
    Superseded,
    /// Its object was deleted before its records were published.
    SourceDeleted,
}

impl State {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Running, Self::Done, Self::Failed, Self::Superseded, Self::SourceDeleted];

    /// Whether the job has ended.
    #[must_use]
    pub fn is_settled(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// The word that is stored, logged and printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::SourceDeleted => "source_deleted",
        }
    }
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A worker takes it; one that is running only when its lease has run out.
    Claim,
    /// Its worker or its task's stop returns it, to be tried again.
    Requeue,
    /// Its records became visible.
    Publish,
    /// It fails for good.
    Fail,
    /// A newer version of its key is visible.
    Supersede,
    /// Its object was deleted.
    SourceDeleted,
    /// A person asks for it again.
    Replay,
}

/// A change that a state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {} job cannot {change:?}", state.as_str())]
pub struct IllegalChange {
    /// Where the job is.
    pub state: State,
    /// What was asked of it.
    pub change: Change,
}

impl Change {
    /// The state this change leads to, wherever it is legal.
    #[must_use]
    pub fn leads_to(self) -> State {
        match self {
            Self::Claim => State::Running,
            Self::Requeue | Self::Replay => State::Waiting,
            Self::Publish => State::Done,
            Self::Fail => State::Failed,
            Self::Supersede => State::Superseded,
            Self::SourceDeleted => State::SourceDeleted,
        }
    }
}

/// The state that follows.
///
/// ```
/// use domain::job::{Change, State, next};
///
/// assert_eq!(next(State::Waiting, Change::Claim), Ok(State::Running));
/// assert_eq!(next(State::Running, Change::Publish), Ok(State::Done));
/// // Done is done. A person can replay a job that has failed.
/// assert!(next(State::Done, Change::Fail).is_err());
/// assert!(next(State::Done, Change::Replay).is_err());
/// assert_eq!(next(State::Failed, Change::Replay), Ok(State::Waiting));
/// ```
///
/// # Errors
/// [`IllegalChange`] where the table has no such arm: a settled job only ever moves by a replay.
pub fn next(state: State, change: Change) -> Result<State, IllegalChange> {
    let legal = match change {
        Change::Claim | Change::Requeue | Change::Fail => matches!(state, State::Waiting | State::Running),
        Change::Publish | Change::Supersede | Change::SourceDeleted => state == State::Running,
        Change::Replay => state == State::Failed,
    };
    if legal { Ok(change.leads_to()) } else { Err(IllegalChange { state, change }) }
}

/// The states from which a change is legal: what the ledger's conditions are made of.
pub fn allowed_from(change: Change) -> impl Iterator<Item = State> {
    State::ALL.into_iter().filter(move |&state| next(state, change).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_move_by_the_table_and_settled_ones_only_by_a_replay() {
        use Change::{Claim, Fail, Publish, Replay, Requeue, Supersede};
        use State::{Done, Failed, Running, SourceDeleted, Superseded, Waiting};
        let changes = [Claim, Requeue, Publish, Fail, Supersede, Change::SourceDeleted, Replay];
        for change in changes {
            for state in State::ALL {
                if let Ok(to) = next(state, change) {
                    assert_eq!(to, change.leads_to());
                    assert!(!state.is_settled() || (state, change) == (Failed, Replay));
                }
            }
        }
        assert_eq!(allowed_from(Publish).collect::<Vec<_>>(), [Running]);
        assert_eq!(allowed_from(Fail).collect::<Vec<_>>(), [Waiting, Running]);
        for settled in [Done, Superseded, SourceDeleted] {
            assert_eq!(next(settled, Claim), Err(IllegalChange { state: settled, change: Claim }));
        }
    }
}
