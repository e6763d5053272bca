//! What a field looks like: a number, a date, an address, or text.

use domain::record::number;

use super::super::delimited::typing::{boolean, is_usual_null};

/// What a field looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Empty,
    /// Digits with signs that numbers have in some country.
    Number,
    /// A date, a time or both.
    Time,
    Boolean,
    /// What stands for a missing value.
    Null,
    /// An e-mail address, a URL, a UUID, an IP address: no column is called so.
    Address,
    Text,
}

impl Class {
    /// Whether a column whose fields all are of this class is told from its name by it.
    pub(super) fn is_typed(self) -> bool {
        matches!(self, Self::Number | Self::Time | Self::Boolean | Self::Address)
    }
}

/// What the field looks like.
pub(super) fn class(field: &[u8]) -> Class {
    let Ok(text) = std::str::from_utf8(field.trim_ascii()) else { return Class::Text };
    if text.is_empty() {
        Class::Empty
    } else if is_usual_null(text) {
        Class::Null
    } else if boolean(text).is_some() {
        Class::Boolean
    } else if is_number(text) {
        Class::Number
    } else if is_time(text) {
        Class::Time
    } else if is_address(text) {
        Class::Address
    } else {
        Class::Text
    }
}

fn is_number(text: &str) -> bool {
    if number::is_plain(text) {
        return true;
    }
    let text = text.trim_start_matches(['-', '+', '$', '€', '£']).trim_end_matches(['%', '€', ' ']);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits > 0
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'\''))
        && text.starts_with(|first: char| first.is_ascii_digit())
        && text.ends_with(|last: char| last.is_ascii_digit())
        && text.split(['.', ',', '\'']).all(|group| !group.is_empty())
        && (is_number_by(text, ',') || is_number_by(text, '.') || digits == text.len())
}

/// Whether these are digits with one decimal sign at the most and groups of three before it.
fn is_number_by(text: &str, decimal: char) -> bool {
    let (whole, part) = text.split_once(decimal).unwrap_or((text, "0"));
    let mut groups = whole.split(['.', ',', '\'']);
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    let grouped = rest.peek().is_none() || (first.len() <= 3 && rest.all(|group| group.len() == 3));
    grouped && part.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(text: &str) -> bool {
    let legal = |byte: u8| {
        byte.is_ascii_digit() || matches!(byte, b'-' | b'/' | b':' | b'.' | b'T' | b'Z' | b'+' | b' ' | b',')
    };
    let separators = text.bytes().filter(|byte| matches!(byte, b'-' | b'/' | b':')).count();
    let dots = text.bytes().filter(|byte| *byte == b'.').count();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (4..=35).contains(&text.len())
        && digits >= 3
        && (separators >= 2
            || (separators == 1 && text.contains(':'))
            || (dots == 2 && (6..=8).contains(&digits)))
        && text.bytes().all(legal)
        && text.starts_with(|first: char| first.is_ascii_digit())
}

fn is_address(text: &str) -> bool {
    let is_mail = text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && host.contains('.')
            && !text.contains([' ', '@', ',']) | !host.contains(['@', ' ', ','])
    });
    let is_url = ["http://", "https://", "s3://", "ftp://"].iter().any(|start| text.starts_with(start));
    let is_uuid = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| {
            if matches!(at, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        });
    is_mail || is_url || is_uuid || text.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart() {
        for (class_of, fields) in [
            (
                Class::Number,
                &["7", "-1.5", "007", "12,50", "1.234.567,89", "1,234.5", "$12.50", "40%", "1e-7"][..],
            ),
            (
                Class::Time,
                &[
                    "2024-01-01",
                    "2024-03-05 08:00:00",
                    "10:00",
                    "05/03/2024",
                    "2026-05-03T08:00:00Z",
                    "01.02.2024",
                ],
            ),
            (Class::Boolean, &["true", "FALSE"]),
            (Class::Null, &["\\N", "NULL", "NaN", "N/A"]),
            (Class::Address, &["a@b.org", "https://a", "192.0.2.1", "123e4567-e89b-12d3-a456-426614174000"]),
            (Class::Text, &["bolt", "1,5;2", "id", "1.2.3-rc1", "A7", "Berg, Ida", "-", "5\" disk"]),
            (Class::Empty, &["", "  "]),
        ] {
            for field in fields {
                assert_eq!(class(field.as_bytes()), class_of, "{field}");
            }
        }
    }
}
