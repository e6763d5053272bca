//! The names of what is measured. `telemetry` emits them as lines of log in CloudWatch's embedded metric format.

/// The namespace of every metric.
pub const NAMESPACE: &str = "Tidemill";
/// The dimension that every metric has: the stack's name.
pub const STACK: &str = "Stack";
/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Jobs recorded: objects that came in.
    ObjectsIn,
    /// Jobs that settled, also by [`OUTCOME`].
    ObjectsSettled,
    /// How attempts ended, by [`VERDICT`].
    Verdicts,
    /// Records that became visible.
    Records,
    /// Records that became visible of rows that were repaired.
    RecordsRepaired,
    /// From an object's event to its records' being visible.
    UploadToVisible,
    /// Launches that came to nothing, in whatever place.
    LaunchesFailed,
    /// Mails that SNS did not take.
    MailsRefused,
    /// Sweeps that came to their end.
    Sweeps,
    /// Jobs that wait for a pooled worker.
    Backlog,
    /// Places for tasks that are taken.
    Tasks,
    /// The same of a hundred.
    FleetUse,
    /// What stopped tasks cost, in millionths of a dollar.
    CostMicroDollars,
}

/// The dimension of [`Metric::ObjectsSettled`]: the state.
pub const OUTCOME: &str = "Outcome";
/// The dimension of [`Metric::Verdicts`]: the verdict's code, or the named reason of an object that cannot be read.
pub const VERDICT: &str = "Verdict";

impl Metric {
    /// Every metric, for tests of the template and the dashboard.
    pub const ALL: [Self; 13] = [
        Self::ObjectsIn,
        Self::ObjectsSettled,
        Self::Verdicts,
        Self::Records,
        Self::RecordsRepaired,
        Self::UploadToVisible,
        Self::LaunchesFailed,
        Self::MailsRefused,
        Self::Sweeps,
        Self::Backlog,
        Self::Tasks,
        Self::FleetUse,
        Self::CostMicroDollars,
    ];

    /// Its name in CloudWatch.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ObjectsIn => "ObjectsIn",
            Self::ObjectsSettled => "ObjectsSettled",
            Self::Verdicts => "Verdicts",
            Self::Records => "Records",
            Self::RecordsRepaired => "RecordsRepaired",
            Self::UploadToVisible => "UploadToVisible",
            Self::LaunchesFailed => "LaunchesFailed",
            Self::MailsRefused => "MailsRefused",
            Self::Sweeps => "Sweeps",
            Self::Backlog => "Backlog",
            Self::Tasks => "Tasks",
            Self::FleetUse => "FleetUse",
            Self::CostMicroDollars => "CostMicroDollars",
        }
    }

    /// Its unit, in CloudWatch's words.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::UploadToVisible => "Milliseconds",
            Self::FleetUse => "Percent",
            _ => "Count",
        }
    }
}

/// Whether a line of log carries metrics, and has nothing to say to people.
#[must_use]
pub fn is_line(text: &str) -> bool {
    text.starts_with("{\"Stack\":") && text.contains("\"_aws\":{")
}
