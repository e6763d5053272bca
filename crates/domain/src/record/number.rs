//! Numbers as exact decimal text: what is one, what the table can hold, and what it looks like there.

use std::borrow::Cow;

/// How many significant digits the table keeps, leading and trailing zeros not counted.
///
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
pub const DIGITS: usize = 38;

/// The exponent of the largest magnitude the table holds, 9.9…E+125.
pub const MAX_EXPONENT: i64 = 125;

/// The exponent of the smallest magnitude the table holds, 1E-130. Zero is fine.
pub const MIN_EXPONENT: i64 = -130;

/// Why a text is not a number the table can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// It is not a decimal number at all.
    #[error("not a decimal number")]
    NotDecimal,
    /// More than [`DIGITS`] significant digits.
    #[error("more than 38 significant digits")]
    TooManyDigits,
    /// Beyond 9.99E+125, on either side of zero.
    #[error("a magnitude above 9.99E+125")]
    TooLarge,
    /// Nearer to zero than 1E-130, without being zero.
    #[error("a magnitude below 1E-130")]
    TooSmall,
}

/// A decimal text taken apart. No digit is copied.
#[derive(Debug, Clone, Copy)]
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    dot: bool,
    exponent: i64,
    /// The exponent as written, with its sign; none without an `e`.
    written_exponent: Option<&'a [u8]>,
}

impl<'a> Decimal<'a> {
    /// An optional minus, digits with at most one dot among or before them, an optional exponent.
    fn parse(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, rest) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (whole, rest) = digits(rest);
        let (dot, fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = digits(rest);
                // A dot with nothing after it is punctuation, not a number.
                if fraction.is_empty() {
                    return None;
                }
                (true, fraction, rest)
            }
            rest => (false, &rest[..0], rest),
        };
        if whole.is_empty() && !dot {
            return None;
        }
        let (exponent, written_exponent) = match rest {
            [] => (0, None),
            [b'e' | b'E', written @ ..] => {
                let (minus, rest) = match written {
                    [b'-', rest @ ..] => (true, rest),
                    [b'+', rest @ ..] => (false, rest),
                    rest => (false, rest),
                };
                let (figures, rest) = digits(rest);
                if figures.is_empty() || !rest.is_empty() {
                    return None;
                }
                // Saturates: any exponent of more than 18 figures is far out of range.
                let size = figures
                    .iter()
                    .fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
                (if minus { -size } else { size }, Some(written))
            }
            _ => return None,
        };
        Some(Self { negative, whole, fraction, dot, exponent, written_exponent })
    }

    fn digits(&self) -> impl DoubleEndedIterator<Item = u8> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// How many digits are left without leading and trailing zeros.
    fn significant(&self) -> usize {
        let total = self.whole.len() + self.fraction.len();
        let leading = self.digits().take_while(|digit| *digit == b'0').count();
        if leading == total {
            return 0;
        }
        total - leading - self.digits().rev().take_while(|digit| *digit == b'0').count()
    }

    /// The exponent of the first digit that is not zero, as in `d.ddE±n`; none for zero.
    fn magnitude(&self) -> Option<i64> {
        let leading = self.digits().position(|digit| digit != b'0')?;
        let point = i64::try_from(self.whole.len()).ok()?;
        Some(self.exponent.saturating_add(point - 1 - i64::try_from(leading).ok()?))
    }

    fn check(&self) -> Result<(), NumberError> {
        let Some(magnitude) = self.magnitude() else { return Ok(()) };
        if self.significant() > DIGITS {
            Err(NumberError::TooManyDigits)
        } else if magnitude > MAX_EXPONENT {
            Err(NumberError::TooLarge)
        } else if magnitude < MIN_EXPONENT {
            Err(NumberError::TooSmall)
        } else {
            Ok(())
        }
    }
}

fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len()))
}

/// Whether the table can hold `text` as a number, exactly.
///
/// # Errors
/// What is in the way.
pub fn check(text: &str) -> Result<(), NumberError> {
    Decimal::parse(text).ok_or(NumberError::NotDecimal)?.check()
}

/// Whether a field of a table of text is plainly meant as a number.
///
/// An identifier must not become one, so: no plus, no spaces, no leading zeros (`007` is text, `0`, `0.5` and
/// `.097` are numbers), and an exponent counts only beside a dot or with a sign of its own (`1.5E10` and
/// `1e-7` are numbers, `12E4` is a part number). Says nothing about range: see [`check`].
#[must_use]
pub fn is_plain(text: &str) -> bool {
    check_plain(text) != Err(NumberError::NotDecimal)
}

/// [`check`] for a text that has to be a number as [`is_plain`] has it.
///
/// # Errors
/// [`NumberError::NotDecimal`] when it is not plainly a number, else what is in the way of the table.
pub fn check_plain(text: &str) -> Result<(), NumberError> {
    // The first byte rules out most fields that are no numbers.
    if !matches!(text.as_bytes(), [b'0'..=b'9' | b'-' | b'.', ..]) {
        return Err(NumberError::NotDecimal);
    }
    let decimal = Decimal::parse(text).ok_or(NumberError::NotDecimal)?;
    if matches!(decimal.whole, [b'0', _, ..]) {
        return Err(NumberError::NotDecimal);
    }
    match decimal.written_exponent {
        // So few digits are always in range.
        None if text.len() <= DIGITS => Ok(()),
        Some(written) if !decimal.dot && !matches!(written, [b'-' | b'+', ..]) => {
            Err(NumberError::NotDecimal)
        }
        _ => decimal.check(),
    }
}

