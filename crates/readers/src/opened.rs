//! An object whose beginning has been read: what it is, and how its rows are found.

use super::avro::Avro;
use super::delimited::Table;
use super::delimited::dialect::Dialect;
use super::delimited::names::row_shown;
use super::detect::{self, Container};
use super::format::{Encoding, Layout, Workbook};
use super::input::Input;
use super::json::build::{Builder, begins_like_an_exported_item, is_exported_item};
use super::json::evidence;
use super::json::lines::Lines;
use super::json::look::{Look, look};
use super::json::pointer::Pointer;
use super::json::values::Values;
use super::options::{Format, Options};
use super::parquet::{self, Parquet};
use super::preset;
use super::reason::{BadInput, ReadError, Reason};
use super::sheet;
use super::sniff;
use super::source::{Begun, Source};
use super::zip::{self, Archive, Contents};

/// How the rows are found in a text.
pub(super) enum Reader {
    Table(Box<Table>),
    Lines(Lines, Builder),
    Values(Box<Values>, Builder),
    Avro(Box<Avro>),
}

impl Reader {
    fn layout(&self) -> Layout {
        match self {
            Self::Table(table) => Layout::Delimited(table.dialect()),
            Self::Lines(_, builder) if builder.is_dynamodb() => Layout::DynamodbJson,
            Self::Lines(..) => Layout::JsonLines,
            Self::Values(values, _) if values.is_sequence() => Layout::JsonSequence,
            Self::Values(..) => Layout::Json,
            Self::Avro(_) => Layout::Avro,
        }
    }

    /// How the text of this reader differs from `next`, if both are not one kind of records.
    fn differs(&self, next: &Self) -> Option<String> {
        let is_json = |layout| matches!(layout, Layout::JsonLines | Layout::Json | Layout::JsonSequence);
        let (one, other) = (self.layout(), next.layout());
        match (self, next) {
            (Self::Table(table), Self::Table(next)) => (table.names() != next.names()).then(|| {
                let shown = |table: &Table| {
                    row_shown(&table.names().iter().map(|name| &**name).collect::<Vec<&str>>())
                };
                format!("the columns are {} in one and {} in the other", shown(table), shown(next))
            }),
            (Self::Avro(avro), Self::Avro(next)) => {
                (!avro.has_schema_of(next)).then(|| "their Avro schemas differ".to_owned())
            }
            _ if one == other || (is_json(one) && is_json(other)) => None,
            _ => Some("they are not of one format".to_owned()),
        }
    }
}

/// An object whose beginning has been read.
pub(super) enum Opened {
    Text(Box<Text>),
    Parquet(Box<Parquet>),
}

/// A text, or of an archive the present member, and how its rows are found in it.
pub(super) struct Text {
    pub(super) input: Input,
    pub(super) reader: Reader,
    archive: Option<Box<Archive>>,
    /// What the text is a sheet of, and how many bytes that has.
    workbook: Option<(Workbook, u64)>,
}

impl Opened {
    /// Begins to read. `layout` is that of an earlier reading, which settles how a table is written; without one it is
    /// found out.
    pub(super) async fn open(
        source: Source,
        options: &Options,
        layout: Option<Layout>,
    ) -> Result<Self, ReadError> {
        if layout == Some(Layout::Parquet) {
            let ranges = source.ranges(parquet::WHAT).await?;
            return Ok(Self::Parquet(Box::new(Parquet::open(ranges, options).await?)));
        }
        let begun = source.begin().await?;
        let container = detect::container(&begun.first, options.format)?;
        if let Some(entry) = &options.entry
            && container != Some(Container::Zip)
            && !begun.first.is_empty()
        {
            return Err(zip::not_picked(entry, "none").into());
        }
        match container {
            None => Ok(Self::Text(Box::new(Text::open(begun, options, layout, None).await?))),
            Some(Container::Parquet) => {
                let ranges = begun.into_ranges(parquet::WHAT).await?;
                Ok(Self::Parquet(Box::new(Parquet::open(ranges, options).await?)))
            }
            Some(Container::Compound) => {
                Err(sheet::compound::refusal(&begun.into_ranges("an old Office document").await?)
                    .await?
                    .into())
            }
            Some(Container::Zip) => match zip::open(begun, options.entry.as_ref()).await? {
                Contents::Members(archive) => Text::open_archive(archive, options, layout).await,
                Contents::Workbook(package, kind) => {
                    let options = sheet::options(options, kind)?;
                    let is_checked = matches!(layout, Some(Layout::Sheet(..)));
                    let length = package.length();
                    let begun = sheet::open(package, kind, &options, is_checked).await?;
                    Text::open(begun, &options, layout, Some((kind, length))).await
                }
            }
            .map(|text| Self::Text(Box::new(text))),
        }
    }

