//! Errors: one line that names the thing and what to do, and the right exit code.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::Command,
    thread,
};

use crate::{
    cloud::{Up, bare, complains, complains_with},
    process::{Ended, Running},
};

const SOME: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_REGION", "us-east-1")];

fn run(command: &mut Command) -> Ended {
    Running::start(command).end()
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["replay"][..],
        &["replay", "--dead", "--job", "x"],
        &["replay", "--dead", "--since", "1h"],
        &["jobs", "--state", "asleep"],
        &["explain"],
        &["stop"],
        &["dead", "--limit", "0"],
        &["up", "--port", "x"],
    ] {
        let ended = run(bare().args(arguments)).with_code(2);
        assert!(ended.stdout.is_empty() && ended.stderr.contains("--help"), "{ended:?}");
    }
}

#[test]
fn a_malformed_argument_is_wrong_usage_and_is_reported_before_any_call() {
    for (arguments, parts) in [
        (&["jobs", "--since", "yesterday"][..], &["\"yesterday\" is not a time", "26h or 7d"][..]),
        (&["explain", "s3://bucket"], &["\"s3://bucket\" is not an object", "s3://BUCKET/KEY"]),
        (&["records", "https://example.com"], &["is not an object", "s3://BUCKET/KEY"]),
        (&["stop", "x\ny"], &["\"x\\ny\" is not a job id", "`tidemill jobs` lists the ids"]),
        (&["replay", "--job", "x"], &["\"x\" is not a job id"]),
        (&["replay", "--verdict", "x", "--since", "soon"], &["\"soon\" is not a time"]),
        (&["explain", "abcdef", "--version", "x"], &["--version applies to an object"]),
    ] {
        complains_with(2, run(bare().args(arguments)), parts);
    }
    for (arguments, parts) in [
        (
            &["explain", "s3://b/k", "--pipelines", "none.toml"][..],
            &["cannot read the pipelines file none.toml"][..],
        ),
        (&["up", "--watch", "no/folder"], &["cannot watch no/folder", "No such file"]),
    ] {
        complains(run(bare().args(arguments)), parts);
    }
}

#[test]
fn a_missing_environment_variable_is_named() {
    complains(run(bare().arg("jobs")), &["no AWS region is set; set AWS_REGION"]);
    complains(
        run(bare().arg("jobs").env("AWS_REGION", "us-east-1")),
        &["no AWS credentials were found; set AWS_PROFILE"],
    );
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound");
    let endpoint = format!("http://{free}");
    complains(
        run(bare().arg("dead").envs(SOME).env("AWS_ENDPOINT_URL", &endpoint)),
        &["failed to look up the stack", &endpoint, "is running and that AWS_ENDPOINT_URL is right"],
    );
}

#[test]
fn a_call_that_is_not_allowed_says_which() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = thread::spawn(move || refuse(&listener));
    let ended = run(bare().arg("jobs").envs(SOME).env("AWS_ENDPOINT_URL", &endpoint));
    complains(
        ended,
        &[
            "not allowed to look up the stack",
            "User: u is not authorized to perform: x",
            "other credentials (AWS_PROFILE)",
        ],
    );
    server.join().expect("it answered");
}

/// Answers one call as CloudFormation does to somebody without the permission.
fn refuse(listener: &TcpListener) {
    let (mut stream, _) = listener.accept().expect("a call");
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).expect("a line") > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    reader.read_exact(&mut vec![0; length]).expect("a body");
    let body = "<ErrorResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><Error><Type>Sender</Type>\
                <Code>AccessDenied</Code><Message>User: u is not authorized to perform: x.</Message></Error></ErrorResponse>";
    let head =
        format!("HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).expect("an answer");
}

#[test]
fn a_deployment_that_is_not_there_is_named() {
    let up = Up::start(&[]);
    complains(
        up.run(&["jobs", "--stack", "none"]),
        &["there is no stack \"none\" in us-east-1", "--stack or TIDEMILL_STACK"],
    );
    complains(
        up.run_with(&["jobs"], &[("TIDEMILL_STACK", "other")]),
        &["there is no stack \"other\" in us-east-1"],
    );
    complains(
        up.run_with(&["jobs"], &[("AWS_ACCESS_KEY_ID", "stranger")]),
        &["AWS rejected the credentials"],
    );
    complains(up.run(&["explain", "s3://other/k"]), &["\"other\" is not the bucket of the stack tidemill"]);
    complains(up.run(&["stop", &"ab".repeat(16)]), &["the stack tidemill has no job abab"]);
    complains(up.run(&["stop", "abcdef"]), &["no job of the last 30d whose id begins with abcdef"]);
    let empty = up.run(&["dead"]).with_code(0);
    assert_eq!((empty.stdout.as_str(), empty.stderr.as_str()), ("", "the dead-letter queue is empty\n"));
}
