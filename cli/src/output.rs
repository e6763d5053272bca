//! What the command prints: results on standard output, and an error as one line on standard error.
//!
//! Counts and durations look the same in every command: [`count`](domain::text::count) and
//! [`in_words`](domain::text::in_words).

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use anyhow::Context;
use aws::{CallError, CallErrorKind};
use domain::text::escaped;
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

/// The columns of standard output's terminal: as `COLUMNS` says, else as the terminal does. None for a pipe or a file, whose
/// lines are as long as they are.
pub(crate) fn columns() -> Option<usize> {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col))
    };
    said.or_else(|| io::stdout().is_terminal().then(asked).flatten()).filter(|columns| *columns > 0)
}

/// The head, then the text, broken between words so that no line is longer than `width`; each further line starts below the
/// first word.
pub(crate) fn hanging(head: &str, text: &str, width: usize) -> String {
    let indent = head.chars().count();
    let (mut lines, mut column) = (head.to_owned(), indent);
    for (n, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if n > 0 && column + 1 + length > width {
            lines += &format!("\n{:indent$}", "");
            column = indent;
        } else if n > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    lines + "\n"
}

/// A line of a text that others wrote, broken between words so that none is longer than `width`; each line begins with the
/// head, and a further one also with the blanks that the first has after it.
pub(crate) fn wrapped(head: &str, line: &str, width: usize) -> String {
    let blanks = line.len() - line.trim_start_matches(' ').len();
    let indent = format!("{head}{}", &line[..blanks]);
    let broken = hanging(&indent, &line[blanks..], width);
    let under = " ".repeat(indent.chars().count());
    let lines = broken
        .lines()
        .map(|line| line.strip_prefix(&under).map_or(line.to_owned(), |rest| format!("{indent}{rest}")));
    lines.map(|line| format!("{}\n", line.trim_end())).collect()
}

/// An argument that cannot be what it is given for. The message says what can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUse(pub(crate) String);

/// The exit code of wrong usage, as clap has it.
const WRONG_USE: u8 = 2;

/// Prints the error with its causes, and returns the exit code.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    if is_unread(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("tidemill: {}", describe(error));
    if error.is::<WrongUse>() { ExitCode::from(WRONG_USE) } else { ExitCode::FAILURE }
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
    fn each_line_of_a_broken_text_has_the_head() {
        assert_eq!(wrapped("  | ", "  one two three", 14), "  |   one two\n  |   three\n");
        assert_eq!(wrapped("  | ", "", 14), "  |\n");
        assert_eq!(wrapped("", "one two", 80), "one two\n");
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
