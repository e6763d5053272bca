//! From a value as Parquet stores it to a value of a record.

use std::fmt::{Display, LowerExp};

use ::parquet::data_type::{AsBytes, ByteArray, FixedLenByteArray, Int96};
use domain::record::{FIELD_BYTES, Value, number};
use half::f16;
use jiff::{Timestamp, tz::Offset};

use super::super::reason::{Reason, shown};

/// Why there is no such value in a record, and what is shown in its place.
pub(super) type Refused = (Reason, String);

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Integer,
    Unsigned,
    Float,
    Float16,
    Decimal { scale: i32 },
    Date,
    Time { unit: Unit, utc: bool },
    Timestamp { unit: Unit, utc: bool },
    Int96,
    Text,
    Uuid,
    Interval,
    Binary,
}

/// What a time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    fn per_second(self) -> i64 {
        match self {
            Self::Milliseconds => 1_000,
            Self::Microseconds => 1_000_000,
            Self::Nanoseconds => 1_000_000_000,
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Milliseconds => 3,
            Self::Microseconds => 6,
            Self::Nanoseconds => 9,
        }
    }
}

/// A value as the `parquet` crate decodes it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    Boolean(bool),
    Int32(i32),
    Int64(i64),
    Int96(&'a Int96),
    Float(f32),
    Double(f64),
    Bytes(&'a ByteArray),
    Fixed(&'a FixedLenByteArray),
}

/// Which of the values that are no numbers a pipeline reads as null.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NotFinite {
    nan: bool,
    infinity: bool,
    minus_infinity: bool,
}

impl NotFinite {
    pub(super) fn of(nulls: &[String]) -> Self {
        let has = |word| nulls.iter().any(|null| null == word);
        Self { nan: has("NaN"), infinity: has("Infinity"), minus_infinity: has("-Infinity") }
    }
}

/// The value of a record; `as_text` if its column is declared as one of text, which keeps what the table has no number
/// for.
pub(super) fn value(raw: Raw<'_>, kind: Kind, as_text: bool, nulls: NotFinite) -> Result<Value, Refused> {
    let value = match (kind, raw) {
        (_, Raw::Boolean(it)) => Value::Bool(it),
        (Kind::Integer, Raw::Int32(it)) => Value::Number(it.to_string()),
        (Kind::Integer, Raw::Int64(it)) => Value::Number(it.to_string()),
        (Kind::Unsigned, Raw::Int32(it)) => Value::Number(it.cast_unsigned().to_string()),
        (Kind::Unsigned, Raw::Int64(it)) => Value::Number(it.cast_unsigned().to_string()),
        (_, Raw::Float(it)) => float(it.is_nan(), it.into(), || shortest(it), as_text, nulls)?,
        (_, Raw::Double(it)) => float(it.is_nan(), it, || shortest(it), as_text, nulls)?,
        (Kind::Float16, Raw::Fixed(it)) => {
            let bytes = it.as_bytes().try_into().map_err(|_| odd())?;
            let it = f16::from_le_bytes(bytes);
            float(it.is_nan(), it.to_f64(), || shortest_f16(it), as_text, nulls)?
        }
        (Kind::Decimal { scale }, Raw::Int32(it)) => checked(scaled(it.to_string(), scale), as_text)?,
        (Kind::Decimal { scale }, Raw::Int64(it)) => checked(scaled(it.to_string(), scale), as_text)?,
        (Kind::Decimal { scale }, Raw::Bytes(it)) => checked(scaled(whole(it.data())?, scale), as_text)?,
        (Kind::Decimal { scale }, Raw::Fixed(it)) => checked(scaled(whole(it.data())?, scale), as_text)?,
        (Kind::Date, Raw::Int32(it)) => Value::Text(date(i64::from(it))?),
        (Kind::Date, Raw::Int64(it)) => Value::Text(date(it)?),
        (Kind::Time { unit, utc }, Raw::Int32(it)) => Value::Text(time_of_day(i64::from(it), unit, utc)?),
        (Kind::Time { unit, utc }, Raw::Int64(it)) => Value::Text(time_of_day(it, unit, utc)?),
        (Kind::Timestamp { unit, utc }, Raw::Int32(it)) => Value::Text(timestamp(i64::from(it), unit, utc)?),
        (Kind::Timestamp { unit, utc }, Raw::Int64(it)) => Value::Text(timestamp(it, unit, utc)?),
        (_, Raw::Int96(it)) => Value::Text(int96(it)?),
        (Kind::Text, Raw::Bytes(it)) => text(it.data())?,
        (Kind::Text, Raw::Fixed(it)) => text(it.data())?,
        (Kind::Uuid, Raw::Fixed(it)) => Value::Text(uuid(it.data())),
        (Kind::Interval, Raw::Fixed(it)) => Value::Text(interval(it.data())?),
        (_, Raw::Bytes(it)) => binary(it.data(), as_text)?,
        (_, Raw::Fixed(it)) => binary(it.data(), as_text)?,
        (_, Raw::Int32(it)) => Value::Number(it.to_string()),
        (_, Raw::Int64(it)) => Value::Number(it.to_string()),
    };
    Ok(match value {
        Value::Number(text) if as_text => Value::Text(text),
        Value::Bool(bool) if as_text => Value::Text(bool.to_string()),
        value => value,
    })
}

/// What is shown of a value that is refused.
pub(super) fn shown_raw(raw: Raw<'_>) -> Value {
    let lossy = |bytes: &[u8]| {
        const SHOWN_BYTES: usize = 256;
        String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_BYTES)]).into_owned()
    };
    Value::Text(match raw {
        Raw::Boolean(it) => it.to_string(),
        Raw::Int32(it) => it.to_string(),
        Raw::Int64(it) => it.to_string(),
        Raw::Int96(it) => format!("{:?}", it.data()),
        Raw::Float(it) => it.to_string(),
        Raw::Double(it) => it.to_string(),
        Raw::Bytes(it) => lossy(it.data()),
        Raw::Fixed(it) => lossy(it.data()),
    })
}

