//! Where a bucket sends its own notifications, besides EventBridge: queues and topics, each for some events and keys.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>

use s3s::{S3Error, S3Result, dto::*, s3_error};
use serde::{Deserialize, Serialize};

use crate::wire::REGION;

/// The kinds of events that this cloud has, each with its events.
const EVENTS: [(&str, &[&str]); 2] = [
    ("s3:ObjectCreated:", &["*", "Put", "Post", "Copy", "CompleteMultipartUpload"]),
    ("s3:ObjectRemoved:", &["*", "Delete", "DeleteMarkerCreated"]),
];

/// A queue or topic, and what it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Destination {
    /// The name of this configuration, which is in its notifications.
    pub(super) id: String,
    pub(super) arn: String,
    /// Such as `s3:ObjectCreated:*`.
    pub(super) events: Vec<String>,
    /// What the keys begin and end with, encoded as in notifications.
    pub(super) prefix: String,
    pub(super) suffix: String,
}

impl Destination {
    /// Whether it is a topic, and not a queue.
    pub(super) fn is_topic(&self) -> bool {
        self.arn.starts_with("arn:aws:sns:")
    }

    /// Whether it gets this event of the key, which is encoded as in notifications.
    pub(super) fn takes(&self, event: &str, key: &str) -> bool {
        self.events.iter().any(|wanted| covers(wanted, event))
            && key.starts_with(&self.prefix)
            && key.ends_with(&self.suffix)
    }

    /// Whether some event could go to both, which S3 does not allow.
    fn overlaps(&self, other: &Self) -> bool {
        let same_event = self
            .events
            .iter()
            .any(|one| other.events.iter().any(|another| covers(one, another) || covers(another, one)));
        let (prefixes, suffixes) = ([&self.prefix, &other.prefix], [&self.suffix, &other.suffix]);
        let [a, b] = prefixes;
        let same_beginning = a.starts_with(b.as_str()) || b.starts_with(a.as_str());
        let [a, b] = suffixes;
        let same_end = a.ends_with(b.as_str()) || b.ends_with(a.as_str());
        same_event && same_beginning && same_end
    }
}

/// Whether the name of an event, which may end in `*`, covers this event.
fn covers(wanted: &str, event: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == event, |kind| event.starts_with(kind))
}

/// The queues and topics of a configuration.
///
/// # Errors
/// `InvalidArgument` for what S3 refuses; `NotImplemented` for functions, which this cloud has as destinations of queues only.
pub(super) fn read(configuration: NotificationConfiguration) -> S3Result<Vec<Destination>> {
    let NotificationConfiguration {
        event_bridge_configuration: _,
        lambda_function_configurations,
        queue_configurations,
        topic_configurations,
    } = configuration;
    if lambda_function_configurations.is_some_and(|functions| !functions.is_empty()) {
        return Err(s3_error!(
            NotImplemented,
            "The local cloud's buckets notify queues and topics, and no functions."
        ));
    }
    let mut destinations: Vec<Destination> = Vec::new();
    for it in queue_configurations.into_iter().flatten() {
        destinations.push(destination(it.id, it.queue_arn, "sqs", it.events, it.filter)?);
    }
    for it in topic_configurations.into_iter().flatten() {
        destinations.push(destination(it.id, it.topic_arn, "sns", it.events, it.filter)?);
    }
    for (index, one) in destinations.iter().enumerate() {
        if destinations.iter().skip(index + 1).any(|other| other.overlaps(one)) {
            return Err(s3_error!(
                InvalidArgument,
                "Configurations overlap. Configurations on the same bucket cannot share a common event type."
            ));
        }
    }
    Ok(destinations)
}

fn destination(
    id: Option<String>,
    arn: String,
    service: &str,
    events: Vec<Event>,
    filter: Option<NotificationConfigurationFilter>,
) -> S3Result<Destination> {
    if !arn.starts_with(&format!("arn:aws:{service}:")) {
        return Err(s3_error!(InvalidArgument, "The ARN could not be parsed"));
    }
    if !arn.starts_with(&format!("arn:aws:{service}:{REGION}:")) {
        return Err(s3_error!(
            InvalidArgument,
            "The notification destination service region is not valid for the bucket location constraint"
        ));
    }
    if arn.ends_with(".fifo") {
        return Err(s3_error!(InvalidArgument, "FIFO SQS queues are not supported."));
    }
    let events: Vec<String> = events.iter().map(|event| event.as_ref().to_owned()).collect();
    let is_known = |event: &str| {
        EVENTS.iter().any(|(kind, names)| event.strip_prefix(kind).is_some_and(|name| names.contains(&name)))
    };
    if events.is_empty() || !events.iter().all(|event| is_known(event)) {
        return Err(s3_error!(InvalidArgument, "The event is not supported for notifications"));
    }
    let (prefix, suffix) = filtered(filter)?;
    let id = id.unwrap_or_else(|| format!("{:032x}", fastrand::u128(..)));
    Ok(Destination { id, arn, events, prefix, suffix })
}

/// The prefix and the suffix of a filter.
fn filtered(filter: Option<NotificationConfigurationFilter>) -> Result<(String, String), S3Error> {
    let (mut prefix, mut suffix) = (None, None);
    let rules = filter.and_then(|it| it.key).and_then(|it| it.filter_rules);
    for rule in rules.into_iter().flatten() {
        let name = rule.name.as_ref().map(FilterRuleName::as_str).unwrap_or_default().to_ascii_lowercase();
        let place = match name.as_str() {
            "prefix" => &mut prefix,
            "suffix" => &mut suffix,
            _ => return Err(s3_error!(InvalidArgument, "filter rule name must be either prefix or suffix")),
        };
        if place.replace(rule.value.unwrap_or_default()).is_some() {
            return Err(s3_error!(InvalidArgument, "Cannot specify more than one {name} rule in a filter."));
        }
    }
    Ok((prefix.unwrap_or_default(), suffix.unwrap_or_default()))
}

/// The destinations as a client reads them back: the queues, then the topics.
pub(super) fn written(destinations: &[Destination]) -> (QueueConfigurationList, TopicConfigurationList) {
    let events = |it: &Destination| it.events.iter().cloned().map(Event::from).collect::<Vec<_>>();
    let filter = |it: &Destination| {
        let rules = [(FilterRuleName::PREFIX, &it.prefix), (FilterRuleName::SUFFIX, &it.suffix)];
        let rules: Vec<FilterRule> = rules
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| FilterRule {
                name: Some(FilterRuleName::from_static(name)),
                value: Some(value.clone()),
            })
            .collect();
        let key = S3KeyFilter { filter_rules: Some(rules.clone()) };
        (!rules.is_empty()).then_some(NotificationConfigurationFilter { key: Some(key) })
    };
    let (topics, queues): (Vec<_>, Vec<_>) = destinations.iter().partition(|it| it.is_topic());
    let queues = queues.into_iter().map(|it| QueueConfiguration {
        events: events(it),
        filter: filter(it),
        id: Some(it.id.clone()),
        queue_arn: it.arn.clone(),
    });
    let topics = topics.into_iter().map(|it| TopicConfiguration {
        events: events(it),
        filter: filter(it),
        id: Some(it.id.clone()),
        topic_arn: it.arn.clone(),
    });
    (queues.collect(), topics.collect())
}
