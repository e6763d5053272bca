//! AWS's own policies, as far as SAM attaches them or a template is likely to. Their statements are AWS's to change:
//! <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html>

use serde_json::{Value, json};

/// By name, what each allows on every resource.
const POLICIES: [(&str, &[&str]); 7] = [
    ("AWSLambdaBasicExecutionRole", &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]),
    (
        "AWSLambdaSQSQueueExecutionRole",
        &[
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
    (
        "AWSCodeDeployRoleForLambda",
        &[
            "cloudwatch:DescribeAlarms",
            "lambda:UpdateAlias",
            "lambda:GetAlias",
            "lambda:GetProvisionedConcurrencyConfig",
            "sns:Publish",
        ],
    ),
    (
        "AWSXRayDaemonWriteAccess",
        &[
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries",
        ],
    ),
    (
        "AWSXrayWriteOnlyAccess",
        &[
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
            "xray:GetSamplingStatisticSummaries",
        ],
    ),
    (
        "AmazonECSTaskExecutionRolePolicy",
        &[
            "ecr:GetAuthorizationToken",
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        ],
    ),
    (
        "CloudWatchLambdaInsightsExecutionRolePolicy",
        &["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
    ),
];

/// The policy of this name, without its path.
pub(super) fn document(name: &str) -> Option<Value> {
    let (_, actions) = POLICIES.iter().find(|(known, _)| *known == name)?;
    let statement = json!({ "Effect": "Allow", "Action": actions, "Resource": "*" });
    Some(json!({ "Version": "2012-10-17", "Statement": [statement] }))
}

/// The names it knows.
pub(super) fn names() -> Vec<&'static str> {
    POLICIES.iter().map(|(name, _)| *name).collect()
}
