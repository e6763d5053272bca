//! Which quotes of a line enclose fields and which are text, so that it has as many fields as its table has columns.
//!
//! Between two delimiters stands a field. One that begins with a quote may also end behind a later delimiter, at a quote.
//! Of all divisions the one with the wanted number of fields and the fewest quotes out of place is taken.

use super::super::dialect::{Dialect, Spaces};

/// The most parts between delimiters, and the most pairs of them that are compared. A line with more is left as it is.
const PARTS: usize = 512;
const PAIRS: usize = 4_096;
const COMPARED_BYTES: usize = 4 << 20;

/// What a quote out of place costs: inside an unquoted field, at the beginning of one, inside a quoted one.
const INSIDE: u32 = 1;
const OPEN: u32 = 3;
const LONE: u32 = 2;

/// What a field too many or too few costs.
const WRONG_WIDTH: u32 = 4;

/// A field that covers the parts from `from` up to `to`.
#[derive(Clone, Copy)]
struct Piece {
    to: usize,
    quoted: bool,
    cost: u32,
}

/// The fields of the line by the division that costs the least, with whether each was quoted. With no `columns`, any
/// number of them is as good. Nothing if the line is too long for a comparison.
pub(in super::super) fn fields_by_quotes(
    line: &[u8],
    dialect: Dialect,
    columns: usize,
) -> Option<Vec<(Vec<u8>, bool)>> {
    let quote = dialect.quote?;
    let parts = parts(line, dialect);
    if parts.len() > PARTS {
        return None;
    }
    let pieces = pieces(line, &parts, quote, dialect)?;
    let chosen = cheapest(&pieces, columns)?;
    let mut from = 0;
    let fields = chosen.into_iter().map(|piece| {
        let text = &line[parts[from].0..parts[piece.to - 1].1];
        from = piece.to;
        (if piece.quoted { unquoted(text, quote, dialect.escape) } else { text.to_vec() }, piece.quoted)
    });
    Some(fields.collect())
}

/// Where the parts between delimiters begin and end, without spaces that are none of a field.
fn parts(line: &[u8], dialect: Dialect) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let (mut start, mut is_escaped) = (0, false);
    for (at, byte) in line.iter().enumerate() {
        if dialect.delimiter == Some(*byte) && !is_escaped {
            parts.push((start, at));
            start = at + 1;
        }
        is_escaped = !is_escaped && dialect.escape == Some(*byte);
    }
    parts.push((start, line.len()));
    if dialect.spaces != Spaces::Kept {
        for (start, end) in &mut parts {
            *start += line[*start..*end].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            if dialect.spaces == Spaces::Trimmed {
                *end = *start + line[*start..*end].trim_ascii_end().len();
            }
        }
    }
    parts
}

/// The fields that may begin at each part.
fn pieces(line: &[u8], parts: &[(usize, usize)], quote: u8, dialect: Dialect) -> Option<Vec<Vec<Piece>>> {
    let (mut pairs, mut bytes) = (0, 0);
    let mut all = Vec::with_capacity(parts.len());
    for (from, (start, end)) in parts.iter().enumerate() {
        let text = &line[*start..*end];
        let cost = match memchr::memchr(quote, text) {
            None => 0,
            Some(0) => OPEN,
            Some(_) => INSIDE,
        };
        // Between quotes it is no unquoted one.
        let is_enclosed = text.len() >= 2 && text.first() == Some(&quote) && text.last() == Some(&quote);
        let mut here = Vec::new();
        if !is_enclosed {
            here.push(Piece { to: from + 1, quoted: false, cost });
        }
        if text.first() == Some(&quote) {
            for (last, (_, end)) in parts.iter().enumerate().skip(from) {
                if *end < start + 2 || line[end - 1] != quote {
                    continue;
                }
                let inner = &line[start + 1..end - 1];
                (pairs, bytes) = (pairs + 1, bytes + inner.len());
                if pairs > PAIRS || bytes > COMPARED_BYTES {
                    return None;
                }
                here.push(Piece {
                    to: last + 1,
                    quoted: true,
                    cost: LONE * lone(inner, quote, dialect.escape),
                });
            }
        }
        all.push(here);
    }
    Some(all)
}

