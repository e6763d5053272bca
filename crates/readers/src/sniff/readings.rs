//! Every way to read a text as a table, to show how clear the best one is.

use super::super::delimited::dialect::Dialect;
use super::super::detect::{self, Container};
use super::super::input::Input;
use super::super::options::Options;
use super::super::reason::ReadError;
use super::super::source::Source;
use super::super::zip::{self, Contents};
use super::delimiters::{COMMON, RARE, after_lines, rivals};
use super::reading::{self, Look, Reading};

/// A way to read a text as a table, and how well it fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredReading {
    /// How the text is read.
    pub dialect: Dialect,
    /// How many fields its header has.
    pub fields: usize,
    /// The share of rows with as many fields, by the share of fields that are whole by themselves: 1 if all are.
    pub score: f64,
}

/// The ways to read the first 64 KiB of the text in `source` that make columns: one for each delimiter, the best first.
/// None for what is no text. Of a zip archive, those of its first file.
///
/// # Errors
/// When the beginning cannot be received, or is not what the options say.
pub async fn readings(source: impl Into<Source>, options: &Options) -> Result<Vec<ScoredReading>, ReadError> {
    let mut begun = source.into().begin().await?;
    if detect::container(&begun.first, options.format)? == Some(Container::Zip) {
        begun = match zip::open(begun, options.entry.as_ref()).await? {
            Contents::Members(mut archive) => archive.next(0, 0).await?.ok_or_else(zip::empty)?,
            Contents::Workbook(..) => return Ok(Vec::new()),
        };
    }
    let input = Input::open(begun, options).await?;
    Ok(of_text(input.chunk(), input.is_last(), options))
}

fn of_text(text: &[u8], whole: bool, options: &Options) -> Vec<ScoredReading> {
    let below = &text[after_lines(text, options.table.skip_lines.unwrap_or_default())..];
    let rivals = rivals(below);
    let look = Look { text: below, whole, options, rivals: &rivals };
    let declared =
        options.delimiter.filter(|declared| !COMMON.contains(declared) && !RARE.contains(declared));
    let delimiters = COMMON.into_iter().chain(RARE).chain(declared);
    let present = delimiters.filter(|delimiter| memchr::memchr(*delimiter, below).is_some());
    let readings = present.filter_map(|delimiter| reading::best(look, delimiter));
    let mut scored: Vec<ScoredReading> = readings
        .filter(reading::has_columns)
        .map(|Reading { dialect, width, score, .. }| ScoredReading { dialect, fields: width, score })
        .collect();
    scored.sort_by(|one, other| other.score.total_cmp(&one.score));
    scored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_best_reading_is_shown_with_its_score() {
        let of = async |text: &'static str| {
            let found = readings(text.as_bytes(), &Options::default()).await.unwrap();
            found.iter().map(|it| (it.dialect.delimiter.map(char::from), it.fields)).collect::<Vec<_>>()
        };
        assert_eq!(of("id,n\n1,2\n3,4\n").await, [(Some(','), 2)]);
        let text = "id;price\n1;2,50\n2;3,75\n3;4,00\n";
        assert_eq!(of(text).await, [(Some(';'), 2)]);
        let text = "name;note, place\nann;a, b\nbob;c, d\n";
        let found = readings(text.as_bytes(), &Options::default()).await.unwrap();
        assert_eq!((found[0].dialect.delimiter, found[0].score), (Some(b';'), 1.0));
        assert_eq!((found[1].dialect.delimiter, found[1].fields), (Some(b','), 2));
        assert!(found[1].score < 0.6, "half of its fields hold the other delimiter: {}", found[1].score);
        assert_eq!(of("no table\n").await, []);
    }
}
