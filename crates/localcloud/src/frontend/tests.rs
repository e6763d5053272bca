//! The frontend spoken to in bare HTTP, as a client in any language would.

use std::{collections::BTreeMap, time::Duration};

use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::services::lambda::{FunctionError, FunctionHost, FunctionSettings};

/// A cloud in memory, with nothing in it.
pub(crate) fn frontend() -> Frontend {
    let clock = Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap());
    let services = Services::new(clock, None, None).unwrap();
    Frontend::new(services, Faults::default(), clock)
}

fn credential(key: &str, service: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={key}/20261121/us-east-1/{service}/aws4_request, Signature=0")
}

fn json_call(key: Option<&str>, target: &str, body: &str) -> Request<Body> {
    let mut request = Request::post("/").header("x-amz-target", target);
    if let Some(key) = key {
        request = request.header("authorization", credential(key, "dynamodb"));
    }
    request.header("content-type", "application/x-amz-json-1.0").body(Body::from(body.to_owned())).unwrap()
}

async fn answer(frontend: &Frontend, request: Request<Body>) -> (u16, http::HeaderMap, String) {
    let mut response = frontend.call(request).await;
    let bytes = response.body_mut().store_all_limited(1 << 20).await.unwrap();
    (response.status().as_u16(), response.headers().clone(), String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn json_calls_are_answered_with_id_and_checksum() {
    let (status, headers, text) =
        answer(&frontend(), json_call(Some("tidemill"), "DynamoDB_20120810.ListTables", "{}")).await;
    assert_eq!((status, text.as_str()), (200, r#"{"TableNames":[]}"#));
    assert_eq!(
        headers["x-amz-crc32"],
        s3s::crypto::Crc32::checksum_u32(text.as_bytes()).to_string().as_str()
    );
    assert_eq!(headers["x-amzn-requestid"].len(), 36);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_or_with_an_unknown_key_is_refused() {
    let frontend = frontend();
    let (status, headers, text) =
        answer(&frontend, json_call(None, "DynamoDB_20120810.ListTables", "{}")).await;
    assert_eq!(status, 400);
    assert_eq!(headers["x-amzn-errortype"], "MissingAuthenticationTokenException");
    assert!(text.contains("missing Authentication Token"));
    let request = json_call(Some("AKIANOBODY"), "DynamoDB_20120810.ListTables", "{}");
    assert_eq!(answer(&frontend, request).await.1["x-amzn-errortype"], "UnrecognizedClientException");
    frontend.credentials().register("AKIANOBODY", "WorkerRole");
    let request = json_call(Some("AKIANOBODY"), "DynamoDB_20120810.ListTables", "{}");
    assert_eq!(answer(&frontend, request).await.0, 200);
    frontend.credentials().forget("AKIANOBODY");
    assert_eq!(frontend.credentials().find("AKIANOBODY"), None);
}

#[tokio::test(start_paused = true)]
async fn hostile_bodies_are_refused_in_the_protocol() {
    let frontend = frontend();
    for body in ["[]", "{", "\u{0}", "nul"] {
        let request = json_call(Some("tidemill"), "DynamoDB_20120810.PutItem", body);
        let (status, headers, _) = answer(&frontend, request).await;
        assert_eq!(
            (status, &headers["x-amzn-errortype"]),
            (400, &HeaderValue::from_static("SerializationException"))
        );
    }
    let request = json_call(Some("tidemill"), "Nonsense", "{}");
    assert_eq!(answer(&frontend, request).await.1["x-amzn-errortype"], "UnknownOperationException");
}

#[tokio::test(start_paused = true)]
async fn the_query_protocol_answers_in_xml() {
    let call = |key: &str| {
        Request::post("/")
            .header("authorization", credential(key, "sts"))
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8")
            .body(Body::from("Action=GetCallerIdentity&Version=2011-06-15".to_owned()))
            .unwrap()
    };
    let frontend = frontend();
    let (status, headers, text) = answer(&frontend, call("tidemill")).await;
    assert_eq!((status, &headers["content-type"]), (200, &HeaderValue::from_static("text/xml")));
    assert!(text.contains("<GetCallerIdentityResult><Account>123456789012</Account>"), "{text}");
    let (status, _, text) = answer(&frontend, call("AKIANOBODY")).await;
    assert_eq!(status, 403);
    assert!(text.contains("<Code>InvalidClientTokenId</Code>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_root_without_credentials_says_that_the_cloud_is_up() {
    let (status, _, text) = answer(&frontend(), Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!((status, text.as_str()), (200, "Tidemill's local cloud is up.\n"));
}

#[tokio::test(start_paused = true)]
async fn s3_refuses_the_unsigned_and_the_unknown_in_its_own_way() {
    let frontend = frontend();
    let (status, _, text) = answer(&frontend, Request::get("/bucket/key").body(Body::empty()).unwrap()).await;
    assert_eq!(status, 403);
    assert!(text.contains("<Code>AccessDenied</Code>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_fault_reaches_the_service_as_a_partial_failure_or_not_at_all() {
    let frontend = frontend();
    frontend.services().dynamodb.create_table(table("records")).unwrap();
    frontend.faults().on(crate::faults::Rule::new("dynamodb", "PutItem", Call::LoseAnswer).first(1));
    frontend.faults().on(crate::faults::Rule::new("dynamodb", "PutItem", Call::LoseRequest).nth(2));
    let put = |id: &str| {
        let body = json!({ "TableName": "records", "Item": { "id": { "S": id } } }).to_string();
        json_call(Some("tidemill"), "DynamoDB_20120810.PutItem", &body)
    };
    for id in ["done", "never"] {
        assert!(frontend.call(put(id)).await.extensions().get::<Lost>().is_some());
    }
    let scan = json_call(Some("tidemill"), "DynamoDB_20120810.Scan", r#"{"TableName":"records"}"#);
    let found: Value = serde_json::from_str(&answer(&frontend, scan).await.2).unwrap();
    assert_eq!(found["Items"], json!([{ "id": { "S": "done" } }]));
}

fn invoke(function: &str, kind: Option<&str>, payload: &str) -> Request<Body> {
    let mut request = Request::post(format!("/2015-03-31/functions/{function}/invocations"))
        .header("authorization", credential("tidemill", "lambda"));
    if let Some(kind) = kind {
        request = request.header("x-amz-invocation-type", kind);
    }
    request.body(Body::from(payload.to_owned())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn functions_are_invoked_in_three_ways() {
    let frontend = frontend();
    let lambda = &frontend.services().lambda;
    let invoked = Arc::new(Mutex::new(Vec::new()));
    let seen = invoked.clone();
    let host = FunctionHost::Direct(Arc::new(move |invocation| {
        seen.lock().unwrap().push(invocation.request_id);
        Box::pin(async move {
            match invocation.payload {
                Value::Null => Err(FunctionError::new("Bad", "no")),
                payload => Ok(json!({ "got": payload })),
            }
        })
    }));
    let arn = lambda
        .create_function(FunctionSettings {
            name: "echo".into(),
            environment: BTreeMap::new(),
            timeout: Duration::from_secs(3),
            memory: 128,
            reserved_concurrency: None,
            dead_letter_arn: None,
            host,
        })
        .unwrap();
    let (status, headers, text) = answer(&frontend, invoke("echo", None, "[1]")).await;
    assert_eq!((status, text.as_str()), (200, "{\"got\":[1]}"));
    assert_eq!(headers["x-amz-executed-version"], "$LATEST");
    assert_eq!(headers["x-amzn-requestid"].to_str().unwrap(), invoked.lock().unwrap()[0]);
    // An SDK escapes an ARN's colons.
    let (status, _, text) =
        answer(&frontend, invoke(&arn.replace(':', "%3A"), Some("RequestResponse"), "")).await;
    assert_eq!((status, text.as_str()), (200, "{\"got\":{}}"));
    let (status, headers, text) = answer(&frontend, invoke("echo", None, "null")).await;
    assert_eq!((status, &headers["x-amz-function-error"]), (200, &HeaderValue::from_static("Unhandled")));
    assert_eq!(text, "{\"errorMessage\":\"no\",\"errorType\":\"Bad\"}");
    let before = invoked.lock().unwrap().len();
    let (status, _, text) = answer(&frontend, invoke("echo", Some("DryRun"), "{}")).await;
    assert_eq!((status, text.as_str(), invoked.lock().unwrap().len()), (204, "", before));
    let (status, headers, text) = answer(&frontend, invoke("echo", Some("Event"), "2")).await;
    assert_eq!((status, text.as_str()), (202, ""));
    lambda.idle().await;
    assert_eq!(headers["x-amzn-requestid"].to_str().unwrap(), invoked.lock().unwrap()[before]);
    assert_eq!(frontend.calls()[&("lambda".to_owned(), "Invoke".to_owned())], 5);
}

#[tokio::test(start_paused = true)]
async fn invocations_that_lambda_refuses_say_why() {
    let frontend = frontend();
    let refused = async |request| {
        let (status, headers, text) = answer(&frontend, request).await;
        assert!(text.contains("\"Message\":"), "{text}");
        (status, headers["x-amzn-errortype"].to_str().unwrap().to_owned())
    };
    let host = FunctionHost::Direct(Arc::new(|_| Box::pin(async { Ok(Value::Null) })));
    let off = FunctionSettings {
        name: "off".into(),
        environment: BTreeMap::new(),
        timeout: Duration::from_secs(3),
        memory: 128,
        reserved_concurrency: Some(0),
        dead_letter_arn: None,
        host,
    };
    frontend.services().lambda.create_function(off).unwrap();
    for (request, status, code) in [
        (invoke("none", None, "{}"), 404, "ResourceNotFoundException"),
        (invoke("off", None, "{"), 400, "InvalidRequestContentException"),
        (invoke("off", Some("Later"), "{}"), 400, "InvalidParameterValueException"),
        (invoke("off", None, "{}"), 429, "TooManyRequestsException"),
    ] {
        assert_eq!(refused(request).await, (status, code.to_owned()));
    }
    let mut unsigned = invoke("off", None, "{}");
    let nobody = HeaderValue::from_str(&credential("AKIANOBODY", "lambda")).unwrap();
    unsigned.headers_mut().insert("authorization", nobody);
    assert_eq!(refused(unsigned).await, (403, "UnrecognizedClientException".to_owned()));
    let unknown =
        Request::get("/2015-03-31/functions/off").header("authorization", credential("tidemill", "lambda"));
    assert_eq!(refused(unknown.body(Body::empty()).unwrap()).await.0, 501);
    frontend.faults().on(crate::faults::Rule::new("lambda", "Invoke", Call::Throttle));
    assert_eq!(refused(invoke("off", None, "{}")).await, (429, "TooManyRequestsException".to_owned()));
}

pub(crate) fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "BillingMode": "PAY_PER_REQUEST",
    })
}
