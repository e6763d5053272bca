//! Texts with names in braces: what stands outside of them, and what inside.

use std::{iter::Peekable, str::Chars};

/// A part of such a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Text outside, where `{{` and `}}` are braces. Not empty.
    Literal(String),
    /// What stands between two braces.
    Inside(String),
}

/// A brace without its other one, or braces within braces.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unpaired;

/// The parts of a text, in order.
pub(super) fn parts(text: &str) -> impl Iterator<Item = Result<Part, Unpaired>> {
    Parts { rest: text.chars().peekable(), is_open: false }
}

struct Parts<'a> {
    rest: Peekable<Chars<'a>>,
    /// Whether the brace that opens the next part is read already.
    is_open: bool,
}

impl Parts<'_> {
    fn inside(&mut self) -> Result<Part, Unpaired> {
        let mut inside = String::new();
        loop {
            match self.rest.next() {
                Some('}') => return Ok(Part::Inside(inside)),
                Some('{') | None => return Err(Unpaired),
                Some(other) => inside.push(other),
            }
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Part, Unpaired>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::take(&mut self.is_open) {
            return Some(self.inside());
        }
        let mut literal = String::new();
        while let Some(character) = self.rest.next() {
            match character {
                '{' | '}' if self.rest.next_if_eq(&character).is_some() => literal.push(character),
                '}' => return Some(Err(Unpaired)),
                '{' if literal.is_empty() => return Some(self.inside()),
                '{' => {
                    self.is_open = true;
                    break;
                }
                other => literal.push(other),
            }
        }
        (!literal.is_empty()).then_some(Ok(Part::Literal(literal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_order_up_to_the_first_fault() {
        let literal = |text: &str| Ok(Part::Literal(text.to_owned()));
        let inside = |text: &str| Ok(Part::Inside(text.to_owned()));
        for (text, expected) in [
            ("", vec![]),
            ("a{b}{c}d", vec![literal("a"), inside("b"), inside("c"), literal("d")]),
            ("{{a}}{}", vec![literal("{a}"), inside("")]),
            ("{a", vec![Err(Unpaired)]),
            ("a{b{c}}", vec![literal("a"), Err(Unpaired)]),
            ("{a}b}", vec![inside("a"), Err(Unpaired)]),
        ] {
            let mut found = Vec::new();
            for part in parts(text) {
                let is_fault = part.is_err();
                found.push(part);
                if is_fault {
                    break;
                }
            }
            assert_eq!(found, expected, "{text}");
        }
    }
}
