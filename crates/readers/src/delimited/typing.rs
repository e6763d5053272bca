//! How fields are written as values: numbers, nulls, booleans.

use std::borrow::Cow;

use domain::pipelines::Delimited;
use domain::record::number::{self, NumberError};

/// What programs write for a missing value. In a column of numbers or booleans these are no values.
const USUAL_NULLS: [&str; 17] = [
    "\\N", "NULL", "null", "Null", "NaN", "nan", "NAN", "N/A", "n/a", "NA", "#N/A", "#NULL!", "<NA>", "None",
    "none", "nil", "<null>",
];

/// How a table's fields are written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Typing {
    nulls: Option<Vec<String>>,
    /// The decimal sign, if it is another than a dot.
    decimal: Option<char>,
    thousands: Option<char>,
}

impl Typing {
    pub(crate) fn of(said: &Delimited) -> Self {
        Self {
            nulls: said.nulls.clone(),
            decimal: said.decimal.filter(|sign| *sign != '.'),
            thousands: said.thousands,
        }
    }

    /// Whether a pipeline says that this field is null, whatever column it is in.
    pub(crate) fn is_null(&self, field: &str) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.iter().any(|null| null == field))
    }

    /// Whether the field stands for a missing value in a column of numbers or booleans.
    pub(crate) fn is_usual_null(&self, field: &str) -> bool {
        self.nulls.is_none() && is_usual_null(field)
    }

    /// [`number::check_plain`] for a field as this table writes numbers.
    pub(crate) fn check_plain(&self, field: &str) -> Result<(), NumberError> {
        match self.plain(field) {
            Some(plain) => number::check_plain(&plain),
            None => Err(NumberError::NotDecimal),
        }
    }

    /// The number as the table stores it.
    ///
    /// # Errors
    /// [`number::check`]'s.
    pub(crate) fn number<'a>(&self, field: &'a str) -> Result<Cow<'a, str>, NumberError> {
        let plain = self.plain(field).ok_or(NumberError::NotDecimal)?;
        number::check(&plain)?;
        Ok(plain)
    }

    /// The field with a dot as decimal sign and nothing between groups; nothing if it is not written so.
    fn plain<'a>(&self, field: &'a str) -> Option<Cow<'a, str>> {
        if self.decimal.is_none() && self.thousands.is_none() {
            return Some(Cow::Borrowed(field));
        }
        let decimal = self.decimal.unwrap_or('.');
        let (whole, part) = match field.split_once(decimal) {
            Some((whole, part)) => (whole, Some(part)),
            None => (field, None),
        };
        let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
        let digits = match self.thousands {
            Some(thousands) if digits.contains(thousands) => {
                let mut groups = digits.split(thousands);
                let first = groups.next().is_some_and(|group| (1..=3).contains(&group.len()));
                if !first || !groups.all(|group| group.len() == 3) {
                    return None;
                }
                Cow::Owned(digits.replace(thousands, ""))
            }
            _ => Cow::Borrowed(digits),
        };
        // A dot that is no decimal sign here must not become one.
        if digits.contains('.') || part.is_some_and(|part| part.contains(['.', ','])) {
            return None;
        }
        Some(Cow::Owned(match part {
            Some(part) => format!("{sign}{digits}.{part}"),
            None => format!("{sign}{digits}"),
        }))
    }
}

/// Whether programs write this for a missing value.
pub(crate) fn is_usual_null(field: &str) -> bool {
    (2..=6).contains(&field.len()) && USUAL_NULLS.contains(&field)
}

/// True or false, in any case.
pub(crate) fn boolean(field: &str) -> Option<bool> {
    match field.len() {
        4 if field.eq_ignore_ascii_case("true") => Some(true),
        5 if field.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing(decimal: char, thousands: Option<char>) -> Typing {
        Typing::of(&Delimited { decimal: Some(decimal), thousands, ..Delimited::default() })
    }

    #[test]
    fn numbers_are_read_as_the_pipeline_writes_them() {
        for (decimal, thousands, field, expected) in [
            (',', None, "1200,50", Some("1200.50")),
            (',', None, "-88,25", Some("-88.25")),
            (',', None, "7", Some("7")),
            (',', None, "1.5", None),
            (',', Some('.'), "1.234.567,89", Some("1234567.89")),
            (',', Some('.'), "1.5", None),
            (',', Some('.'), "12.34,5", None),
            (',', Some('.'), "1,2,3", None),
            ('.', Some(','), "1,234", Some("1234")),
            ('.', Some(','), "-1,234.5", Some("-1234.5")),
            ('.', Some(','), "12,34", None),
            ('.', Some('\u{a0}'), "1\u{a0}000", Some("1000")),
            ('.', Some('\''), "1'000", Some("1000")),
        ] {
            let read = typing(decimal, thousands).number(field).ok();
            assert_eq!(read.as_deref(), expected, "{field}");
        }
    }
}
