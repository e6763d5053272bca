//! What a command says on standard error, line by line: log lines, how far it is, and the last word.

use std::time::Duration;

use domain::job::JobId;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::Instant,
};
use tracing::info;

use crate::run_job::job_progress::Doing;

/// How much of one line is heard; the rest of it is left out.
const LINE_BYTES: usize = 4 << 10;

/// How many lines a second are logged: a log is paid for by the byte, and a command may loop. How many were left out is
/// logged.
const LINES_A_SECOND: u32 = 100;

/// How much of its last line goes into a reason, and so into a mail.
const LAST_CHARS: usize = 300;

/// How much is kept of how far it says it is.
const PROGRESS_CHARS: usize = 100;

/// Cuts bytes into lines, of each of which it holds no more than [`LINE_BYTES`].
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
            let room = LINE_BYTES - self.line.len();
            self.line.extend_from_slice(&text[..text.len().min(room)]);
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

/// What is heard of a command.
#[derive(Debug)]
pub(super) struct Words<'d> {
    job: &'d JobId,
    doing: &'d Doing,
    last: Option<String>,
    second: Instant,
    in_second: u32,
    left_out: u64,
}

impl<'d> Words<'d> {
    pub(super) fn new(job: &'d JobId, doing: &'d Doing) -> Self {
        Self { job, doing, last: None, second: Instant::now(), in_second: 0, left_out: 0 }
    }

    /// The last line that was no progress, short enough for a reason.
    pub(super) fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Hears all there is until the command and its children have closed their standard error.
    pub(super) async fn hear(&mut self, mut stderr: impl AsyncRead + Unpin) {
        let (mut lines, mut buffer) = (Lines::default(), vec![0; 8 << 10]);
        // That it cannot be heard any more is no fault of the work.
        while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
            lines.feed(&buffer[..read], |line| self.line(line));
        }
        lines.end(|line| self.line(line));
        self.tell_left_out();
    }

    fn line(&mut self, line: &str) {
        if let Some(progress) = progress(line) {
            self.doing.is_at(progress);
            return;
        }
        self.last = Some(short(line, LAST_CHARS));
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.tell_left_out();
            (self.second, self.in_second) = (Instant::now(), 0);
        }
        if self.in_second < LINES_A_SECOND {
            self.in_second += 1;
            info!(job.id = %self.job, line, "the command says");
        } else {
            self.left_out += 1;
        }
    }

    fn tell_left_out(&mut self) {
        if self.left_out > 0 {
            info!(job.id = %self.job, lines = self.left_out, "the command says more than is logged");
            self.left_out = 0;
        }
    }
}

/// How far the command is, if this line tells it: `progress 40%` or `progress 120/400`, and words after it if it likes.
fn progress(line: &str) -> Option<String> {
    let told = line.strip_prefix("progress ")?.trim();
    let figures = told.split_whitespace().next()?;
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
    legal.then(|| short(told, PROGRESS_CHARS))
}

/// The beginning of a line, on one line.
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
    fn lines_are_cut_wherever_the_pieces_end_and_long_ones_lose_their_ends() {
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
        let told = |line| progress(line).unwrap();
        assert_eq!(told("progress 40%"), "40%");
        assert_eq!(told("progress 120/400 resizing"), "120/400 resizing");
        assert_eq!(told("progress   0/0\tall \u{1b}[1mbold"), "0/0 all  [1mbold");
        assert_eq!(told(&format!("progress 1% {}", "x".repeat(200))).chars().count(), 101);
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
    async fn the_last_line_is_the_last_that_is_no_progress() {
        let (job, doing) = (job("command = [\"cat\"]\n"), Doing::default());
        let mut words = Words::new(&job.id, &doing);
        words.hear(&b"progress 1/9\nKeyError: \x1b'x'\xff\nprogress 2/9 still\n \n"[..]).await;
        assert_eq!(words.last(), Some("KeyError:  'x'\u{fffd}"));
        assert_eq!(doing.progress().as_deref(), Some("2/9 still"));
        words.hear(format!("{}\n", "y".repeat(1_000)).as_bytes()).await;
        assert_eq!(words.last().unwrap().chars().count(), LAST_CHARS + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_never_stops_talking_is_not_all_logged() {
        let (job, doing) = (job("command = [\"cat\"]\n"), Doing::default());
        let mut words = Words::new(&job.id, &doing);
        for _ in 0..1_000 {
            words.line("again");
        }
        assert_eq!((words.in_second, words.left_out), (100, 900));
        tokio::time::advance(Duration::from_secs(1)).await;
        words.line("again");
        assert_eq!((words.in_second, words.left_out), (1, 0));
    }
}
