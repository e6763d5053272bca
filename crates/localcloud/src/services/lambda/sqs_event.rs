//! The event a function gets from a queue, and what its answer means for the messages. Pure.
//!
//! [The event](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event),
//! [the answer](https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::invocation::{InvokeError, PAYLOAD_BYTES};
use crate::{
    services::sqs::{AttributeValue, Received},
    wire::REGION,
};

/// The batches as events: as few as fit the largest payload, each with the messages it holds.
pub(super) fn events(queue_arn: &str, messages: Vec<Received>) -> Vec<(Vec<Received>, Value)> {
    // Room for `{"Records":[…]}`.
    const ENVELOPE: usize = 64;
    let mut batches: Vec<(Vec<Received>, Vec<Value>)> = Vec::new();
    let mut size = PAYLOAD_BYTES;
    for message in messages {
        let record = record(queue_arn, &message);
        let bytes = record.to_string().len() + 1;
        if size + bytes + ENVELOPE > PAYLOAD_BYTES {
            batches.push((Vec::new(), Vec::new()));
            size = 0;
        }
        size += bytes;
        if let Some((held, records)) = batches.last_mut() {
            held.push(message);
            records.push(record);
        }
    }
    batches.into_iter().map(|(held, records)| (held, json!({ "Records": records }))).collect()
}

fn record(queue_arn: &str, message: &Received) -> Value {
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .map(|(name, attribute)| {
            let mut shown = json!({
                "stringListValues": [], "binaryListValues": [], "dataType": attribute.data_type,
            });
            match &attribute.value {
                AttributeValue::Text(text) => shown["stringValue"] = json!(text),
                AttributeValue::Binary(bytes) => shown["binaryValue"] = json!(BASE64_STANDARD.encode(bytes)),
            }
            (name.clone(), shown)
        })
        .collect();
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": message.system,
        "messageAttributes": attributes,
        "md5OfBody": message.md5_of_body(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    })
}

/// Which messages of a batch are done and to be deleted, by their place in it:
/// - the function failed: none; all return after the visibility timeout;
/// - item failures are not reported, or the report is empty, null or absent: all;
/// - a report that names messages of the batch: all others;
/// - a report that names anything else, or has another shape: none.
pub(super) fn done(ids: &[&str], reports: bool, answer: &Result<Value, InvokeError>) -> Vec<usize> {
    let all = || (0..ids.len()).collect();
    let Ok(answer) = answer else { return Vec::new() };
    if !reports {
        return all();
    }
    let failures = match answer {
        Value::Null => return all(),
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return all(),
            Some(Value::Array(failures)) => failures,
            Some(_) => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let mut failed = vec![false; ids.len()];
    for failure in failures {
        let named = failure.get("itemIdentifier").and_then(Value::as_str);
        let mut found = false;
        // A message delivered twice is in the batch twice, with one id.
        for place in (0..ids.len()).filter(|&place| Some(ids[place]) == named) {
            failed[place] = true;
            found = true;
        }
        if !found {
            return Vec::new();
        }
    }
    (0..ids.len()).filter(|&place| !failed[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::lambda::FunctionError;

    #[test]
    fn an_answer_decides_message_by_message() {
        let cases = [
            (json!(null), vec![0, 1, 2]),
            (json!({}), vec![0, 1, 2]),
            (json!({ "batchItemFailures": null }), vec![0, 1, 2]),
            (json!({ "batchItemFailures": [] }), vec![0, 1, 2]),
            (json!({ "batchItemFailures": [{ "itemIdentifier": "b" }] }), vec![0, 2]),
            (json!({ "batchItemFailures": [{ "itemIdentifier": "b" }, { "itemIdentifier": "x" }] }), vec![]),
            (json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }), vec![]),
            (json!({ "batchItemFailures": [{ "itemIdentifier": null }] }), vec![]),
            (json!({ "batchItemFailures": [{ "id": "b" }] }), vec![]),
            (json!({ "batchItemFailures": ["b"] }), vec![]),
            (json!({ "batchItemFailures": "b" }), vec![]),
            (json!("fine"), vec![]),
        ];
        for (answer, expected) in cases {
            assert_eq!(done(&["a", "b", "c"], true, &Ok(answer.clone())), expected, "{answer}");
            assert_eq!(done(&["a", "b", "c"], false, &Ok(answer)), [0, 1, 2]);
        }
        assert!(done(&["a"], false, &Err(FunctionError::new("E", "no").into())).is_empty());
    }

    #[test]
    fn a_batch_too_large_for_one_payload_becomes_several() {
        let message = |body: String| Received {
            message_id: "m".into(),
            receipt: "r".into(),
            body,
            attributes: [].into(),
            system: [].into(),
        };
        let messages = (0..10).map(|_| message("x".repeat(1 << 20))).collect();
        let events = events("arn:aws:sqs:us-east-1:123456789012:q", messages);
        assert_eq!(events.iter().map(|(held, _)| held.len()).collect::<Vec<_>>(), [5, 5]);
        assert!(events.iter().all(|(_, event)| event.to_string().len() <= PAYLOAD_BYTES));
    }
}
