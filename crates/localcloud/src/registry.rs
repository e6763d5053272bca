//! The registry: the one table of the services.
//!
//! The rest of the crate knows no service by name. The [`frontend`](crate::frontend) finds the entry by the credential
//! scope of a call, asks the entry which actions the call requires, and lets it answer; the deployment creates the
//! resource types that the entries list; [`Cloud::usage`](crate::Cloud::usage) adds up what each entry counts.

mod service;
#[cfg(test)]
mod tests;

use futures::FutureExt as _;

pub(crate) use self::service::{Api, Deployment, Json, Protocol, Query, ResourceKind, Rest, Serve, Service};
use crate::{
    rest::MissingKey,
    services::{
        Services, cloudformation, cloudwatch, dynamodb, ecs, events, iam, iam::AccessDenied, lambda, logs,
        s3, scheduler, sns, sqs, sts,
    },
    template::ResourceType,
    usage::{Calls, Usage},
    wire::ApiError,
};

/// The table of services.
static SERVICES: &[Service] = &[
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
                cbor: false,
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
                cbor: false,
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
            throttled: query_throttled,
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
            throttled: query_throttled,
        }),
        resources: &[],
        usage: nothing,
    },
    Service {
        name: "monitoring",
        api: Some(Api {
            protocol: Protocol::Json(Json {
                target: "GraniteServiceVersion20100801",
                error_prefix: "",
                checksum: false,
                cbor: true,
                query_error: None,
                serve: |services, operation, input, _| services.cloudwatch.call(operation, input).boxed(),
            }),
            required_actions: |_, operation, _| cloudwatch::required_actions::of(operation),
            access_denied: AccessDenied::JSON,
            throttled: json_throttled,
        }),
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
            throttled: query_throttled,
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
    SERVICES
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

fn json_throttled() -> ApiError {
    ApiError::client("ThrottlingException", "Rate exceeded")
}

fn query_throttled() -> ApiError {
    ApiError::client("Throttling", "Rate exceeded")
}

/// The usage of a service that AWS charges nothing for, as it is used here.
fn nothing(_: &Services, _: &Calls, _: &mut Usage) {}