    /// How the text is laid out, as far as it has been read.
    pub(super) fn layout(&self) -> Layout {
        match self {
            Self::Text(text) => text.layout(),
            Self::Parquet(_) => Layout::Parquet,
        }
    }

    /// The raw bytes so far.
    pub(super) fn bytes_in(&self) -> u64 {
        match self {
            Self::Text(text) => match (&text.archive, text.workbook) {
                (Some(archive), _) => archive.bytes_in(),
                (None, Some((_, bytes))) => bytes,
                (None, None) => text.input.bytes_in,
            },
            Self::Parquet(parquet) => parquet.bytes_in(),
        }
    }

    /// What they were decompressed to.
    pub(super) fn bytes_out(&self) -> u64 {
        match self {
            Self::Text(text) => {
                text.archive.as_ref().map_or(0, |archive| archive.bytes_out()) + text.input.bytes_out
            }
            Self::Parquet(parquet) => parquet.bytes_out(),
        }
    }
}

impl Text {
    async fn open(
        begun: Begun,
        options: &Options,
        layout: Option<Layout>,
        workbook: Option<(Workbook, u64)>,
    ) -> Result<Self, ReadError> {
        let mut input = Input::open(begun, options).await?;
        let resolved =
            options.preset.map(|preset| preset::resolved(preset, options, input.chunk())).transpose()?;
        let options = resolved.as_ref().unwrap_or(options);
        let found = match layout {
            Some(Layout::Delimited(dialect) | Layout::Sheet(_, dialect)) => Found::Delimited(dialect),
            _ => Found::of(&input, options)?,
        };
        let reader = match found {
            Found::Delimited(dialect) => {
                let dialect = Dialect { is_sheet: workbook.is_some(), ..dialect };
                Reader::Table(Box::new(Table::open(&mut input, dialect, options).await?))
            }
            Found::Avro => Reader::Avro(Box::new(Avro::open(&mut input, options).await?)),
            Found::Lines(builder) => {
                let start = input.start();
                Reader::Lines(Lines::new(input.take_chunk(), 0, start), builder)
            }
            Found::Values { found_out, may_be_lines } => {
                let pointer = Pointer::parse(options.pointer.as_deref().unwrap_or_default())?;
                let values = Values::new(&mut input, pointer, found_out, may_be_lines);
                Reader::Values(
                    Box::new(values),
                    Builder::new(options.table.nulls.as_deref().unwrap_or_default()),
                )
            }
        };
        Ok(Self { input, reader, archive: None, workbook })
    }

    /// Opens the first member of an archive.
    async fn open_archive(
        mut archive: Box<Archive>,
        options: &Options,
        layout: Option<Layout>,
    ) -> Result<Self, ReadError> {
        if options.format == Format::Sheet {
            return Err(wrong_format(
                "is a zip archive that is no workbook, where the pipeline says format = \"sheet\"",
            )
            .into());
        }
        let begun = archive.next(0, 0).await?.ok_or_else(zip::empty)?;
        let text = Self::open(begun, options, layout, None).await.map_err(|error| archive.named(error))?;
        let mut text = Self { archive: Some(archive), ..text };
        text.name_rows();
        Ok(text)
    }

    fn layout(&self) -> Layout {
        match (self.reader.layout(), self.workbook) {
            (Layout::Delimited(dialect), Some((workbook, _))) => Layout::Sheet(workbook, dialect),
            (layout, _) => layout,
        }
    }

    /// The table, and where its text comes from; none if the text is no table.
    pub(super) fn table(&mut self) -> Option<(&mut Table, &mut Input)> {
        match &mut self.reader {
            Reader::Table(table) => Some((table, &mut self.input)),
            _ => None,
        }
    }

