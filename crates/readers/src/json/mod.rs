//! JSON: documents and lines, cut into records and built into values.
//!
//! [`scan`] checks the grammar of the whole text as it streams by and says where values begin and end, in a
//! few bytes of state; [`document`] and [`lines`] hold the text of one record at a time; [`build`] turns that
//! into a record. So a mistake anywhere condemns a document, while a record that is merely unacceptable (too
//! large, too deep) costs no memory and only itself.

pub(super) mod build;
pub(super) mod document;
pub(super) mod lines;
pub(super) mod pointer;
pub(super) mod scan;

/// The most JSON text that is held for one record: an item of 400 KB, every character of it escaped, and
/// generous white space.
pub(super) const RECORD_TEXT_BYTES: usize = 4 * 1024 * 1024;
