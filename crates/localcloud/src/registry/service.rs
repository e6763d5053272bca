//! What an entry of the registry says of a service.

use std::collections::BTreeSet;

use futures::future::BoxFuture;
use http::{Response, request::Parts};
use serde_json::Value;

use crate::{
    credentials::Credentials,
    resource::ResourceError,
    rest::{MissingKey, RestCall},
    services::{
        Services,
        iam::{AccessDenied, RequiredAction},
        lambda,
    },
    template::{Resource, ResourceType},
    usage::{Calls, Usage},
    wire::{ApiError, Body, Caller},
};

/// One service: all that the rest of the crate knows of it.
pub(crate) struct Service {
    /// Its name in credential scopes, fault rules and counts of calls.
    pub(crate) name: &'static str,
    /// How clients call it; none for a service that only works inside the cloud.
    pub(crate) api: Option<Api>,
    /// The resource types of a template that it creates.
    pub(crate) resources: &'static [ResourceKind],
    /// Adds what was used of it.
    pub(crate) usage: fn(&Services, &Calls, &mut Usage),
}

/// How clients call a service.
pub(crate) struct Api {
    pub(crate) protocol: Protocol,
    /// The actions that an operation requires of its caller; none for an operation that is not known, which roles are
    /// then denied.
    pub(crate) required_actions: fn(&Services, &str, &Value) -> Option<Vec<RequiredAction>>,
    /// How the service answers a caller who lacks one of them.
    pub(crate) access_denied: AccessDenied,
    /// How the service says that it is called too often.
    pub(crate) throttled: fn() -> ApiError,
}

/// Answers one operation: its name, its input, and who calls.
pub(crate) type Serve =
    for<'s> fn(&'s Services, &'s str, Value, &'s Caller) -> BoxFuture<'s, Result<Value, ApiError>>;

/// The [protocols](https://smithy.io/2.0/aws/protocols/index.html) of AWS.
pub(crate) enum Protocol {
    /// AWS JSON 1.0 and 1.1: the operation is in `X-Amz-Target`.
    Json(Json),
    /// AWS query: a form in, XML out.
    Query(Query),
    /// REST, in the service's own shapes.
    Rest(Rest),
}

/// A service that speaks AWS JSON.
pub(crate) struct Json {
    /// What precedes the operation in `X-Amz-Target`, such as `DynamoDB_20120810`.
    pub(crate) target: &'static str,
    /// What precedes an error's code in its `__type`.
    pub(crate) error_prefix: &'static str,
    /// Whether answers carry a checksum (DynamoDB).
    pub(crate) checksum: bool,
    /// Whether it is also called in CBOR, as the newer SDKs call CloudWatch.
    pub(crate) cbor: bool,
    /// The code that an error has in the older query protocol, for services that still say it (SQS).
    pub(crate) query_error: Option<fn(&str) -> &str>,
    pub(crate) serve: Serve,
}

/// A service that speaks AWS query.
pub(crate) struct Query {
    /// The XML namespace of answers.
    pub(crate) namespace: &'static str,
    pub(crate) serve: Serve,
}

/// Serves one REST request.
pub(crate) type ServeRest = for<'s> fn(&'s Services, RestCall<'s>) -> Served<'s>;
type Served<'s> = BoxFuture<'s, Result<Response<Body>, ApiError>>;

/// A REST service.
pub(crate) struct Rest {
    /// Which operation a request is, and its input as a JSON object, for fault rules and policies.
    pub(crate) operation: fn(&Parts) -> Result<(String, Value), ApiError>,
    /// The answer to a missing or unknown access key; none where `serve` checks keys and signatures itself.
    pub(crate) missing_key: Option<MissingKey>,
    pub(crate) serve: ServeRest,
    /// Writes an error.
    pub(crate) error: fn(&ApiError) -> Response<Body>,
}

/// A resource type, and what creates a resource of it.
pub(crate) struct ResourceKind {
    pub(crate) of: ResourceType,
    pub(crate) create: fn(&mut Deployment, &Resource) -> Result<(), ResourceError>,
}

/// What creates the resources of a stack.
pub(crate) struct Deployment {
    pub(crate) services: Services,
    pub(crate) credentials: Credentials,
    /// The functions' hosts and layers.
    pub(crate) code: lambda::resources::Code,
    /// The containers that have something to run them.
    pub(crate) containers: BTreeSet<String>,
}

impl Protocol {
    /// AWS JSON as most services speak it.
    pub(super) const fn json(target: &'static str, serve: Serve) -> Self {
        Self::Json(Json { target, error_prefix: "", checksum: false, cbor: false, query_error: None, serve })
    }
}
