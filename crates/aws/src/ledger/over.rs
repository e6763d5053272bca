//! How it is known that an attempt is over, and the condition that says so.

use jiff::Timestamp;

use super::write::Write;
use crate::attributes::{number, text, time};

/// How it is known that an attempt is over: what must still be so when its end is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its task has stopped.
    Stopped,
    /// Its worker has left the job, which nobody has claimed since.
    Left {
        /// The fence of that worker's claim.
        fence: u64,
    },
    /// Its worker was lost: the lease has run out, and nobody has claimed or renewed it since.
    Lost {
        /// The fence of that worker's claim.
        fence: u64,
        /// When the lease was found to have run out.
        now: Timestamp,
    },
}

impl Write {
    /// Only while this is still how the attempt is known to be over.
    pub(super) fn only_if(mut self, over: Over) -> Self {
        match over {
            Over::Stopped => self,
            Over::Left { fence } => {
                self.condition.push_str(" AND fence = :fence");
                self.value(":fence", number(fence))
            }
            Over::Lost { fence, now } => {
                self.condition
                    .push_str(" AND fence = :fence AND #state = :running AND lease_until < :lost_at");
                // `:now` may be the time of settling.
                let write = self.value(":fence", number(fence)).value(":lost_at", time(now));
                write.name("#state", "state").value(":running", text("running"))
            }
        }
    }
}
