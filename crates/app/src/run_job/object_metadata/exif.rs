//! The size in an image's header, and the EXIF fields that cameras write.

use std::io::Cursor;

use ::exif::{Exif, In, Rational, Tag, Value as ExifValue};
use domain::record::Record;
use jiff::civil;

use super::values::{number, text};

/// The longest camera name that is kept. Real names are shorter.
const NAME_CHARS: usize = 100;

/// The fields found in the first bytes of an image. Missing and invalid fields are left out.
pub(super) fn fields(header: &[u8]) -> Record {
    let mut record = Record::new();
    if let Ok(size) = imagesize::blob_size(header) {
        record.push(("width".into(), number(size.width)));
        record.push(("height".into(), number(size.height)));
    }
    let mut reader = ::exif::Reader::new();
    reader.continue_on_error(true);
    let read = reader.read_from_container(&mut Cursor::new(header));
    // A broken field does not hide the others.
    let Ok(exif) = read.or_else(|error| error.distill_partial_result(|_| ())) else { return record };
    let fields = [
        ("taken_at", taken_at(&exif).map(text)),
        ("camera", camera(&exif).map(text)),
        ("orientation", orientation(&exif).map(number)),
    ];
    record.extend(fields.into_iter().filter_map(|(name, value)| Some((name.into(), value?))));
    if let (Some(latitude), Some(longitude)) = (latitude(&exif), longitude(&exif)) {
        record.push(("latitude".into(), number(latitude)));
        record.push(("longitude".into(), number(longitude)));
    }
    record
}

/// When the picture was taken: local time, followed by the offset from UTC if the camera stored one.
fn taken_at(exif: &Exif) -> Option<String> {
    let time = ::exif::DateTime::from_ascii(ascii(exif, Tag::DateTimeOriginal)?).ok()?;
    let part = |part: u8| i8::try_from(part).ok();
    let at = civil::DateTime::new(
        i16::try_from(time.year).ok()?,
        part(time.month)?,
        part(time.day)?,
        part(time.hour)?,
        part(time.minute)?,
        part(time.second)?,
        0,
    )
    .ok()?;
    let offset = ascii(exif, Tag::OffsetTimeOriginal).and_then(|offset| std::str::from_utf8(offset).ok());
    let offset = offset.map(str::trim).filter(|offset| is_offset(offset)).unwrap_or_default();
    Some(format!("{at}{offset}"))
}

/// Whether this is an offset from UTC such as `+02:00`.
fn is_offset(text: &str) -> bool {
    let sign = text.starts_with(['+', '-']);
    let figures = |at: std::ops::Range<usize>, most: u8| {
        text.get(at).and_then(|figures| figures.parse::<u8>().ok()).is_some_and(|figures| figures <= most)
    };
    sign && text.len() == 6 && text.get(3..4) == Some(":") && figures(1..3, 14) && figures(4..6, 59)
}

/// Maker and model of the camera. Many makers repeat their name in the model.
fn camera(exif: &Exif) -> Option<String> {
    let name = |tag| {
        let name = String::from_utf8_lossy(ascii(exif, tag)?).into_owned();
        let clean: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
        Some(clean.trim().to_owned()).filter(|name| !name.is_empty())
    };
    match (name(Tag::Make), name(Tag::Model)) {
        (Some(make), Some(model)) if !model.starts_with(&make) => Some(format!("{make} {model}")),
        (make, model) => model.or(make),
    }
}

/// The EXIF orientation, 1 to 8.
fn orientation(exif: &Exif) -> Option<u32> {
    let field = exif.get_field(Tag::Orientation, In::PRIMARY)?;
    field.value.get_uint(0).filter(|turn| (1..=8).contains(turn))
}

fn latitude(exif: &Exif) -> Option<String> {
    degrees(exif, Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S', 90)
}

fn longitude(exif: &Exif) -> Option<String> {
    degrees(exif, Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W', 180)
}

/// Degrees, minutes and seconds as a decimal, without passing through a float.
fn degrees(exif: &Exif, tag: Tag, side: Tag, negative: u8, most: u128) -> Option<String> {
    /// Six places are a tenth of a metre.
    const PLACES: u128 = 1_000_000;
    let ExifValue::Rational(parts) = &exif.get_field(tag, In::PRIMARY)?.value else { return None };
    let mut nano = 0;
    for (part, unit) in parts.iter().zip([1, 60, 3_600]) {
        let Rational { num, denom } = *part;
        nano +=
            u128::from(num) * PLACES * 1_000 / u128::from(denom).checked_mul(unit).filter(|it| *it > 0)?;
    }
    let micro = (nano + 500) / 1_000;
    if parts.is_empty() || micro > most * PLACES {
        return None;
    }
    let sign = if ascii(exif, side)?.first() == Some(&negative) && micro > 0 { "-" } else { "" };
    Some(format!("{sign}{}.{:06}", micro / PLACES, micro % PLACES))
}

fn ascii(exif: &Exif, tag: Tag) -> Option<&[u8]> {
    let ExifValue::Ascii(texts) = &exif.get_field(tag, In::PRIMARY)?.value else { return None };
    texts.first().map(Vec::as_slice)
}
