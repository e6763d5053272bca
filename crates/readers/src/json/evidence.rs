//! What a JSON text must not be taken for without the pipeline's word.
//!
//! A document whose records lie inside it, and a table written as arrays, can each be read in two ways. Neither is
//! chosen: the message names both, with the line for the pipelines file that settles it.

use domain::text::count;

use super::super::reason::{BadInput, Reason, shown};
use super::build::is_exported_item;
use super::pointer;
use super::scan::{Kind, Scanner, Step};

/// What the first value of a text is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence {
    /// What the first element of an array is, if the value is one.
    element: Option<Kind>,
}

impl Evidence {
    /// Takes note of an element of an array that is the value.
    pub(crate) fn element(&mut self, kind: Kind) {
        self.element.get_or_insert(kind);
    }

    /// Refuses elements that are arrays themselves: rows of a table, or lists. `text` is the first one's.
    pub(crate) fn allow_element(&self, text: &[u8]) -> Result<(), BadInput> {
        if self.element != Some(Kind::Array) {
            return Ok(());
        }
        Err(unclear(format!(
            "the document is an array of arrays, of which the first is {}: rows of a table, or lists. \
             format = \"json\" reads each as a record of one field, \"value\"",
            shown(&String::from_utf8_lossy(text))
        )))
    }

    /// Refuses a second value behind an array of texts or numbers: each is a row of a table, or a list of records.
    pub(crate) fn allow_second(&self) -> Result<(), BadInput> {
        if self.element != Some(Kind::Scalar) {
            return Ok(());
        }
        Err(unclear(
            "arrays of texts or numbers stand one after the other: rows of a table, or lists. format = \"jsonl\" reads \
             each line as a record of one field, \"value\""
                .to_owned(),
        ))
    }

    /// Refuses an object of a DynamoDB export, which is a record only with its types undone. `text` is the object's.
    pub(crate) fn allow_first(text: &[u8]) -> Result<(), BadInput> {
        if !is_exported_item(text) {
            return Ok(());
        }
        Err(unclear(
            "the first object looks like an item of a DynamoDB export. format = \"dynamodb_json\" reads its attributes; \
             format = \"jsonl\" keeps it as it is"
                .to_owned(),
        ))
    }

    /// Refuses an object that is the only value and whose records are probably inside it. `text` is the object's, or
    /// its beginning.
    pub(crate) fn allow_only(&self, text: &[u8]) -> Result<(), BadInput> {
        if self.element.is_some() {
            return Ok(());
        }
        Self::allow_first(text)?;
        match members(text)[..] {
            [Member { ref name, objects, others: 0 }] if objects > 0 => Err(unclear(format!(
                "the document holds nothing but {} with {}: one record, or as many. records = {:?} reads each \
                 object as a record; format = \"json\" reads the document as one",
                shown(name),
                count(objects, "object"),
                pointer::to(name)
            ))),
            _ => Ok(()),
        }
    }
}

/// A first line that begins as an item of an export of DynamoDB does, and whose end is not in sight.
pub(crate) fn long_exported_item() -> BadInput {
    unclear(
        "the text begins like an item of an export of DynamoDB, but its first line is longer than 64 KiB, so that this is \
         not proven. Put format = \"dynamodb_json\" into the pipelines file if it is one, or format = \"jsonl\" or \
         format = \"json\" to keep the types as they are written"
            .to_owned(),
    )
}

/// The line for the pipelines file that reads the longest array of objects inside the object `text` as the records, if
/// there is such an array; `text` may be the object's beginning.
pub(crate) fn hint(text: &[u8]) -> Option<String> {
    let longest =
        members(text).into_iter().filter(|member| member.others == 0).max_by_key(|member| member.objects)?;
    (longest.objects > 1).then(|| {
        format!(
            "if its records are the objects in {}, set records = {:?}",
            shown(&longest.name),
            pointer::to(&longest.name)
        )
    })
}

fn unclear(message: String) -> BadInput {
    BadInput::new(Reason::UnclearRecords, message)
}

/// A member of an object: how many objects and how many other values its array holds.
#[derive(Debug, Default)]
struct Member {
    name: String,
    objects: u64,
    others: u64,
}

/// The members of the object that `text` is or begins.
fn members(text: &[u8]) -> Vec<Member> {
    let mut scanner = Scanner::default();
    scanner.watch(2);
    let (mut at, mut name_from) = (0, 0);
    let mut members = Vec::new();
    let mut in_array = false;
    while at < text.len() {
        let Ok((taken, step)) = scanner.step(&text[at..]) else { break };
        at += taken;
        match (scanner.depth(), step) {
            (0, Step::Begin(Kind::Array | Kind::Scalar)) => return members,
            (1, Step::NameBegin) => name_from = at,
            (1, Step::NameEnd) => {
                let name = serde_json::from_slice(&text[name_from..at]).unwrap_or_default();
                members.push(Member { name, ..Member::default() });
            }
            (1, Step::Begin(kind)) => {
                in_array = kind == Kind::Array;
                if !in_array && let Some(member) = members.last_mut() {
                    member.others += 1;
                }
            }
            (2, Step::Begin(kind)) if in_array => {
                if let Some(member) = members.last_mut() {
                    *(if kind == Kind::Object { &mut member.objects } else { &mut member.others }) += 1;
                }
            }
            _ => {}
        }
    }
    members
}
