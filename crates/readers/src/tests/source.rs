//! Streams and ranges of one object.

use std::io::Write;

use tokio::io::AsyncReadExt;

use super::*;

fn local_file(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[tokio::test]
async fn bytes_and_files_are_read_in_order_and_at_any_place() {
    let bytes: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let sources = || [Source::bytes(bytes.clone()), Source::file(local_file(&bytes)).unwrap()];
    for source in sources() {
        let mut begun = source.begin().await.unwrap();
        let mut all = std::mem::take(&mut begun.first);
        begun.stream.read_to_end(&mut all).await.unwrap();
        assert!(all == bytes);
    }
    for source in sources() {
        let ranges = source.ranges("a Parquet file").await.unwrap();
        assert_eq!(ranges.length(), 300_000);
        for (offset, length) in [(0, 4), (299_996, 4), (1_000, 0), (0, 300_000), (77, 150_000)] {
            let range = ranges.read(offset as u64, length).await.unwrap();
            assert!(range == bytes[offset..offset + length]);
        }
        assert_eq!(ranges.received(), 4 + 4 + 300_000 + 150_000);
        for (offset, length) in [(299_999, 2), (u64::MAX, 1), (0, usize::MAX)] {
            assert_eq!(bad(ranges.read(offset, length).await).reason, Reason::DamagedFile);
        }
    }
}

#[tokio::test]
async fn what_can_only_be_read_in_order_has_no_ranges() {
    let refused = bad(Source::from(&b"PAR1"[..]).ranges("a Parquet file").await);
    assert_eq!(refused.reason, Reason::UnsupportedFormat);
    assert!(refused.message.starts_with("the object is a Parquet file, which is not read in order"));
    let begun = Source::from(&b"PAR1"[..]).begin().await.unwrap();
    assert!(begun.ended && begun.first == b"PAR1");
    assert_eq!(bad(begun.into_ranges("a Parquet file").await).reason, Reason::UnsupportedFormat);
    let begun = Source::bytes(&b"PAR1"[..]).begin().await.unwrap();
    assert_eq!(begun.into_ranges("a Parquet file").await.unwrap().length(), 4);
}
