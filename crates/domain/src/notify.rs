//! Which mails people want.

/// Which settled jobs are mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotifyOn {
    /// Failures immediately, and an hourly digest of all jobs.
    All,
    /// Only failures, immediately.
    Failures,
    /// None.
    None,
}

impl std::str::FromStr for NotifyOn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "all" => Ok(Self::All),
            "failures" => Ok(Self::Failures),
            "none" => Ok(Self::None),
            _ => Err(()),
        }
    }
}

impl NotifyOn {
    /// Whether a failed job is mailed of at once.
    #[must_use]
    pub fn of_failures(self) -> bool {
        self != Self::None
    }

    /// Whether the hourly digest is mailed.
    #[must_use]
    pub fn digest(self) -> bool {
        self == Self::All
    }
}
