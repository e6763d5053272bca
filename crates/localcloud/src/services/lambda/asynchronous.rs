//! Asynchronous invocation: accepted at once, run later, and again where that may help.
//!
//! ```text
//! invoke_async ─▶ accepted ─▶ invocation ─▶ done ─▶ on-success destination
//!                     ▲           │ failed: after 1 and 2 minutes; not run: after 1 s, 2 s, … 5 min
//!                     └───────────┤
//!                                 └ retries exhausted, or too old ─▶ dead-letter queue, on-failure destination
//! ```
//!
//! [Error handling](https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    Lambda,
    alias::Qualified,
    arn,
    event::{Condition, Event, Tries},
    event_invoke::EventInvokeConfig,
    invocation::{InvokeError, request_id},
    record,
    refusal::{invalid, not_found},
    service::Inner,
};
use crate::{services::sqs::Attributes, wire::ApiError};

/// The largest payload of an asynchronous invocation.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const EVENT_BYTES: usize = 1_048_576;

/// A function is tried again this long after its first failure, and twice as long after its second.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// What Lambda could not run is tried again this much later at first, then each time twice as late…
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// …up to this.
const SLOWEST: Duration = Duration::from_secs(300);

/// What is done about an event whose invocation did not succeed.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Retry(Duration),
    Discard(Condition),
}

impl Lambda {
    /// Accepts an event for a function, given by name or ARN, and answers the invocation's id. The function gets it in the background, at
    /// least once, as its [`EventInvokeConfig`] says. Call it inside a tokio runtime. What has not ended when the
    /// process ends is lost: the queue is memory.
    ///
    /// # Errors
    /// `ResourceNotFoundException`, `RequestEntityTooLargeException`, or `ServiceException` when the service is
    /// being shut down.
    pub fn invoke_async(&self, function: &str, payload: Value) -> Result<String, ApiError> {
        let id = request_id();
        self.inner.accept(self.inner.qualified(function)?, payload, id.clone())?;
        Ok(id)
    }

    /// Sets how the asynchronous invocations of a function or of an alias of it are retried, from their next try on.
    ///
    /// # Errors
    /// `ResourceNotFoundException` for an unknown function; `InvalidParameterValueException` for what is out of
    /// range, and for a destination that is not a queue here.
    pub fn put_event_invoke_config(&self, function: &str, config: EventInvokeConfig) -> Result<(), ApiError> {
        let asked = self.inner.qualified(function)?;
        if config.max_retries > 2 {
            return Err(invalid("MaximumRetryAttempts must be between 0 and 2."));
        }
        if !(60..=21_600).contains(&config.max_age.as_secs()) {
            return Err(invalid("MaximumEventAgeInSeconds must be between 60 and 21600."));
        }
        for destination in [&config.on_success, &config.on_failure] {
            self.inner.check_queue("destination", destination.as_deref())?;
        }
        let mut state = self.inner.lock();
        let known = state.functions.get_mut(&asked.name).ok_or_else(|| not_found(&asked.name))?;
        known.event_invoke.insert(asked.qualifier, config);
        Ok(())
    }

    /// The asynchronous invocations that are accepted and not over, those that wait for another try included.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.in_flight.count()
    }

    /// Waits until no asynchronous invocation is in flight.
    pub async fn idle(&self) {
        self.inner.in_flight.none().await;
    }

    /// How many events of asynchronous invocations were dropped because no queue took them, and how many records did not
    /// reach their destination.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }
}

impl Inner {
    pub(super) fn accept(
        self: &Arc<Self>,
        function: Qualified,
        payload: Value,
        request_id: String,
    ) -> Result<(), ApiError> {
        let bytes = payload.to_string().len();
        if bytes > EVENT_BYTES {
            let message = format!(
                "{bytes} byte payload is too large for the Event invocation type (limit {EVENT_BYTES} bytes)"
            );
            return Err(ApiError::client("RequestEntityTooLargeException", message).with_status(413));
        }
        if self.draining.is_cancelled() {
            let message = "The service is being shut down.";
            return Err(ApiError::client("ServiceException", message).with_status(503));
        }
        let (inner, event) = (self.clone(), Event { function, request_id, payload });
        let work = async move { process(&inner, &event).await };
        self.sources.spawn(self.in_flight.count_until(&self.closing, work));
        Ok(())
    }

    /// Refuses a queue that is none here: what is sent to it would be lost.
    pub(super) fn check_queue(&self, what: &str, arn: Option<&str>) -> Result<(), ApiError> {
        match arn {
            Some(arn) if self.sqs.counts(arn).is_err() => {
                Err(invalid(format!("The {what} {arn} is not an SQS queue that exists.")))
            }
            _ => Ok(()),
        }
    }

    fn event_invoke(&self, asked: &Qualified) -> (EventInvokeConfig, Option<String>, bool) {
        let state = self.lock();
        match state.functions.get(&asked.name) {
            Some(function) => (
                function.event_invoke.get(&asked.qualifier).cloned().unwrap_or_default(),
                function.settings.dead_letter_arn.clone(),
                function.settings.reserved_concurrency == Some(0),
            ),
            None => (EventInvokeConfig::default(), None, false),
        }
    }
}

