//! The directory at the end of a zip archive: what it holds, and where.
//!
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>

use super::super::reason::{BadInput, Reason, shown};

/// The end record without its comment, and the longest comment.
const END_BYTES: usize = 22;
const COMMENT_BYTES: usize = 65_535;

/// The record before it that leads to the end record of a large archive.
const LOCATOR_BYTES: usize = 20;

/// The end record of a large archive, without what programs add to it.
pub(super) const LARGE_END_BYTES: usize = 56;

/// What of the end of an archive holds its end records.
pub(super) const TAIL_BYTES: usize = END_BYTES + COMMENT_BYTES + LOCATOR_BYTES;

/// The most bytes of a directory. They are held without a permit.
const DIRECTORY_BYTES: u64 = 1 << 20;

/// A member's own header without its name and what programs add.
pub(super) const HEADER_BYTES: usize = 30;

const END: [u8; 4] = *b"PK\x05\x06";
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LARGE_END: [u8; 4] = *b"PK\x06\x06";
const ENTRY: [u8; 4] = *b"PK\x01\x02";

/// Where the directory is, and how many entries it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entries {
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) count: u64,
    /// Whether a comment stands behind all.
    pub(super) has_comment: bool,
}

/// What the end of an archive says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Where the directory is.
    Entries(Entries),
    /// Where the end record of a large archive is, and what the other one says.
    Large(u64, Entries),
}

/// A member of an archive, as its directory has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    /// How long the name is in the archive, where it need not be UTF-8.
    name_bytes: u16,
    pub(super) method: u16,
    pub(super) crc: u32,
    pub(super) packed_bytes: u64,
    pub(super) bytes: u64,
    /// Where its own header is.
    pub(super) offset: u64,
    pub(super) is_encrypted: bool,
}

pub(super) fn damaged(what: &str) -> BadInput {
    BadInput::new(Reason::DamagedFile, format!("the zip archive {what}"))
}

/// Numbers of little end, taken from the front.
pub(super) struct Numbers<'a>(pub(super) &'a [u8]);

impl<'a> Numbers<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    pub(super) fn two(&mut self) -> Option<u16> {
        self.number(2).and_then(|number| u16::try_from(number).ok())
    }

    pub(super) fn four(&mut self) -> Option<u32> {
        self.number(4).and_then(|number| u32::try_from(number).ok())
    }

    pub(super) fn eight(&mut self) -> Option<u64> {
        self.number(8)
    }
}

/// Reads the end of an archive of `length` bytes: its last [`TAIL_BYTES`], or all of it.
pub(super) fn end(tail: &[u8], length: u64) -> Result<End, BadInput> {
    // A comment may hold anything, but not end behind the archive.
    let at = (0..=tail.len().saturating_sub(END_BYTES)).rev().find(|at| {
        tail.get(*at..*at + END_BYTES).is_some_and(|record| {
            let comment = usize::from(u16::from_le_bytes([record[20], record[21]]));
            record.starts_with(&END) && at + END_BYTES + comment == tail.len()
        })
    });
    let at =
        at.ok_or_else(|| damaged("has no directory at its end: it is cut short, or something follows it"))?;
    let mut record = Numbers(&tail[at + END.len()..]);
    let fields = (record.four(), record.two(), record.two(), record.four(), record.four());
    let (Some(disks), Some(here), Some(count), Some(bytes), Some(offset)) = fields else {
        return Err(damaged("ends inside its last record"));
    };
    let has_comment = tail.len() > at + END_BYTES;
    let entries = Entries { offset: offset.into(), bytes: bytes.into(), count: count.into(), has_comment };
    if let Some(locator) =
        at.checked_sub(LOCATOR_BYTES).and_then(|from| tail[from..at].strip_prefix(&LOCATOR))
    {
        let mut locator = Numbers(locator);
        if let (Some(_), Some(offset)) = (locator.four(), locator.eight()) {
            return Ok(End::Large(offset, entries));
        }
    }
    if disks != 0 || here != count {
        return Err(damaged("is one part of several"));
    }
    entries.checked(length - (tail.len() - at) as u64).map(End::Entries)
}

/// Reads the end record of a large archive, which stands at `offset`. What the small record says must be the same, as far as
/// it can say it.
pub(super) fn large_end(record: &[u8], offset: u64, small: Entries) -> Result<Entries, BadInput> {
    let broken = || damaged("has no end record where it says");
    let mut numbers = Numbers(record.strip_prefix(&LARGE_END).ok_or_else(broken)?);
    numbers.take(20).ok_or_else(broken)?;
    let fields = (numbers.eight(), numbers.eight(), numbers.eight(), numbers.eight());
    let (Some(here), Some(count), Some(bytes), Some(start)) = fields else { return Err(broken()) };
    if here != count {
        return Err(damaged("is one part of several"));
    }
    let agrees = |small: u64, most: u64, large: u64| small == most || small == large;
    let (short, long) = (u64::from(u16::MAX), u64::from(u32::MAX));
    if !agrees(small.count, short, count)
        || !agrees(small.bytes, long, bytes)
        || !agrees(small.offset, long, start)
    {
        return Err(damaged("has two end records that differ"));
    }
    Entries { offset: start, bytes, count, has_comment: small.has_comment }.checked(offset)
}

