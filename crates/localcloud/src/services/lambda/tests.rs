//! Functions in this process and behind the Runtime API, and the queues that feed them.

mod asynchronous;
mod processes;
mod sources;

use std::sync::Mutex;

use serde_json::json;
use tokio::sync::mpsc;

use super::{invocation::PAYLOAD_BYTES, *};
use crate::{
    host::{Exit, Launch, Runner},
    wire::Body,
};

fn lambda() -> (Lambda, Sqs, Logs) {
    fastrand::seed(11);
    let clock = Clock::starting_at("2026-08-01T00:00:00Z".parse().unwrap());
    let (sqs, logs) = (Sqs::new(clock), Logs::new(clock, None));
    let lambda = Lambda::new(clock, sqs.clone(), logs.clone());
    lambda.set_endpoint("127.0.0.1:4566");
    (lambda, sqs, logs)
}

fn settings(host: FunctionHost) -> FunctionSettings {
    FunctionSettings {
        name: "uploads".to_owned(),
        environment: [("TABLE".to_owned(), "jobs".to_owned())].into(),
        timeout: Duration::from_secs(30),
        memory: 256,
        reserved_concurrency: None,
        dead_letter_arn: None,
        host,
    }
}

fn direct<F>(function: impl Fn(Invocation) -> F + Send + Sync + 'static) -> FunctionHost
where
    F: Future<Output = Result<Value, FunctionError>> + Send + 'static,
{
    FunctionHost::Direct(Arc::new(move |invocation| Box::pin(function(invocation))))
}

/// What the function failed of.
fn failure(error: InvokeError) -> FunctionError {
    match error {
        InvokeError::Failed(error) => error,
        InvokeError::Refused(api_error) => panic!("it did not run: {api_error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_direct_function_gets_its_event_environment_and_deadline() {
    let (lambda, ..) = lambda();
    let function = |invocation: Invocation| async move {
        Ok(json!([
            invocation.payload,
            invocation.environment["TABLE"],
            invocation.environment["AWS_REGION"],
            invocation.environment["AWS_LAMBDA_FUNCTION_NAME"],
            invocation.deadline.to_string()
        ]))
    };
    let arn = lambda.create_function(settings(direct(function))).unwrap();
    assert_eq!(arn, "arn:aws:lambda:us-east-1:123456789012:function:uploads");
    let answer = lambda.invoke("uploads", json!({ "n": 1 })).await.unwrap();
    assert_eq!(answer, json!([{ "n": 1 }, "jobs", "us-east-1", "uploads", "2026-08-01T00:00:30Z"]));
}

#[tokio::test(start_paused = true)]
async fn a_direct_function_that_hangs_panics_or_says_too_much_fails_as_on_lambda() {
    let (lambda, ..) = lambda();
    lambda.create_function(settings(direct(|_| std::future::pending()))).unwrap();
    let error = failure(lambda.invoke("uploads", json!({})).await.unwrap_err());
    assert!(error.message.ends_with("Task timed out after 30.00 seconds"), "{error}");
    lambda.create_function(settings(direct(|_| async { panic!("a bug") }))).unwrap();
    let error = failure(lambda.invoke("uploads", json!({})).await.unwrap_err());
    assert_eq!(error.error_type, "Runtime.ExitError");
    lambda.create_function(settings(direct(|_| async { Ok(json!("x".repeat(PAYLOAD_BYTES))) }))).unwrap();
    let error = failure(lambda.invoke("uploads", json!({})).await.unwrap_err());
    assert_eq!(error.error_type, "Function.ResponseSizeTooLarge");
    let error = lambda.invoke("nobody", json!({})).await.unwrap_err();
    assert!(
        matches!(error, InvokeError::Refused(api_error) if api_error.code == "ResourceNotFoundException")
    );
}

#[tokio::test(start_paused = true)]
async fn settings_lambda_would_refuse_are_refused() {
    let (lambda, ..) = lambda();
    let good = settings(direct(|_| async { Ok(Value::Null) }));
    let with = |change: fn(&mut FunctionSettings)| {
        let mut settings = good.clone();
        change(&mut settings);
        lambda.create_function(settings)
    };
    assert!(with(|_| ()).is_ok());
    let changes: [fn(&mut FunctionSettings); 5] = [
        |settings| settings.name = "a b".to_owned(),
        |settings| settings.timeout = Duration::from_secs(901),
        |settings| settings.memory = 64,
        |settings| drop(settings.environment.insert("AWS_REGION".to_owned(), "x".to_owned())),
        |settings| drop(settings.environment.insert("A".to_owned(), "x".repeat(5000))),
    ];
    for change in changes {
        assert_eq!(with(change).unwrap_err().code, "InvalidParameterValueException");
    }
}
