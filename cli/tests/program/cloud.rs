//! `tidemill up`, and commands that talk to it.

use std::{
    ffi::OsStr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use aws::{Clients, queue::Queue, sdk_loader, stack::Deployed};
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Ended, LIMIT, PROGRAM, Running, root};

/// A local cloud that runs until it is dropped.
pub(crate) struct Up {
    run: Running,
    pub(crate) bucket: String,
    environment: Vec<(String, String)>,
}

impl Up {
    /// Starts it on a free port, with these arguments, and waits until it takes calls.
    pub(crate) fn start(arguments: &[&OsStr]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["up", "--json", "--port", "0"]).args(arguments).current_dir(root());
        let mut run = Running::start(&mut command);
        let ready = parsed(&next_line(&mut run));
        assert_eq!(ready["event"], "ready", "{ready}");
        let environment = ready["environment"].as_object().expect("variables").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let environment = environment.map(|(name, value)| (name.clone(), text(value))).collect();
        Self { run, bucket: text(&ready["bucket"]), environment }
    }

    /// The next event of this kind whose text holds `part`; the others are passed over.
    pub(crate) fn event(&mut self, kind: &str, part: &str) -> Value {
        loop {
            let line = next_line(&mut self.run);
            let event = parsed(&line);
            if event["event"] == kind && line.contains(part) {
                return event;
            }
        }
    }

    /// The next event, whatever it is.
    pub(crate) fn next(&mut self) -> Value {
        parsed(&next_line(&mut self.run))
    }

    /// `s3://bucket/uploads/` and this name.
    pub(crate) fn uri(&self, name: &str) -> String {
        format!("s3://{}/uploads/{name}", self.bucket)
    }

    /// Runs a command against it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[])
    }

    /// The same, with other variables.
    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = bare();
        self.configure(command.args(arguments));
        command.envs(variables.iter().copied());
        Running::start(&mut command).end()
    }

    /// Gives any AWS client the variables with which it reaches this cloud.
    pub(crate) fn configure(&self, command: &mut Command) {
        command.envs(self.environment.iter().cloned());
    }

    /// An output of the stack.
    pub(crate) fn output(&self, name: &str) -> String {
        self.with_sdk(async |config| {
            let stack = Deployed::find(config, "tidemill").await.expect("a stack");
            stack.output(name).expect("an output").to_owned()
        })
    }

    /// The lines that a command printed with `--json`.
    pub(crate) fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        let ended = self.run(&[arguments, &["--json"]].concat()).with_code(0);
        ended.stdout.lines().map(parsed).collect()
    }

    /// Puts a message on the queue that this output names.
    pub(crate) fn send(&self, output: &str, body: &str) {
        self.with_sdk(async |config| {
            let stack = Deployed::find(config, "tidemill").await.expect("a stack");
            let queue = Queue::new(&Clients::new(config), stack.output(output).expect("a queue"));
            queue.send(body, Duration::ZERO).await.expect("an answer");
        });
    }

    /// Puts an object under this key.
    pub(crate) fn put(&self, key: &str, body: impl AsRef<[u8]>) {
        self.with_sdk(async |config| {
            let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
            let put = aws_sdk_s3::Client::from_conf(config).put_object().bucket(&self.bucket).key(key);
            put.body(body.as_ref().to_vec().into()).send().await.expect("an answer");
        });
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> String {
        let found = self.environment.iter().find(|(name, _)| name == "AWS_ENDPOINT_URL");
        found.map(|(_, value)| value.clone()).expect("the ready event has it")
    }

    /// Deletes an object, as an application does: a delete marker hides it.
    pub(crate) fn delete(&self, key: &str) {
        self.with_sdk(async |config| {
            let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
            let delete = aws_sdk_s3::Client::from_conf(config).delete_object().bucket(&self.bucket).key(key);
            delete.send().await.expect("an answer");
        });
    }

    /// Deletes all versions of a key.
    pub(crate) fn delete_versions(&self, key: &str) {
        self.with_sdk(async |config| {
            let config = aws_sdk_s3::config::Builder::from(config).force_path_style(true).build();
            let s3 = aws_sdk_s3::Client::from_conf(config);
            let found =
                s3.list_object_versions().bucket(&self.bucket).prefix(key).send().await.expect("an answer");
            for version in found.versions() {
                let delete = s3.delete_object().bucket(&self.bucket).key(key);
                let delete = delete.set_version_id(version.version_id().map(str::to_owned));
                delete.send().await.expect("an answer");
            }
        });
    }

    /// Lets `act` make calls with the SDK.
    pub(crate) fn with_sdk<T>(&self, act: impl AsyncFnOnce(&SdkConfig) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let of = |name: &str| {
            let found = self.environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone()).expect("the ready event has it")
        };
        runtime.expect("a runtime").block_on(async {
            let endpoint = self.endpoint();
            let (key, secret) = (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"));
            let credentials = Credentials::new(key, secret, None, None, "the test's");
            let loader = sdk_loader(&endpoint).endpoint_url(&endpoint).region(Region::new(of("AWS_REGION")));
            act(&loader.credentials_provider(credentials).load().await).await
        })
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(self) -> Ended {
        self.run.signal(Signal::INT);
        self.run.end()
    }
}

/// Waits for the next line of standard output.
fn next_line(run: &mut Running) -> String {
    // It is at work: the limit is for one that hangs.
    run.until = Instant::now() + LIMIT;
    let line = run.stdout.recv_timeout(LIMIT);
    line.unwrap_or_else(|error| {
        panic!("no line on standard output ({error}): {}", run.stderr.try_iter().collect::<String>())
    })
}

/// The program without anything of this machine's AWS environment.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(PROGRAM);
    let names = std::env::vars().map(|(name, _)| name);
    for name in names.filter(|name| name.starts_with("AWS_") || name == "TIDEMILL_STACK") {
        command.env_remove(name);
    }
    command
        .env("USER", "ada")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent");
    command.env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent").current_dir(root());
    command
}

/// One line of JSON.
pub(crate) fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// What a command that refuses to work prints: one line that holds these parts, and exit code 1.
pub(crate) fn complains(ended: Ended, parts: &[&str]) {
    complains_with(1, ended, parts);
}

/// The same with another exit code.
pub(crate) fn complains_with(code: i32, ended: Ended, parts: &[&str]) {
    let ended = ended.with_code(code);
    assert_eq!(ended.stdout, "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let said = ended.stderr.strip_prefix("tidemill: ").unwrap_or_else(|| panic!("{}", ended.stderr));
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}

/// Writes a file under another name first, so that nobody sees it half written.
pub(crate) fn put(folder: &Path, name: &str, text: &str) {
    let draft = folder.join(format!(".{name}"));
    std::fs::write(&draft, text).expect("a file");
    std::fs::rename(draft, folder.join(name)).expect("its name");
}
