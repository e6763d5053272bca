//! The signs that may separate fields.

/// Delimiters that are tried first. All of them also occur in text.
pub(super) const COMMON: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Delimiters that are tried if none of those fits. They do not occur in text.
pub(super) const RARE: [u8; 6] = [0x01, 0x02, 0x1f, 0x1e, b'~', b'^'];

/// The common delimiters that most lines have.
pub(super) fn rivals(text: &[u8]) -> Vec<u8> {
    COMMON.into_iter().filter(|delimiter| is_on_most_lines(text, *delimiter)).collect()
}

/// Whether most of the first lines have this sign.
pub(super) fn is_on_most_lines(text: &[u8], sign: u8) -> bool {
    let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()).take(200);
    let (mut count, mut with) = (0, 0);
    for line in lines {
        count += 1;
        with += usize::from(memchr::memchr(sign, line).is_some());
    }
    with * 3 >= count * 2 && count > 1
}

/// Where the text goes on behind its first `lines` lines.
pub(super) fn after_lines(text: &[u8], lines: u32) -> usize {
    let mut at = 0;
    for _ in 0..lines {
        let Some(end) = memchr::memchr2(b'\n', b'\r', &text[at..]) else { return text.len() };
        at += end;
        at += if text[at..].starts_with(b"\r\n") { 2 } else { 1 };
    }
    at
}
