//! Small objects that hold or promise very many rows: each is refused, or read, in bounded time.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ::parquet::file::metadata::{
    FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter,
};
use domain::pipelines::{Delimited, Header, Pipelines};
use domain::text::grouped;
use domain::volume::Bounds;
use futures::future::BoxFuture;

use super::avro::{long, sized};
use super::sheet::{ods, ods_number, ods_table, xlsx};
use super::zip::{deflated, read_zip};
use super::*;

/// How long a small object may take, in a development build on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// The options for an object of `uploaded` bytes whose pipeline has these keys.
fn of_pipeline(keys: &str, uploaded: usize) -> Options {
    let text = format!("version = 1\n[[pipeline]]\nname = \"a\"\n{keys}\n");
    let pipelines = Pipelines::parse(&text, "p.toml").unwrap();
    let bounds = Bounds::of(pipelines.iter().next().unwrap(), Some(uploaded as u64));
    Options { bounds, ..Options::default() }
}

/// An object that notes what is read of it.
struct Watched {
    bytes: Vec<u8>,
    reads: Arc<Mutex<Vec<(u64, usize)>>>,
}

impl RandomAccess for Watched {
    fn open(&self) -> Stream {
        Box::pin(io::Cursor::new(self.bytes.clone()))
    }

    fn length(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async { Ok(self.bytes.len() as u64) })
    }

    fn read_at(&self, offset: u64, length: usize) -> BoxFuture<'_, io::Result<Bytes>> {
        self.reads.lock().unwrap().push((offset, length));
        let start = offset as usize;
        Box::pin(async move { Ok(Bytes::copy_from_slice(&self.bytes[start..start + length])) })
    }
}

/// The kept file with a footer that says it has `rows` rows, and where that footer begins.
fn promising(rows: i64) -> (Vec<u8>, usize) {
    let kept = include_bytes!("../../tests/parquet/codec-none.parquet");
    let footer_bytes = u32::from_le_bytes(*kept[..kept.len() - 4].last_chunk().unwrap()) as usize;
    let start = kept.len() - 8 - footer_bytes;
    let metadata = ParquetMetaDataReader::decode_metadata(&kept[start..start + footer_bytes]).unwrap();
    let group = metadata.row_group(0).clone().into_builder().set_num_rows(rows).build().unwrap();
    let file = metadata.file_metadata();
    let file = FileMetaData::new(file.version(), rows, None, None, file.schema_descr_ptr(), None);
    let mut bytes = kept[..start].to_vec();
    let metadata = ParquetMetaData::new(file, vec![group]);
    ParquetMetaDataWriter::new(&mut bytes, &metadata).finish().unwrap();
    (bytes, start)
}

#[tokio::test]
async fn rows_that_a_footer_promises_are_refused_before_one_is_read() {
    let (bytes, footer) = promising(1_000_000_000);
    for (keys, reason, words) in [
        ("", Reason::TooManyRecords, "the footer promises 1,000,000,000 records from "),
        ("", Reason::TooManyRecords, "max_records = 1000000000 would allow them"),
        ("max_records = 5", Reason::TooManyRecords, "1,000,000,000 records, where max_records allows 5"),
        ("bad_rows = \"skip\"", Reason::TooManyRecords, "max_records = 1000000000 would"),
        ("max_records = 1_000_000_000", Reason::TooExpensive, "costs $625.00, where max_cost allows $100.00"),
    ] {
        let reads = Arc::default();
        let object = Watched { bytes: bytes.clone(), reads: Arc::clone(&reads) };
        // The size is that of the file, whatever the event said.
        let options = of_pipeline(keys, 0);
        let refused = bad(check(Source::random_access(object), &options, Tolerance::None).await);
        assert_eq!(refused.reason, reason);
        assert!(refused.message.contains(words), "{}", refused.message);
        let reads = reads.lock().unwrap();
        let beyond_tail = |(offset, _): &&(u64, usize)| (*offset as usize) < footer.saturating_sub(64 << 10);
        assert!(reads.len() <= 2 && reads.iter().filter(beyond_tail).count() == 0, "{reads:?}");
    }
    // A promise that the pipeline allows is read on, and is not kept.
    let raised = of_pipeline("max_records = 1_000_000_000\nmax_cost = \"$700\"", 0);
    let refused = bad(check(Source::bytes(bytes), &raised, Tolerance::None).await);
    assert_eq!(refused.reason, Reason::DamagedFile);
}

