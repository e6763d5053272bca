//! What every service module speaks: JSON in, JSON or a [`ApiError`] out. The [`crate::frontend`] turns these into
//! the protocol the client chose (AWS JSON 1.0 and 1.1, or query and XML).

use jiff::Timestamp;
use serde_json::{Value, json};

/// A request or response body.
pub type Body = s3s::Body;

/// The account everything belongs to. AWS's guides use this number in their examples.
pub const ACCOUNT: &str = "123456789012";

/// The region everything is in.
pub const REGION: &str = "us-east-1";

/// Who makes a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    /// The access key that signed it.
    pub access_key: String,
    /// The role the key stands for; none for the account's owner.
    pub role: Option<String>,
    /// What of this call a test wants to fail inside an otherwise good answer: the service's module must heed it.
    pub partial: Option<Partial>,
}

impl Caller {
    /// The account's owner, as whom the cloud itself and its user act.
    #[must_use]
    pub fn owner() -> Self {
        Self { access_key: OWNER_KEY.to_owned(), role: None, partial: None }
    }
}

/// A failure inside a 200, which the service's module must produce.
#[derive(Debug, Clone, PartialEq)]
pub enum Partial {
    /// DynamoDB's `UnprocessedItems` and `UnprocessedKeys`: about this share of the entries, at least one.
    Unprocessed {
        /// Between 0 and 1.
        share: f64,
    },
    /// ECS's `failures[]`: the tasks are not launched, for this reason.
    LaunchFailures {
        /// Such as `RESOURCE:FARGATE`.
        reason: String,
        /// The sentence that goes with it.
        detail: Option<String>,
    },
}

/// The access key of the account's owner: `AWS_ACCESS_KEY_ID=tidemill`.
pub const OWNER_KEY: &str = "tidemill";

/// The other access key of the account's owner, which is its own secret: `test` and `test` are what configurations for
/// other local clouds have, and they work here unchanged.
pub const TEST_KEY: &str = "test";

/// The secret of every access key but [`TEST_KEY`]. Nothing here is secret; a signature is checked so that a client which signs
/// wrongly learns of it before it meets AWS.
pub const SECRET: &str = "tidemill";

/// An AWS error answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The error code a client matches on, such as `ConflictException`.
    pub code: String,
    /// The sentence for people.
    pub message: String,
    /// Further members of the error, such as `resourceIds`: a JSON object or null.
    pub detail: Value,
}

impl ApiError {
    /// The caller's fault: a 400.
    #[must_use]
    pub fn client(code: &str, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into(), detail: Value::Null }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same with further members.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = detail;
        self
    }

    /// An operation that this cloud does not have, said plainly instead of imitated.
    #[must_use]
    pub fn unsupported(service: &str, operation: &str) -> Self {
        Self::client("UnknownOperationException", format!("the local cloud has no {service} {operation}"))
            .with_status(501)
    }
}

/// The id of a call, which its answer and the events it causes carry.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    /// Sixteen characters, as S3's are; other services' are UUIDs.
    pub(crate) fn draw(service: &str) -> Self {
        if service == "s3" {
            return Self(
                std::iter::repeat_with(|| fastrand::choice(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
                    .take(16)
                    .flatten()
                    .map(|byte| char::from(*byte))
                    .collect(),
            );
        }
        Self(uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string())
    }
}

/// A time as AWS JSON protocols write it.
pub(crate) fn epoch_seconds(at: Timestamp) -> Value {
    // Milliseconds, as ECS; a float holds them exactly until far beyond the year 9999.
    json!(Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at).as_duration().as_secs_f64())
}
