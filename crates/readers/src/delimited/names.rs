//! The names of a table's columns: those of its header row, given ones, or numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::manifest::REPAIRED;
use domain::pipelines::{self, Delimited, Header, Preset, PresetNames};
use domain::record::NAME_BYTES;
use domain::text::{count, grouped};

use super::super::options::{Limits, RESERVED_NAMES};
use super::super::reason::{BadInput, Reason, shown};

/// The names, and how many columns without a name stand behind them.
#[derive(Debug, Default)]
pub(super) struct ColumnNames {
    pub(super) names: Vec<Arc<str>>,
    /// These are none if no row has a value there.
    pub(super) spare: usize,
    /// The row they were taken from is a record.
    pub(super) row_is_data: bool,
}

/// The names of columns, from the first row's fields and what the pipeline says. Where rows are repaired, `repairing` is
/// how many fields nearly all rows have if it is another number, or 0.
pub(super) fn of_row(
    fields: &[&[u8]],
    said: &Delimited,
    preset: Option<Preset>,
    limits: &Limits,
    repairing: Option<usize>,
) -> Result<ColumnNames, BadInput> {
    if fields.len() > limits.columns {
        return Err(BadInput::new(
            Reason::TooManyColumns,
            format!("{}; at most {} are read", count(fields.len(), "column"), grouped(limits.columns as u64)),
        ));
    }
    if let Some(preset) = preset
        && let Some(PresetNames::Known { names, least }) = preset.table().map(|table| table.names)
    {
        return known(fields.len(), preset, names, least);
    }
    match &said.header {
        Some(Header::Names(names)) => Ok(ColumnNames {
            names: names.iter().map(|name| Arc::from(name.as_str())).collect(),
            spare: 0,
            row_is_data: true,
        }),
        Some(Header::InFirstRow(false)) => Ok(ColumnNames {
            names: (1..=fields.len()).map(|column| Arc::from(numbered("column", column))).collect(),
            spare: 0,
            row_is_data: true,
        }),
        Some(Header::InFirstRow(true) | Header::InRows(_)) | None => match repairing {
            Some(rows) => {
                let fields = as_rows_have(fields, rows);
                of_header(&fields, &repaired(said, rows == fields.len()), true)
            }
            None => of_header(fields, said, false),
        },
    }
}

/// The names of the first `fields` fields of a file that AWS writes; numbers behind the last one that is known.
fn known(fields: usize, preset: Preset, names: &[&str], least: usize) -> Result<ColumnNames, BadInput> {
    if fields < least {
        return Err(BadInput::new(
            Reason::NoTable,
            format!(
                "the first row has {}, but {} has {least} at least",
                count(fields, "field"),
                preset.row().title
            ),
        ));
    }
    let appended = (names.len() + 1..=fields).map(|column| Arc::from(numbered("column", column)));
    let names = names.iter().take(fields).map(|name| Arc::from(*name)).chain(appended).collect();
    Ok(ColumnNames { names, spare: 0, row_is_data: true })
}

/// What a pipeline says, with names that occur twice repaired, and those that are missing at the end if all columns have
/// values.
fn repaired(said: &Delimited, has_values: bool) -> Delimited {
    let unnamed = if has_values { pipelines::Names::Number } else { said.unnamed };
    Delimited { duplicate_names: pipelines::Names::Number, unnamed, ..said.clone() }
}

/// The names without empty ones, if there are as many of those as the header has more fields than the rows.
fn as_rows_have<'a>(fields: &[&'a [u8]], rows: usize) -> Vec<&'a [u8]> {
    let filled: Vec<&[u8]> = fields.iter().copied().filter(|name| !name.trim_ascii().is_empty()).collect();
    if rows > 0 && filled.len() == rows { filled } else { fields.to_vec() }
}

/// Names of several rows: the parts that stand one below the other, with a space between them.
pub(super) fn joined(above: &[Vec<Vec<u8>>], last: &[&[u8]]) -> Vec<Vec<u8>> {
    let width = above.iter().map(Vec::len).chain([last.len()]).max().unwrap_or_default();
    let part = |row: &Vec<Vec<u8>>, column: usize| row.get(column).cloned().unwrap_or_default();
    (0..width)
        .map(|column| {
            let rows = above.iter().map(|row| part(row, column));
            let all = rows.chain([last.get(column).copied().unwrap_or_default().to_vec()]);
            let filled: Vec<Vec<u8>> = all.filter(|text| !text.trim_ascii().is_empty()).collect();
            filled.join(&b' ')
        })
        .collect()
}

/// The name of a column that has none, unlike all `names`.
pub(super) fn unnamed(names: &[Arc<str>], column: usize) -> Arc<str> {
    let taken = names.iter().map(|name| &**name).collect();
    free(&taken, &BTreeSet::new(), "column", column).into()
}

