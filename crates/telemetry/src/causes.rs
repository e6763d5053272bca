//! How an error is logged: with all its causes, in one field of one line.

use std::error::Error;

/// An error with its chain of causes, separated by colons. AWS's sentence, such as who lacks which permission, is a
/// cause and not the error itself, and a JSON log line that is given the error alone drops it.
///
/// A cause whose words already stand there, as where an error repeats its source in its own text, is left out.
///
/// ```
/// let missing = std::io::Error::other("no such file");
/// assert_eq!(telemetry::causes(&missing), "no such file");
/// ```
#[must_use]
pub fn causes(error: &dyn Error) -> String {
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

/// Logs that an invocation of a function failed, and returns the causes for Lambda, which would keep only the error's
/// own words. Lambda's runtime logs nothing of an error that a handler returns.
#[must_use]
pub fn failed_invocation(error: &dyn Error) -> String {
    let causes = causes(error);
    tracing::error!(error = causes, "the invocation failed");
    causes
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[derive(Debug)]
    struct Wrapped(&'static str, io::Error);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn every_cause_stands_there_once() {
        let denied = || io::Error::other("access denied");
        assert_eq!(causes(&Wrapped("failed to read", denied())), "failed to read: access denied");
        assert_eq!(causes(&Wrapped("failed: access denied", denied())), "failed: access denied");
        let twice = io::Error::other(Wrapped("failed to read", denied()));
        assert_eq!(causes(&twice), "failed to read: access denied");
    }
}
