//! Compression, encodings, and what is neither.

use std::io::Write;

use super::*;

const TABLE: &[u8] = b"id,name\n1,one\n2,two\n3,three\n";

async fn reason_in(bytes: &[u8], size: usize) -> Reason {
    bad(read_in(bytes, &Options::default(), size).await).reason
}

async fn reason(bytes: &[u8]) -> Reason {
    reason_in(bytes, 64 * 1024).await
}

#[tokio::test]
async fn all_members_and_all_frames_are_read() {
    let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let mut named = flate2::GzBuilder::new()
        .filename("table.csv")
        .comment("a table")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), flate2::Compression::best());
    named.write_all(TABLE).unwrap();
    for (packed, compression) in [
        (gzip(TABLE), Compression::Gzip),
        ([gzip(&TABLE[..10]), gzip(b""), gzip(&TABLE[10..])].concat(), Compression::Gzip),
        (named.finish().unwrap(), Compression::Gzip),
        (zstandard(TABLE), Compression::Zstd),
        (
            [skippable.clone(), zstandard(&TABLE[..10]), skippable.clone(), zstandard(&TABLE[10..])].concat(),
            Compression::Zstd,
        ),
        ([zstandard(TABLE), skippable].concat(), Compression::Zstd),
        (bzip2(TABLE), Compression::Bzip2),
        ([bzip2(&TABLE[..10]), bzip2(b""), bzip2(&TABLE[10..])].concat(), Compression::Bzip2),
        (xz(TABLE), Compression::Xz),
        ([xz(&TABLE[..10]), vec![0; 8], xz(b""), xz(&TABLE[10..]), vec![0; 4]].concat(), Compression::Xz),
        (TABLE.to_vec(), Compression::None),
    ] {
        for size in [1, 3, 64, 64 * 1024] {
            let (checked, rows) = read_in(&packed, &Options::default(), size).await.unwrap();
            assert_eq!((checked.compression, rows.len()), (compression, 3));
            assert_eq!((checked.bytes_in, checked.bytes_out), (packed.len() as u64, TABLE.len() as u64));
        }
    }
}

#[tokio::test]
async fn a_gzip_header_checksum_is_verified() {
    // The header of a member with the header-checksum flag, made by hand.
    let mut member = gzip(TABLE);
    member[3] |= 0b10;
    let mut crc = flate2::Crc::new();
    crc.update(&member[..10]);
    let sum = crc.sum().to_le_bytes();
    member.splice(10..10, [sum[0], sum[1]]);
    assert_eq!(read(&member, &Options::default()).await.unwrap().1.len(), 3);
    member[10] ^= 1;
    assert_eq!(reason(&member).await, Reason::ChecksumMismatch);
}

