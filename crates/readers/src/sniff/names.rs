//! Whether the first row of a table of texts has names: how it looks beside the rows below it.
//!
//! Where no column has numbers, dates or the like, a header shows in other ways: its fields are spelled as names are, are
//! words that columns are often called by, or look otherwise than all fields below them.

use super::grid::{Grid, Row};

/// The fewest rows that say how the fields of a column look.
const LEAST_ROWS: usize = 3;

/// What columns of text are often called. Values are seldom one of these words.
const WORDS: [&str; 72] = [
    "id",
    "name",
    "names",
    "code",
    "key",
    "value",
    "type",
    "kind",
    "title",
    "label",
    "text",
    "note",
    "notes",
    "remark",
    "remarks",
    "comment",
    "comments",
    "description",
    "status",
    "state",
    "city",
    "town",
    "country",
    "region",
    "county",
    "province",
    "address",
    "street",
    "zip",
    "postcode",
    "email",
    "e-mail",
    "mail",
    "phone",
    "date",
    "time",
    "created",
    "updated",
    "first",
    "last",
    "surname",
    "firstname",
    "lastname",
    "owner",
    "author",
    "user",
    "username",
    "customer",
    "company",
    "category",
    "group",
    "tag",
    "tags",
    "class",
    "item",
    "product",
    "brand",
    "model",
    "size",
    "shelf",
    "room",
    "material",
    "language",
    "lang",
    "currency",
    "unit",
    "source",
    "target",
    "url",
    "path",
    "file",
    "column",
];

/// Whether something tells the row from those below it, or there are too few of these to tell.
pub(super) fn are_borne_out(grid: &Grid, head: Row, body: &[Row]) -> bool {
    if body.len() < LEAST_ROWS {
        return true;
    }
    (0..head.width).any(|column| {
        let name = Look::of(grid.cell(head, column).0);
        if name.length == 0 {
            return false;
        }
        let mut values = body
            .iter()
            .map(|row| grid.cell(*row, column).0)
            .filter(|field| !field.trim_ascii().is_empty())
            .map(Look::of)
            .peekable();
        if values.peek().is_none() {
            return false;
        }
        let (mut count, mut like_names, mut shortest, mut longest) = (0_usize, 0_usize, usize::MAX, 0);
        let (mut same_case, mut same_signs) = (0_usize, 0_usize);
        for value in values {
            count += 1;
            like_names += usize::from(value.is_name);
            same_case += usize::from(value.case == name.case);
            same_signs += usize::from(value.signs == name.signs);
            (shortest, longest) = (shortest.min(value.length), longest.max(value.length));
        }
        let is_far = name.length * 2 < shortest || name.length > longest * 2;
        let is_named = name.is_name && like_names * 2 <= count;
        let has_own_length = shortest == longest && name.length != shortest;
        let looks_else = same_case == 0 || same_signs == 0 || is_far || has_own_length;
        is_named || (count >= LEAST_ROWS && looks_else)
    })
}

/// How letters stand in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    None,
    Lower,
    /// Only the first is a capital.
    First,
    Upper,
    Mixed,
}

/// How a field looks.
struct Look {
    length: usize,
    case: Case,
    /// Whether it has digits, spaces, and other signs.
    signs: (bool, bool, bool),
    /// It is spelled as names are, `first_name`, or is a word that columns are often called by.
    is_name: bool,
}

impl Look {
    fn of(field: &[u8]) -> Self {
        let text = String::from_utf8_lossy(field.trim_ascii());
        let mut letters = text.chars().filter(|sign| sign.is_alphabetic());
        let first_is_upper = letters.clone().next().is_some_and(char::is_uppercase);
        let upper = letters.clone().filter(|sign| sign.is_uppercase()).count();
        let case = match letters.by_ref().count() {
            0 => Case::None,
            _ if upper == 0 => Case::Lower,
            count if upper == count => Case::Upper,
            _ if upper == 1 && first_is_upper => Case::First,
            _ => Case::Mixed,
        };
        let has = |is: fn(char) -> bool| text.contains(is);
        let is_sign = |sign: char| !sign.is_alphanumeric() && sign != ' ';
        let is_identifier = text.contains('_')
            && !text.starts_with('_')
            && text.chars().all(|sign| sign.is_alphanumeric() || sign == '_');
        let is_camel = case == Case::Mixed
            && text.starts_with(char::is_lowercase)
            && text.chars().all(char::is_alphanumeric);
        let lower = text.to_lowercase();
        Self {
            length: text.chars().count(),
            case,
            signs: (has(|sign| sign.is_ascii_digit()), has(|sign| sign == ' '), has(is_sign)),
            is_name: is_identifier || is_camel || WORDS.contains(&&*lower),
        }
    }
}
