//! Office's compound files, which are not read: the names in their directory say what they hold.
//!
//! <https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-cfb/>

use super::super::reason::{BadInput, ReadError, Reason};
use super::super::source::Ranges;

const HEADER_BYTES: usize = 512;

/// How much of the directory is looked at: the names that matter stand at its beginning.
const DIRECTORY_BYTES: usize = 4096;

/// The refusal of a compound file, by what it holds.
///
/// # Errors
/// When the file cannot be read.
pub(in super::super) async fn refusal(file: &Ranges) -> Result<BadInput, ReadError> {
    let old = |what: &str| {
        BadInput::new(Reason::UnsupportedFormat, format!("the object is {what}, which is not read"))
    };
    let Some(names) = directory(file).await? else { return Ok(old("an old Office document")) };
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(&names, &name).is_some()
    };
    Ok(if has("EncryptedPackage") {
        BadInput::new(Reason::EncryptedFile, "the workbook or document is encrypted: it needs a password")
    } else if has("Workbook") || has("Book") {
        old("an old Excel workbook (.xls); save it as .xlsx")
    } else {
        old("an old Office document")
    })
}

/// The beginning of the directory; none if it is not where the header says.
async fn directory(file: &Ranges) -> Result<Option<Vec<u8>>, ReadError> {
    if file.length() < HEADER_BYTES as u64 {
        return Ok(None);
    }
    let header = file.read(0, HEADER_BYTES).await?;
    let shift = u16::from_le_bytes([header[30], header[31]]);
    if !matches!(shift, 9 | 12) {
        return Ok(None);
    }
    let first = u32::from_le_bytes([header[48], header[49], header[50], header[51]]);
    let offset = (u64::from(first) + 1) << shift;
    let length = file.length().saturating_sub(offset).min(DIRECTORY_BYTES as u64);
    let bytes = usize::try_from(length).unwrap_or_default();
    if bytes == 0 {
        return Ok(None);
    }
    Ok(Some(file.read(offset, bytes).await?.to_vec()))
}
