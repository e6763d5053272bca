//! Buckets of a template.

use serde::Deserialize;

use super::{BucketSettings, S3};
use crate::{
    resource::{Flag, ResourceError, read},
    template::{Resource, ResourceType},
    wire::REGION,
};

pub(crate) const BUCKET: ResourceType = ResourceType::new("AWS::S3::Bucket", |it| {
    let name = &it.name;
    it.by_name(
        format!("arn:aws:s3:::{name}"),
        vec![
            ("DomainName", format!("{name}.s3.amazonaws.com")),
            ("RegionalDomainName", format!("{name}.s3.{REGION}.amazonaws.com")),
        ],
    )
})
.named("BucketName", 63)
.lower_case();

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Bucket {
    versioning_configuration: Option<Versioning>,
    notification_configuration: Option<Notification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Versioning {
    status: String,
}

/// Notifications to queues, topics and functions directly are not among these: only EventBridge is.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Notification {
    event_bridge_configuration: Option<ToEventBridge>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ToEventBridge {
    /// On where nothing is said, as CloudFormation has it.
    #[serde(default = "on")]
    event_bridge_enabled: Flag,
}

fn on() -> Flag {
    Flag(true)
}

/// Who may read it, how it is encrypted and when it is tidied up mean nothing on one machine.
const PASSED_OVER: [&str; 8] = [
    "BucketEncryption",
    "BucketName",
    "CorsConfiguration",
    "LifecycleConfiguration",
    "LoggingConfiguration",
    "OwnershipControls",
    "PublicAccessBlockConfiguration",
    "Tags",
];

/// Creates a bucket.
pub(crate) fn bucket(s3: &S3, resource: &Resource) -> Result<(), ResourceError> {
    let bucket: Bucket = read(resource, &PASSED_OVER)?;
    let bridge = bucket.notification_configuration.and_then(|it| it.event_bridge_configuration);
    let settings = BucketSettings {
        name: resource.name.clone(),
        versioned: bucket.versioning_configuration.is_some_and(|it| it.status == "Enabled"),
        eventbridge: bridge.is_some_and(|it| it.event_bridge_enabled.0),
    };
    s3.create_bucket(settings).map_err(|source| ResourceError::invalid("place in the data folder", source))
}