    /// Goes on to the next member of an archive, once all rows of the present one have been read; false behind the last, or
    /// if there is no archive.
    ///
    /// # Errors
    /// When the present text turns out to be no text of its encoding, or the next is of another kind.
    pub(super) async fn next_member(&mut self, options: &Options) -> Result<bool, ReadError> {
        self.input.verify().map_err(|bad| self.named(bad.into()))?;
        let Some(archive) = &mut self.archive else { return Ok(false) };
        let Some(begun) = archive.next(self.input.made(), self.input.bytes_out).await? else {
            return Ok(false);
        };
        // A table is written as the first one is. Its header tells whether it is another.
        let layout = Some(self.reader.layout()).filter(|layout| matches!(layout, Layout::Delimited(_)));
        let next = Self::open(begun, options, layout, None).await.map_err(|error| archive.named(error))?;
        if let Some(difference) = self.reader.differs(&next.reader) {
            let (first, other) = archive.names();
            return Err(zip::unlike(first, other, &difference).into());
        }
        self.input = next.input;
        match (&mut self.reader, next.reader) {
            (Reader::Table(table), Reader::Table(next)) => table.go_on(*next),
            (reader, next) => *reader = next,
        }
        self.name_rows();
        Ok(true)
    }

    fn name_rows(&mut self) {
        if let (Reader::Table(table), Some(archive)) = (&mut self.reader, &self.archive) {
            table.come_from(archive.member());
        }
    }

    /// The error, with the member of an archive that it was found in.
    pub(super) fn named(&self, error: ReadError) -> ReadError {
        match &self.archive {
            Some(archive) => archive.named(error),
            None => error,
        }
    }

    /// What the message of a refused row adds about the present member of an archive. A table adds it itself.
    pub(super) fn member(&self) -> Option<String> {
        let archive = self.archive.as_ref()?;
        (!matches!(self.reader, Reader::Table(_))).then(|| archive.member())
    }
}

/// What a text is, as its pipeline says or as its beginning shows.
enum Found {
    Delimited(Dialect),
    Lines(Builder),
    Values { found_out: bool, may_be_lines: bool },
    Avro,
}

impl Found {
    fn of(input: &Input, options: &Options) -> Result<Self, BadInput> {
        let (text, whole) = (input.chunk(), input.is_last());
        let is_avro = input.encoding == Encoding::Binary;
        match options.format {
            Format::Avro | Format::Auto if is_avro && options.pointer.is_none() => return Ok(Self::Avro),
            Format::Avro => {
                return Err(wrong_format("is no Avro file, which the pipeline names as its format"));
            }
            _ if is_avro => {
                return Err(wrong_format("is an Avro file, and its pipeline names another format"));
            }
            _ => {}
        }
        let delimited = || match options.preset {
            Some(preset) => match preset::dialect(preset) {
                Some(dialect) => Ok(Self::Delimited(dialect)),
                None => sniff::dialect(text, whole, options).map(Self::Delimited),
            },
            None => sniff::dialect(text, whole, options)
                .map(Self::Delimited)
                .map_err(|refused| preset::hinted(refused, text)),
        };
        let lines = || Self::Lines(Builder::new(options.table.nulls.as_deref().unwrap_or_default()));
        let declared = Self::Values { found_out: false, may_be_lines: false };
        Ok(match options.format {
            Format::Csv => return delimited(),
            Format::DynamodbJson => Self::Lines(Builder::dynamodb()),
            // They are none, or they would have been opened before.
            Format::Parquet => {
                return Err(wrong_format("is no Parquet file"));
            }
            Format::Sheet if options.delimiter.is_none() => {
                return Err(wrong_format("is no workbook, which the pipeline says by format = \"sheet\""));
            }
            Format::Sheet => return delimited(),
            Format::JsonLines if options.pointer.is_none() => lines(),
            Format::Json | Format::JsonLines => declared,
            Format::Auto if options.pointer.is_some() => declared,
            // An Avro file is known by its first bytes.
            Format::Auto | Format::Avro => match look(text, whole) {
                Look::Other => return delimited(),
                Look::Lines { first: Some(first) } | Look::Values { first: Some(first), .. }
                    if is_exported_item(first) =>
                {
                    Self::Lines(Builder::dynamodb())
                }
                Look::Values { may_be_lines: true, first: None } if begins_like_an_exported_item(text) => {
                    return Err(evidence::long_exported_item());
                }
                Look::Lines { .. } => lines(),
                Look::Values { may_be_lines, .. } => Self::Values { found_out: true, may_be_lines },
            },
        })
    }
}

fn wrong_format(what: &str) -> BadInput {
    BadInput::new(Reason::WrongFormat, format!("the object {what}"))
}
