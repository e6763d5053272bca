//! Zip archives: one file, or several alike, as one object.
//!
//! ```text
//! ranges ─▶ directory: what there is, and where ─▶ member: a stream for each ─▶ input
//! ```
//! The archive is read by ranges, its directory first, and then each member in the order of the directory. A member may be
//! anything that is read in order; several have to be one table, with the same columns, or JSON all of them.
//!
//! Nothing is believed that the directory, a member's own header and the data do not say alike. This is own code, since the
//! zip crate reads from a blocking source, and accepts what is refused here: members that overlap, as in archives that
//! expand without end; two of one name; headers that differ from the directory.

mod directory;
mod member;

use std::sync::Arc;

use bytes::Bytes;
use domain::pipelines::Entry;
use tokio::io::AsyncReadExt;

use self::directory::{End, LARGE_END_BYTES, Member, TAIL_BYTES};
use super::detect::{self, Container};
use super::format::Workbook;
use super::options::Format;
use super::reason::{BadInput, ReadError, Reason, shown};
use super::source::{Begun, PackedBytes, Ranges, Source, Stream};

pub(super) const WHAT: &str = "a zip archive";

/// Documents that are archives and are not read: a member that they have, and what they are called.
const DOCUMENTS: [(&str, &str); 6] = [
    ("word/document.xml", "a Word document"),
    ("ppt/presentation.xml", "a PowerPoint presentation"),
    ("mimetype", "a document of OpenDocument that is no spreadsheet, or an e-book"),
    ("META-INF/MANIFEST.MF", "a Java archive"),
    ("AndroidManifest.xml", "an Android package"),
    ("doc.kml", "a KMZ map"),
];

/// The member of OpenDocument's files that says what they are, and what it says of a spreadsheet; a template ends otherwise.
const MIME_TYPE: &str = "mimetype";
const SPREADSHEET: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";

/// What an archive turns out to be.
pub(super) enum Contents {
    Members(Box<Archive>),
    Workbook(Package, Workbook),
}

/// Reads the directory of an archive, and finds out what it is. `entry` says which of its files are read, if not all are.
///
/// # Errors
/// When the archive is damaged or holds nothing to read.
pub(super) async fn open(begun: Begun, entry: Option<&Entry>) -> Result<Contents, ReadError> {
    let ranges = Arc::new(begun.into_ranges(WHAT).await?);
    let length = ranges.length();
    let tail_bytes = usize::try_from(length).unwrap_or(TAIL_BYTES).min(TAIL_BYTES);
    let tail = ranges.read(length - tail_bytes as u64, tail_bytes).await?;
    let entries = match directory::end(&tail, length)? {
        End::Entries(entries) => entries,
        End::Large(offset, small) => {
            let record = ranges.read(offset, LARGE_END_BYTES).await?;
            directory::large_end(&record, offset, small)?
        }
    };
    let bytes = usize::try_from(entries.bytes).unwrap_or(usize::MAX);
    let members = directory::members(&ranges.read(entries.offset, bytes).await?, entries)?;
    let package = Package { ranges, members };
    if let Some(kind) = package.kind().await? {
        if let Some(entry) = entry {
            return Err(not_picked(entry, &format!("a workbook (.{})", kind.suffix())).into());
        }
        // Where an archive ends must be the same to every reader of it.
        if entries.has_comment {
            return Err(directory::damaged("of a workbook has a comment at its end").into());
        }
        return Ok(Contents::Workbook(package, kind));
    }
    Ok(Contents::Members(Box::new(Archive::of(package, entry)?)))
}

/// All members of an archive, which are the parts of one document.
pub(super) struct Package {
    ranges: Arc<Ranges>,
    members: Vec<Member>,
}

