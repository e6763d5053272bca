//! Filter patterns for lines of text: which events `FilterLogEvents` finds.
//!
//! | pattern | finds lines that hold |
//! | --- | --- |
//! | `ERROR claimed` | both terms |
//! | `"not done"` | the phrase |
//! | `?ERROR ?WARN` | at least one of them |
//! | `ERROR -retried` | the one and not the other |
//!
//! Case counts. Beside other terms, those with `?` say nothing, as on AWS. What selects by the fields of JSON or of
//! columns, and regular expressions, are refused and not misunderstood.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>

use crate::wire::ApiError;

/// The longest pattern.
const MAX_CHARS: usize = 1_024;

/// A pattern that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pattern {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; an empty one finds every line.
    ///
    /// # Errors
    /// `InvalidParameterException` for what is no pattern of terms.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.chars().count() > MAX_CHARS {
            return Err(invalid(format!("filterPattern has more than {MAX_CHARS} characters.")));
        }
        let mut rest = text.trim_start();
        match rest.chars().next() {
            Some('{' | '[') => {
                return Err(invalid(
                    "The local cloud knows filter patterns of terms, such as \"not done\" ?ERROR -retried, and none that \
                     select by fields: search for a phrase.",
                ));
            }
            Some('%') => {
                let message =
                    "The local cloud knows no regular expressions in filter patterns: search for a phrase.";
                return Err(invalid(message));
            }
            _ => {}
        }
        let mut pattern = Self::default();
        while !rest.is_empty() {
            let (into, after) = match rest.chars().next() {
                Some('?') => (&mut pattern.any, &rest[1..]),
                Some('-') => (&mut pattern.none, &rest[1..]),
                _ => (&mut pattern.all, rest),
            };
            let (term, after) = term(after)?;
            into.push(term);
            rest = after.trim_start();
        }
        if !pattern.all.is_empty() || !pattern.none.is_empty() {
            pattern.any.clear();
        }
        Ok(pattern)
    }

    /// Whether this line is found.
    pub(super) fn finds(&self, line: &str) -> bool {
        self.all.iter().all(|term| line.contains(term))
            && (self.any.is_empty() || self.any.iter().any(|term| line.contains(term)))
            && !self.none.iter().any(|term| line.contains(term))
    }
}

/// The first term or quoted phrase, and what follows it.
fn term(text: &str) -> Result<(String, &str), ApiError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (term, rest) = text.split_at(end);
        let plain = |c: char| c.is_alphanumeric() || c == '_';
        return match term {
            "" => Err(invalid("Invalid filter pattern: ? and - want a term right after them.")),
            _ if !term.chars().all(plain) => {
                Err(invalid(format!("Invalid character(s) in term {term:?}: put it in double quotes.")))
            }
            _ => Ok((term.to_owned(), rest)),
        };
    };
    let (mut phrase, mut escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match character {
            '"' if !escaped && phrase.is_empty() => {
                return Err(invalid("Invalid filter pattern: an empty phrase."));
            }
            '"' if !escaped => return Ok((phrase, &quoted[at + 1..])),
            '\\' if !escaped => escaped = true,
            other => {
                // Only a quote and a backslash are anything else behind a backslash.
                if escaped && !matches!(other, '"' | '\\') {
                    phrase.push('\\');
                }
                phrase.push(other);
                escaped = false;
            }
        }
    }
    Err(invalid("Invalid filter pattern: a phrase without its closing quote."))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::client("InvalidParameterException", message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, line: &str) -> bool {
        Pattern::parse(pattern).unwrap().finds(line)
    }

    #[test]
    fn terms_phrases_alternatives_and_exclusions() {
        let line = r#"{"level":"WARN","message":"leaving the job","job.id":"ab12","reason":"bad \"quote\""}"#;
        for (pattern, found) in [
            ("", true),
            ("  ", true),
            ("WARN", true),
            ("warn", false),
            ("WARN leaving", true),
            ("WARN claimed", false),
            ("\"leaving the job\"", true),
            ("\"the leaving\"", false),
            ("\"ab12\" WARN", true),
            ("?ERROR ?WARN", true),
            ("?ERROR ?\"not there\"", false),
            ("WARN -leaving", false),
            ("WARN -claimed", true),
            ("-\"leaving the job\"", false),
            // Beside another term, an alternative says nothing.
            ("WARN ?nowhere", true),
            (r#""bad \\\"quote""#, true),
        ] {
            assert_eq!(finds(pattern, line), found, "{pattern}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (pattern, says) in [
            ("{ $.level = \"WARN\" }", "select by fields"),
            (" [a, b]", "select by fields"),
            ("%WARN|ERROR%", "regular expressions"),
            ("job.id", "double quotes"),
            ("a (b)", "double quotes"),
            ("? a", "right after"),
            ("-", "right after"),
            ("\"\"", "empty phrase"),
            ("\"open", "closing quote"),
            (&"x ".repeat(600), "more than 1024"),
        ] {
            let error = Pattern::parse(pattern).unwrap_err();
            assert_eq!(error.code, "InvalidParameterException");
            assert!(error.message.contains(says), "{pattern}: {}", error.message);
        }
    }
}
