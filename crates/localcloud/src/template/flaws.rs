//! What becomes of the flaws of a template.

use super::error::{Flaw, Step};

/// What becomes of a flaw.
#[derive(Debug)]
pub(super) enum Flaws {
    /// The first ends the reading.
    First,
    /// They are gathered, and the reading goes on where it can.
    All(Vec<Flaw>),
}

impl Flaws {
    /// What a step gave; none where it failed and the reading goes on.
    pub(super) fn take<T>(&mut self, step: Step<T>) -> Step<Option<T>> {
        match (step, self) {
            (Ok(value), _) => Ok(Some(value)),
            (Err(flaw), Self::First) => Err(flaw),
            (Err(flaw), Self::All(gathered)) => {
                gathered.push(*flaw);
                Ok(None)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::First => true,
            Self::All(gathered) => gathered.is_empty(),
        }
    }
}
