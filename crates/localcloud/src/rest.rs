//! What the REST services share with the frontend: the call as they get it, and reading and writing HTTP.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::{
    credentials::Credentials,
    wire::{ApiError, Body, Caller, RequestId},
};

/// A call of a REST service, with what the frontend found out about it.
pub(crate) struct RestCall<'c> {
    pub(crate) request: Request<Body>,
    pub(crate) operation: &'c str,
    pub(crate) input: &'c Value,
    /// None where the service itself checks the access key.
    pub(crate) caller: Option<&'c Caller>,
    pub(crate) credentials: &'c Credentials,
    pub(crate) id: &'c RequestId,
}

/// The error codes for a call without an access key, and for one with a key that does not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MissingKey {
    pub(crate) missing: &'static str,
    pub(crate) unknown: &'static str,
    pub(crate) status: u16,
}

/// The largest body of a call other than S3's: DynamoDB's batches have 16 MB of items, JSON some more.
const MAX_INPUT_BYTES: usize = 32 * 1024 * 1024;

/// A form or query string, decoded, in its order.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The whole body of a request.
///
/// # Errors
/// For a body over 32 MB, and for one that ends early.
pub(crate) async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    body.store_all_limited(MAX_INPUT_BYTES).await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            return ApiError::client("RequestEntityTooLargeException", "Request entity too large")
                .with_status(413);
        }
        ApiError::client("IncompleteBody", format!("the request's body broke off: {error}"))
    })
}

/// A whole answer.
pub(crate) fn respond(status: StatusCode, content_type: HeaderValue, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_decoded() {
        let pairs = form("Action=Publish&Message=a+b%2Bc%0A&Empty=&Bare");
        let texts: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(texts, [("Action", "Publish"), ("Message", "a b+c\n"), ("Empty", ""), ("Bare", "")]);
    }
}
