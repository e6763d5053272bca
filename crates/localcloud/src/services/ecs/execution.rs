//! What ECS does for a task in its execution role, before its containers run: sign in to the registry, pull the
//! image, open the log streams. And whether a task's roles trust ECS at all.
//!
//! The reasons are worded as Fargate words them:
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>

use super::{arn, definition::Definition, run_task::RunTask, task::Ending};
use crate::{
    services::{
        iam::{Iam, Refused, RequiredAction, Who},
        logs::required_actions::stream,
    },
    wire::ApiError,
};

/// Takes the roles of a task, which have to trust ECS.
pub(super) fn assume(iam: &Iam, request: &RunTask) -> Result<(), ApiError> {
    for role in [&request.task_role, &request.execution_role].into_iter().flatten() {
        let required =
            RequiredAction::new("sts:AssumeRole", role.as_str()).from_source(&arn::cluster(&request.cluster));
        iam.authorize(&Who::Service("ecs-tasks.amazonaws.com"), &[required]).map_err(|refused| {
            let message = format!(
                "ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the role \
                 being passed has the proper trust relationship and permissions and that your IAM user has permissions \
                 to pass this role. {refused}"
            );
            ApiError::client("ClientException", message)
        })?;
    }
    Ok(())
}

/// What there is to do in a task's execution role.
#[derive(Debug)]
pub(super) struct Execution {
    role: String,
    /// Each image, and the ARN of its repository if ECR has it.
    images: Vec<(String, Option<String>)>,
    /// The log group of each container that has one, and what its stream's name begins with.
    streams: Vec<(String, String)>,
}

impl Execution {
    /// None for a task without an execution role.
    pub(super) fn of(request: &RunTask, definition: &Definition) -> Option<Self> {
        let containers = &definition.containers;
        let stream = |container: &super::definition::Container| {
            let place = container.log.as_ref()?;
            Some((place.group.clone(), format!("{}/{}", place.prefix, container.name)))
        };
        Some(Self {
            role: request.execution_role.clone()?,
            images: containers.iter().map(|it| (it.image.clone(), repository(&it.image))).collect(),
            streams: containers.iter().filter_map(stream).collect(),
        })
    }

    /// Does it for the task of this id, in the order in which Fargate does.
    pub(super) fn start(&self, iam: &Iam, id: &str) -> Result<(), Ending> {
        let role = Who::role(&self.role, id);
        let may = |action: &str, on: &str| iam.authorize(&role, &[RequiredAction::new(action, on)]);
        for (image, repository) in &self.images {
            let Some(repository) = repository else { continue };
            may("ecr:GetAuthorizationToken", "*").map_err(|refused| not_signed_in(&refused))?;
            for action in
                ["ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"]
            {
                may(action, repository).map_err(|refused| not_pulled(image, &refused))?;
            }
        }
        for (group, prefix) in &self.streams {
            let on = stream(group, &format!("{prefix}/{id}"));
            may("logs:CreateLogStream", &on).map_err(|refused| not_opened(&refused))?;
        }
        Ok(())
    }

    /// Whether a container's output reaches its log group. Where it does not, the output is lost without an error, as on
    /// AWS.
    pub(super) fn may_write(&self, iam: &Iam, id: &str, container: &str) -> bool {
        let written = |(group, prefix): &(String, String)| {
            let on = stream(group, &format!("{prefix}/{id}"));
            iam.authorize(&Who::role(&self.role, id), &[RequiredAction::new("logs:PutLogEvents", on)]).is_ok()
        };
        let own = self.streams.iter().filter(|(_, prefix)| prefix.ends_with(&format!("/{container}")));
        own.into_iter().all(written)
    }
}

/// The repository of an image that ECR has.
fn repository(image: &str) -> Option<String> {
    let (host, path) = image.split_once('/')?;
    let mut labels = host.split('.');
    let account = labels.next()?;
    if account.len() != 12 || !account.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    if (labels.next()?, labels.next()?) != ("dkr", "ecr") {
        return None;
    }
    let region = labels.next()?;
    let path = path.split('@').next()?;
    // A colon after the last slash begins the tag.
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    let end = path[name_at..].find(':').map_or(path.len(), |at| name_at + at);
    Some(format!("arn:aws:ecr:{region}:{account}:repository/{}", &path[..end]))
}

fn not_signed_in(refused: &Refused) -> Ending {
    failed(format!(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: \
         unable to retrieve ecr registry auth: service call has been retried 3 time(s): AccessDeniedException: {refused}"
    ))
}

fn not_pulled(image: &str, refused: &Refused) -> Ending {
    failed(format!(
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref {image}: 403 \
         Forbidden: AccessDeniedException: {refused}"
    ))
}

fn not_opened(refused: &Refused) -> Ending {
    failed(format!(
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to \
         create Cloudwatch log stream: AccessDeniedException: {refused} : exit status 1"
    ))
}

fn failed(reason: String) -> Ending {
    Ending { code: "TaskFailedToStart", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_ecr_has_a_repository() {
        for (image, expected) in [
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com/tidemill:1",
                Some("us-east-1:123456789012:repository/tidemill"),
            ),
            (
                "210987654321.dkr.ecr.eu-west-1.amazonaws.com/team/worker@sha256:00ff",
                Some("eu-west-1:210987654321:repository/team/worker"),
            ),
            ("worker:1", None),
            ("public.ecr.aws/x/worker:1", None),
            ("localhost:5000/worker:1", None),
        ] {
            let expected = expected.map(|it| format!("arn:aws:ecr:{it}"));
            assert_eq!(repository(image), expected, "{image}");
        }
    }
}