impl Package {
    /// The kind of workbook that it is; none if it is no workbook.
    async fn kind(&self) -> Result<Option<Workbook>, ReadError> {
        let has = |name: &str| self.members.iter().any(|member| member.name == name);
        if has("[Content_Types].xml") && self.members.iter().any(|member| member.name.starts_with("xl/")) {
            return Ok(Some(if has("xl/workbook.bin") { Workbook::Xlsb } else { Workbook::Xlsx }));
        }
        let Some(at) = self.members.iter().position(|member| member.name == MIME_TYPE) else {
            return Ok(None);
        };
        if self.members[at].is_encrypted || self.members[at].bytes > 128 {
            return Ok(None);
        }
        let mut kind = Vec::new();
        self.open(at).await?.read_to_end(&mut kind).await.map_err(ReadError::received)?;
        Ok(kind.starts_with(SPREADSHEET).then_some(Workbook::Ods))
    }

    /// How many bytes the archive has.
    pub(super) fn length(&self) -> u64 {
        self.ranges.length()
    }

    /// The names of the parts, and how many bytes they are said to have.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.members.iter().map(|member| (member.name.as_str(), member.bytes))
    }

    /// The name of an encrypted part.
    pub(super) fn encrypted(&self) -> Option<&str> {
        self.members.iter().find(|member| member.is_encrypted).map(|member| member.name.as_str())
    }

    /// Opens the part of this place among [`Self::parts`]. It ends with an error if it is not as large as it is said to be.
    pub(super) async fn open(&self, at: usize) -> Result<Stream, ReadError> {
        member::open(Arc::clone(&self.ranges), self.members[at].clone()).await
    }

    /// All bytes of the archive.
    pub(super) async fn whole(&self) -> Result<Bytes, ReadError> {
        self.ranges.read(0, usize::try_from(self.length()).unwrap_or(usize::MAX)).await
    }
}

/// The members of an archive that are read, in the order of its directory.
pub(super) struct Archive {
    ranges: Arc<Ranges>,
    members: Vec<Member>,
    next: usize,
    packed: u64,
    made: u64,
    bytes_out: u64,
}

impl Archive {
    /// An archive that is no document.
    fn of(package: Package, entry: Option<&Entry>) -> Result<Self, BadInput> {
        let Package { ranges, members } = package;
        Ok(Self { ranges, members: data(members, entry)?, next: 0, packed: 0, made: 0, bytes_out: 0 })
    }

    /// How many bytes the archive has.
    pub(super) fn bytes_in(&self) -> u64 {
        self.ranges.length()
    }

    /// How many bytes the members before the present one were decompressed to.
    pub(super) fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// The names of the first member and of the one that was opened last.
    pub(super) fn names(&self) -> (&str, &str) {
        let name = |at: usize| self.members.get(at).map_or("", |member| member.name.as_str());
        (name(0), name(self.next.saturating_sub(1)))
    }

    /// The error, with the name of the member that it was found in.
    pub(super) fn named(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::Bad(mut bad) => {
                bad.message.push_str(&self.member());
                bad.into()
            }
            source @ ReadError::Source(_) => source,
        }
    }

    /// What a message adds about the present member, if there are several.
    pub(super) fn member(&self) -> String {
        if self.members.len() < 2 {
            return String::new();
        }
        format!(" (in {} of the zip archive)", shown(self.names().1))
    }

    /// Opens the next member; none behind the last. Of the present one these bytes were made on the way, and came out.
    pub(super) async fn next(&mut self, made: u64, bytes_out: u64) -> Result<Option<Begun>, ReadError> {
        let Some(member) = self.members.get(self.next).cloned() else { return Ok(None) };
        self.next += 1;
        self.made += made;
        self.bytes_out += bytes_out;
        self.packed += member.packed_bytes;
        let name = shown(&member.name);
        let stream = member::open(Arc::clone(&self.ranges), member).await?;
        let mut begun = Source::from(stream).begin().await?;
        match detect::container(&begun.first, Format::Auto) {
            Ok(None) => {}
            Ok(Some(Container::Zip)) => {
                return Err(BadInput::new(
                    Reason::NestedCompression,
                    format!("{name} in the zip archive is a zip archive itself, or a document made of one"),
                )
                .into());
            }
            Ok(Some(Container::Compound)) => {
                let message = format!("{name} in the zip archive is an old or an encrypted Office document");
                return Err(BadInput::new(Reason::UnsupportedFormat, message).into());
            }
            Ok(Some(Container::Parquet)) => {
                return Err(BadInput::new(
                    Reason::UnsupportedFormat,
                    format!(
                        "{name} in the zip archive is a Parquet file, which is read only where it is the object itself"
                    ),
                )
                .into());
            }
            Err(bad) => return Err(self.named(bad.into())),
        }
        begun.packed = Some(PackedBytes { bytes: self.packed, made_before: self.made });
        Ok(Some(begun))
    }
}