/// Tries until the function succeeds or the event is discarded. An event that waits for another try when the
/// service drains is dropped.
async fn process(inner: &Arc<Inner>, event: &Event) {
    let accepted = Instant::now();
    let mut tries = Tries::default();
    loop {
        let answer = inner.invoke(&event.function.name, event.payload.clone(), &event.request_id).await;
        let (config, dead_letters, is_off) = inner.event_invoke(&event.function);
        let error = match answer {
            Ok(result) => {
                if let Some(queue) = &config.on_success {
                    let record = record::success(event, tries, &result, inner.clock.now());
                    send(inner, event, queue, &record.to_string(), Attributes::new());
                }
                return;
            }
            Err(error) => error,
        };
        tries.count(&error);
        match next(&config, is_off, &error, tries, accepted.elapsed()) {
            Next::Discard(condition) => {
                discard(inner, event, (&config, dead_letters.as_deref()), &error, (tries, condition));
                return;
            }
            Next::Retry(wait) => {
                tracing::warn!(
                    function = %event.function.name,
                    request.id = %event.request_id,
                    error = %error,
                    wait_seconds = wait.as_secs(),
                    "retrying an asynchronous invocation"
                );
                if inner.draining.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                    drop_event(inner, event, &error);
                    return;
                }
            }
        }
    }
}

/// What is done after the last of these tries ended in `error`, the event being this old:
/// - a function that is turned off: discarded at once;
/// - the function failed: again after 1 and 2 minutes, as often as its configuration says;
/// - Lambda did not run it for now (429, 5xx): again, later each time, until it is too old;
/// - Lambda does not run it at all: discarded.
fn next(config: &EventInvokeConfig, is_off: bool, error: &InvokeError, tries: Tries, age: Duration) -> Next {
    let wait = match error {
        _ if is_off => return Next::Discard(Condition::ZeroReservedConcurrency),
        InvokeError::Failed(_) if tries.failed > config.max_retries => {
            return Next::Discard(Condition::RetriesExhausted);
        }
        InvokeError::Failed(_) => AFTER_FAILURE * tries.failed,
        InvokeError::Refused(api_error) if api_error.status == 429 || api_error.status >= 500 => {
            AFTER_REFUSAL.saturating_mul(1 << tries.refused.saturating_sub(1).min(16)).min(SLOWEST)
        }
        InvokeError::Refused(_) => return Next::Discard(Condition::RetriesExhausted),
    };
    if age + wait > config.max_age { Next::Discard(Condition::EventAgeExceeded) } else { Next::Retry(wait) }
}

/// Sends the event to the dead-letter queue and its record to the destination, whichever there are; or drops it
/// and logs that.
fn discard(
    inner: &Inner,
    event: &Event,
    (config, dead_letters): (&EventInvokeConfig, Option<&str>),
    error: &InvokeError,
    (tries, condition): (Tries, Condition),
) {
    if dead_letters.is_none() && config.on_failure.is_none() {
        return drop_event(inner, event, error);
    }
    if let Some(queue) = dead_letters {
        send(inner, event, queue, &event.payload.to_string(), record::dead_letter(event, error));
    }
    if let Some(queue) = &config.on_failure {
        let record = record::failure(event, tries, condition, error, inner.clock.now());
        send(inner, event, queue, &record.to_string(), Attributes::new());
    }
}

fn send(inner: &Inner, event: &Event, queue: &str, body: &str, attributes: Attributes) {
    let sent = match inner.session(&event.function.name) {
        Some(role) => {
            inner.sqs.send_as((&role, &arn::function(&event.function.name)), queue, body, attributes)
        }
        None => inner.sqs.send(queue, body, attributes, None),
    };
    if let Err(api_error) = sent {
        inner.lock().dropped += 1;
        tracing::error!(
            function = %event.function.name,
            request.id = %event.request_id,
            queue,
            error = %api_error,
            "failed to send the record of an asynchronous invocation"
        );
    }
}

fn drop_event(inner: &Inner, event: &Event, error: &InvokeError) {
    inner.lock().dropped += 1;
    tracing::error!(
        function = %event.function.name,
        request.id = %event.request_id,
        error = %error,
        "dropped the event of an asynchronous invocation"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::lambda::FunctionError;

    #[test]
    fn the_next_step_depends_on_the_verdict_the_attempts_and_the_age() {
        let failed = InvokeError::from(FunctionError::new("E", "no"));
        let refused = |status| InvokeError::from(ApiError::client("X", "no").with_status(status));
        let config = EventInvokeConfig::default();
        let seconds = Duration::from_secs;
        let after = |failed, refused| Tries { failed, refused };
        let exhausted = || Next::Discard(Condition::RetriesExhausted);
        let cases = [
            (&failed, after(1, 0), seconds(0), Next::Retry(seconds(60))),
            (&failed, after(2, 9), seconds(0), Next::Retry(seconds(120))),
            (&failed, after(3, 0), seconds(0), exhausted()),
            (&failed, after(1, 0), seconds(21_550), Next::Discard(Condition::EventAgeExceeded)),
            (&refused(429), after(0, 1), seconds(0), Next::Retry(seconds(1))),
            (&refused(503), after(2, 4), seconds(0), Next::Retry(seconds(8))),
            (&refused(429), after(0, 40), seconds(0), Next::Retry(seconds(300))),
            (&refused(429), after(0, 40), seconds(21_400), Next::Discard(Condition::EventAgeExceeded)),
            (&refused(404), after(0, 1), seconds(0), exhausted()),
        ];
        for (error, tries, age, expected) in cases {
            assert_eq!(next(&config, false, error, tries, age), expected, "{error} {tries:?} {age:?}");
        }
        let once = EventInvokeConfig { max_retries: 0, ..config };
        assert_eq!(next(&once, false, &failed, after(1, 0), seconds(0)), exhausted());
        let off = Next::Discard(Condition::ZeroReservedConcurrency);
        assert_eq!(next(&once, true, &refused(429), after(0, 1), seconds(0)), off);
    }
}
