//! What a process or a container writes, line by line into its log stream.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::services::logs::{LINE_BYTES, LogStream};

/// How long output is still read after the process has ended, in case a child of it holds the pipe open.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Copies lines until the end of the output; the rest of a line beyond [`LINE_BYTES`] is dropped.
pub(super) async fn copy_lines(output: impl AsyncRead + Unpin, logs: LogStream) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while let Ok(buffer) = output.fill_buf().await {
        if buffer.is_empty() {
            break;
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let taken = end.unwrap_or(buffer.len());
        let room = LINE_BYTES - line.len();
        line.extend_from_slice(&buffer[..taken.min(room)]);
        output.consume(end.map_or(taken, |end| end + 1));
        if end.is_some() {
            logs.push(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        logs.push(&String::from_utf8_lossy(&line));
    }
}
