//! Parquet files, which are read by ranges: of an object that is kept in memory, and of one that is too large for that.

use std::sync::Arc;

use localcloud::faults::Call;
use parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use tests::{JobAsserts, TestEnv, call};

const KEY: &str = "uploads/people.parquet";

/// Rows with an id and a note of this many bytes, in row groups of 500.
fn parquet(rows: i64, note_bytes: usize) -> Vec<u8> {
    let schema = "message people { required int64 id; optional binary note (STRING); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let ids: Vec<i64> = (1..=rows).collect();
    for ids in ids.chunks(500) {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(ids, None, None).unwrap();
        column.close().unwrap();
        // Every third has no note.
        let levels: Vec<i16> = ids.iter().map(|id| i16::from(id % 3 != 0)).collect();
        let notes: Vec<ByteArray> =
            ids.iter().filter(|id| *id % 3 != 0).map(|id| note(*id, note_bytes).as_str().into()).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&notes, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn note(id: i64, bytes: usize) -> String {
    format!("{id:0bytes$}")
}

/// The records of [`parquet`].
fn records(rows: i64, note_bytes: usize) -> Vec<String> {
    let record = |id| match id % 3 {
        0 => format!(r#"{{"id":{id},"note":null}}"#),
        _ => format!(r#"{{"id":{id},"note":"{}"}}"#, note(id, note_bytes)),
    };
    (1..=rows).map(record).collect()
}

#[test]
fn a_small_file_is_fetched_once_for_both_readings() {
    TestEnv::plan(951).dedicated_tasks().run(async |env| {
        env.put(KEY, parquet(40, 10)).await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_records(40).assert_attempt(1);
        assert_eq!(job.format(), Some("parquet"));
        assert_eq!(env.visible(KEY).await, records(40, 10));
    });
}

#[test]
fn a_large_file_is_read_by_ranges_over_connections_that_break() {
    TestEnv::plan(952).dedicated_tasks().run(async |env| {
        // 3,000 rows of which two thirds have a note: 6 MB, more than is kept in memory.
        let file = parquet(3_000, 3_000);
        assert!(file.len() > 5 << 20);
        env.on(call::read_object_at(KEY).meets(Call::CutBody { after: 40_000 }).first(4));
        env.put(KEY, file).await;
        env.settle().await;
        env.job(KEY).await.assert_done().assert_records(3_000).assert_attempt(1);
        assert!(env.cloud().faults().fired() >= 4, "nothing was cut");
        assert_eq!(env.visible(KEY).await, records(3_000, 3_000));
        let calls = env.calls("s3", "GetObject");
        assert!(calls < 40, "{calls} calls: a range is worth a call");
    });
}

#[test]
fn a_file_that_is_cut_short_fails_with_its_reason() {
    TestEnv::plan(953).dedicated_tasks().run(async |env| {
        let mut file = parquet(40, 10);
        file.truncate(file.len() - 100);
        env.put(KEY, file).await;
        env.settle().await;
        env.job(KEY).await.assert_failed().assert_reason("damaged_file");
        assert_eq!(env.visible(KEY).await, [] as [String; 0]);
    });
}
