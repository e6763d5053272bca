//! Logs: JSON lines on standard error, one object a line, fields escaped.

use std::{io, sync::Arc};

use tracing::{Dispatch, level_filters::LevelFilter};
use tracing_subscriber::{EnvFilter, fmt};

/// Sets up logging for a function or worker: `info` and above, or what `RUST_LOG` says. A second call changes
/// nothing.
pub fn json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let format = fmt().json().flatten_event(true).with_target(false).with_current_span(false);
    // Refused where logging is set up already, as in a test that runs several programs in one process.
    drop(format.with_env_filter(filter).with_writer(std::io::stderr).try_init());
}

/// Hands the lines that [`json`] would write, `info` and above and without their times, to `take`: for a program that
/// runs within another, whose lines are kept apart.
pub fn lines(take: impl Fn(&str) + Send + Sync + 'static) -> Dispatch {
    let take: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(take);
    let format = fmt().json().flatten_event(true).with_target(false).with_current_span(false).without_time();
    let writer = move || Line(take.clone());
    Dispatch::new(format.with_max_level(LevelFilter::INFO).with_writer(writer).finish())
}

/// A line on its way: the formatter writes each in one piece.
struct Line(Arc<dyn Fn(&str) + Send + Sync>);

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error with its whole chain of causes in one line, each said once.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}