fn odd() -> Refused {
    (Reason::WrongType, "a value has another length than its type".to_owned())
}

fn float(
    nan: bool,
    wide: f64,
    text: impl Fn() -> String,
    as_text: bool,
    nulls: NotFinite,
) -> Result<Value, Refused> {
    let (word, null) = if nan {
        ("NaN", nulls.nan)
    } else if wide == f64::INFINITY {
        ("Infinity", nulls.infinity)
    } else if wide == f64::NEG_INFINITY {
        ("-Infinity", nulls.minus_infinity)
    } else {
        return checked(text(), as_text);
    };
    match (null, as_text) {
        (true, _) => Ok(Value::Null),
        (false, true) => Ok(Value::Text(word.to_owned())),
        (false, false) => Err((Reason::NotFinite, format!("{word} is no number of the table"))),
    }
}

/// A number, if the table holds it exactly.
fn checked(text: String, as_text: bool) -> Result<Value, Refused> {
    if !as_text && let Err(error) = number::check(&text) {
        return Err((Reason::NumberOutOfRange, format!("the number {} has {error}", shown(&text))));
    }
    Ok(Value::Number(text))
}

/// The shortest digits that are this number and no other of its type.
fn shortest<F: Display + LowerExp + PartialEq + Default>(it: F) -> String {
    if it == F::default() {
        // The table has one zero.
        return "0".to_owned();
    }
    let exponential = format!("{it:e}");
    let exponent: i32 = exponential.rsplit_once('e').and_then(|(_, it)| it.parse().ok()).unwrap_or_default();
    if (-7..=20).contains(&exponent) { format!("{it}") } else { exponential }
}

fn shortest_f16(it: f16) -> String {
    let wide = it.to_f64();
    // Five digits tell all numbers of half precision apart.
    let text = (0..5)
        .map(|digits| format!("{wide:.digits$e}"))
        .find(|text| text.parse::<f64>().is_ok_and(|back| f16::from_f64(back) == it));
    let text = text.unwrap_or_else(|| format!("{wide:e}"));
    // Plain digits, as the other types have them.
    text.parse::<f64>().map_or(text, shortest)
}

/// The decimal digits of an integer of any length, in two's complement with its high byte first.
fn whole(bytes: &[u8]) -> Result<String, Refused> {
    /// 10⁷⁷ and below, twice of what the table holds.
    const MOST_BYTES: usize = 32;
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let filler = if negative { 0xff } else { 0 };
    let start = bytes.iter().position(|byte| *byte != filler).unwrap_or(bytes.len());
    // A byte before it, so that the sign stays.
    let bytes = &bytes[start..];
    if bytes.len() > MOST_BYTES {
        let message = format!("a decimal takes {} bytes, more than 38 digits do", bytes.len());
        return Err((Reason::NumberOutOfRange, message));
    }
    if bytes.len() < 16 {
        let start = if negative { -1_i128 } else { 0 };
        let number = bytes.iter().fold(start, |number, byte| (number << 8) | i128::from(*byte));
        return Ok(number.to_string());
    }
    // The magnitude, from which nine digits are taken at a time.
    let mut magnitude: Vec<u8> = bytes.to_vec();
    if negative {
        let mut carry = true;
        for byte in magnitude.iter_mut().rev() {
            *byte = if carry { (!*byte).wrapping_add(1) } else { !*byte };
            carry &= *byte == 0;
        }
        if carry {
            magnitude.insert(0, 1);
        }
    }
    let mut groups = Vec::new();
    while magnitude.iter().any(|byte| *byte != 0) {
        let mut rest = 0_u64;
        for byte in &mut magnitude {
            let part = (rest << 8) | u64::from(*byte);
            *byte = (part / 1_000_000_000) as u8;
            rest = part % 1_000_000_000;
        }
        groups.push(rest);
    }
    let mut text = String::from(if negative { "-" } else { "" });
    for (at, group) in groups.iter().rev().enumerate() {
        text += &if at == 0 { group.to_string() } else { format!("{group:09}") };
    }
    Ok(if groups.is_empty() { "0".to_owned() } else { text })
}

