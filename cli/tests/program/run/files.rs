//! Good and bad files, and what each is to become.

use std::{fs, io::Write, path::Path};

/// A file of the matrix.
pub(crate) struct File {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) becomes: Becomes,
}

/// What it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// So many records.
    Done(u64),
    /// Nothing, for this reason and, where it is the fault of one, in this row.
    Failed(&'static str, Option<u64>),
}

use Becomes::{Done, Failed};

const TABLE: &str = "id,name\n1,one\n2,two\n3,three\n";

fn file(name: &'static str, bytes: impl Into<Vec<u8>>, becomes: Becomes) -> File {
    File { name, bytes: bytes.into(), becomes }
}

/// Writes all of these into `folder`.
pub(crate) fn write(files: &[File], folder: &Path) {
    for file in files {
        fs::write(folder.join(file.name), &file.bytes).expect("a file");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("a level");
    encoder.include_checksum(true).expect("an option");
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect()
}

fn with_last(mut bytes: Vec<u8>, back: usize) -> Vec<u8> {
    let at = bytes.len() - back;
    bytes[at] ^= 0xff;
    bytes
}

/// 256 MiB of a table whose every row is the same.
fn regular() -> Vec<u8> {
    let row = [&[b'a'; 16_383][..], b"\n"].concat();
    [&b"x\n"[..], &row.repeat(16 * 1024)].concat()
}

/// Files that are fine, however odd.
pub(crate) fn good() -> Vec<File> {
    vec![
        file("good-plain.csv", TABLE, Done(3)),
        file("good-empty.csv", "", Done(0)),
        file("good-header-only.csv", "id,name\n", Done(0)),
        file("good-utf16le.csv", utf16(TABLE, u16::to_le_bytes), Done(3)),
        file("good-utf16be.csv", utf16(TABLE, u16::to_be_bytes), Done(3)),
        file("good-bom.csv", format!("\u{feff}{TABLE}"), Done(3)),
        file(
            "good-members.gz",
            [gzip(&TABLE.as_bytes()[..10]), gzip(&TABLE.as_bytes()[10..])].concat(),
            Done(3),
        ),
        file("good-gzip", gzip(TABLE.as_bytes()), Done(3)),
        file("good-zstd", zstandard(TABLE.as_bytes()), Done(3)),
        file("good-semicolons.csv", "id;name\n1;a,b\n2;c\n", Done(2)),
        file("good-cr.csv", "id,name\r1,one\r2,two\r", Done(2)),
        // Not plainly a number, so its column is one of text.
        file("good-power.csv", "a,b\n1,2\n1e200,4\n", Done(2)),
        file("good.jsonl", "{\"a\":1}\n{\"a\":{\"b\":[null,true]}}\n", Done(2)),
    ]
}

/// Files that cannot be trusted as a whole.
pub(crate) fn bad_objects() -> Vec<File> {
    let (gz, zst) = (gzip(TABLE.as_bytes()), zstandard(TABLE.as_bytes()));
    let regular = regular();
    let bomb = zstandard(&regular);
    assert!(bomb.len() < 64 * 1024, "{} bytes are no bomb", bomb.len());
    vec![
        file("cut.gz", &gz[..gz.len() - 9], Failed("truncated_gzip", None)),
        file("cut.zst", &zst[..zst.len() - 5], Failed("truncated_zstd", None)),
        file("checksum.gz", with_last(gz.clone(), 6), Failed("checksum_mismatch", None)),
        file("checksum.zst", with_last(zst.clone(), 1), Failed("checksum_mismatch", None)),
        file("garbage.gz", [&gz[..], b"and more"].concat(), Failed("trailing_garbage", None)),
        file("garbage.zst", [&zst[..], b"and more"].concat(), Failed("trailing_garbage", None)),
        file("bomb.gz", gzip(&regular), Failed("decompression_bomb", None)),
        file("bomb.zst", bomb, Failed("decompression_bomb", None)),
        file("zip.gz", "PK\x03\x04\x14\0\0\0\x08\0 and so on", Failed("damaged_file", None)),
        file("cut.xz.gz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F".to_vec(), Failed("truncated_xz", None)),
        file("binary.csv", [0, 1, 2, 3, 200, 0, 255, 7].repeat(50), Failed("unknown_binary", None)),
        file("quote.csv", "a,b\n1,x\n2,\"never closed\n3,y\n4,z\n", Failed("unbalanced_quote", Some(3))),
        file("after-quote.csv", "a,b\n1,\"x\"y\n", Failed("text_after_quote", Some(2))),
        file("duplicate.csv", "a,b,a\n1,2,3\n", Failed("duplicate_header", None)),
        file("nameless.csv", "a,,c\n1,2,3\n", Failed("empty_header", None)),
        file("cut.json", "[{\"a\":1},{\"a\":", Failed("json_cut_short", None)),
        file("pointer.earthquakes.json", "{\"type\":\"x\",\"items\":[]}", Failed("pointer_not_found", None)),
    ]
}

/// Files with one bad row, the second of three; the others are good.
pub(crate) fn bad_rows() -> Vec<File> {
    let csv = |row: &str| format!("a,b\n1,2\n{row}\n5,6\n");
    let lines = |row: &str| format!("{{\"a\":1}}\n{row}\n{{\"a\":3}}\n");
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let bytes = |row: &[u8]| [b"a,b\n1,2\n", row, b"\n5,6\n"].concat();
    // The line of the second row: the first line of a table is its header.
    let (second, third) = (Some(2), Some(3));
    vec![
        file("ragged.csv", csv("3,4,5"), Failed("ragged_row", third)),
        file("short.csv", csv("3"), Failed("ragged_row", third)),
        file("field.csv", csv(&format!("3,{}", "x".repeat(390_000))), Failed("field_too_large", third)),
        file(
            "item.jsonl",
            lines(&format!("{{\"a\":\"{0}\",\"b\":\"{0}\"}}", "x".repeat(210_000))),
            Failed("item_too_large", second),
        ),
        file("latin1.csv", bytes(b"3,caf\xe9"), Failed("invalid_utf8", third)),
        file("utf8.csv", bytes(b"3,\xf0\x9f\x98"), Failed("invalid_utf8", third)),
        file("surrogate.csv", bytes(b"3,\xed\xa0\x80"), Failed("invalid_utf8", third)),
        file(
            "nul.csv",
            [&b"a,b\n"[..], &b"1,a plain row of some text to begin with\n".repeat(2), b"3,\0\n"].concat(),
            Failed("nul_byte", Some(4)),
        ),
        file(
            "digits.csv",
            csv(&format!("{},4", "1234567890".repeat(4))),
            Failed("number_out_of_range", third),
        ),
        file(
            "digits.jsonl",
            lines(&format!("{{\"a\":{}}}", "1234567890".repeat(4))),
            Failed("number_out_of_range", second),
        ),
        file("huge.jsonl", lines("{\"a\":1e200}"), Failed("number_out_of_range", second)),
        file("deep.jsonl", lines(&nested(40)), Failed("json_too_deep", second)),
        file("twice.jsonl", lines("{\"a\":1,\"a\":2}"), Failed("duplicate_key", second)),
        file("syntax.jsonl", lines("{\"a\":tru}"), Failed("json_syntax", second)),
    ]
}
