//! Jobs for tests.

use jiff::Timestamp;

use super::{
    Claimed, Done, Dropped, Failed, Job, JobState, Notification, Progress, Reason, Running, State, Waiting,
};
use crate::{object::Object, pipelines::Pipelines};

impl Job {
    /// A job of a pipeline with these keys that nobody has tried yet.
    #[must_use]
    pub fn sample(pipeline: &str, now: Timestamp) -> Self {
        let text = format!("version = 1\n[[pipeline]]\nname = \"p\"\n{pipeline}");
        let pipelines = Pipelines::parse(&text, "pipelines.toml").expect("a pipelines file");
        let object = Object {
            bucket: "b".into(),
            key: "k".into(),
            version_id: None,
            etag: None,
            sequencer: Default::default(),
            size_bytes: None,
        };
        Self::new(object, pipelines.get("p").expect("a pipeline").clone(), now)
    }

    /// The same job in another state.
    #[must_use]
    pub fn in_state(self, state: impl Into<JobState>) -> Self {
        Self { state: state.into(), ..self }
    }
}

impl JobState {
    /// What a job may have in this state when everything happened at once.
    #[must_use]
    pub fn sample(state: State, at: Timestamp) -> Self {
        match state {
            State::Waiting => Self::Waiting(Waiting::default()),
            State::Running => Self::Running(Running::sample("worker", at)),
            State::Done => Self::Done(Done::sample(at)),
            State::Failed => Self::Failed(Failed::sample("crashed", at)),
            State::Superseded => Self::Superseded(Dropped::sample("superseded", at)),
            State::SourceDeleted => Self::SourceDeleted(Dropped::sample("source_deleted", at)),
        }
    }
}

impl Waiting {
    /// A job that was returned for a reason of this code.
    #[must_use]
    pub fn returned(code: &str) -> Self {
        Self { reason: Some(Reason::new(crate::job::ReasonCode::parse(code), "words")), ..Self::default() }
    }
}

impl Running {
    /// A claim of this holder that was just made for the first time, and holds until then.
    #[must_use]
    pub fn sample(holder: &str, lease_until: Timestamp) -> Self {
        let claimed = Claimed { first_at: lease_until, holder: holder.to_owned() };
        Self { claimed, lease_until, records: 0, progress: None }
    }
}

impl Done {
    /// A job without records.
    #[must_use]
    pub fn sample(at: Timestamp) -> Self {
        Self {
            settled_at: at,
            claimed: Claimed { first_at: at, holder: "worker".to_owned() },
            progress: Progress::default(),
            write_units: 0,
            replaced: None,
        }
    }
}

impl Failed {
    /// A failure of this code that was not mailed yet, of a job that was never claimed.
    #[must_use]
    pub fn sample(code: &str, at: Timestamp) -> Self {
        Self {
            settled_at: at,
            reason: Reason::new(crate::job::ReasonCode::parse(code), "words"),
            claimed: None,
            progress: Progress::default(),
            notification: Notification::Due,
            collecting_until: None,
        }
    }
}

impl Dropped {
    /// A job that was left for a reason of this code.
    #[must_use]
    pub fn sample(code: &str, at: Timestamp) -> Self {
        Self {
            settled_at: at,
            reason: Reason::new(crate::job::ReasonCode::parse(code), "words"),
            claimed: Claimed { first_at: at, holder: "worker".to_owned() },
            progress: Progress::default(),
            collecting_until: None,
        }
    }
}

impl From<Waiting> for JobState {
    fn from(waiting: Waiting) -> Self {
        Self::Waiting(waiting)
    }
}

impl From<Running> for JobState {
    fn from(running: Running) -> Self {
        Self::Running(running)
    }
}

impl From<Done> for JobState {
    fn from(done: Done) -> Self {
        Self::Done(done)
    }
}

impl From<Failed> for JobState {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}
