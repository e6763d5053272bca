//! The actions that CloudWatch requires of its callers.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html>

use crate::services::iam::{RequiredAction, arn};

/// The actions that an operation requires; none for an operation that is not known.
pub(crate) fn of(operation: &str) -> Option<Vec<RequiredAction>> {
    let all = arn("cloudwatch", format_args!("alarm:*"));
    (operation == "DescribeAlarms").then(|| vec![RequiredAction::new("cloudwatch:DescribeAlarms", all)])
}
