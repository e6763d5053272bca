//! JSON pointers (RFC 6901): the way to the records inside a document.

use super::super::reason::{BadInput, Reason};

/// A pointer taken apart into names and indices, with its escapes undone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pointer {
    pub(crate) tokens: Vec<String>,
}

impl Pointer {
    /// Parses `text`: empty, or tokens that each begin with a slash; `~1` stands for a slash, `~0` for a tilde.
    pub(crate) fn parse(text: &str) -> Result<Self, BadInput> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let wrong =
            |why: &str| BadInput::new(Reason::PointerNotFound, format!("{text:?} is no JSON pointer: {why}"));
        let tokens = text.strip_prefix('/').ok_or_else(|| wrong("it does not begin with a slash"))?;
        tokens
            .split('/')
            .map(|token| {
                if token.split('~').skip(1).any(|after| !after.starts_with(['0', '1'])) {
                    return Err(wrong("a tilde is not followed by 0 or 1"));
                }
                // The slash first, or "~01" would become a slash.
                Ok(token.replace("~1", "/").replace("~0", "~"))
            })
            .collect::<Result<_, _>>()
            .map(|tokens| Self { tokens })
    }

    /// The pointer as it is written.
    pub(crate) fn text(&self) -> String {
        self.tokens.iter().map(|token| to(token)).collect()
    }
}

/// The pointer to the member `name` of a document.
pub(crate) fn to(name: &str) -> String {
    // The tilde first, or the one of "~1" would be escaped again.
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}
