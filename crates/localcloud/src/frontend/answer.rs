//! Writing answers and errors in the protocol the client chose: AWS JSON, or the query protocol's XML.

use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use s3s::crypto::Crc32;
use serde_json::{Map, Value};

use super::cbor;
use crate::{
    registry,
    rest::respond,
    wire::{ApiError, Body},
};

/// The AWS JSON protocol of one request.
pub(crate) struct Json {
    /// The service's own; none for a service that is not known.
    pub(crate) service: Option<&'static registry::Json>,
    /// `application/x-amz-json-1.0` or `-1.1`: answered as asked.
    pub(crate) content_type: HeaderValue,
    /// Whether the same is written in CBOR.
    pub(crate) cbor: bool,
}

impl Json {
    /// `result` as this protocol says it.
    pub(crate) fn write(&self, result: Result<Value, ApiError>) -> Response<Body> {
        match result {
            Ok(value) => self.response(StatusCode::OK, &value),
            Err(error) => self.refuse(&error),
        }
    }

    fn refuse(&self, api_error: &ApiError) -> Response<Body> {
        let mut members = match &api_error.detail {
            Value::Object(members) => members.clone(),
            _ => Map::new(),
        };
        members.insert("__type".to_owned(), self.error_type(&api_error.code).into());
        members.insert("message".to_owned(), api_error.message.clone().into());
        let mut response = self.response(status(api_error), &members.into());
        let short = api_error.code.rsplit('#').next().unwrap_or_default();
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(short) {
            headers.insert("x-amzn-errortype", value);
        }
        if let Some(query_error) = self.service.and_then(|service| service.query_error) {
            let fault = if api_error.status < 500 { "Sender" } else { "Receiver" };
            if let Ok(value) = HeaderValue::from_str(&format!("{};{fault}", query_error(short))) {
                headers.insert("x-amzn-query-error", value);
            }
        }
        response
    }

    fn error_type(&self, code: &str) -> String {
        if code.contains('#') {
            return code.to_owned();
        }
        format!("{}{code}", self.service.map_or("", |service| service.error_prefix))
    }

    fn response(&self, status: StatusCode, value: &Value) -> Response<Body> {
        if self.cbor {
            return cbor_response(status, value);
        }
        let text = match value {
            // Operations without output answer an empty object.
            Value::Null => "{}".to_owned(),
            value => value.to_string(),
        };
        let checksum = self
            .service
            .is_some_and(|service| service.checksum)
            .then(|| Crc32::checksum_u32(text.as_bytes()));
        let mut response = respond(status, self.content_type.clone(), text);
        if let Some(checksum) = checksum {
            response.headers_mut().insert("x-amz-crc32", HeaderValue::from(checksum));
        }
        response
    }
}

fn cbor_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(cbor::write(value)));
    *response.status_mut() = status;
    let (name, protocol) = cbor::PROTOCOL;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    headers.insert(name, HeaderValue::from_static(protocol));
    response
}

/// The query protocol of one request.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The XML namespace of the service.
    pub(crate) namespace: &'static str,
    pub(crate) operation: String,
}

impl Query {
    /// `result` as this protocol says it. An object's members become elements and a list's entries `member`s; an
    /// object called `Attributes` is a map, of `entry`s with `key` and `value`.
    pub(crate) fn write(&self, result: Result<Value, ApiError>, request_id: &str) -> Response<Body> {
        let namespace = self.namespace;
        let mut xml = String::new();
        let status = match result {
            Ok(value) => {
                let operation = &self.operation;
                xml.push_str(&format!("<{operation}Response xmlns=\"{namespace}\">"));
                element(&mut xml, &format!("{operation}Result"), &value);
                xml.push_str(&format!(
                    "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
                ));
                xml.push_str(&format!("</{operation}Response>"));
                StatusCode::OK
            }
            Err(error) => {
                let fault = if error.status < 500 { "Sender" } else { "Receiver" };
                xml.push_str(&format!("<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type>"));
                element(&mut xml, "Code", &Value::from(error.code.as_str()));
                element(&mut xml, "Message", &Value::from(error.message.as_str()));
                xml.push_str(&format!("</Error><RequestId>{request_id}</RequestId></ErrorResponse>"));
                status(&error)
            }
        };
        respond(status, HeaderValue::from_static("text/xml"), xml)
    }
}

fn element(xml: &mut String, name: &str, value: &Value) {
    xml.push_str(&format!("<{name}>"));
    match value {
        Value::Null => {}
        Value::Object(members) if name == "Attributes" => {
            for (key, value) in members {
                xml.push_str("<entry>");
                element(xml, "key", &Value::from(key.as_str()));
                element(xml, "value", value);
                xml.push_str("</entry>");
            }
        }
        Value::Object(members) => members.iter().for_each(|(name, value)| element(xml, name, value)),
        Value::Array(entries) => entries.iter().for_each(|entry| element(xml, "member", entry)),
        Value::String(text) => escape(xml, text),
        other => xml.push_str(&other.to_string()),
    }
    xml.push_str(&format!("</{name}>"));
}

fn escape(xml: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            // A parser would turn it into a line feed.
            '\r' => xml.push_str("&#13;"),
            other => xml.push(other),
        }
    }
}

fn status(error: &ApiError) -> StatusCode {
    StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn query_results_are_xml_with_members_and_maps() {
        let query = Query {
            namespace: "http://sns.amazonaws.com/doc/2010-03-31/",
            operation: "GetTopicAttributes".into(),
        };
        let answer = query
            .write(Ok(json!({ "Attributes": { "Name": "a<b" }, "Topics": [{ "TopicArn": "x" }] })), "id");
        assert_eq!(
            text(answer),
            "<GetTopicAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><GetTopicAttributesResult>\
             <Attributes><entry><key>Name</key><value>a&lt;b</value></entry></Attributes>\
             <Topics><member><TopicArn>x</TopicArn></member></Topics></GetTopicAttributesResult>\
             <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></GetTopicAttributesResponse>"
        );
    }

    #[test]
    fn an_sqs_error_carries_the_query_code() {
        let Some(registry::Api { protocol: registry::Protocol::Json(sqs), .. }) = registry::api("sqs") else {
            panic!("SQS speaks JSON");
        };
        let json = Json {
            service: Some(sqs),
            content_type: HeaderValue::from_static("application/x-amz-json-1.0"),
            cbor: false,
        };
        let answer = json.write(Err(ApiError::client("QueueDoesNotExist", "no such queue")));
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["x-amzn-query-error"], "AWS.SimpleQueueService.NonExistentQueue;Sender");
        assert_eq!(answer.headers()["x-amzn-errortype"], "QueueDoesNotExist");
        assert!(text(answer).contains("\"__type\":\"com.amazonaws.sqs#QueueDoesNotExist\""));
    }
}
