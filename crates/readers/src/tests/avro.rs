//! Avro files: those of fastavro, and files made by hand of what no writer writes.

use std::path::Path;

use super::*;

const CODECS: [&str; 6] = ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn orders(codec: &str) -> Vec<u8> {
    file(&format!("orders-{codec}.avro"))
}

async fn refused(bytes: &[u8]) -> (Reason, String) {
    let bad = bad(check(arriving(bytes, 50), &Options::default(), Tolerance::Any).await);
    (bad.reason, bad.message)
}

/// A long as Avro writes it.
pub(super) fn long(value: i64) -> Vec<u8> {
    let mut bits = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while bits > 0x7f {
        bytes.push((bits & 0x7f) as u8 | 0x80);
        bits >>= 7;
    }
    bytes.push(bits as u8);
    bytes
}

pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    [long(bytes.len() as i64), bytes.to_vec()].concat()
}

/// A file of this schema with one block of `count` records.
fn avro(schema: &str, count: i64, data: &[u8]) -> Vec<u8> {
    let mark = [7; 16];
    let header = [long(1), sized(b"avro.schema"), sized(schema.as_bytes()), long(0)].concat();
    let block = [long(count), sized(data)].concat();
    [&b"Obj\x01"[..], &header, &mark, &block, &mark].concat()
}

/// A file whose records have the field `v` of this type.
fn field_of(kind: &str, values: &[&[u8]]) -> Vec<u8> {
    let schema = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"v","type":{kind}}}]}}"#);
    avro(&schema, values.len() as i64, &values.concat())
}

#[tokio::test]
async fn every_codec_gives_the_records_that_another_reader_gives() {
    let expected = String::from_utf8(file("orders.jsonl")).unwrap();
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(expected.len(), 40);
    for codec in CODECS {
        let bytes = orders(codec);
        for size in [1, 13, 64 * 1024] {
            let (checked, rows) = read_in(&bytes, &Options::default(), size).await.unwrap();
            assert_eq!((checked.schema.layout, checked.rejected), (Layout::Avro, 0));
            let found: Vec<String> = rows.iter().map(line).collect();
            assert_eq!(found, expected, "{codec}");
        }
        assert_eq!(lines(&gzip(&bytes), &Options::default()).await, expected, "{codec} in gzip");
    }
    let said = Options { format: Format::Avro, ..Options::default() };
    assert_eq!(lines(&orders("null"), &said).await, expected);
}

