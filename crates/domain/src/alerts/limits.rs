//! How many mails there are, and when.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// How many failures of one group within [`WINDOW`] have mails of their own: one says what is wrong, three that it is
/// no accident.
pub const AT_ONCE: usize = 3;

/// Within this time.
pub const WINDOW: Duration = Duration::from_mins(15);

/// How many single mails there are within a minute, of all groups. With a grouped mail a second, two flushes at once and
/// a digest it stays below the ten a second at which SNS suspends an address, even if all come in the same second.
/// <https://docs.aws.amazon.com/general/latest/gr/sns.html>
pub const SINGLES_PER_MINUTE: usize = 6;

/// Within this time.
pub const MINUTE: Duration = Duration::from_mins(1);

/// When the next grouped mail of a burst is due: after its beginning, and after each mail. The last goes for all others.
pub const INTERVALS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(5), Duration::from_mins(15), Duration::from_mins(60)];

/// A burst is over when nothing has failed for this long.
pub const QUIET: Duration = Duration::from_mins(15);

/// How long a flush has to send a mail before another may: longer than λ scaler may run (`template.yaml`).
pub const SENDING: Duration = Duration::from_secs(50);

/// How many mails one flush sends; the next minute's goes on.
pub const MAILS_PER_FLUSH: usize = 6;

/// How many groups are counted separately. The document stays well below DynamoDB's 400 KB with all of them in full burst.
pub const MAX_GROUPS: usize = 20;

/// Whether this time has passed since then.
pub(super) fn is_past(at: Timestamp, time: Duration, now: Timestamp) -> bool {
    now.duration_since(at) >= SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}
