//! Zip archives and workbooks, which are read by ranges and as a whole.

use std::io::{Cursor, Write};

use localcloud::faults::Call;
use tests::{JobAsserts, TestEnv, call};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{csv, records};

/// Written by openpyxl: see crates/readers/tests/sheets/generate.py, which also tells what it holds.
const WORKBOOK: &[u8] = include_bytes!("../../../crates/readers/tests/sheets/openpyxl-1.xlsx");

fn archive(files: &[(&str, &str)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn archives_and_workbooks_become_records() {
    TestEnv::plan(954).dedicated_tasks().run(async |env| {
        let (may, june) = (csv(1, 3), csv(4, 2));
        let zip = archive(&[("may.csv", &may), ("june.csv", &june)], CompressionMethod::Deflated);
        env.put("uploads/months.zip", &zip[..]).await;
        env.put("uploads/cut.zip", &zip[..zip.len() - 30]).await;
        let mixed =
            archive(&[("may.csv", &may), ("note.csv", "who,what\n1,a\n")], CompressionMethod::Deflated);
        env.put("uploads/mixed.zip", mixed).await;
        env.put("uploads/a.xlsx", WORKBOOK).await;
        env.settle().await;
        let job = env.job("uploads/months.zip").await;
        job.assert_done().assert_records(5);
        assert_eq!(job.format(), Some("csv.zip"));
        assert_eq!(env.visible("uploads/months.zip").await, records(1, 5));
        env.job("uploads/cut.zip").await.assert_failed().assert_reason("damaged_file");
        env.job("uploads/mixed.zip").await.assert_failed().assert_reason("two_tables");
        assert_eq!(env.visible("uploads/mixed.zip").await, [] as [String; 0]);
        let job = env.job("uploads/a.xlsx").await;
        job.assert_done().assert_records(4);
        assert_eq!(job.format(), Some("xlsx"));
        assert_eq!(
            env.visible("uploads/a.xlsx").await[0],
            r#"{"id":1,"name 0":"=1+1","name 1":"08:01:35","name 2":34139,"name 3":"89119"}"#
        );
    });
}

#[test]
fn a_large_archive_is_read_by_ranges_over_connections_that_break() {
    TestEnv::plan(955).dedicated_tasks().run(async |env| {
        // Two tables of 3 MB, more than is kept in memory.
        let table = |first: usize| {
            let rows = (first..first + 1_000).map(|row| format!("{row},{row:03000}\n"));
            std::iter::once("id,note\n".to_owned()).chain(rows).collect::<String>()
        };
        let zip = archive(&[("1.csv", &table(1)), ("2.csv", &table(1_001))], CompressionMethod::Stored);
        assert!(zip.len() > 5 << 20);
        let key = "uploads/large.zip";
        env.on(call::read_object_at(key).meets(Call::CutBody { after: 40_000 }).first(4));
        env.put(key, zip).await;
        env.settle().await;
        env.job(key).await.assert_done().assert_records(2_000).assert_attempt(1);
        assert!(env.cloud().faults().fired() >= 4, "nothing was cut");
        let expected = (1..=2_000).map(|row| format!(r#"{{"id":{row},"note":"{row:03000}"}}"#));
        assert_eq!(env.visible(key).await, expected.collect::<Vec<_>>());
        let calls = env.calls("s3", "GetObject");
        assert!(calls < 40, "{calls} calls: a range is worth a call");
    });
}
