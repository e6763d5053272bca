//! How numbers and durations are printed, and texts from strangers made safe to show.

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
pub(crate) fn quoted(text: &str) -> String {
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

/// The duration that a text such as `90s`, `15m`, `2h` or `7d` stands for.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// A duration as a person says it: `312 ms`, `4.2 s`, `2 min 5 s`, `3 h 20 min`.
#[must_use]
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
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

/// A number of things, as every message prints it: `1 record`, `1,234 records`, `0 entries`. `noun` is the singular; its
/// last word takes the plural.
#[must_use]
pub fn count(number: impl TryInto<u64>, noun: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        many => format!("{} {}", grouped(many), plural(noun)),
    }
}

/// The regular plural of an English noun.
fn plural(noun: &str) -> String {
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => {
            format!("{noun}es")
        }
        _ => format!("{noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{count, grouped, in_words};

    #[test]
    fn durations_have_their_unit() {
        let shown = [312, 4_200, 125_000, 12_000_000].map(|ms| in_words(Duration::from_millis(ms)));
        assert_eq!(shown, ["312 ms", "4.2 s", "2 min 5 s", "3 h 20 min"]);
    }

    #[test]
    fn one_thing_is_singular_and_any_other_number_is_plural() {
        assert_eq!(
            [0, 1, 2, 1_234].map(|n: u64| count(n, "field")),
            ["0 fields", "1 field", "2 fields", "1,234 fields"]
        );
        assert_eq!(
            ["entry", "day", "box", "class", "batch"].map(|noun| count(2_usize, noun)),
            ["2 entries", "2 days", "2 boxes", "2 classes", "2 batches"]
        );
        assert_eq!(["entry", "box"].map(|noun| count(1_u32, noun)), ["1 entry", "1 box"]);
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            [0, 999, 1_000, 12_345, 1_234_567].map(grouped),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
    }
}
