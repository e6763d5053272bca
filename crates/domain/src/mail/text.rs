//! Texts from strangers, made safe to show.

use std::time::Duration;

/// On one line: line breaks, control characters and whatever else does not show, such as the marks that turn
/// the direction of writing, as visible escapes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => out.push(character),
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

/// As one word of a shell's command, whatever it holds; where quotes do not do, in the form that bash, zsh and ksh know.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '=' | '+' | ':' | ',' | '-' | '@')
    };
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    if text.chars().all(|c| c != '\'' && (c == ' ' || c.is_ascii_graphic())) {
        return format!("'{text}'");
    }
    let mut out = String::from("$'");
    for byte in text.bytes() {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' ' | b'!'..=b'~' => out.push(char::from(byte)),
            // Two digits: whatever follows is not taken for a third.
            other => out.push_str(&format!("\\x{other:02x}")),
        }
    }
    out.push('\'');
    out
}

/// At most `most` characters, with "..." in place of the middle: the end of a key says more than its middle.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let keep = most.saturating_sub(3);
    let tail = keep / 2;
    let head: String = text.chars().take(keep - tail).collect();
    let tail: String = text.chars().skip(count - tail).collect();
    format!("{head}...{tail}")
}

/// A duration as a person says it.
#[must_use]
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// `1234567` as `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            [0, 999, 1_000, 12_345, 1_234_567].map(grouped),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
    }
}
