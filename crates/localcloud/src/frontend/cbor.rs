//! CBOR, in which the newer SDKs call CloudWatch: the Smithy RPC v2 protocol, which is AWS JSON with the operation in the
//! path and another encoding. <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>

use ciborium::Value as Cbor;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::wire::ApiError;

/// The header that names the protocol, and its value.
pub(super) const PROTOCOL: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");

/// The target that an AWS JSON call would have, `SERVICE.OPERATION`, if the request is of this protocol.
pub(super) fn target(parts: &Parts) -> Option<String> {
    let (name, value) = PROTOCOL;
    parts.headers.get(name).filter(|given| given.as_bytes() == value.as_bytes())?;
    let (service, operation) = parts.uri.path().strip_prefix("/service/")?.split_once("/operation/")?;
    Some(format!("{service}.{operation}"))
}

/// An input. Operations without one may be called with no body at all.
pub(super) fn read(bytes: &[u8]) -> Result<Value, ApiError> {
    if bytes.is_empty() {
        return Ok(Map::new().into());
    }
    ciborium::from_reader(bytes).map_err(|error| {
        ApiError::client("SerializationException", format!("the input is not CBOR: {error}"))
    })
}

/// An answer. CBOR marks times, which JSON does not; in CloudWatch's answers they are the members whose names end so.
pub(super) fn write(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes everything, and there is no value here that CBOR has not.
    if let Err(error) = ciborium::into_writer(&encoded(value), &mut bytes) {
        tracing::error!(%error, "failed to write an answer as CBOR");
    }
    bytes
}

/// CBOR's tag for a time in seconds since 1970 (RFC 8949, 3.4.2).
const EPOCH_SECONDS: u64 = 1;

fn encoded(value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(bool) => Cbor::Bool(*bool),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Cbor::Integer(integer.into()),
            None => Cbor::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Array(entries) => Cbor::Array(entries.iter().map(encoded).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let time = name.ends_with("Timestamp") && value.is_number();
                let value =
                    if time { Cbor::Tag(EPOCH_SECONDS, encoded(value).into()) } else { encoded(value) };
                (Cbor::Text(name.clone()), value)
            };
            Cbor::Map(members.iter().map(member).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_reads_back_and_times_are_tagged() {
        let value = json!({ "AlarmNames": ["a"], "MaxRecords": 3, "Threshold": 1.5, "On": true, "No": null });
        assert_eq!(read(&write(&value)).unwrap(), value);
        let time = write(&json!({ "StateUpdatedTimestamp": 1.5 }));
        assert!(time.windows(2).any(|pair| pair == [0xc1, 0xf9]), "{time:x?}");
        assert_eq!(read(b"").unwrap(), json!({}));
        assert_eq!(read(&[0xff]).unwrap_err().code, "SerializationException");
    }
}
