//! `env`, the port that it looks on, and what a restart of `up` keeps beside records.

use std::{ffi::OsStr, net::TcpListener, process::Command};

use serde_json::Value;

use crate::{
    cloud::{Up, bare, complains},
    process::{PROGRAM, Running, root, until},
};

/// The port in an endpoint.
fn port(endpoint: &str) -> &str {
    endpoint.rsplit(':').next().expect("a port")
}

#[test]
fn a_shell_that_evaluates_it_finds_the_local_cloud() {
    let up = Up::start(&[]);
    let endpoint = up.endpoint();
    let script = format!(
        "eval \"$('{PROGRAM}' env --port {})\" && '{PROGRAM}' jobs --json && echo \"$AWS_ENDPOINT_URL ${{AWS_PROFILE-none}}\"",
        port(&endpoint)
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().envs([("AWS_PROFILE", "mine"), ("AWS_SESSION_TOKEN", "old")]);
    let ended = Running::start(&mut shell).end().with_code(0);
    assert_eq!(ended.stdout, format!("{endpoint} none\n"));
    let json =
        Running::start(bare().args(["env", "--json", "--port", port(&endpoint)])).end().with_code(0).json();
    assert_eq!(
        (&json["AWS_ENDPOINT_URL"], &json["AWS_DEFAULT_REGION"]),
        (&endpoint.into(), &"us-east-1".into())
    );
}

#[test]
fn a_port_without_a_local_cloud_is_said_to_have_none() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound").port();
    let ended = Running::start(bare().args(["env", "--port", &taken.to_string()])).end();
    complains(ended, &["no local cloud runs on port", "start one with `tidemill up --port"]);
}

#[test]
fn up_takes_the_next_port_when_its_own_is_in_use() {
    // Ours or another program's: it is taken.
    let _taken = TcpListener::bind("127.0.0.1:4566");
    let mut command = Command::new(PROGRAM);
    command.args(["up", "--json"]).current_dir(root());
    let mut run = Running::start(&mut command);
    let endpoint = run.endpoint();
    assert_ne!(port(&endpoint), "4566");
    run.line_with("port 4566 is in use, so another one was taken");
}

#[test]
fn dead_letters_are_kept_over_a_restart_and_a_folder_is_one_clouds() {
    let root = tempfile::tempdir().expect("a folder");
    let data = root.path().join("data");
    let start = || Up::start(&[OsStr::new("--data"), data.as_os_str()]);
    let dead = |up: &Up| until("a dead letter", || up.lines(&["dead"]).first().cloned());
    let up = start();
    up.send("UploadsQueue", "no job at all");
    let before = dead(&up);
    let second =
        Running::start(bare().arg("up").arg("--data").arg(&data).current_dir(crate::process::root())).end();
    complains(
        second,
        &["is in use by another local cloud (process ", "stop that one, or choose another folder"],
    );
    up.interrupt().with_code(0);
    let after = dead(&start());
    let without_counts = |letter: &Value| {
        let mut letter = letter.clone();
        letter["received"] = Value::Null;
        letter
    };
    assert_eq!(without_counts(&after), without_counts(&before));
}
