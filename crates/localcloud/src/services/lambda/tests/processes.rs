//! Environments: programs that speak the Runtime API. Here they are futures that do what a process would.

use super::*;

/// What the program's side of the Runtime API looks like: `AWS_LAMBDA_RUNTIME_API` in, requests out.
#[derive(Clone)]
struct Api {
    inner: std::sync::Weak<Inner>,
    base: String,
}

impl Api {
    fn of(lambda: &Lambda) -> impl Fn(&Launch) -> Api + Send + Sync + 'static {
        let inner = Arc::downgrade(&lambda.inner);
        move |launch| {
            let base = launch.env["AWS_LAMBDA_RUNTIME_API"]
                .strip_prefix("http://127.0.0.1:4566")
                .unwrap()
                .to_owned();
            Api { inner: inner.clone(), base }
        }
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> (http::response::Parts, Value) {
        let uri = format!("{}/2018-06-01/runtime/{path}", self.base);
        let request =
            http::Request::builder().method(method).uri(uri).body(Body::from(body.to_owned())).unwrap();
        let response = runtime::answer(&self.inner.upgrade().unwrap(), request).await;
        let (parts, mut body) = response.into_parts();
        let body = body.store_all_limited(PAYLOAD_BYTES).await.unwrap();
        (parts, serde_json::from_slice(&body).unwrap())
    }

    /// The next event and its request id.
    async fn next(&self) -> (String, Value) {
        let (parts, event) = self.call("GET", "invocation/next", "").await;
        (parts.headers["lambda-runtime-aws-request-id"].to_str().unwrap().to_owned(), event)
    }

    async fn respond(&self, id: &str, answer: &Value) -> u16 {
        let path = format!("invocation/{id}/response");
        self.call("POST", &path, &answer.to_string()).await.0.status.as_u16()
    }
}

