//! ECS: asking about tasks and stopping them.

use aws_sdk_ecs::{Client, types::Failure};
use aws_smithy_types::DateTime;
use domain::text::count;
use jiff::Timestamp;

use super::{CallError, Clients};

/// DescribeTasks's limit (ECS API reference).
const DESCRIBED: usize = 100;

/// The cluster that tasks run in.
#[derive(Debug, Clone)]
pub struct Cluster {
    clients: Clients,
    pub(super) name: String,
}

/// What ECS knows of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    /// The task's ARN.
    pub task: String,
    /// Whether it has not stopped yet.
    pub is_live: bool,
    /// When it was launched.
    pub created_at: Option<Timestamp>,
    /// When its containers ran.
    pub started_at: Option<Timestamp>,
    /// When it had stopped.
    pub stopped_at: Option<Timestamp>,
}

impl Cluster {
    /// The cluster of this name or ARN.
    #[must_use]
    pub fn new(clients: &Clients, name: &str) -> Self {
        Self { clients: clients.clone(), name: name.to_owned() }
    }

    /// Built with the first call: a launch takes half a minute, and most starts of a function lead to none.
    pub(super) fn client(&self) -> &Client {
        self.clients.ecs()
    }

    /// What ECS knows of these tasks, in no order. One that is missing stopped an hour ago or longer, or was launched
    /// a moment ago.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn describe(&self, tasks: &[String]) -> Result<Vec<TaskStatus>, CallError> {
        let mut known = Vec::with_capacity(tasks.len());
        for some in tasks.chunks(DESCRIBED) {
            let call = self.client().describe_tasks().cluster(&self.name).set_tasks(Some(some.to_vec()));
            let answer = call.send().await;
            let attempt = || format!("describe {}", count(some.len(), "task"));
            let answer = answer.map_err(|e| CallError::of(attempt(), e))?;
            if let Some(failure) = unexpected_failure(answer.failures()) {
                let words = format!("{failure:?}");
                return Err(CallError::retries_exhausted(attempt(), words));
            }
            known.extend(answer.tasks().iter().filter_map(|task| {
                Some(TaskStatus {
                    task: task.task_arn()?.to_owned(),
                    is_live: task.last_status() != Some("STOPPED"),
                    created_at: time(task.created_at()),
                    started_at: time(task.started_at()),
                    stopped_at: time(task.stopped_at()),
                })
            }));
        }
        Ok(known)
    }

    /// Asks ECS to stop a task; its stop shows the reason. A repeat changes nothing.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn stop(&self, task: &str, reason: &str) -> Result<(), CallError> {
        let call = self.client().stop_task().cluster(&self.name).task(task).reason(reason);
        call.send().await.map(drop).map_err(|e| CallError::of(format!("stop {task}"), e))
    }
}

/// A failure that says nothing of whether its task lives. One that ECS does not know is `MISSING`.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>
fn unexpected_failure(failures: &[Failure]) -> Option<&Failure> {
    failures.iter().find(|failure| failure.reason() != Some("MISSING"))
}

fn time(at: Option<&DateTime>) -> Option<Timestamp> {
    Timestamp::from_nanosecond(at?.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_task_is_known_to_be_no_more() {
        let failure = |reason| Failure::builder().arn("task").set_reason(reason).build();
        let missing = failure(Some("MISSING".to_owned()));
        assert_eq!(unexpected_failure(&[missing.clone(), missing.clone()]), None);
        for other in [failure(Some("ACCESS_DENIED".to_owned())), failure(None)] {
            assert_eq!(unexpected_failure(&[missing.clone(), other.clone()]), Some(&other));
        }
    }
}