/// The cheapest way through the parts, by the number of fields.
fn cheapest(pieces: &[Vec<Piece>], columns: usize) -> Option<Vec<Piece>> {
    let count = pieces.len();
    let width = count + 1;
    // By part and number of fields so far: what it costs, and the place and the piece that it was reached with.
    let mut best: Vec<Option<(u32, usize, Piece)>> = vec![None; width * width];
    let start = Piece { to: 0, quoted: false, cost: 0 };
    best[0] = Some((0, 0, start));
    for from in 0..count {
        for fields in 0..=from {
            let Some((cost, ..)) = best[from * width + fields] else { continue };
            for piece in &pieces[from] {
                let (next, total) = (piece.to * width + fields + 1, cost + piece.cost);
                if best[next].is_none_or(|(known, ..)| total < known) {
                    best[next] = Some((total, from, *piece));
                }
            }
        }
    }
    let wrong = |fields: usize| {
        let off = if columns == 0 { 0 } else { fields.abs_diff(columns) };
        u32::try_from(off).unwrap_or(u32::MAX).saturating_mul(WRONG_WIDTH)
    };
    let ends = (1..=count).filter_map(|fields| Some((best[count * width + fields]?.0, fields)));
    let exact = ends.clone().find(|(_, fields)| *fields == columns);
    let (_, mut fields) =
        exact.or_else(|| ends.min_by_key(|(cost, fields)| cost.saturating_add(wrong(*fields))))?;
    let mut chosen = Vec::with_capacity(fields);
    let mut at = count;
    while fields > 0 {
        let (_, from, piece) = best[at * width + fields]?;
        chosen.push(piece);
        (at, fields) = (from, fields - 1);
    }
    chosen.reverse();
    Some(chosen)
}

/// How many quotes inside a quoted field are neither doubled nor escaped.
fn lone(inner: &[u8], quote: u8, escape: Option<u8>) -> u32 {
    let (mut count, mut at) = (0, 0);
    while let Some(byte) = inner.get(at) {
        let next = inner.get(at + 1);
        if (*byte == quote && next == Some(&quote)) || (escape == Some(*byte) && next.is_some()) {
            at += 1;
        } else if *byte == quote {
            count += 1;
        }
        at += 1;
    }
    count
}

/// The text of a quoted field, without the quotes around it; quotes inside are halved where they are doubled.
fn unquoted(field: &[u8], quote: u8, escape: Option<u8>) -> Vec<u8> {
    let inner = &field[1..field.len() - 1];
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let next = bytes.peek().copied();
        if (byte == quote && next == Some(quote)) || (escape == Some(byte) && next == Some(quote)) {
            bytes.next();
            text.push(quote);
        } else {
            text.push(byte);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_divided_so_that_the_line_fits_its_table() {
        for (line, columns, expected) in [
            (r#"1,"Cafe "De Tuin" Amsterdam",NL"#, 3, &["1", "Cafe \"De Tuin\" Amsterdam", "NL"][..]),
            (r#""abc,x,"def""#, 3, &["\"abc", "x", "def"]),
            (r#""abc"",x,"def""#, 3, &["abc\"", "x", "def"]),
            (r#""a, b"c",d"#, 2, &["a, b\"c", "d"]),
            (r#""a,b",""c"#, 2, &["a,b", "\"\"c"]),
            (r#""a""b",c"#, 2, &["a\"b", "c"]),
            (r#"",b"#, 2, &["\"", "b"]),
            (r#"a,"b"#, 3, &["a", "\"b"]),
        ] {
            let fields = fields_by_quotes(line.as_bytes(), Dialect::of(b','), columns).expect(line);
            let texts: Vec<String> =
                fields.iter().map(|(field, _)| String::from_utf8_lossy(field).into_owned()).collect();
            assert_eq!(texts, expected, "{line}");
        }
    }

    #[test]
    fn a_line_of_many_quotes_is_left_in_bounded_time() {
        let line = "\",".repeat(400).into_bytes();
        assert!(fields_by_quotes(&line, Dialect::of(b','), 3).is_none());
        let line = ",".repeat(PARTS).into_bytes();
        assert!(fields_by_quotes(&line, Dialect::of(b','), 3).is_none());
    }
}
