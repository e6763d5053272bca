//! The registry: the one table of the services.
//!
//! The rest of the crate knows no service by name. The [`frontend`](crate::frontend) finds the entry by the credential
//! scope of a call, asks the entry which actions the call requires, and lets it answer; the deployment creates the
//! resource types that the entries list; [`Cloud::usage`](crate::Cloud::usage) adds up what each entry counts.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use futures::{FutureExt as _, future::BoxFuture};
use http::{Response, request::Parts};
use serde_json::Value;

use crate::{
    credentials::Credentials,
    resource::ResourceError,
    rest::{MissingKey, RestCall},
    services::{
        Services, cloudformation, cloudwatch, dynamodb, ecs, events, iam,
        iam::{AccessDenied, RequiredAction},
        lambda, logs, s3, scheduler, sns, sqs, sts,
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

/// The table of services.
static SERVICES: [Service; 13] = [
    Service {
        name: "s3",
        api: Some(Api {
            protocol: Protocol::Rest(Rest {
                operation: s3::rest::operation,
                missing_key: None,
                serve: |services, call| s3::rest::serve(&services.s3, &services.iam, call).boxed(),
                error: s3::rest::error,
            }),
            required_actions: |_, operation, input| s3::required_actions::of(operation, input),
            access_denied: s3::ACCESS_DENIED,
            throttled: || ApiError::client("SlowDown", "Please reduce your request rate.").with_status(503),
        }),
        resources: &[ResourceKind {
            of: s3::resources::BUCKET,
            create: |to, resource| s3::resources::bucket(&to.services.s3, resource),
        }],
        usage: |_, calls, usage| s3::usage(calls, usage),
    },
    Service {
        name: "dynamodb",
        api: Some(Api {
            protocol: Protocol::Json(Json {
                target: "DynamoDB_20120810",
                error_prefix: "com.amazonaws.dynamodb.v20120810#",
                checksum: true,
                query_error: None,
                serve: |services, operation, input, caller| {
                    services.dynamodb.call(operation, input, caller).boxed()
                },
            }),
            required_actions: |_, operation, input| dynamodb::required_actions::of(operation, input),
            access_denied: AccessDenied::JSON,
            throttled: dynamodb::throttled,
        }),
        resources: &[ResourceKind {
            of: dynamodb::resources::TABLE,
            create: |to, resource| dynamodb::resources::table(&to.services.dynamodb, resource),
        }],
        usage: |_, calls, usage| dynamodb::usage(calls, usage),
    },
    Service {
        name: "sqs",
        api: Some(Api {
            protocol: Protocol::Json(Json {
                target: "AmazonSQS",
                error_prefix: "com.amazonaws.sqs#",
                checksum: false,
                query_error: Some(sqs::query_error),
                serve: |services, operation, input, _| services.sqs.call(operation, input).boxed(),
            }),
            required_actions: |_, operation, input| sqs::required_actions::of(operation, input),
            access_denied: sqs::ACCESS_DENIED,
            throttled: || ApiError::client("RequestThrottled", "Request is throttled."),
        }),
        resources: &[ResourceKind {
            of: sqs::resources::QUEUE,
            create: |to, resource| sqs::resources::queue(&to.services.sqs, resource),
        }],
        usage: |_, calls, usage| sqs::usage(calls, usage),
    },
    Service {
        name: "sns",
        api: Some(Api {
            protocol: Protocol::Query(Query {
                namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
                serve: |services, operation, input, _| services.sns.call(operation, input).boxed(),
            }),
            required_actions: |_, operation, input| sns::required_actions::of(operation, input),
            access_denied: sns::ACCESS_DENIED,
            throttled: || ApiError::client("Throttling", "Rate exceeded"),
        }),
        resources: &[
            ResourceKind {
                of: sns::resources::TOPIC,
                create: |to, resource| sns::resources::topic(&to.services.sns, resource),
            },
            ResourceKind {
                of: sns::resources::SUBSCRIPTION,
                create: |to, resource| sns::resources::subscription(&to.services.sns, resource),
            },
        ],
        usage: |_, calls, usage| sns::usage(calls, usage),
    },
    Service {
        name: "events",
        api: Some(Api {
            protocol: Protocol::json("AWSEvents", |services, operation, input, _| {
                services.events.call(operation, input).boxed()
            }),
            required_actions: |_, operation, input| events::required_actions::of(operation, input),
            access_denied: AccessDenied::JSON,
            throttled: json_throttled,
        }),
        resources: &[ResourceKind {
            of: events::resources::RULE,
            create: |to, resource| {
                events::resources::rule(&to.services.events, &to.services.scheduler, resource)
            },
        }],
        usage: nothing,
    },
    Service {
        name: "scheduler",
        api: None,
        resources: &[ResourceKind {
            of: scheduler::resources::SCHEDULE,
            create: |to, resource| scheduler::resources::schedule(&to.services.scheduler, resource),
        }],
        usage: nothing,
    },
    Service {
        name: "ecs",
        api: Some(Api {
            protocol: Protocol::json(
                "AmazonEC2ContainerServiceV20141113",
                |services, operation, input, caller| services.ecs.call(operation, input, caller).boxed(),
            ),
            required_actions: |services, operation, input| {
                ecs::required_actions::of(operation, input, |named| services.ecs.handed_over(named))
            },
            access_denied: AccessDenied::JSON,
            throttled: json_throttled,
        }),
        resources: &[
            ResourceKind {
                of: ecs::resources::CLUSTER,
                create: |to, resource| ecs::resources::cluster(&to.services.ecs, resource),
            },
            ResourceKind {
                of: ecs::resources::TASK_DEFINITION,
                create: |to, resource| {
                    ecs::resources::task_definition(&to.services.ecs, &to.containers, resource)
                },
            },
        ],
        usage: |services, _, usage| usage.tasks = services.ecs.usage(),
    },
    Service {
        name: "lambda",
        api: Some(Api {
            protocol: Protocol::Rest(Rest {
                operation: lambda::rest::operation,
                missing_key: Some(MissingKey {
                    missing: "MissingAuthenticationTokenException",
                    unknown: "UnrecognizedClientException",
                    status: 403,
                }),
                serve: |services, call| lambda::rest::serve(&services.lambda, call).boxed(),
                error: lambda::rest::error,
            }),
            required_actions: |_, operation, input| lambda::required_actions::of(operation, input),
            access_denied: lambda::ACCESS_DENIED,
            throttled: || ApiError::client("TooManyRequestsException", "Rate Exceeded.").with_status(429),
        }),
        resources: &[
            ResourceKind {
                of: lambda::resources::LAYER_VERSION,
                create: |to, resource| to.code.layer(resource),
            },
            ResourceKind {
                of: lambda::resources::FUNCTION,
                create: |to, resource| to.code.function(&to.services.lambda, resource),
            },
            ResourceKind {
                of: lambda::resources::ALIAS,
                create: |to, resource| lambda::resources::alias(&to.services.lambda, resource),
            },
            ResourceKind {
                of: lambda::resources::EVENT_SOURCE_MAPPING,
                create: |to, resource| lambda::resources::event_source(&to.services.lambda, resource),
            },
            ResourceKind {
                of: lambda::resources::EVENT_INVOKE_CONFIG,
                create: |to, resource| lambda::resources::event_invoke_config(&to.services.lambda, resource),
            },
            ResourceKind {
                of: lambda::resources::PERMISSION,
                create: |to, resource| lambda::resources::permission(&to.services.lambda, resource),
            },
        ],
        usage: |services, _, usage| services.lambda.add_usage(usage),
    },
    Service {
        name: "logs",
        api: Some(Api {
            protocol: Protocol::json("Logs_20140328", |services, operation, input, _| {
                services.logs.call(operation, input).boxed()
            }),
            required_actions: |_, operation, input| logs::required_actions::of(operation, input),
            access_denied: AccessDenied::JSON,
            throttled: json_throttled,
        }),
        resources: &[ResourceKind {
            of: logs::resources::LOG_GROUP,
            create: |to, resource| logs::resources::log_group(&to.services.logs, resource),
        }],
        usage: nothing,
    },
    Service {
        name: "cloudformation",
        api: Some(Api {
            protocol: Protocol::Query(Query {
                namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/",
                serve: |services, operation, input, _| services.cloudformation.call(operation, input).boxed(),
            }),
            required_actions: |_, operation, input| cloudformation::required_actions::of(operation, input),
            access_denied: AccessDenied::QUERY,
            throttled: || ApiError::client("Throttling", "Rate exceeded"),
        }),
        resources: &[],
        usage: nothing,
    },
    Service {
        name: "cloudwatch",
        api: None,
        resources: &[ResourceKind {
            of: cloudwatch::resources::ALARM,
            create: |to, resource| cloudwatch::resources::alarm(&to.services.cloudwatch, resource),
        }],
        usage: nothing,
    },
    Service {
        name: "sts",
        api: Some(Api {
            protocol: Protocol::Query(Query {
                namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
                serve: |services, operation, input, caller| {
                    services.sts.call(operation, input, caller).boxed()
                },
            }),
            required_actions: |_, operation, _| sts::required_actions(operation),
            access_denied: AccessDenied::QUERY,
            throttled: || ApiError::client("Throttling", "Rate exceeded"),
        }),
        resources: &[],
        usage: nothing,
    },
    Service {
        name: "iam",
        api: None,
        resources: &[ResourceKind {
            of: iam::resources::ROLE,
            create: |to, resource| iam::resources::role(&to.credentials, resource),
        }],
        usage: nothing,
    },
];

/// All services.
pub(crate) fn all() -> &'static [Service] {
    &SERVICES
}

/// How clients call the service of this name.
pub(crate) fn api(name: &str) -> Option<&'static Api> {
    SERVICES.iter().find(|service| service.name == name)?.api.as_ref()
}

/// The name of the service to which an `X-Amz-Target` with this prefix belongs.
pub(crate) fn by_target(prefix: &str) -> Option<&'static str> {
    let speaks = |service: &&Service| match &service.api {
        Some(Api { protocol: Protocol::Json(json), .. }) => json.target == prefix,
        _ => false,
    };
    SERVICES.iter().find(speaks).map(|service| service.name)
}

/// The resource types that the services create.
#[must_use]
pub fn resource_types() -> Vec<ResourceType> {
    SERVICES.iter().flat_map(|service| service.resources).map(|kind| kind.of).collect()
}

impl Protocol {
    /// AWS JSON as most services speak it.
    const fn json(target: &'static str, serve: Serve) -> Self {
        Self::Json(Json { target, error_prefix: "", checksum: false, query_error: None, serve })
    }
}

fn json_throttled() -> ApiError {
    ApiError::client("ThrottlingException", "Rate exceeded")
}

/// The usage of a service that AWS charges nothing for, as it is used here.
fn nothing(_: &Services, _: &Calls, _: &mut Usage) {}
