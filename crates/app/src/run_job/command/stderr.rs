//! The standard error of a command, line by line: log lines, progress, and the last line for the reason of a failure.

use std::time::Duration;

use domain::job::JobId;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::Instant,
};
use tracing::info;

use crate::run_job::job_progress::JobProgress;

/// How many bytes of one line are read; the rest of the line is dropped.
const LINE_BYTES: usize = 4 << 10;

/// How many lines a second are logged: logs are counted against it by the byte, and a command may print without end. The number of
/// dropped lines is logged.
const LINES_A_SECOND: u32 = 100;

/// How many characters of the last line go into a reason, and so into a mail.
const LAST_CHARS: usize = 300;

/// How many characters of a progress line are kept.
const PROGRESS_CHARS: usize = 100;

/// Cuts bytes into lines. It holds at most [`LINE_BYTES`] of a line.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            let missing = LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(missing)]);
            if ended {
                self.end(&mut line);
            }
        }
    }

    fn end(&mut self, mut line: impl FnMut(&str)) {
        let text = String::from_utf8_lossy(&self.line);
        if !text.trim().is_empty() {
            line(text.trim_end());
        }
        self.line.clear();
    }
}

/// Reads the standard error of one run.
#[derive(Debug)]
pub(super) struct StderrReader<'d> {
    job: &'d JobId,
    progress: &'d JobProgress,
    last: Option<String>,
    second: Instant,
    in_second: u32,
    dropped: u64,
}

impl<'d> StderrReader<'d> {
    pub(super) fn new(job: &'d JobId, progress: &'d JobProgress) -> Self {
        Self { job, progress, last: None, second: Instant::now(), in_second: 0, dropped: 0 }
    }

    /// The last line that was not a progress line, cut to the length of a reason.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Reads until the command and its children have closed their standard error.
    pub(super) async fn read(&mut self, mut stderr: impl AsyncRead + Unpin) {
        let (mut lines, mut buffer) = (Lines::default(), vec![0; 8 << 10]);
        // A failed read ends the reading, but not the run.
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            lines.feed(&buffer[..read], |line| self.line(line));
        }
        lines.end(|line| self.line(line));
        self.log_dropped();
    }

    fn line(&mut self, line: &str) {
        if let Some(progress) = progress(line) {
            self.progress.report(progress);
            return;
        }
        self.last = Some(short(line, LAST_CHARS));
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.log_dropped();
            (self.second, self.in_second) = (Instant::now(), 0);
        }
        if self.in_second < LINES_A_SECOND {
            self.in_second += 1;
            info!(job.id = %self.job, line, "the command wrote to standard error");
        } else {
            self.dropped += 1;
        }
    }

    fn log_dropped(&mut self) {
        if self.dropped > 0 {
            info!(job.id = %self.job, lines = self.dropped, "dropped {} log lines of the command: at most {LINES_A_SECOND} a second are logged", self.dropped);
            self.dropped = 0;
        }
    }
}

/// The progress in this line, if it has the form `progress 40%` or `progress 120/400`, with optional text after it.
fn progress(line: &str) -> Option<String> {
    let text = line.strip_prefix("progress ")?.trim();
    let figures = text.split_whitespace().next()?;
    let number = |text: &str| {
        let digits = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u64>().ok()).flatten()
    };
    let legal = match (figures.strip_suffix('%'), figures.split_once('/')) {
        (Some(percent), _) => number(percent).is_some_and(|percent| percent <= 100),
        (None, Some((done, all))) => {
            matches!((number(done), number(all)), (Some(done), Some(all)) if done <= all)
        }
        (None, None) => false,
    };
    legal.then(|| short(text, PROGRESS_CHARS))
}

/// The first `chars` characters of a line, control characters replaced by spaces.
fn short(line: &str, chars: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let mut short: String = line.trim().chars().take(chars).map(clean).collect();
    if line.trim().chars().nth(chars).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_job::command::tests::job;

    #[test]
    fn lines_may_span_pieces_and_long_lines_are_cut() {
        let text = format!("one\n\ntwo\r\n{}\nlast \u{fc}", "x".repeat(10_000));
        for piece in [1, 2, 3, 100, 8_192, 20_000] {
            let (mut lines, mut heard) = (Lines::default(), Vec::new());
            for bytes in text.as_bytes().chunks(piece) {
                lines.feed(bytes, |line| heard.push(line.to_owned()));
            }
            lines.end(|line| heard.push(line.to_owned()));
            let long = "x".repeat(LINE_BYTES);
            assert_eq!(heard, ["one", "two", long.as_str(), "last \u{fc}"], "{piece}");
        }
    }

    #[test]
    fn only_the_documented_forms_are_progress() {
        let parsed = |line| progress(line).unwrap();
        assert_eq!(parsed("progress 40%"), "40%");
        assert_eq!(parsed("progress 120/400 resizing"), "120/400 resizing");
        assert_eq!(parsed("progress   0/0\tall \u{1b}[1mbold"), "0/0 all  [1mbold");
        assert_eq!(parsed(&format!("progress 1% {}", "x".repeat(200))).chars().count(), 101);
        for plain in [
            "progress",
            "progress ",
            "progress is good",
            "progress 101%",
            "progress -1%",
            "progress 5/4",
            "progress 1/2/3",
            "progress %",
            "Progress 40%",
            "in progress 40%",
            "progress 9999999999999999999999/1",
        ] {
            assert_eq!(progress(plain), None, "{plain}");
        }
    }

    #[tokio::test]
    async fn progress_lines_are_not_the_last_line() {
        let (job, progress) = (job("command = [\"cat\"]\n"), JobProgress::default());
        let mut reader = StderrReader::new(&job.id, &progress);
        reader.read(&b"progress 1/9\nKeyError: \x1b'x'\xff\nprogress 2/9 still\n \n"[..]).await;
        assert_eq!(reader.last(), Some("KeyError:  'x'\u{fffd}"));
        assert_eq!(progress.reported().as_deref(), Some("2/9 still"));
        reader.read(format!("{}\n", "y".repeat(1_000)).as_bytes()).await;
        assert_eq!(reader.last().unwrap().chars().count(), LAST_CHARS + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_lines_of_a_command_are_limited_by_the_second() {
        let (job, progress) = (job("command = [\"cat\"]\n"), JobProgress::default());
        let mut reader = StderrReader::new(&job.id, &progress);
        for _ in 0..1_000 {
            reader.line("again");
        }
        assert_eq!((reader.in_second, reader.dropped), (100, 900));
        tokio::time::advance(Duration::from_secs(1)).await;
        reader.line("again");
        assert_eq!((reader.in_second, reader.dropped), (1, 0));
    }
}
