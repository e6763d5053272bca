//! Zip archives: what they hold, and what is wrong with them.

use std::io::Write;

use super::*;

const TABLE: &[u8] = b"id,name\n1,one\n2,two\n3,three\n";
const MORE: &[u8] = b"id,name\n4,four\n5,five";

/// How a member is written, besides its name and its data.
#[derive(Clone, Copy, Default)]
struct Written {
    /// Zero stores the data, eight deflates it.
    method: u16,
    flags: u16,
    /// Sizes in eight bytes each, as in archives beyond 4 GB.
    large: bool,
    /// Checksum and sizes behind the data, as programs write that do not know them before.
    sizes_follow: bool,
}

const DEFLATED: Written = Written { method: 8, flags: 0, large: false, sizes_follow: false };

/// An archive of these members, with a directory that says the same as their headers.
fn archive(members: &[(&str, &[u8], Written)]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for (name, data, written) in members {
        let mut crc = flate2::Crc::new();
        crc.update(data);
        let packed = packed(data, written.method);
        let (sum, sizes) = (crc.sum(), [data.len() as u64, packed.len() as u64]);
        let flags = written.flags | if written.sizes_follow { 0b1000 } else { 0 };
        let offset = archive.len() as u32;
        let of = |size: u64| if written.large { u32::MAX } else { size as u32 };
        let extra: Vec<u8> = match written.large {
            true => [&[1, 0, 16, 0][..], &sizes[0].to_le_bytes(), &sizes[1].to_le_bytes()].concat(),
            false => Vec::new(),
        };
        let shared = |crc: u32, sizes: [u32; 2]| {
            let start = [20, flags, written.method, 0, 0].map(u16::to_le_bytes).concat();
            let middle = [crc, sizes[1], sizes[0]].map(u32::to_le_bytes).concat();
            [start, middle, [name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat()].concat()
        };
        let here = if written.sizes_follow { (0, [0, 0]) } else { (sum, sizes.map(of)) };
        archive
            .extend([b"PK\x03\x04", &shared(here.0, here.1)[..], name.as_bytes(), &extra, &packed].concat());
        if written.sizes_follow {
            archive.extend(
                [b"PK\x07\x08", &[sum, of(sizes[1]), of(sizes[0])].map(u32::to_le_bytes).concat()[..]]
                    .concat(),
            );
        }
        directory.extend([b"PK\x01\x02\x14\0", &shared(sum, sizes.map(of))[..], &[0; 10]].concat());
        directory.extend([&offset.to_le_bytes()[..], name.as_bytes(), &extra].concat());
    }
    end(archive, &directory, members.len())
}

fn packed(data: &[u8], method: u16) -> Vec<u8> {
    match method {
        8 => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        12 => bzip2(data),
        93 => zstandard(data),
        95 => xz(data),
        _ => data.to_vec(),
    }
}

fn end(mut archive: Vec<u8>, directory: &[u8], members: usize) -> Vec<u8> {
    let (count, offset) = (members as u16, archive.len() as u32);
    archive.extend_from_slice(directory);
    archive.extend([b"PK\x05\x06", &[0, 0, count, count].map(u16::to_le_bytes).concat()[..]].concat());
    archive.extend([directory.len() as u32, offset].map(u32::to_le_bytes).concat());
    archive.extend([0, 0]);
    archive
}

pub(super) fn deflated(members: &[(&str, &[u8])]) -> Vec<u8> {
    archive(&members.iter().map(|(name, data)| (*name, *data, DEFLATED)).collect::<Vec<_>>())
}

/// Checks and reads an archive, and sees that both readings agree.
pub(super) async fn read_zip(bytes: &[u8], options: &Options) -> Result<(Checked, Vec<Row>), ReadError> {
    let source = || Source::bytes(bytes.to_vec());
    let checked = check(source(), options, Tolerance::Any).await?;
    let mut rows = Rows::open(source(), options, Some(&checked.schema)).await?;
    let mut read = Vec::new();
    while let Some(row) = rows.next().await? {
        read.push(row);
    }
    let rejects = read.iter().filter_map(|row| Some((row.number, row.content.as_ref().err()?.clone())));
    let rejects: Vec<_> = rejects.collect();
    assert_eq!((read.len() as u64, rejects.len() as u64), (checked.rows, checked.rejected));
    assert!(rejects.starts_with(&checked.first_rejects), "{rejects:?}, {:?}", checked.first_rejects);
    assert!(read.iter().enumerate().all(|(at, row)| row.number == at as u64 + 1));
    assert_eq!((rows.bytes_in(), rows.bytes_out()), (checked.bytes_in, checked.bytes_out));
    Ok((checked, read))
}

async fn zip_lines(bytes: &[u8]) -> Vec<String> {
    let (_, rows) = read_zip(bytes, &Options::default()).await.unwrap();
    rows.iter().map(line).collect()
}

async fn refused(bytes: &[u8]) -> BadInput {
    bad(read_zip(bytes, &Options::default()).await)
}

#[tokio::test]
async fn a_member_is_read_however_it_is_packed() {
    let expected = lines(TABLE, &Options::default()).await;
    for method in [0, 8, 12, 93, 95] {
        for (large, sizes_follow) in [(false, false), (true, false), (false, true)] {
            let written = Written { method, flags: 0, large, sizes_follow };
            let zip = archive(&[("orders/may.csv", TABLE, written)]);
            let (checked, rows) = read_zip(&zip, &Options::default()).await.unwrap();
            assert_eq!(rows.iter().map(line).collect::<Vec<_>>(), expected, "{method}");
            assert_eq!(checked.compression, Compression::Zip);
            assert_eq!((checked.bytes_in, checked.bytes_out), (zip.len() as u64, TABLE.len() as u64));
        }
    }
    // A comment behind the end record, which may look like one itself.
    let mut zip = deflated(&[("a.csv", TABLE)]);
    let length = zip.len();
    let comment = [b"PK\x05\x06", &[0; 40][..]].concat();
    zip[length - 2..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
    assert_eq!(zip_lines(&[zip, comment].concat()).await, expected);
    // Other formats, and what is compressed once more.
    assert_eq!(
        zip_lines(&deflated(&[("a.jsonl", b"{\"a\":1}\n{\"a\":2}")])).await,
        [r#"{"a":1}"#, r#"{"a":2}"#]
    );
    let (checked, rows) =
        read_zip(&deflated(&[("a.csv.gz", &gzip(TABLE))]), &Options::default()).await.unwrap();
    assert_eq!((checked.inner_compression, rows.len()), (Compression::Gzip, 3));
    assert_eq!(
        refused(&deflated(&[("a.gz.gz", &gzip(&gzip(TABLE)))])).await.reason,
        Reason::NestedCompression
    );
}

#[tokio::test]
async fn members_that_are_one_table_are_read_one_after_the_other() {
    let zip = deflated(&[
        ("data/", b""),
        ("data/may.csv", TABLE),
        ("__MACOSX/data/._may.csv", b"\0\x05\x16\x07\0\x02\0\0Mac OS X"),
        ("data/.DS_Store", b"\0\0\0\x01Bud1"),
        ("data/empty.csv", b""),
        ("data/june.csv", MORE),
        ("data/none.csv", b"id,name\n"),
    ]);
    let (checked, rows) = read_zip(&zip, &Options::default()).await.unwrap();
    assert_eq!(
        rows.iter().map(line).collect::<Vec<_>>(),
        [
            r#"{"id":1,"name":"one"}"#,
            r#"{"id":2,"name":"two"}"#,
            r#"{"id":3,"name":"three"}"#,
            r#"{"id":4,"name":"four"}"#,
            r#"{"id":5,"name":"five"}"#,
        ]
    );
    assert_eq!(checked.bytes_out, (TABLE.len() + MORE.len() + 8) as u64);
    // A type holds for the columns of all members.
    let zip = deflated(&[("1.csv", b"zip,n\n12345,1\n94110,2\n"), ("2.csv", b"zip,n\n01001,3\n")]);
    assert_eq!(zip_lines(&zip).await[0], r#"{"zip":"12345","n":1}"#);
    // JSON of any shape is JSON, and Avro of one schema one table.
    let zip =
        deflated(&[("1.json", b"[{\"a\":1},{\"a\":2}]"), ("2.json", b"{\"a\":3}"), ("3", b"{\n\"a\": 4}")]);
    assert_eq!(zip_lines(&zip).await, [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":4}"#]);
}

#[tokio::test]
async fn a_refused_row_says_which_member_it_is_in() {
    let zip = deflated(&[("1.csv", TABLE), ("2.csv", b"id,name\n4\n5,five\n")]);
    let (_, rows) = read_zip(&zip, &Options::default()).await.unwrap();
    let reject = rows[3].content.as_ref().unwrap_err();
    assert_eq!((reject.reason, reject.place), (Reason::RaggedRow, Place::Line(2)));
    assert!(reject.message.ends_with(r#" (in "2.csv" of the zip archive)"#), "{}", reject.message);
    let strict = check(Source::bytes(zip), &Options::default(), Tolerance::None).await;
    let message = bad(strict).message;
    assert_eq!(message.matches("2.csv").count(), 1, "{message}");
    let zip = deflated(&[("1.json", b"{\"a\":1}\n{\"a\":2}\n"), ("2.json", b"{\"a\":1}\n{\"a\":}\n")]);
    let (_, rows) = read_zip(&zip, &Options::default()).await.unwrap();
    let reject = rows[3].content.as_ref().unwrap_err();
    assert!(reject.message.ends_with(r#" (in "2.json" of the zip archive)"#), "{}", reject.message);
    // Alone, a member needs no name.
    let (_, rows) =
        read_zip(&deflated(&[("2.csv", b"id,name\n4\n5,five\n")]), &Options::default()).await.unwrap();
    assert!(!rows[0].content.as_ref().unwrap_err().message.contains("2.csv"));
    let open = deflated(&[("1.csv", TABLE), ("2.csv", b"id,name\n4,\"four\n")]);
    let refused = refused(&open).await;
    assert_eq!(refused.reason, Reason::UnbalancedQuote);
    assert_eq!(refused.message.matches("2.csv").count(), 1, "{}", refused.message);
}

#[tokio::test]
async fn members_that_are_not_alike_are_refused_by_name() {
    for (second, difference) in [
        (
            &b"id,title\n4,four\n"[..],
            "the columns are (\"id\", \"name\") in one and (\"id\", \"title\") in the other",
        ),
        (b"id;name\n4;four\n", "the columns are"),
        (b"4,four\n5,five\n", "the columns are"),
        (b"{\"id\":4}\n{\"id\":5}\n", "the columns are"),
        (b"Read me first.\n", "the columns are"),
    ] {
        let refused = refused(&deflated(&[("a.csv", TABLE), ("b.txt", second)])).await;
        assert_eq!(refused.reason, Reason::TwoTables, "{}", refused.message);
        assert!(
            refused
                .message
                .starts_with("the zip archive holds \"a.csv\" and \"b.txt\", which are not alike: ")
        );
        assert!(refused.message.contains(difference), "{}", refused.message);
    }
    let refused_json = refused(&deflated(&[("a.json", b"{\"a\":1}"), ("b.csv", TABLE)])).await;
    assert_eq!(refused_json.reason, Reason::TwoTables);
    assert!(
        refused_json.message.contains("they are not of one format; to read only some"),
        "{}",
        refused_json.message
    );
    let png = refused(&deflated(&[("a.csv", TABLE), ("b.png", b"\x89PNG\r\n\x1a\n\0")])).await;
    assert_eq!(png.reason, Reason::UnsupportedFormat);
    assert!(png.message.contains("PNG") && png.message.contains("b.png"), "{}", png.message);
}

fn picking(entry: &str) -> Options {
    Options { entry: Some(entry.parse().unwrap()), ..Options::default() }
}

#[tokio::test]
async fn the_files_that_the_pipeline_picks_are_read_whatever_else_there_is() {
    let encrypted = Written { flags: 1, ..DEFLATED };
    let bytes = archive(&[
        ("notes.txt", b"Read me first.\n", DEFLATED),
        ("data/1.csv", TABLE, DEFLATED),
        ("data/2.csv", b"id,name\n4,four\n", DEFLATED),
        ("data/old/1.csv", b"id,title\n5,five\n", DEFLATED),
        ("a [1].csv", b"n\n6\n7\n", DEFLATED),
        ("secret.csv", b"n\n6\n", encrypted),
    ]);
    let refused = refused(&bytes).await;
    assert_eq!(refused.reason, Reason::EncryptedFile, "{}", refused.message);
    for (entry, expected) in [
        (
            "data/*.csv",
            &[
                r#"{"id":1,"name":"one"}"#,
                r#"{"id":2,"name":"two"}"#,
                r#"{"id":3,"name":"three"}"#,
                r#"{"id":4,"name":"four"}"#,
            ][..],
        ),
        ("**/old/*", &[r#"{"id":5,"title":"five"}"#]),
        ("a [[]1].csv", &[r#"{"n":6}"#, r#"{"n":7}"#]),
    ] {
        let (_, rows) = read_zip(&bytes, &picking(entry)).await.unwrap();
        assert_eq!(rows.iter().map(line).collect::<Vec<_>>(), expected, "{entry}");
    }
    let none = bad(read_zip(&bytes, &picking("*.json")).await);
    assert_eq!(none.reason, Reason::NoTable);
    assert!(none.message.starts_with("the pipeline says entry = \"*.json\", but"), "{}", none.message);
    assert!(none.message.contains("\"notes.txt\", \"data/1.csv\""), "{}", none.message);
    let unlike = bad(read_zip(&bytes, &picking("data/**/*.csv")).await);
    assert_eq!(unlike.reason, Reason::TwoTables);
    assert!(unlike.message.ends_with("such as entry = \"data/1.csv\""), "{}", unlike.message);
    for other in [TABLE.to_vec(), gzip(TABLE), super::sheet::xlsx(&[("A", "visible", "<row/>")], &[])] {
        let refused = bad(read_zip(&other, &picking("*.csv")).await);
        assert_eq!(refused.reason, Reason::WrongFormat, "{}", refused.message);
        assert!(refused.message.contains("entry = \"*.csv\""), "{}", refused.message);
    }
    assert_eq!(read_zip(b"", &picking("*.csv")).await.unwrap().1.len(), 0);
}

#[tokio::test]
async fn what_an_archive_may_not_hold_is_named() {
    let inner = deflated(&[("a.csv", TABLE)]);
    let encrypted = Written { flags: 1, ..DEFLATED };
    let by_aes = Written { method: 99, ..Written::default() };
    let deflate64 = Written { method: 9, ..Written::default() };
    for (zip, reason, words) in [
        (
            deflated(&[("a.zip", &inner)]),
            Reason::NestedCompression,
            "\"a.zip\" in the zip archive is a zip archive itself",
        ),
        (
            archive(&[("a.csv", TABLE, encrypted)]),
            Reason::EncryptedFile,
            "\"a.csv\" in the zip archive is encrypted",
        ),
        (
            archive(&[("a.csv", TABLE, by_aes)]),
            Reason::EncryptedFile,
            "\"a.csv\" in the zip archive is encrypted",
        ),
        (archive(&[("a.csv", TABLE, deflate64)]), Reason::UnsupportedFormat, "compressed by Deflate64"),
        (deflated(&[("a.parquet", b"PAR1\x15\x04\x15")]), Reason::UnsupportedFormat, "is a Parquet file"),
        (deflated(&[("word/document.xml", b"<a/>")]), Reason::UnsupportedFormat, "a Word document"),
        (deflated(&[]), Reason::NoTable, "holds no file"),
        (
            deflated(&[("a/", b""), ("__MACOSX/a", b"x"), (".DS_Store", b"y")]),
            Reason::NoTable,
            "holds no file",
        ),
    ] {
        let refused = refused(&zip).await;
        assert_eq!(refused.reason, reason, "{}", refused.message);
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    // An object without a byte has no records, packed or not.
    assert_eq!(zip_lines(&deflated(&[("a.csv", b"")])).await, [] as [&str; 0]);
    // A pipeline's format is that of the members.
    let parquet = Options { format: Format::Parquet, ..Options::default() };
    let refused = bad(read_zip(&inner, &parquet).await);
    assert_eq!(refused.reason, Reason::WrongFormat);
    assert_eq!(read_zip(&inner, &csv_options()).await.unwrap().1.len(), 3);
    let stream = bad(read(&inner, &Options::default()).await);
    assert!(
        stream.message.starts_with("the object is a zip archive, which is not read in order"),
        "{}",
        stream.message
    );
}

#[tokio::test]
async fn an_archive_that_is_cut_or_contradicts_itself_is_refused() {
    let zip = deflated(&[("a.csv", TABLE), ("b.csv", MORE)]);
    for cut in 4..zip.len() {
        assert_eq!(refused(&zip[..cut]).await.reason, Reason::DamagedFile, "{cut}");
    }
    let cut = refused(&zip[..zip.len() - 1]).await;
    assert!(cut.message.contains("cut short"), "{}", cut.message);
    assert_eq!(refused(&[&zip[..], b"\n"].concat()).await.reason, Reason::DamagedFile);
    // A name in a header that the directory does not have.
    let mut other = zip.clone();
    other[30] = b'c';
    let other = refused(&other).await;
    assert!(other.message.contains("header of \"a.csv\" that differs"), "{}", other.message);
    // The checksum, here and in the directory.
    let stored = archive(&[("a.csv", TABLE, Written::default())]);
    let mut changed = stored.clone();
    changed[40] ^= 1;
    assert_eq!(refused(&changed).await.reason, Reason::ChecksumMismatch);
    // Two of one name, and two that share their bytes.
    assert!(
        refused(&deflated(&[("a.csv", TABLE), ("a.csv", TABLE)]))
            .await
            .message
            .contains("two members called")
    );
    let (first, second) = (deflated(&[("a.csv", TABLE)]), deflated(&[("b.csv", TABLE)]));
    let entry = |zip: &[u8]| {
        let at = zip.windows(4).position(|part| part == b"PK\x01\x02").unwrap();
        zip[at..zip.len() - 22].to_vec()
    };
    let body = first[..first.len() - 22 - entry(&first).len()].to_vec();
    let shared = refused(&end(body, &[entry(&first), entry(&second)].concat(), 2)).await;
    assert!(shared.message.contains("where another member or its directory is"), "{}", shared.message);
}

#[tokio::test]
async fn a_bomb_in_an_archive_is_stopped() {
    let limits = Limits { ratio_from_bytes: 1024 * 1024, ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let zeros = [b"a\n".to_vec(), b"0\n".repeat(2 * 1024 * 1024)].concat();
    // In one member, in many that are harmless each, and in one that is compressed twice.
    let quarter = &zeros[..zeros.len() / 8];
    let names: Vec<String> = (0..8).map(|at| format!("{at}.csv")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), quarter)).collect();
    for zip in [deflated(&[("a.csv", &zeros)]), deflated(&many), deflated(&[("a.gz", &gzip(&zeros))])] {
        assert!(zip.len() < 40_000, "{}", zip.len());
        assert_eq!(bad(read_zip(&zip, &options).await).reason, Reason::DecompressionBomb);
    }
    assert!(read_zip(&deflated(&[("a.csv", quarter)]), &options).await.is_ok());
    // A directory that says less than there is.
    let mut zip = archive(&[("a.csv", TABLE, DEFLATED)]);
    let size = (TABLE.len() as u32).to_le_bytes();
    let places: Vec<usize> = (0..zip.len() - 4).filter(|at| zip[*at..*at + 4] == size).collect();
    for at in places {
        zip[at] -= 1;
    }
    assert_eq!(refused(&zip).await.reason, Reason::ChecksumMismatch);
}

#[tokio::test]
async fn damage_anywhere_in_an_archive_is_refused_or_changes_nothing() {
    let mut random = fastrand::Rng::with_seed(17);
    let table = [TABLE.to_vec(), b"4,four\n".repeat(300)].concat();
    let zip = archive(&[
        ("a.csv", &table, DEFLATED),
        ("b.csv", &table, Written { sizes_follow: true, ..DEFLATED }),
        ("c.csv", &table, Written { large: true, ..Written::default() }),
    ]);
    let (_, good) = read_zip(&zip, &Options::default()).await.unwrap();
    for _ in 0..rounds(400) {
        let mut damaged = zip.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(0..damaged.len());
            damaged[at] ^= 1 << random.u8(0..8);
        }
        match random.u8(0..6) {
            0 => damaged.truncate(random.usize(4..damaged.len())),
            1 => drop(damaged.drain(random.usize(4..40)..random.usize(40..400))),
            _ => {}
        }
        // Times, names of programs and comments mean nothing, and what is no data any more is left out.
        if let Ok((_, rows)) = read_zip(&damaged, &Options::default()).await {
            let records: Vec<String> = rows.iter().map(line).collect();
            let whole: Vec<String> = good.iter().map(line).collect();
            assert_eq!(records, whole);
        }
    }
}
