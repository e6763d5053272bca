//! Messages in the dead-letter queue, and the jobs that they keep from settling.

use aws::tasks::{TaskPurpose, task_purpose};
use domain::{
    events::S3Change,
    job::{Job, JobId},
    message::{self, Message},
    pipelines::Pipelines,
};
use localcloud::sqs::{AttributeValue, Received};
use serde_json::{Value, json};

/// A message in the dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    about: Option<(JobId, About)>,
    reason: Option<String>,
    detail: Option<String>,
    body: String,
}

/// What the message would have done for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Launch it.
    Launch,
    /// Settle it or mail its failure.
    Stop,
}

impl DeadLetter {
    /// Reads a message. The pipelines tell which job an object belongs to.
    pub(crate) fn read(message: &Received, pipelines: &Pipelines) -> Self {
        let attribute = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| message.attributes.get(*name))?;
            match &found.value {
                AttributeValue::Text(text) => Some(text.clone()),
                AttributeValue::Binary(_) => None,
            }
        };
        Self {
            about: about(&message.body, pipelines),
            // Ours, or EventBridge's.
            reason: attribute(["reason", "ERROR_CODE"]),
            detail: attribute(["detail", "ERROR_MESSAGE"]),
            body: message.body.clone(),
        }
    }

    /// Whether this job can no longer settle or be notified of, because this message would have done it. A failed job
    /// has a message here too, for a person to replay it; that one blocks nothing.
    pub(crate) fn ends(&self, id: &JobId, job: Option<&Job>) -> bool {
        let settled = job.is_some_and(|job| job.state().is_settled());
        match &self.about {
            Some((about, About::Launch)) => about == id && !settled,
            Some((about, About::Stop)) => about == id && !job.is_some_and(Job::is_over),
            None => false,
        }
    }

    /// The message as the report of `run --json` shows it.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "job": self.about.as_ref().map(|(job, _)| job),
            "reason": self.reason,
            "detail": self.detail,
            "body": self.body,
        })
    }
}

/// The job that a message refers to. The pipelines tell which job an object belongs to.
pub(crate) fn job_of(body: &str, pipelines: &Pipelines) -> Option<JobId> {
    about(body, pipelines).map(|(job, _)| job)
}

fn about(body: &str, pipelines: &Pipelines) -> Option<(JobId, About)> {
    match message::read(body) {
        Message::Job(due) => Some((due.job, About::Launch)),
        Message::Failed(failed) => Some((failed.failed, About::Stop)),
        Message::S3(changes) => {
            let created = changes.changes.iter().find_map(|change| match change {
                S3Change::Created(created) => Some(created),
                S3Change::Deleted(_) => None,
            });
            let object = created?.object();
            let pipeline = pipelines.route(&object.key, object.size_bytes)?;
            Some((JobId::derive(&pipeline.name, &object), About::Launch))
        }
        Message::Task(change) => {
            let started_by = change.started_by.as_deref();
            match task_purpose(started_by, |name| change.variable(name))? {
                TaskPurpose::Job { job, .. } => Some((job, About::Stop)),
                TaskPurpose::Drain { .. } | TaskPurpose::Sweep(_) | TaskPurpose::Command(_) => None,
            }
        }
        Message::Object(_) | Message::S3Test { .. } | Message::Foreign | Message::Malformed { .. } => None,
    }
}