/// The refusal of an archive without data.
pub(super) fn empty() -> BadInput {
    BadInput::new(
        Reason::NoTable,
        "the zip archive holds no file, or only those that operating systems add, such as .DS_Store",
    )
}

/// The refusal of an object that is `what` ("a workbook") where the pipeline picks files of a zip archive.
pub(super) fn not_picked(entry: &Entry, what: &str) -> BadInput {
    BadInput::new(
        Reason::WrongFormat,
        format!(
            "the pipeline says entry = \"{entry}\" about files in a zip archive, but the object is {what}"
        ),
    )
}

/// The refusal of two members that are not alike.
pub(super) fn unlike(first: &str, other: &str, difference: &str) -> BadInput {
    BadInput::new(
        Reason::TwoTables,
        format!(
            "the zip archive holds {} and {}, which are not alike: {difference}; to read only some of its files, put their \
             path or pattern into the pipelines file, such as entry = {}",
            shown(first),
            shown(other),
            shown(&Entry::of(first))
        ),
    )
}

/// The refusal of an archive none of whose files is picked.
fn none_picked(entry: &Entry, members: &[Member]) -> BadInput {
    const LISTED: usize = 8;
    let names = members.iter().map(|member| shown(&member.name)).take(LISTED).collect::<Vec<_>>().join(", ");
    let more = if members.len() > LISTED { ", …" } else { "" };
    BadInput::new(
        Reason::NoTable,
        format!(
            "the pipeline says entry = \"{entry}\", but no file of the zip archive is called so; it has {names}{more}"
        ),
    )
}

/// The members that hold data: no folders, and nothing that an operating system adds; of these, the ones that `entry` picks.
fn data(members: Vec<Member>, entry: Option<&Entry>) -> Result<Vec<Member>, BadInput> {
    let has = |name: &str| members.iter().any(|member| member.name == name);
    if let (Some((_, kind)), None) = (DOCUMENTS.iter().find(|(name, _)| has(name)), entry) {
        return Err(BadInput::new(
            Reason::UnsupportedFormat,
            format!("the object is {kind}, which is not read"),
        ));
    }
    let mut data: Vec<Member> = members.into_iter().filter(|member| is_data(&member.name)).collect();
    if data.is_empty() {
        return Err(empty());
    }
    if let Some(entry) = entry {
        if !data.iter().any(|member| entry.takes(&member.name)) {
            return Err(none_picked(entry, &data));
        }
        data.retain(|member| entry.takes(&member.name));
    }
    if let Some(encrypted) = data.iter().find(|member| member.is_encrypted) {
        let name = shown(&encrypted.name);
        return Err(BadInput::new(Reason::EncryptedFile, format!("{name} in the zip archive is encrypted")));
    }
    // A file without a byte has no columns that could be those of another.
    if data.iter().any(|member| member.bytes > 0) {
        data.retain(|member| member.bytes > 0);
    }
    Ok(data)
}

/// Whether a member of this name may hold data.
fn is_data(name: &str) -> bool {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_added = name.starts_with("__MACOSX/")
        || file.starts_with("._")
        || [".DS_Store", "Thumbs.db", "desktop.ini"].contains(&file);
    !file.is_empty() && !is_added
}
