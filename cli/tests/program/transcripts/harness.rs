//! A cloud whose functions and workers are processes, and the hands and eyes of a scenario.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use aws_sdk_s3::{Client, primitives::ByteStream};
use localcloud::{
    Cloud,
    ecs::Status,
    faults::{Call, Rule},
    host::process,
    mailbox::Mail,
    wire::{OWNER_KEY, SECRET},
};
use serde_json::Value;
use tempfile::TempDir;

use super::plain::plain;
use crate::process::{PROGRAM, root, with_functions};

/// A scenario waits for retries and for the minute of λ scaler; on a busy machine longer. After this, it hangs.
const LIMIT: Duration = Duration::from_secs(600);

/// What a scenario needs.
#[derive(Default)]
pub(crate) struct Plan {
    /// The keys of its one pipeline, beside name and match.
    pub(crate) pipeline: &'static str,
    /// Parameters of the template.
    pub(crate) parameters: Vec<(&'static str, &'static str)>,
}

/// The cloud of a scenario.
pub(crate) struct ProcessHarness {
    cloud: Cloud,
    s3: Client,
    /// Holds the pipelines file, and what a scenario's commands leave.
    pub(crate) folder: TempDir,
}

impl ProcessHarness {
    pub(crate) async fn start(plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pipelines = folder.path().join("pipelines.toml");
        let text = plan.pipeline.replace("FOLDER", folder.path().to_str().unwrap());
        std::fs::write(&pipelines, format!("version = 1\n[[pipeline]]\nname = \"everything\"\n{text}"))
            .unwrap();
        let mut builder = Cloud::builder(root().join("template.yaml"))
            .serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .parameter("NotifyEmail", "ops@example.com")
            .parameter("WorkerImage", "worker")
            .layer_file("/opt/pipelines.toml", pipelines);
        for (name, value) in plan.parameters {
            builder = builder.parameter(name, value);
        }
        let worker = process(PROGRAM.into(), vec!["worker".to_owned()]);
        let cloud = with_functions(builder).container("worker", |_| worker).start().await.unwrap();
        let config = aws_sdk_s3::config::Builder::from(&cloud.sdk_config()).force_path_style(true).build();
        Self { cloud, s3: Client::from_conf(config), folder }
    }

    pub(crate) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Puts an object under the watched prefix.
    pub(crate) async fn put(&self, name: &str, body: impl Into<Vec<u8>>) {
        let put = self.s3.put_object().bucket(&self.cloud.outputs()["Bucket"]);
        put.key(format!("uploads/{name}")).body(ByteStream::from(body.into())).send().await.unwrap();
    }

    pub(crate) fn on(&self, rule: Rule) {
        self.cloud.faults().on(rule);
    }

    pub(crate) fn fault(&self, service: &str, operation: &str, fault: Call) {
        self.on(Rule::new(service, operation, fault));
    }

    /// How often this operation was called.
    pub(crate) fn calls(&self, service: &str, operation: &str) -> u64 {
        let calls = self.cloud.frontend().calls();
        calls.get(&(service.to_owned(), operation.to_owned())).copied().unwrap_or_default()
    }

    /// The ARN of the task that was launched last, when it runs.
    pub(crate) async fn running(&self) -> String {
        let last = || self.cloud.services().ecs.tasks().pop().filter(|task| task.status == Status::Running);
        self.until("a start", async || last().is_some()).await;
        last().unwrap().arn
    }

    /// Waits until this is so.
    pub(crate) async fn until(&self, what: &str, so: impl AsyncFn() -> bool) {
        let begun = Instant::now();
        while !so().await {
            let text = || format!("{what} takes too long\n{}", self.ask(&["jobs"]));
            assert!(begun.elapsed() < LIMIT, "{}\n{:#?}", text(), self.cloud.services().logs.last(40));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until this many jobs have settled, and the failed ones were mailed.
    pub(crate) async fn settled(&self, count: usize) {
        self.until("settling", async || {
            let jobs = self.jobs();
            let is_over = |job: &Value| match job["state"].as_str().unwrap() {
                "waiting" | "running" => false,
                "failed" => !job["notified_at"].is_null(),
                _ => true,
            };
            jobs.len() == count && jobs.iter().all(is_over)
        })
        .await;
    }

    /// Waits until at least `count` mails went out.
    pub(crate) async fn mailed(&self, count: usize) {
        self.until("mail", async || self.mails().len() >= count).await;
    }

    /// The mails about jobs. Whether an alarm's comes among them depends on when a minute is over.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let mails = self.cloud.services().sns.mails().into_iter();
        mails.filter(|mail| !mail.subject.starts_with("ALARM: ")).collect()
    }

    /// What `tidemill jobs --json` tells.
    pub(crate) fn jobs(&self) -> Vec<Value> {
        let lines = self.ask(&["jobs", "--json"]);
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What the command prints, against this cloud.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .env("AWS_ENDPOINT_URL", self.cloud.endpoint())
            .env("AWS_ACCESS_KEY_ID", OWNER_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", "us-east-1")
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `tidemill explain` of an object.
    pub(crate) fn explain(&self, name: &str) -> String {
        let uri = format!("s3://{}/uploads/{name}", self.cloud.outputs()["Bucket"]);
        format!("$ tidemill explain {uri}\n{}", self.ask(&["explain", &uri]))
    }

    /// The first mails that went out.
    pub(crate) fn mail_texts(&self, most: usize) -> String {
        let mails = self.mails().into_iter().take(most).zip(1..);
        mails.map(|(mail, n)| format!("\n── mail {n}: {}\n{}", mail.subject, mail.body)).collect()
    }

    /// Ends the cloud and compares what was read with the transcript that is kept.
    pub(crate) async fn golden(self, name: &str, text: &str) {
        self.cloud.shutdown().await;
        compare(name, &plain(text, self.folder.path()));
    }
}

/// Compares what was read with the transcript that is kept under this name.
pub(crate) fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{} differs; if it should, run again with UPDATE_GOLDEN=1:\n{text}",
        path.display()
    );
}
