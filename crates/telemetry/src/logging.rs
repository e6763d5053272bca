//! Logs: JSON lines on standard error, one object a line, fields escaped; and among them the lines of
//! [`metrics`].

use std::{fmt as text, io, sync::Arc};

use tracing::{
    Dispatch, Event, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    filter::{ParseError, Targets},
    fmt,
    fmt::{
        FmtContext, FormatEvent,
        format::{Format, Json, JsonFields, Writer},
    },
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::metrics;
use clock::Clock;
use domain::settings::{Settings, SettingsError, variables};

/// Sets up logging for a function or worker: `info` and above, or what `RUST_LOG` says, and metrics in any case. Functions
/// are built without what is below `info`. A second call changes nothing.
///
/// # Errors
/// [`SettingsError`] when the environment does not name the stack, which metrics carry. Logging is set up all the same, so
/// that this can be logged.
pub fn json(settings: &Settings) -> Result<(), SettingsError> {
    let levels = settings.optional(variables::RUST_LOG)?;
    let (filter, refused) = filter(levels.as_deref());
    let stack = settings.get(variables::STACK_NAME);
    let format = Lines {
        format: fmt::format().json().flatten_event(true).with_target(false).with_current_span(false),
        stack: stack.clone().unwrap_or_default(),
        clock: Clock::system(),
    };
    let output = fmt::layer().fmt_fields(JsonFields::new()).event_format(format).with_writer(io::stderr);
    // Refused where logging is set up already, as in a test that runs several programs in one process.
    drop(tracing_subscriber::registry().with(output).with(filter).try_init());
    if let Some(error) = refused {
        tracing::warn!(error = crate::causes(&error), "RUST_LOG is invalid: logging info and above");
    }
    stack.map(drop)
}

/// The filter that `RUST_LOG` asks for, or the usual one; and why its value is refused.
fn filter(levels: Option<&str>) -> (Targets, Option<ParseError>) {
    let usual = Targets::new().with_default(LevelFilter::INFO);
    let (filter, refused) = match levels.map(str::parse) {
        None => (usual, None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (usual, Some(error)),
    };
    (filter.with_target(metrics::TARGET, LevelFilter::TRACE), refused)
}

/// Hands the lines that [`json`] would write, `info` and above and without their times, to `take`: for a program that
/// runs within another, on its clock, whose lines are kept apart.
pub fn lines(stack: &str, clock: Clock, take: impl Fn(&str) + Send + Sync + 'static) -> Dispatch {
    let take: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(take);
    let format = fmt::format().json().flatten_event(true).with_target(false).with_current_span(false);
    let format = Lines { format: format.without_time(), stack: stack.to_owned(), clock };
    let output = fmt().fmt_fields(JsonFields::new()).event_format(format);
    let writer = move || Line(take.clone());
    Dispatch::new(output.with_max_level(LevelFilter::INFO).with_writer(writer).finish())
}

/// Formats an event as a line of log, and one that carries metrics as CloudWatch wants them.
struct Lines<T> {
    format: Format<Json, T>,
    stack: String,
    clock: Clock,
}

impl<S, T> FormatEvent<S, JsonFields> for Lines<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    T: fmt::time::FormatTime,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> text::Result {
        if event.metadata().target() != metrics::TARGET {
            return self.format.format_event(context, writer, event);
        }
        let mut document = Document(String::new());
        event.record(&mut document);
        writeln!(writer, "{}", metrics::line(&self.stack, self.clock.now(), &document.0))
    }
}

/// What an event that carries metrics says.
struct Document(String);

impl Visit for Document {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == metrics::FIELD {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn text::Debug) {}
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn info_and_above_are_logged_by_default() {
        let (usual, refused) = filter(None);
        assert!(refused.is_none());
        assert!(usual.would_enable("uploads", &Level::INFO));
        assert!(!usual.would_enable("uploads", &Level::DEBUG));
    }

    #[test]
    fn levels_are_set_by_target() {
        let (filter, refused) = filter(Some("warn,uploads=debug"));
        assert!(refused.is_none());
        assert!(filter.would_enable("uploads::batch", &Level::DEBUG));
        assert!(filter.would_enable("hyper", &Level::WARN));
        assert!(!filter.would_enable("hyper", &Level::INFO));
    }

    #[test]
    fn metrics_are_written_at_every_level() {
        for levels in [None, Some("off"), Some("error"), Some("uploads=loud")] {
            assert!(filter(levels).0.would_enable(metrics::TARGET, &Level::INFO), "{levels:?}");
        }
    }

    #[test]
    fn an_invalid_filter_is_reported_and_changes_nothing() {
        let (usual, refused) = filter(Some("uploads=loud"));
        assert!(refused.is_some());
        assert!(usual.would_enable("uploads", &Level::INFO));
        assert!(!usual.would_enable("uploads", &Level::DEBUG));
    }
}