/// How many bytes the number takes in an item: a byte for each two significant digits, one more, and one for a
/// minus. Text that is no number counts by its length.
#[must_use]
pub fn size_bytes(text: &str) -> usize {
    Decimal::parse(text).map_or(text.len(), |decimal| {
        decimal.significant().div_ceil(2) + 1 + usize::from(decimal.negative && decimal.significant() > 0)
    })
}

/// The one spelling of the number's value: no leading or trailing zeros, no exponent where plain digits do.
///
/// Equal numbers have equal canonical text, so keys and hashes are made of this.
///
/// # Errors
/// [`check`]'s.
pub fn canonical(text: &str) -> Result<String, NumberError> {
    let decimal = Decimal::parse(text).ok_or(NumberError::NotDecimal)?;
    decimal.check()?;
    let Some(magnitude) = decimal.magnitude() else { return Ok("0".to_owned()) };
    let significant: String = decimal
        .digits()
        .skip_while(|digit| *digit == b'0')
        .take(decimal.significant())
        .map(char::from)
        .collect();
    let count = i64::try_from(significant.len()).unwrap_or(i64::MAX);
    let sign = if decimal.negative { "-" } else { "" };
    // As many plain digits as a number can have; beyond that the zeros would be longer than the number.
    let plain = i64::try_from(DIGITS).unwrap_or(i64::MAX);
    Ok(if (0..plain).contains(&magnitude) {
        let point = usize::try_from(magnitude + 1).unwrap_or(usize::MAX);
        if count <= magnitude + 1 {
            format!("{sign}{significant}{}", "0".repeat(point - significant.len()))
        } else {
            format!("{sign}{}.{}", &significant[..point], &significant[point..])
        }
    } else if (-plain..0).contains(&magnitude) {
        let zeros = usize::try_from(-magnitude - 1).unwrap_or_default();
        format!("{sign}0.{}{significant}", "0".repeat(zeros))
    } else {
        let (first, rest) = significant.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{sign}{first}{dot}{rest}E{magnitude:+}")
    })
}

/// The number as JSON spells it: every digit kept, a missing zero before the dot added, leading zeros dropped.
/// Text that is no number comes back as it is.
pub(super) fn json_text(text: &str) -> Cow<'_, str> {
    let Some(decimal) = Decimal::parse(text) else { return Cow::Borrowed(text) };
    let (unsigned, sign) = match text.strip_prefix('-') {
        Some(rest) => (rest, "-"),
        None => (text, ""),
    };
    if decimal.whole.is_empty() {
        return Cow::Owned(format!("{sign}0{unsigned}"));
    }
    if matches!(decimal.whole, [b'0', _, ..]) {
        let zeros =
            decimal.whole[..decimal.whole.len() - 1].iter().take_while(|digit| **digit == b'0').count();
        return Cow::Owned(format!("{sign}{}", &unsigned[zeros..]));
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_not_taken_for_numbers() {
        for text in ["0", "-1", "0.5", ".097", "-.5", "12.50", "1.5E10", "1.5e10", "1e-7", "1E+7", "-0"] {
            assert!(is_plain(text), "{text}");
        }
        for text in [
            "", "-", ".", "-.", "5.", "007", "00", "-01", "00.5", "+1", "1_000", " 1", "1 ", "12E4", "1e",
            "1e-", "1.5E", "0x10", "1,5", "1.2.3", "NaN", "inf", "--1", "1-", "٣", "1e7.5", ".e5",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }

    #[test]
    fn the_tables_limits_are_told_apart() {
        let digits = "9".repeat(38);
        for text in [
            digits.as_str(),
            &format!("000{digits}000"),
            &format!("-0.{digits}"),
            "0",
            "-0.000",
            "0e999999999999999999999",
            "9.9999999999999999999999999999999999999E+125",
            "1E-130",
            "1E125",
            "10E124",
            "0.001E128",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for (text, error) in [
            (format!("{digits}1"), NumberError::TooManyDigits),
            ("1E126".to_owned(), NumberError::TooLarge),
            ("10E125".to_owned(), NumberError::TooLarge),
            ("-1E126".to_owned(), NumberError::TooLarge),
            ("1E-131".to_owned(), NumberError::TooSmall),
            ("0.1E-130".to_owned(), NumberError::TooSmall),
            ("1e99999999999999999999999999".to_owned(), NumberError::TooLarge),
            ("1e-99999999999999999999999999".to_owned(), NumberError::TooSmall),
            ("one".to_owned(), NumberError::NotDecimal),
            (String::new(), NumberError::NotDecimal),
        ] {
            assert_eq!(check(&text), Err(error), "{text}");
            assert_eq!(canonical(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn equal_numbers_have_one_canonical_text() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("0e5", "0"),
            ("007", "7"),
            (".097", "0.097"),
            ("-1.50", "-1.5"),
            ("1e3", "1000"),
            ("1.5E10", "15000000000"),
            ("123.456e1", "1234.56"),
            ("1e-7", "0.0000001"),
            ("1e37", "10000000000000000000000000000000000000"),
            ("1e38", "1E+38"),
            ("-12.5e120", "-1.25E+121"),
            ("1.5e-130", "1.5E-130"),
            ("100", "100"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
            assert_eq!(canonical(expected).as_deref(), Ok(expected), "{text} again");
        }
    }

    #[test]
    fn json_spelling_changes_no_value() {
        for (text, expected) in [
            ("0.0", "0.0"),
            (".5", "0.5"),
            ("-.5e3", "-0.5e3"),
            ("007", "7"),
            ("-000.10", "-0.10"),
            ("1E5", "1E5"),
        ] {
            assert_eq!(json_text(text), expected);
            assert!(serde_json::from_str::<serde_json::Number>(expected).is_ok());
        }
    }
}
