//! Message move tasks: dead letters go back to where they came from.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Sqs,
    input::parse,
    message::Message,
    queue::Queue,
    settings::{invalid, name_of},
    state::Move,
};
use crate::wire::ApiError;

impl Sqs {
    /// The names of the queues whose dead letters go to `arn`.
    pub(super) fn sources_of(&self, arn: &str) -> Vec<String> {
        let dies_there = |queue: &Queue| {
            queue.settings.redrive.as_ref().is_some_and(|redrive| redrive.dead_letter_arn == arn)
        };
        let state = self.state();
        state.queues.iter().filter(|(_, queue)| dies_there(queue)).map(|(name, _)| name.clone()).collect()
    }

    /// Moves what is visible in a dead-letter queue back to where it came from, at once: the rate limit a caller
    /// may ask for is an upper bound. Messages in flight stay, as do those sent to the queue directly unless a
    /// destination is given.
    pub(super) fn start_move(&self, input: Value) -> Result<Value, ApiError> {
        let input: MoveInput = parse(input)?;
        let not_found = |what: &str| {
            ApiError::client("ResourceNotFoundException", format!("The {what} queue does not exist."))
        };
        if input.max_number_of_messages_per_second.is_some_and(|rate| !(1..=500).contains(&rate)) {
            return Err(invalid("MaxNumberOfMessagesPerSecond must be between 1 and 500."));
        }
        let source = name_of(&input.source_arn).map_err(|_| not_found("source"))?;
        self.state().queue(source).map_err(|_| not_found("source"))?;
        if self.sources_of(&input.source_arn).is_empty() {
            return Err(invalid("Source queue must be configured as a Dead Letter Queue."));
        }
        let given = match &input.destination_arn {
            Some(arn) => Some(name_of(arn).map_err(|_| not_found("destination"))?.to_owned()),
            None => None,
        };
        self.change(|state, now| {
            if given.as_ref().is_some_and(|name| !state.queues.contains_key(name)) {
                return Err(not_found("destination"));
            }
            let names: Vec<String> = state.queues.keys().cloned().collect();
            let goes_to = |message: &Message| match &given {
                Some(name) => Some(name.clone()),
                None => {
                    let name = name_of(message.source_arn.as_deref()?).ok()?;
                    names.iter().find(|known| *known == name).cloned()
                }
            };
            let moving = state.queue(source)?.drain(now, |message| goes_to(message).is_some());
            let moved = moving.len();
            for message in moving {
                if let Some(target) = goes_to(&message) {
                    state.queue(&target)?.revive(message, now);
                }
            }
            let left = state.queue(source)?.counts(now).visible;
            state.message_moves.push(Move {
                source_arn: input.source_arn.clone(),
                destination_arn: input.destination_arn.clone(),
                started: now,
                moved,
                failure: (left > 0).then(|| "CouldNotDetermineMessageSource".to_owned()),
            });
            Ok(json!({ "TaskHandle": format!("{:032x}", fastrand::u128(..)) }))
        })
    }

    pub(super) fn list_moves(&self, input: Value) -> Result<Value, ApiError> {
        let input: MoveInput = parse(input)?;
        let state = self.state();
        let ours = state.message_moves.iter().rev().filter(|done| done.source_arn == input.source_arn);
        let results: Vec<Value> = ours
            .take(input.max_results.unwrap_or(1))
            .map(|done| {
                let mut result = json!({
                    "Status": if done.failure.is_some() { "FAILED" } else { "COMPLETED" },
                    "SourceArn": done.source_arn,
                    "ApproximateNumberOfMessagesMoved": done.moved,
                    "ApproximateNumberOfMessagesToMove": done.moved,
                    "StartedTimestamp": done.started.as_millisecond(),
                });
                if let Some(arn) = &done.destination_arn {
                    result["DestinationArn"] = arn.as_str().into();
                }
                if let Some(reason) = &done.failure {
                    result["FailureReason"] = reason.as_str().into();
                }
                result
            })
            .collect();
        Ok(json!({ "Results": results }))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MoveInput {
    source_arn: String,
    destination_arn: Option<String>,
    max_number_of_messages_per_second: Option<u32>,
    max_results: Option<usize>,
}