#[tokio::test]
async fn damage_is_told_apart() {
    let (gz, zst) = (gzip(TABLE), zstandard(TABLE));
    let flipped = |bytes: &[u8], back: usize| {
        let mut bytes = bytes.to_vec();
        let at = bytes.len() - back;
        bytes[at] ^= 0xff;
        bytes
    };
    for size in [1, 5, 64 * 1024] {
        for cut in 4..gz.len() {
            assert_eq!(reason_in(&gz[..cut], size).await, Reason::TruncatedGzip, "{cut}");
        }
        for cut in 5..zst.len() {
            assert_eq!(reason_in(&zst[..cut], size).await, Reason::TruncatedZstd, "{cut}");
        }
        assert_eq!(reason_in(&flipped(&gz, 6), size).await, Reason::ChecksumMismatch);
        assert_eq!(reason_in(&flipped(&gz, 1), size).await, Reason::ChecksumMismatch);
        assert_eq!(reason_in(&flipped(&zst, 1), size).await, Reason::ChecksumMismatch);
        for garbage in [&b"garbage and more of it"[..], b"\0\0\0\0\0\0\0\0", b"\x1f", b"\x1f\x8b"] {
            assert_eq!(reason_in(&[&gz[..], garbage].concat(), size).await, Reason::TrailingGarbage);
        }
        assert_eq!(reason_in(&[&zst[..], b"garbage and more"].concat(), size).await, Reason::TrailingGarbage);
        assert_eq!(reason_in(&[&gz[..], &gz[..9]].concat(), size).await, Reason::TruncatedGzip);
        assert_eq!(reason_in(&[&zst[..], &zst[..9]].concat(), size).await, Reason::TruncatedZstd);
    }
    let (bz2, xz) = (bzip2(TABLE), xz(TABLE));
    for size in [1, 5, 64 * 1024] {
        for cut in 10..bz2.len() {
            assert_eq!(reason_in(&bz2[..cut], size).await, Reason::TruncatedBzip2, "{cut}");
        }
        for cut in 6..xz.len() {
            assert_eq!(reason_in(&xz[..cut], size).await, Reason::TruncatedXz, "{cut}");
        }
        // Neither library tells a wrong checksum from other damage.
        assert_eq!(reason_in(&flipped(&bz2, 3), size).await, Reason::CorruptCompression);
        assert_eq!(reason_in(&flipped(&xz, 1), size).await, Reason::CorruptCompression);
        for garbage in [&b"garbage and more of it"[..], b"\0\0\0\0\0garbage", b"\xfd", b"B", b"BZ"] {
            assert_eq!(reason_in(&[&bz2[..], garbage].concat(), size).await, Reason::TrailingGarbage);
            assert_eq!(reason_in(&[&xz[..], garbage].concat(), size).await, Reason::TrailingGarbage);
        }
        assert_eq!(reason_in(&[&xz[..], &[0, 0]].concat(), size).await, Reason::TrailingGarbage);
        assert_eq!(reason_in(&[&bz2[..], &bz2[..9]].concat(), size).await, Reason::TruncatedBzip2);
        assert_eq!(reason_in(&[&xz[..], &xz[..9]].concat(), size).await, Reason::TruncatedXz);
    }
    let mut damaged = gz.clone();
    damaged[10] = 0xff;
    assert_eq!(reason(&damaged).await, Reason::CorruptCompression);
    let mut flags = gz.clone();
    flags[3] = 0x80;
    assert_eq!(reason(&flags).await, Reason::CorruptCompression);
}