#[tokio::test]
async fn values_keep_their_meaning() {
    for (kind, bytes, expected) in [
        (r#""int""#, long(-5), "-5"),
        (r#"["null","long"]"#, [long(1), long(i64::MIN)].concat(), "-9223372036854775808"),
        (r#"["null","long"]"#, long(0), "null"),
        (r#""float""#, 0.1_f32.to_le_bytes().to_vec(), "0.1"),
        (r#""double""#, 1e30_f64.to_le_bytes().to_vec(), "1e30"),
        (r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":4}"#, sized(&[0xff]), "-0.0001"),
        (r#"{"type":"bytes","logicalType":"decimal","precision":5}"#, sized(&[0, 0, 0x7f, 0xff]), "32767"),
        (r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#, sized(&[]), "0.00"),
        (r#"{"type":"int","logicalType":"date"}"#, long(-719_162), "\"0001-01-01\""),
        (r#"{"type":"int","logicalType":"unheard-of"}"#, long(3), "3"),
        (r#"{"type":"string","logicalType":"date"}"#, sized(b"x"), "\"x\""),
        (
            r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#,
            (0..16).collect(),
            "\"00010203-0405-0607-0809-0a0b0c0d0e0f\"",
        ),
        (
            r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#,
            [1_u32, 2, 3_004].iter().flat_map(|part| part.to_le_bytes()).collect(),
            "\"P1M2DT3.004S\"",
        ),
        // Members in a block that also gives its size.
        (
            r#"{"type":"array","items":"int"}"#,
            [long(-2), long(2), long(1), long(2), long(0)].concat(),
            "[1,2]",
        ),
        (
            r#"{"type":"map","values":"boolean"}"#,
            [long(1), sized(b"k"), vec![1], long(0)].concat(),
            r#"{"k":true}"#,
        ),
    ] {
        let found = lines(&field_of(kind, &[&bytes]), &Options::default()).await;
        assert_eq!(found, [format!("{{\"v\":{expected}}}")], "{kind}");
    }
    assert_eq!(
        lines(&avro(r#""string""#, 2, &[sized(b"a"), sized(b"")].concat()), &Options::default()).await,
        [r#"{"value":"a"}"#, r#"{"value":""}"#]
    );
    // A declared type, and an old name in another namespace.
    let schema = r#"{"type":"record","name":"a.R","fields":[
        {"name":"x","type":{"type":"enum","name":"E","symbols":["P","Q"]}},{"name":"y","type":["null","a.E"]},{"name":"z","type":"E"}]}"#;
    let bytes = avro(schema, 1, &[long(1), long(1), long(0), long(1)].concat());
    assert_eq!(lines(&bytes, &Options::default()).await, [r#"{"x":"Q","y":"P","z":"Q"}"#]);
    let options = declared(&[("v", ColumnType::Text)]);
    assert_eq!(lines(&field_of(r#""int""#, &[&long(7)]), &options).await, [r#"{"v":"7"}"#]);
}

#[tokio::test]
async fn a_value_that_cannot_be_stored_refuses_its_record_only() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(40), "}".repeat(40));
    let deeply = [long(1).repeat(40), long(5), long(0).repeat(40)].concat();
    let good_deep = long(0);
    let nan = f64::NAN.to_le_bytes();
    for (kind, wrong, right, reason) in [
        (r#""string""#, sized(b"\xff"), sized(b"a"), Reason::InvalidUtf8),
        (r#""string""#, sized(&[b'x'; 400_000]), sized(b"a"), Reason::FieldTooLarge),
        (r#""double""#, nan.to_vec(), vec![0; 8], Reason::NotFinite),
        (r#""double""#, 1e200_f64.to_le_bytes().to_vec(), vec![0; 8], Reason::NumberOutOfRange),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":50,"scale":2}"#,
            sized(&[0x7f; 20]),
            sized(&[1]),
            Reason::NumberOutOfRange,
        ),
        (
            r#"{"type":"int","logicalType":"time-millis"}"#,
            long(86_400_000),
            long(1),
            Reason::NumberOutOfRange,
        ),
        (
            r#"{"type":"map","values":"int"}"#,
            [long(1), sized(b""), long(1), long(0)].concat(),
            long(0),
            Reason::EmptyName,
        ),
        (
            r#"{"type":"map","values":"int"}"#,
            [long(2), sized(b"k"), long(1), sized(b"k"), long(2), long(0)].concat(),
            long(0),
            Reason::DuplicateKey,
        ),
        (
            r#"{"type":"array","items":"null"}"#,
            [long(500_000), long(0)].concat(),
            long(0),
            Reason::ItemTooLarge,
        ),
        (&deep, deeply, good_deep, Reason::JsonTooDeep),
    ] {
        let bytes = field_of(kind, &[&right, &wrong, &right]);
        let (_, rows) = read(&bytes, &Options::default()).await.unwrap();
        let found: Vec<_> =
            rows.iter().map(|row| row.content.as_ref().err().map(|reject| reject.reason)).collect();
        assert_eq!(found, [None, Some(reason), None], "{kind}");
        assert_eq!(rows[1].place.to_string(), "row 2");
    }
    let nulls = Some(vec!["NaN".to_owned()]);
    let options =
        Options { table: domain::pipelines::Delimited { nulls, ..Default::default() }, ..Options::default() };
    assert_eq!(lines(&field_of(r#""double""#, &[&nan]), &options).await, [r#"{"v":null}"#]);
}

#[tokio::test]
async fn a_file_that_contradicts_itself_is_refused() {
    let good = field_of(r#""int""#, &[&long(1), &long(2)]);
    assert_eq!(lines(&good, &Options::default()).await.len(), 2);
    for (bytes, words) in [
        (field_of(r#""int""#, &[&[]]), "a record runs over the end of its block"),
        (field_of(r#""int""#, &[&[1, 2]]), "goes on behind its last record"),
        (field_of(r#"["null","int"]"#, &[&long(7)]), "no such branch"),
        (field_of(r#"["null","int"]"#, &[&long(-1)]), "no such branch"),
        (field_of(r#"{"type":"enum","name":"E","symbols":["A"]}"#, &[&long(1)]), "no such symbol"),
        (field_of(r#""boolean""#, &[&[2]]), "neither 0 nor 1"),
        (field_of(r#""string""#, &[&long(-1)]), "negative"),
        (field_of(r#""long""#, &[&[0xff; 11]]), "more than ten bytes"),
        (field_of(r#"{"type":"array","items":"null"}"#, &[&long(i64::MAX)]), "millions of empty values"),
        (field_of("\"nothing\"", &[]), "which it does not define"),
        (field_of("5", &[]), "no type"),
        (avro("{", 0, &[]), "is no JSON"),
        (avro(r#""null""#, 1 << 40, &[]), "claims"),
        (avro(r#""int""#, -1, &[0]), "negative size"),
        (avro(r#""int""#, 0, &[0]), "bytes and no records"),
        (
            avro(r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#, 1, &[0]),
            "nested too deep",
        ),
        ([&good[..good.len() - 1], &[8]].concat(), "not that of its header"),
        ([&good[..], &[2]].concat(), "ends inside its block 2"),
        (good[..30].to_vec(), "ends inside its header"),
    ] {
        let (reason, message) = refused(&bytes).await;
        assert_eq!(reason, Reason::DamagedFile, "{message}");
        assert!(message.contains(words), "{message}");
    }
    let large = [&b"Obj\x01"[..], &long(0), &[7; 16]].concat();
    assert_eq!(refused(&large).await.1, "the header of the Avro file has no schema");
    let mut block = field_of(r#""int""#, &[]);
    block.splice(block.len() - 18.., [long(1), long(1 << 40)].concat());
    assert_eq!(refused(&block).await.0, Reason::BlockTooLarge);
    let other = Options { format: Format::Csv, ..Options::default() };
    assert_eq!(bad(read(&good, &other).await).reason, Reason::WrongFormat);
    let other = Options { format: Format::Avro, ..Options::default() };
    assert_eq!(bad(read(b"a,b\n1,2\n", &other).await).reason, Reason::WrongFormat);
}

#[tokio::test]
async fn random_damage_never_panics_hangs_or_invents_records() {
    let mut random = fastrand::Rng::with_seed(7);
    for codec in CODECS {
        let bytes = orders(codec);
        for _ in 0..rounds(100) {
            let mut damaged = bytes.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..damaged.len());
                damaged[at] = random.u8(..);
            }
            if random.u8(0..4) == 0 {
                damaged.truncate(random.usize(0..damaged.len()));
            }
            match check(arriving(&damaged, 4_096), &Options::default(), Tolerance::Any).await {
                Ok(checked) => assert!(checked.rows <= 20_000, "{codec}: {} rows", checked.rows),
                Err(ReadError::Bad(_)) => {}
                Err(other) => panic!("{codec}: {other}"),
            }
        }
    }
}
