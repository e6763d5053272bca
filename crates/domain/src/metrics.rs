//! The names of what is measured. `telemetry` emits them as lines of log in CloudWatch's embedded metric format.

/// The namespace of every metric.
pub const NAMESPACE: &str = "Tidemill";
/// The dimension that every metric has: the stack's name.
pub const STACK: &str = "Stack";
/// The dimension of [`Metric::ObjectsSettled`]: the state.
pub const OUTCOME: &str = "Outcome";
/// The dimension of [`Metric::Verdicts`]: the verdict's code, or the named reason of an object that cannot be read.
pub const VERDICT: &str = "Verdict";

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident: $unit:literal;)*) => {
        /// What is measured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Metric {
            $($(#[$doc])* $name,)*
        }

        impl Metric {
            /// Every metric, for tests of the template and the dashboard.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in CloudWatch.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// Its unit, in CloudWatch's words.
            #[must_use]
            pub fn unit(self) -> &'static str {
                match self {
                    $(Self::$name => $unit,)*
                }
            }
        }
    };
}

metrics! {
    /// Jobs recorded: objects that came in.
    ObjectsIn: "Count";
    /// Jobs that settled, also by [`OUTCOME`].
    ObjectsSettled: "Count";
    /// How attempts ended, by [`VERDICT`].
    Verdicts: "Count";
    /// Records that became visible.
    Records: "Count";
    /// Records that became visible of rows that were repaired.
    RecordsRepaired: "Count";
    /// From an object's event to its records' being visible.
    UploadToVisible: "Milliseconds";
    /// Launches that failed, wherever they were tried.
    LaunchesFailed: "Count";
    /// Mails that SNS did not take.
    MailsRefused: "Count";
    /// Sweeps that ran to their end.
    Sweeps: "Count";
    /// Jobs that wait for a pooled worker.
    Backlog: "Count";
    /// Places for tasks that are taken.
    Tasks: "Count";
    /// The share of places for tasks that are taken.
    FleetUse: "Percent";
    /// Columns of objects that differ from those of earlier objects of their pipeline, and objects that lost all records.
    ColumnDrifts: "Count";
    /// What stopped tasks cost, in millionths of a dollar.
    CostMicroDollars: "Count";
}

/// Whether a line of log carries metrics, and has nothing to say to people.
#[must_use]
pub fn is_line(text: &str) -> bool {
    text.starts_with("{\"Stack\":") && text.contains("\"_aws\":{")
}