impl Entries {
    /// Refuses a directory that does not end before `end`, or that is too large.
    fn checked(self, end: u64) -> Result<Self, BadInput> {
        if self.bytes > DIRECTORY_BYTES {
            return Err(BadInput::new(
                Reason::BlockTooLarge,
                format!(
                    "the directory of the zip archive has {} bytes; at most {DIRECTORY_BYTES} are read, which is some \
                     10,000 files",
                    self.bytes
                ),
            ));
        }
        // Something in front of an archive moves all places: which of two archives is meant, nobody can say.
        match self.offset.checked_add(self.bytes) {
            Some(ends) if ends <= end => Ok(self),
            _ => Err(damaged("has a directory that is not where its end says")),
        }
    }
}

/// Reads the directory, the bytes of which are these.
pub(super) fn members(mut directory: &[u8], entries: Entries) -> Result<Vec<Member>, BadInput> {
    let mut members: Vec<Member> = Vec::new();
    while !directory.is_empty() {
        let rest = directory.strip_prefix(&ENTRY);
        let mut numbers = Numbers(rest.ok_or_else(|| damaged("has something else in its directory"))?);
        let member = member(&mut numbers).ok_or_else(|| damaged("has a directory that is cut short"))?;
        members.push(member);
        directory = numbers.0;
    }
    // Programs that do not know large archives count to 65,535 and begin again.
    if members.len() as u64 & 0xffff != entries.count & 0xffff {
        let (found, said) = (members.len(), entries.count);
        return Err(damaged(&format!("has {found} members in its directory, but says {said}")));
    }
    verify(&members, entries.offset)?;
    Ok(members)
}

/// Refuses two members of one name, and members that share bytes, by which a small archive could hold any amount of data.
fn verify(members: &[Member], directory: u64) -> Result<(), BadInput> {
    let mut ordered: Vec<&Member> = members.iter().collect();
    ordered.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    if let Some(twice) = ordered.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(damaged(&format!("has two members called {}", shown(&twice[0].name))));
    }
    ordered.sort_unstable_by_key(|member| member.offset);
    let mut ends = ordered.iter().skip(1).map(|member| member.offset).chain([directory]);
    let overlapping = ordered.iter().find(|member| {
        let least = HEADER_BYTES as u64 + u64::from(member.name_bytes);
        let end = least.checked_add(member.packed_bytes).and_then(|bytes| member.offset.checked_add(bytes));
        ends.next().is_none_or(|next| end.is_none_or(|end| end > next))
    });
    match overlapping {
        Some(member) => Err(damaged(&format!(
            "is cut short, or has {} where another member or its directory is",
            shown(&member.name)
        ))),
        None => Ok(()),
    }
}

fn member(entry: &mut Numbers<'_>) -> Option<Member> {
    let (_made_by, _needs, flags, method) = (entry.two()?, entry.two()?, entry.two()?, entry.two()?);
    let (_time, crc) = (entry.four()?, entry.four()?);
    let (packed, bytes) = (entry.four()?, entry.four()?);
    let (name_bytes, extra, comment) = (entry.two()?, entry.two()?, entry.two()?);
    entry.take(8)?;
    let offset = entry.four()?;
    let name = String::from_utf8_lossy(entry.take(name_bytes.into())?).into_owned();
    let extra = entry.take(extra.into())?;
    entry.take(comment.into())?;
    let mut large = Numbers(large_sizes(extra));
    let mut size = |small: u32| if small == u32::MAX { large.eight() } else { Some(small.into()) };
    let (bytes, packed_bytes, offset) = (size(bytes)?, size(packed)?, size(offset)?);
    // Method 99 is encryption by AES, whatever the flags say.
    let is_encrypted = flags & 0b1 != 0 || method == 99;
    Some(Member { name, name_bytes, method, crc, packed_bytes, bytes, offset, is_encrypted })
}

/// The sizes that do not fit into four bytes.
fn large_sizes(extra: &[u8]) -> &[u8] {
    const LARGE: u16 = 1;
    let mut fields = Numbers(extra);
    while let (Some(kind), Some(bytes)) = (fields.two(), fields.two()) {
        let Some(field) = fields.take(bytes.into()) else { break };
        if kind == LARGE {
            return field;
        }
    }
    &[]
}

/// Checks a member's own header, the first bytes of which are `header`, against the directory: how many bytes stand before
/// its data.
pub(super) fn header_bytes(header: &[u8], member: &Member) -> Result<usize, BadInput> {
    let name = shown(&member.name);
    let broken = || damaged(&format!("has no header where its directory says that {name} begins"));
    let mut numbers = Numbers(header.strip_prefix(b"PK\x03\x04").ok_or_else(broken)?);
    let fields = (numbers.two(), numbers.two(), numbers.two(), numbers.four());
    let (Some(_version), Some(flags), Some(method), Some(_time)) = fields else { return Err(broken()) };
    let fields = (numbers.four(), numbers.four(), numbers.four(), numbers.two(), numbers.two());
    let (Some(crc), Some(packed), Some(bytes), Some(name_bytes), Some(extra)) = fields else {
        return Err(broken());
    };
    // With this flag, checksum and sizes stand behind the data.
    let follow = flags & 0b1000 != 0;
    let agrees = |here: u32, there: u64| here == u32::MAX || u64::from(here) == there;
    let own_name = numbers.take(name_bytes.into()).ok_or_else(broken)?;
    if method != member.method
        || String::from_utf8_lossy(own_name) != member.name
        || !(follow
            || (crc == member.crc && agrees(packed, member.packed_bytes) && agrees(bytes, member.bytes)))
    {
        return Err(damaged(&format!("has a header of {name} that differs from its directory")));
    }
    Ok(HEADER_BYTES + usize::from(name_bytes) + usize::from(extra))
}