fn numbered(name: &str, number: usize) -> String {
    format!("{name}_{number}")
}

fn of_header(fields: &[&[u8]], said: &Delimited, repairs: bool) -> Result<ColumnNames, BadInput> {
    let bad = |message: &str| BadInput::new(Reason::BadHeader, message);
    let texts: Result<Vec<&str>, _> = fields.iter().map(|field| std::str::from_utf8(field)).collect();
    let texts = texts.map_err(|_| {
        bad("the header row is not UTF-8; if the text has another encoding, put it into the pipelines file, such as \
             encoding = \"windows-1252\"")
    })?;
    let texts = without_brackets(texts);
    // A column behind the last named one may be a comma at the end of each line.
    let number_unnamed = said.unnamed == pipelines::Names::Number;
    let spare = if number_unnamed {
        0
    } else {
        texts.iter().rev().take_while(|name| name.trim().is_empty()).count() % texts.len().max(1)
    };
    let names = settle(&texts, texts.len() - spare, said, repairs, &|| {
        format!("the header row {}", row_shown(&texts))
    })?;
    Ok(ColumnNames { names, spare, row_is_data: false })
}

/// The names of columns that a file calls `texts`, of which the first `named` count; `written` says where they stand.
/// `repairs` numbers those that have none, and keeps the name that tells what was repaired.
pub(in super::super) fn settle(
    texts: &[&str],
    named: usize,
    said: &Delimited,
    repairs: bool,
    written: &dyn Fn() -> String,
) -> Result<Vec<Arc<str>>, BadInput> {
    let mut names: Vec<Arc<str>> = Vec::with_capacity(texts.len());
    let taken: BTreeSet<&str> = texts.iter().copied().collect();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (at, name) in texts[..named].iter().enumerate() {
        let mut name = (*name).to_owned();
        if name.trim().is_empty() {
            if said.unnamed == pipelines::Names::Reject && !repairs {
                return Err(BadInput::new(
                    Reason::EmptyHeader,
                    format!(
                        "column {} of {} has no name; unnamed = \"number\" in the pipelines file names it column_{}",
                        at + 1,
                        written(),
                        at + 1
                    ),
                ));
            }
            name = free(&taken, &seen, "column", at + 1);
        }
        if name.contains('\0') {
            return Err(BadInput::new(Reason::BadHeader, format!("a NUL byte in {}", written())));
        }
        if name.len() > NAME_BYTES {
            return Err(BadInput::new(
                Reason::NameTooLong,
                format!("the name of column {} takes {} bytes of {NAME_BYTES}", at + 1, name.len()),
            ));
        }
        if RESERVED_NAMES.contains(&name.as_str()) || (repairs && name == REPAIRED) {
            return Err(BadInput::new(
                Reason::ReservedName,
                format!("the column {} has a name that the pipeline uses itself", shown(&name)),
            ));
        }
        if seen.contains(&name) {
            if said.duplicate_names == pipelines::Names::Reject {
                return Err(BadInput::new(
                    Reason::DuplicateHeader,
                    format!(
                        "two columns are named {}; duplicate_names = \"number\" in the pipelines file names the second \
                         {}",
                        shown(&name),
                        shown(&numbered(&name, 2))
                    ),
                ));
            }
            name = free(&taken, &seen, &name, 2);
        }
        seen.insert(name.clone());
        names.push(name.into());
    }
    Ok(names)
}

/// The first of `name_from`, `name_(from + 1)` … that no column has.
fn free(taken: &BTreeSet<&str>, seen: &BTreeSet<String>, name: &str, from: usize) -> String {
    let mut numbers = (from..).map(|number| numbered(name, number));
    numbers
        .find(|name| !taken.contains(name.as_str()) && !seen.contains(name))
        .unwrap_or_else(|| numbered(name, from))
}

/// Names as SQL Server writes them, `[name]`, without the brackets: if all of them have them.
fn without_brackets(texts: Vec<&str>) -> Vec<&str> {
    let inner = texts.iter().map(|text| in_brackets(text)).collect::<Option<Vec<&str>>>();
    inner.unwrap_or(texts)
}

fn in_brackets(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    (!inner.is_empty() && !inner.contains(['[', ']'])).then_some(inner)
}

/// A row as it may stand in a message: its first fields, quoted.
pub(crate) fn row_shown(fields: &[&str]) -> String {
    const SHOWN: usize = 6;
    let mut list: Vec<String> = fields.iter().take(SHOWN).map(|field| shown(field)).collect();
    if fields.len() > SHOWN {
        list.push("…".to_owned());
    }
    format!("({})", list.join(", "))
}
