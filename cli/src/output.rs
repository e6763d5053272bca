//! What the command prints: results on standard output, and of what went wrong one line on standard error.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use aws::CallError;
use domain::mail::escaped;
use serde_json::Value;

/// Prints to standard output. Whoever reads it may stop at any line: then an error says so, which
/// [`failed`] takes for an ordinary end.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.context("cannot write to standard output")
}

/// Prints one line of JSON.
pub(crate) fn print_line(value: &Value) -> anyhow::Result<()> {
    print(&format!("{value}\n"))
}

/// Prints one JSON document, laid out for reading.
pub(crate) fn print_document(value: &Value) -> anyhow::Result<()> {
    print(&format!("{value:#}\n"))
}

/// Names and messages may hold control characters, which must not reach a terminal.
pub(crate) fn one_line(text: &str) -> String {
    escaped(text)
}

/// Tells what went wrong, and the exit code of it.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    if is_unread(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("tidemill: {}", complaint(error));
    ExitCode::FAILURE
}

/// Whether it is only that nobody reads the output any more.
pub(crate) fn is_unread(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
}

/// What went wrong, in one line that says what to do where that is known.
fn complaint(error: &anyhow::Error) -> String {
    match error.chain().find_map(|cause| cause.downcast_ref::<CallError>()) {
        Some(call) => refused(call, &std::env::var("AWS_ENDPOINT_URL").unwrap_or_default()),
        None => format!("{error:#}"),
    }
}

/// Codes that say the credentials are not good, or not any more.
const STRANGERS: [&str; 8] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

fn refused(call: &CallError, endpoint: &str) -> String {
    let (attempt, code) = (one_line(call.attempt()), call.code().unwrap_or_default());
    let words = one_line(call.message().unwrap_or(code).trim_end_matches('.'));
    if call.is_unreachable() {
        return match endpoint {
            "" => format!("cannot {attempt}: AWS did not answer: is the network up, and AWS_REGION right?"),
            endpoint => format!(
                "cannot {attempt}: nobody answers at {}: is it running, and AWS_ENDPOINT_URL right?",
                one_line(endpoint)
            ),
        };
    }
    if code.starts_with("AccessDenied") || code == "UnauthorizedOperation" {
        return format!(
            "not allowed to {attempt}: {words}: have it allowed, or use other credentials (AWS_PROFILE)"
        );
    }
    if STRANGERS.contains(&code) {
        return format!(
            "cannot {attempt}: the credentials are not accepted: {words}: sign in again, or use others (AWS_PROFILE)"
        );
    }
    if call.message().is_some() {
        return format!("cannot {attempt}: {code}: {words}");
    }
    one_line(&telemetry::causes(call))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_name_are_escaped() {
        assert_eq!(one_line("a\n\u{1b}[31mü\"b"), "a\\n\\u{1b}[31mü\"b");
    }

    #[test]
    fn a_reader_who_stops_is_no_failure() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_unread(&anyhow::Error::new(broken).context("cannot write to standard output")));
        assert!(!is_unread(&anyhow::anyhow!("something else")));
    }

    #[test]
    fn a_call_that_ran_out_of_patience_is_told_whole() {
        let call = CallError::retries_exhausted("delete message 1 of q", "ReceiptHandleIsInvalid");
        let told = complaint(&anyhow::Error::new(call).context("more"));
        assert_eq!(told, "failed to delete message 1 of q: ReceiptHandleIsInvalid");
    }
}
