//! What the command prints: results on standard output, and an error as one line on standard error.
//!
//! Counts and durations look the same in every command: [`count`](domain::text::count) and [`duration`].

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use aws::{CallError, CallErrorKind};
use domain::text::{escaped, in_words};
use serde_json::Value;

/// Prints to standard output. The reader may close it at any line; the error of that is an ordinary end to
/// [`failed`].
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

/// Escapes control characters, which names and messages may hold and a terminal would obey.
pub(crate) fn one_line(text: &str) -> String {
    escaped(text)
}

/// `312 ms`, `4.2 s`, `2 min 5 s`, `3 h 20 min`.
pub(crate) fn duration(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{} ms", duration.as_millis())
    } else {
        in_words(duration)
    }
}

/// Prints the error with its causes, and returns the exit code.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    if is_unread(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("tidemill: {}", describe(error));
    ExitCode::FAILURE
}

/// Whether the error is only that the reader closed standard output.
pub(crate) fn is_unread(error: &anyhow::Error) -> bool {
    let broken = |cause: &io::Error| cause.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
}

/// The error in one line: the attempt, the cause, and what to do where that is known.
fn describe(error: &anyhow::Error) -> String {
    match error.chain().find_map(|cause| cause.downcast_ref::<CallError>()) {
        Some(call) => describe_call(call, &aws::endpoint().unwrap_or_default()),
        None => format!("{error:#}"),
    }
}

fn describe_call(call: &CallError, endpoint: &str) -> String {
    let (attempt, code) = (one_line(call.attempt()), call.code().unwrap_or_default());
    let words = one_line(call.message().unwrap_or(code).trim_end_matches('.'));
    let causes = one_line(&telemetry::causes(call));
    match call.kind() {
        CallErrorKind::Unreachable if endpoint.is_empty() => {
            format!("{causes}; check the network and AWS_REGION")
        }
        CallErrorKind::Unreachable => format!(
            "{causes}; check that {} is running and that AWS_ENDPOINT_URL is right",
            one_line(endpoint)
        ),
        CallErrorKind::Denied => format!(
            "not allowed to {attempt}: {words}; get this permission, or use other credentials (AWS_PROFILE)"
        ),
        CallErrorKind::RejectedCredentials => format!(
            "cannot {attempt}: AWS rejected the credentials: {words}; sign in again, or use other credentials (AWS_PROFILE)"
        ),
        CallErrorKind::Other if call.message().is_some() => format!("cannot {attempt}: {code}: {words}"),
        CallErrorKind::Other => causes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_of_a_name_are_escaped() {
        assert_eq!(one_line("a\n\u{1b}[31mü\"b"), "a\\n\\u{1b}[31mü\"b");
    }

    #[test]
    fn durations_have_their_unit() {
        assert_eq!(duration(Duration::from_millis(312)), "312 ms");
        assert_eq!(duration(Duration::from_millis(4_200)), "4.2 s");
    }

    #[test]
    fn a_reader_that_closes_the_output_is_not_a_failure() {
        let broken = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_unread(&anyhow::Error::new(broken).context("cannot write to standard output")));
        assert!(!is_unread(&anyhow::anyhow!("something else")));
    }

    #[test]
    fn a_call_whose_retries_are_exhausted_is_described_whole() {
        let call = CallError::retries_exhausted("delete message 1 of q", "ReceiptHandleIsInvalid");
        let text = describe(&anyhow::Error::new(call).context("more"));
        assert_eq!(text, "failed to delete message 1 of q: ReceiptHandleIsInvalid");
    }
}