/// Makes the function `uploads` of programs that do this.
fn program<F>(lambda: &Lambda, main: impl Fn(Api) -> F + Send + Sync + 'static)
where
    F: Future<Output = Exit> + Send + 'static,
{
    let api = Api::of(lambda);
    let runner: Runner = Arc::new(move |launch: Launch| {
        launch.logs.push("started");
        Box::pin(main(api(&launch)))
    });
    lambda.create_function(settings(FunctionHost::Environment(runner))).unwrap();
}

/// Answers each event with itself and the environment it ran in.
async fn echo(api: Api) -> Exit {
    loop {
        let (id, event) = api.next().await;
        api.respond(&id, &json!({ "event": event, "ran": api.base })).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_environment_is_used_again_and_a_second_one_only_when_it_is_busy() {
    let (lambda, _, logs) = lambda();
    program(&lambda, |api| async move {
        loop {
            let (id, event) = api.next().await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            api.respond(&id, &json!({ "event": event, "ran": api.base })).await;
        }
    });
    lambda.prewarm("uploads");
    let first = lambda.invoke("uploads", json!(1)).await.unwrap();
    let (second, third) =
        tokio::join!(lambda.invoke("uploads", json!(2)), lambda.invoke("uploads", json!(3)));
    assert_eq!(first["event"], 1);
    assert_eq!(second.as_ref().unwrap()["ran"], first["ran"]);
    assert_ne!(third.unwrap()["ran"], first["ran"]);
    let streams =
        logs.call("DescribeLogStreams", json!({ "logGroupName": "/aws/lambda/uploads" })).await.unwrap();
    assert_eq!(streams["logStreams"].as_array().unwrap().len(), 2);
    assert!(streams["logStreams"][0]["logStreamName"].as_str().unwrap().starts_with("2026/08/01/[$LATEST]"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_environment_is_taken_down_after_five_minutes() {
    let (lambda, ..) = lambda();
    program(&lambda, echo);
    let first = lambda.invoke("uploads", json!(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(299)).await;
    let second = lambda.invoke("uploads", json!(1)).await.unwrap();
    assert_eq!(first["ran"], second["ran"]);
    tokio::time::sleep(Duration::from_secs(301)).await;
    assert!(lambda.inner.lock().environments.is_empty());
    assert_ne!(lambda.invoke("uploads", json!(1)).await.unwrap()["ran"], first["ran"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_kills_the_environment_and_the_next_event_gets_a_fresh_one() {
    let (lambda, ..) = lambda();
    let (sender, mut alive) = mpsc::channel::<()>(1);
    program(&lambda, move |api| {
        let held = sender.clone();
        async move {
            let (id, event) = api.next().await;
            if event == json!("hang") {
                let _held = held;
                std::future::pending::<()>().await;
            }
            api.respond(&id, &event).await;
            std::future::pending().await
        }
    });
    let error = failure(lambda.invoke("uploads", json!("hang")).await.unwrap_err());
    assert_eq!(error.error_type, "Sandbox.Timedout");
    assert!(error.message.ends_with("Task timed out after 30.00 seconds"), "{error}");
    assert_eq!(lambda.invoke("uploads", json!("fine")).await.unwrap(), json!("fine"));
    drop(lambda);
    assert_eq!(alive.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_crash_a_failed_start_and_the_functions_own_errors_are_told_apart() {
    let (lambda, ..) = lambda();
    program(&lambda, |api| async move {
        api.next().await;
        Exit::Code(101)
    });
    let error = failure(lambda.invoke("uploads", json!(1)).await.unwrap_err());
    assert_eq!(error.error_type, "Runtime.ExitError");
    assert!(error.message.ends_with("Runtime exited with error: exit status 101"), "{error}");

    program(&lambda, |_| async { Exit::NotStarted("no such file".to_owned()) });
    let error = failure(lambda.invoke("uploads", json!(1)).await.unwrap_err());
    assert_eq!(error.error_type, "Runtime.InvalidEntrypoint");

    program(&lambda, |api| async move {
        let body = json!({ "errorType": "Config", "errorMessage": "TABLE is missing" }).to_string();
        api.call("POST", "init/error", &body).await;
        Exit::Code(1)
    });
    let error = failure(lambda.invoke("uploads", json!(1)).await.unwrap_err());
    assert_eq!(error, FunctionError::new("Config", "TABLE is missing"));

    program(&lambda, |api| async move {
        loop {
            let (id, _) = api.next().await;
            let body = json!({ "errorType": "Bad", "errorMessage": "no", "stackTrace": [] }).to_string();
            api.call("POST", &format!("invocation/{id}/error"), &body).await;
        }
    });
    let error = failure(lambda.invoke("uploads", json!(1)).await.unwrap_err());
    assert_eq!(error, FunctionError::new("Bad", "no"));
}

#[tokio::test(start_paused = true)]
async fn the_runtime_api_refuses_what_does_not_fit() {
    let (lambda, ..) = lambda();
    let (sender, mut seen) = mpsc::unbounded_channel();
    program(&lambda, move |api| {
        let sender = sender.clone();
        async move {
            let (id, _) = api.next().await;
            sender.send(api.respond("another", &json!(1)).await).unwrap();
            sender.send(api.respond(&id, &json!("x".repeat(PAYLOAD_BYTES))).await).unwrap();
            sender.send(api.respond(&id, &json!(1)).await).unwrap();
            sender.send(api.call("GET", "nothing", "").await.0.status.as_u16()).unwrap();
            let stranger = Api { base: "/stranger".to_owned(), ..api };
            sender.send(stranger.call("GET", "invocation/next", "").await.0.status.as_u16()).unwrap();
            std::future::pending().await
        }
    });
    let error = failure(lambda.invoke("uploads", json!(1)).await.unwrap_err());
    assert_eq!(error.error_type, "Function.ResponseSizeTooLarge");
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(seen.recv().await.unwrap());
    }
    assert_eq!(statuses, [400, 413, 400, 404, 403]);
}
