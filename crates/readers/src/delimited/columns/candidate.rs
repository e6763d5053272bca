//! One column while its type settles.

use domain::record::number::NumberError;

use super::super::super::schema::ColumnType;
use super::super::spellings::{Found as Spelled, Spellings};
use super::super::typing::{Typing, boolean};

/// One column while its type settles.
pub(super) struct Candidate {
    pub(super) declared: Option<ColumnType>,
    /// It has a value that is not empty.
    pub(super) filled: bool,
    /// All its values may be numbers, and one of them is in range.
    pub(super) number: bool,
    pub(super) in_range: bool,
    pub(super) boolean: bool,
    /// How many values stand for a missing one, if the column is one of numbers or booleans, and the first of them.
    pub(super) nulls: u64,
    pub(super) null: String,
    /// The numbers with a fraction, until two of them are one number in two spellings.
    pub(super) spellings: Spellings,
    /// What the first row has, and whether all others have numbers: see [`Settling::verify`].
    pub(super) first_is_text: bool,
    pub(super) other_numbers: u64,
    pub(super) others_are_numbers: bool,
}

impl Candidate {
    pub(super) fn new(declared: Option<ColumnType>, columns: usize) -> Self {
        Self {
            declared,
            filled: false,
            number: true,
            in_range: false,
            boolean: true,
            nulls: 0,
            null: String::new(),
            spellings: Spellings::new(columns),
            first_is_text: false,
            other_numbers: 0,
            others_are_numbers: true,
        }
    }

    /// Takes note of a value that is not empty; `is_text` says that it is a text, whatever it looks like. True if it is a
    /// number out of range.
    pub(super) fn note(&mut self, field: &str, is_text: bool, row: u64, typing: &Typing) -> bool {
        let mut beyond = false;
        let plain = if !is_text && (self.number || (self.first_is_text && self.others_are_numbers)) {
            typing.check_plain(field)
        } else {
            Err(NumberError::NotDecimal)
        };
        if plain == Err(NumberError::NotDecimal) && typing.is_usual_null(field) {
            if self.nulls == 0 {
                field.clone_into(&mut self.null);
            }
            self.nulls += 1;
            return false;
        }
        self.filled = true;
        self.boolean = self.boolean && !is_text && boolean(field).is_some();
        if row > 1 && self.first_is_text && self.others_are_numbers {
            self.others_are_numbers = plain != Err(NumberError::NotDecimal);
            self.other_numbers += 1;
        }
        if self.number {
            match plain {
                Ok(()) => {
                    self.in_range = true;
                    self.number = !self.spellings.differ(field);
                }
                Err(NumberError::NotDecimal) => {
                    self.number = false;
                    self.first_is_text = row == 1;
                }
                Err(_) => beyond = true,
            }
        }
        beyond
    }

    pub(super) fn settled(&self) -> ColumnType {
        match self.declared {
            Some(declared) => declared,
            None if self.number && self.in_range && self.spellings.found() == Spelled::One => {
                ColumnType::Number
            }
            None if self.filled && self.boolean => ColumnType::Boolean,
            None => ColumnType::Text,
        }
    }
}
