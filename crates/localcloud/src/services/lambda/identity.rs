//! In whose name Lambda acts for a function: in its role, which has to trust Lambda.

use super::{Lambda, arn, refusal::ACCESS_DENIED, service::Inner};
use crate::{
    services::{
        iam::{RequiredAction, Who},
        logs::required_actions,
    },
    wire::ApiError,
};

impl Lambda {
    /// Says whether there is this function or alias, given by name or ARN: nobody is asked whether they may invoke none.
    pub(crate) fn find(&self, function: &str) -> Result<(), ApiError> {
        self.inner.qualified(function).map(drop)
    }
}

impl Inner {
    /// The function's session of its role; none where no policies are enforced.
    pub(super) fn session(&self, function: &str) -> Option<Who> {
        Some(Who::role(&self.sqs.iam().function(function)?.role, function))
    }

    /// Whether Lambda may do this in the function's name.
    pub(super) fn may(&self, function: &str, required: RequiredAction) -> Result<(), ApiError> {
        let Some(role) = self.session(function) else { return Ok(()) };
        self.sqs.iam().authorize(&role, &[required]).map_err(|refused| refused.api_error(ACCESS_DENIED))
    }

    /// Takes the function's role, as before each run.
    pub(super) fn assume(&self, function: &str) -> Result<(), ApiError> {
        let Some(identity) = self.sqs.iam().function(function) else { return Ok(()) };
        let required =
            RequiredAction::new("sts:AssumeRole", identity.role).from_source(&arn::function(function));
        self.sqs.iam().authorize(&Who::Service("lambda.amazonaws.com"), &[required]).map_err(|refused| {
            let message = format!("The role defined for the function cannot be assumed by Lambda. {refused}");
            ApiError { message, ..refused.api_error(ACCESS_DENIED) }
        })
    }

    /// Whether the function may write this log stream. AWS says nothing of a function that may not: its lines are
    /// gone.
    pub(super) fn may_log(&self, function: &str, stream: &str) -> bool {
        let Some(identity) = self.sqs.iam().function(function) else { return true };
        let stream = required_actions::stream(&identity.log_group, stream);
        ["logs:CreateLogStream", "logs:PutLogEvents"]
            .iter()
            .all(|action| self.may(function, RequiredAction::new(action, stream.as_str())).is_ok())
    }
}