fn no_header() -> Delimited {
    Delimited { header: Some(Header::InFirstRow(false)), ..Delimited::default() }
}

/// Blocks of a thousand records without a field.
fn empty_records(blocks: usize) -> Vec<u8> {
    let mark = [7; 16];
    let schema = r#"{"type":"record","name":"R","fields":[]}"#;
    let header = [long(1), sized(b"avro.schema"), sized(schema.as_bytes()), long(0)].concat();
    let block = [&long(1_000)[..], &sized(b""), &mark].concat();
    [&b"Obj\x01"[..], &header, &mark, &block.repeat(blocks)].concat()
}

#[tokio::test]
async fn counting_stops_where_no_bound_can_be_met() {
    let tiny_lines = zstandard(&b"1\n".repeat(150_000));
    let avro = gzip(&empty_records(2_000));
    let bytes = avro.len();
    let plain = of_pipeline("", bytes);
    let json = Options { format: Format::JsonLines, ..of_pipeline("max_records = 9_999", 0) };
    let table = Options { format: Format::Csv, table: no_header(), delimiter: Some(b','), ..json.clone() };
    let by_size = format!("from {} uploaded bytes, where", grouped(bytes as u64));
    let by_number = "at least 100,000 records, where max_records allows 9,999";
    for (bytes, options, words) in [
        (&avro, plain, by_size.as_str()),
        (&tiny_lines, json.clone(), by_number),
        (&tiny_lines, table, by_number),
    ] {
        let began = Instant::now();
        let refused = bad(check(Source::bytes(bytes.clone()), &options, Tolerance::Any).await);
        assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
        assert_eq!(refused.reason, Reason::TooManyRecords, "{}", refused.message);
        assert!(refused.message.starts_with("at least 1"), "{}", refused.message);
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    // The members of an archive are counted together.
    let member = empty_records(800);
    let archive = deflated(&[("a.avro", &member), ("b.avro", &member)]);
    let refused =
        bad(check(Source::bytes(archive.clone()), &of_pipeline("", archive.len()), Tolerance::None).await);
    assert_eq!(refused.reason, Reason::TooManyRecords, "{}", refused.message);
    // Up to ten times the bound, the number of rows is found out for the message about it.
    let strict = Options { bounds: of_pipeline("max_records = 90", 0).bounds, ..json };
    let counted = check(Source::bytes(gzip(&b"1\n".repeat(900))), &strict, Tolerance::None).await;
    assert_eq!(counted.unwrap().rows, 900);
}

#[tokio::test]
async fn sheets_that_promise_a_million_rows_are_bounded_in_time() {
    let began = Instant::now();
    let row = |number: u32, cells: &str| format!("<row r=\"{number}\">{cells}</row>");
    let text = |name: &str| format!("<c t=\"inlineStr\"><is><t>{name}</t></is></c>");
    let header = row(1, &(text("id") + &text("n")));
    let number = |row: u32| format!("<c r=\"A{row}\"><v>1</v></c><c r=\"B{row}\"><v>2</v></c>");
    let far = xlsx(
        &[("A", "visible", &(header.clone() + &row(2, &number(2)) + &row(1_048_576, &number(1_048_576))))],
        &[],
    );
    let far = check(Source::bytes(far), &Options::default(), Tolerance::Any).await;
    assert!(far.as_ref().map_or_else(|error| !error.to_string().is_empty(), |it| it.rows == 2), "{far:?}");
    let beyond = xlsx(&[("A", "visible", &(header + &row(4_000_000_000, &number(4_000_000_000))))], &[]);
    assert_eq!(bad(read_zip(&beyond, &Options::default()).await).reason, Reason::DamagedFile);
    let repeated = |times: u32, cells: &str| {
        ods(
            &ods_table(
                "A",
                "",
                &format!("<table:table-row table:number-rows-repeated=\"{times}\">{cells}</table:table-row>"),
            ),
            "",
        )
    };
    let cells = ods_number("1") + &ods_number("2");
    let many = repeated(u32::MAX, &cells);
    let strict = of_pipeline("max_records = 999", many.len());
    let refused = bad(check(Source::bytes(many), &strict, Tolerance::None).await);
    assert_eq!(refused.message, "at least 10,000 records, where max_records allows 999");
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
}