/// `digits`, of which the last `scale` stand behind the point.
fn scaled(digits: String, scale: i32) -> String {
    let Ok(places) = usize::try_from(scale) else {
        return digits;
    };
    if places == 0 {
        return digits;
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.as_str()),
    };
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    format!("{sign}{whole}.{fraction}")
}

const SECONDS_OF_DAY: i64 = 86_400;

fn outside() -> Refused {
    (Reason::DateOutOfRange, "a date is outside the years 1 to 9999".to_owned())
}

fn date(days: i64) -> Result<String, Refused> {
    let seconds = days.checked_mul(SECONDS_OF_DAY).ok_or_else(outside)?;
    let at = Timestamp::from_second(seconds).map_err(|_| outside())?;
    let date = Offset::UTC.to_datetime(at).date();
    if date.year() < 1 {
        return Err(outside());
    }
    Ok(format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()))
}

fn timestamp(count: i64, unit: Unit, utc: bool) -> Result<String, Refused> {
    let per_second = unit.per_second();
    at(count.div_euclid(per_second), count.rem_euclid(per_second), unit, utc)
}

/// A moment by the seconds since 1970, and what is more than those in `unit`.
fn at(seconds: i64, fraction: i64, unit: Unit, utc: bool) -> Result<String, Refused> {
    let (days, seconds) = (seconds.div_euclid(SECONDS_OF_DAY), seconds.rem_euclid(SECONDS_OF_DAY));
    Ok(format!("{}T{}", date(days)?, clock(seconds, fraction, unit, utc)))
}

fn clock(seconds: i64, fraction: i64, unit: Unit, utc: bool) -> String {
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let zone = if utc { "Z" } else { "" };
    format!("{hours:02}:{minutes:02}:{seconds:02}.{fraction:0digits$}{zone}", digits = unit.digits())
}

fn time_of_day(count: i64, unit: Unit, utc: bool) -> Result<String, Refused> {
    let per_second = unit.per_second();
    let seconds = count.div_euclid(per_second);
    if !(0..SECONDS_OF_DAY).contains(&seconds) {
        let message = format!("{count} is no time of a day in {unit:?}").to_lowercase();
        return Err((Reason::DateOutOfRange, message));
    }
    Ok(clock(seconds, count.rem_euclid(per_second), unit, utc))
}

/// Nanoseconds of a Julian day. Whether they are of UTC is not said.
///
/// <https://github.com/apache/parquet-format/blob/master/Encodings.md>
fn int96(it: &Int96) -> Result<String, Refused> {
    const JULIAN_DAY_OF_1970: i64 = 2_440_588;
    const PER_SECOND: i64 = 1_000_000_000;
    let [low, high, day] = it.data() else { return Err(odd()) };
    let nanoseconds = ((u64::from(*high) << 32) | u64::from(*low)).cast_signed();
    let days = i64::from(*day) - JULIAN_DAY_OF_1970;
    let seconds = days * SECONDS_OF_DAY + nanoseconds.div_euclid(PER_SECOND);
    at(seconds, nanoseconds.rem_euclid(PER_SECOND), Unit::Nanoseconds, false)
}

fn too_large(bytes: &[u8]) -> Option<Refused> {
    (bytes.len() > FIELD_BYTES)
        .then(|| (Reason::FieldTooLarge, format!("a value takes {} bytes of {FIELD_BYTES}", bytes.len())))
}

fn text(bytes: &[u8]) -> Result<Value, Refused> {
    if let Some(refused) = too_large(bytes) {
        return Err(refused);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Value::Text(text.to_owned())),
        Err(error) => {
            Err((Reason::InvalidUtf8, format!("no UTF-8 at byte {} of the value", error.valid_up_to())))
        }
    }
}

fn binary(bytes: &[u8], as_text: bool) -> Result<Value, Refused> {
    if as_text {
        return text(bytes);
    }
    match too_large(bytes) {
        Some(refused) => Err(refused),
        None => Ok(Value::Binary(bytes.to_vec())),
    }
}

fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

/// Months, days and milliseconds, as ISO 8601 writes a duration: `P14M3DT0.250S`.
fn interval(bytes: &[u8]) -> Result<String, Refused> {
    let part = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_le_bytes).ok_or_else(odd)
    };
    let (months, days, milliseconds) = (part(0)?, part(4)?, part(8)?);
    Ok(format!("P{months}M{days}DT{}.{:03}S", milliseconds / 1_000, milliseconds % 1_000))
}