#[tokio::test]
async fn a_lost_connection_is_never_the_objects_fault() {
    for packed in [TABLE.to_vec(), gzip(TABLE), zstandard(TABLE), bzip2(TABLE), xz(TABLE)] {
        for cut in 0..packed.len() {
            let pieces = vec![
                Ok(Bytes::copy_from_slice(&packed[..cut])),
                Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            ];
            let source = StreamReader::new(stream::iter(pieces));
            match check(source, &Options::default(), Tolerance::Any).await {
                Err(ReadError::Source(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
                other => panic!("cut at {cut}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_is_stopped_before_it_goes_off() {
    let small = Limits { ratio_from_bytes: 1024 * 1024, ..Limits::default() };
    let tight = Limits { decoded_bytes: 100_000, ..Limits::default() };
    let zeros = [b"a\n".to_vec(), b"0\n".repeat(4 * 1024 * 1024)].concat();
    for packed in [gzip(&zeros), zstandard(&zeros), bzip2(&zeros), xz(&zeros)] {
        for limits in [&small, &tight] {
            let options = Options { limits: limits.clone(), ..Options::default() };
            assert_eq!(
                bad(check(arriving(&packed, 4_096), &options, Tolerance::Any).await).reason,
                Reason::DecompressionBomb
            );
        }
    }
    let plain = Options { limits: tight, ..Options::default() };
    assert_eq!(
        bad(check(arriving(&zeros, 4_096), &plain, Tolerance::Any).await).reason,
        Reason::DecompressionBomb
    );
}

#[tokio::test]
async fn a_window_too_large_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(24).unwrap();
    encoder.write_all(TABLE).unwrap();
    encoder.flush().unwrap();
    encoder.write_all(TABLE).unwrap();
    assert_eq!(reason(&encoder.finish().unwrap()).await, Reason::WindowTooLarge);
    // What `xz -7` and above need: the dictionary is in the header, however little it holds.
    for (preset, allowed) in [(0, true), (6, true), (7, false), (9, false)] {
        let read = read(&xz_of(TABLE, preset), &Options::default()).await;
        match allowed {
            true => assert_eq!(read.unwrap().1.len(), 3, "{preset}"),
            false => assert_eq!(bad(read).reason, Reason::WindowTooLarge, "{preset}"),
        }
    }
}

#[tokio::test]
async fn damage_anywhere_is_refused_or_changes_nothing() {
    let mut random = fastrand::Rng::with_seed(13);
    let table = [TABLE.to_vec(), b"4,four\n".repeat(500)].concat();
    let (_, good) = read(&table, &Options::default()).await.unwrap();
    let first_stream = xz(&table[..700]);
    for packed in [bzip2(&table), xz(&table), [first_stream.clone(), xz(&table[700..])].concat()] {
        for _ in 0..rounds(100) {
            let mut damaged = packed.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..damaged.len());
                damaged[at] ^= 1 << random.u8(0..8);
            }
            if random.u8(0..4) == 0 {
                damaged.truncate(random.usize(10..damaged.len()));
            }
            // Cut between two streams, it is a whole file of one.
            if damaged == first_stream {
                continue;
            }
            // Bits that no checksum covers, such as those that pad the last byte, hold nothing.
            if let Ok((_, rows)) = read_in(&damaged, &Options::default(), 1_000).await {
                assert_eq!(rows, good);
            }
        }
    }
}

#[tokio::test]
async fn other_kinds_of_file_are_named() {
    let mut tar = vec![b'x'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, name) in [
        (&b"PK\x03\x04\x14\0\0\0"[..], "zip"),
        (b"\x04\x22\x4d\x18\x64", "lz4"),
        (b"PAR1\x15\x04\x15", "Parquet"),
        (b"ORC\x08\x03\x10", "ORC"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0", "PNG"),
        (b"\x7fELF\x02\x01", "ELF"),
        (&tar, "tar"),
    ] {
        let refused = bad(read(bytes, &Options::default()).await);
        assert_eq!(refused.reason, Reason::UnsupportedFormat, "{name}");
        assert!(refused.message.contains(name), "{}", refused.message);
        let refused = bad(read(&gzip(bytes), &Options::default()).await);
        assert_eq!(refused.reason, Reason::UnsupportedFormat, "{name}");
        assert!(refused.message.contains("holds"), "{}", refused.message);
    }
    assert_eq!(reason(b"\x01\x02\0\0some\0thing").await, Reason::UnknownBinary);
    // Words that merely begin like a signature.
    assert_eq!(lines(b"BZh9,b\n1,2\n", &Options::default()).await, [r#"{"BZh9":1,"b":2}"#]);
    assert_eq!(lines(b"ORC,GIF8\n1,2\n", &Options::default()).await, [r#"{"ORC":1,"GIF8":2}"#]);
}

#[tokio::test]
async fn what_a_program_has_compressed_twice_is_read() {
    let two_members = [gzip(&gzip(&TABLE[..9])), gzip(&gzip(&TABLE[9..]))].concat();
    for (packed, compression, inner) in [
        (gzip(&gzip(TABLE)), Compression::Gzip, Compression::Gzip),
        (gzip(&zstandard(TABLE)), Compression::Gzip, Compression::Zstd),
        (zstandard(&gzip(TABLE)), Compression::Zstd, Compression::Gzip),
        (gzip(&xz(TABLE)), Compression::Gzip, Compression::Xz),
        (xz(&bzip2(TABLE)), Compression::Xz, Compression::Bzip2),
        (two_members, Compression::Gzip, Compression::Gzip),
    ] {
        for size in [1, 5, 1_000] {
            let (checked, rows) = read_in(&packed, &Options::default(), size).await.unwrap();
            assert_eq!((checked.compression, checked.inner_compression, rows.len()), (compression, inner, 3));
            assert_eq!((checked.bytes_in, checked.bytes_out), (packed.len() as u64, TABLE.len() as u64));
        }
        let cut = reason(&packed[..packed.len() - 3]).await;
        let truncated = matches!(cut, Reason::TruncatedGzip | Reason::TruncatedZstd | Reason::TruncatedXz);
        assert!(truncated, "{cut}");
    }
    // Damage inside is found by the inner checksum, and a cut inside by the missing end.
    let mut damaged = gzip(TABLE);
    let last = damaged.len() - 6;
    damaged[last] ^= 1;
    assert_eq!(reason(&gzip(&damaged)).await, Reason::ChecksumMismatch);
    assert_eq!(reason(&gzip(&gzip(TABLE)[..20])).await, Reason::TruncatedGzip);
    // Three times is a mistake, and a bomb is one on either level.
    assert_eq!(reason(&gzip(&gzip(&gzip(TABLE)))).await, Reason::NestedCompression);
    let limits = Limits { ratio_from_bytes: 64 * 1024, ratio: 100, ..Limits::default() };
    let zeros = [b"a\n".to_vec(), b"0\n".repeat(256 * 1024)].concat();
    for bomb in [gzip(&gzip(&zeros)), gzip(&gzip(b"").repeat(10_000))] {
        let options = Options { limits: limits.clone(), ..Options::default() };
        assert_eq!(
            bad(check(arriving(&bomb, 4_096), &options, Tolerance::Any).await).reason,
            Reason::DecompressionBomb
        );
    }
    // The parts of a table that begins like compressed data are only text.
    assert_eq!(lines(&gzip(b"a\nb\n"), &Options::default()).await, [r#"{"a":"b"}"#]);
}

#[tokio::test]
async fn byte_order_marks_are_understood() {
    let text = "id,name\n1,h\u{e9}\n2,\u{1f600}\n";
    let wide = |mark: bool, order: fn(u16) -> [u8; 2]| {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect::<Vec<u8>>()
    };
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for (bytes, encoding) in [
        (marked, Encoding::Utf8),
        (wide(true, u16::to_le_bytes), Encoding::Utf16Le),
        (wide(true, u16::to_be_bytes), Encoding::Utf16Be),
    ] {
        for packed in [bytes.clone(), gzip(&bytes)] {
            for size in [1, 3, 1_000] {
                let (checked, rows) = read_in(&packed, &Options::default(), size).await.unwrap();
                assert_eq!(checked.encoding, encoding);
                assert_eq!(
                    rows.iter().map(line).collect::<Vec<_>>(),
                    [r#"{"id":1,"name":"hé"}"#, r#"{"id":2,"name":"😀"}"#]
                );
            }
        }
    }
    assert_eq!(reason(&wide(false, u16::to_le_bytes)).await, Reason::Utf16WithoutBom);
    assert_eq!(reason(&wide(false, u16::to_be_bytes)).await, Reason::Utf16WithoutBom);
    assert_eq!(reason(b"\xff\xfe\0\0a\0\0\0").await, Reason::UnsupportedEncoding);
    let mut half = wide(true, u16::to_le_bytes);
    half.pop();
    assert_eq!(reason(&half).await, Reason::InvalidUtf16);
    let lone = [0xff, 0xfe, b'a', 0, b'\n', 0, 0x00, 0xd8, b'x', 0];
    let refused = bad(read(&lone, &Options::default()).await);
    assert_eq!(refused.reason, Reason::InvalidUtf16);
}
