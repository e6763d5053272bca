//! What records become in a Parquet file, read back by our own reader.

use readers::{Options, Rows, Source, Tolerance};

use parquet::file::{reader::FileReader, serialized_reader::SerializedFileReader};

use super::*;

fn number(digits: &str) -> Value {
    Value::Number(digits.to_owned())
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// What the product's own reader makes of what is written.
async fn read_back(records: &[Record]) -> Vec<Record> {
    let mut spool = ParquetSpool::new().unwrap();
    records.iter().for_each(|record| spool.add(record).unwrap());
    let mut out = Vec::new();
    spool.finish(&mut out).unwrap();
    let open = || Source::bytes(out.clone());
    let checked = readers::check(open(), &Options::default(), Tolerance::None).await.unwrap();
    assert_eq!(checked.rows, records.len() as u64);
    let mut rows = Rows::open(open(), &Options::default(), Some(&checked.schema)).await.unwrap();
    let mut back = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        back.push(row.content.unwrap().into_iter().filter(|(_, value)| *value != Value::Null).collect());
    }
    back
}

#[tokio::test]
async fn values_come_back_exactly() {
    let list = Value::List(vec![number("1"), text("x")]);
    let records: Vec<Record> = vec![
        vec![
            ("id".into(), number("9007199254740993")),
            ("price".into(), number("-12345678901234567890.1")),
            ("paid".into(), Value::Bool(true)),
            ("note".into(), text("ü, \"x\"")),
        ],
        vec![("id".into(), number("-7")), ("price".into(), number("0.05")), ("note".into(), text(""))],
        vec![("raw".into(), Value::Binary(b"\0\xff".to_vec())), ("huge".into(), number("1E+60"))],
        vec![("id".into(), Value::Null), ("mixed".into(), list), ("paid".into(), Value::Bool(false))],
        vec![("mixed".into(), text("1"))],
    ];
    let back = read_back(&records).await;
    let of = |row: usize, name: &str| {
        back[row].iter().find(|(known, _)| &**known == name).map(|(_, value)| value.clone())
    };
    assert_eq!(of(0, "id"), Some(number("9007199254740993")));
    assert_eq!(of(0, "price"), Some(number("-12345678901234567890.10")), "exact, of the column's scale");
    assert_eq!(of(1, "price"), Some(number("0.05")));
    assert_eq!((of(0, "paid"), of(3, "paid")), (Some(Value::Bool(true)), Some(Value::Bool(false))));
    assert_eq!((of(0, "note"), of(1, "note")), (Some(text("ü, \"x\"")), Some(text(""))));
    assert_eq!(of(2, "raw"), Some(Value::Binary(b"\0\xff".to_vec())));
    assert_eq!(of(2, "huge"), Some(text("1E+60")), "no decimal has so many digits");
    assert_eq!(of(3, "id"), None);
    let mixed = [3, 4].map(|row| of(row, "mixed"));
    assert!(mixed.iter().all(Option::is_some), "{mixed:?}");
}

#[test]
fn the_type_follows_from_all_values() {
    let of = |values: &[Value]| {
        let mut spool = ParquetSpool::new().unwrap();
        values.iter().for_each(|value| spool.add(&vec![("c".into(), value.clone())]).unwrap());
        spool.columns[0].1.column()
    };
    assert_eq!(of(&[Value::Null]), Column::Text);
    assert_eq!(of(&[number("1"), number("9223372036854775807")]), Column::Long);
    assert_eq!(
        of(&[number("1.50"), number("9223372036854775808")]),
        Column::Decimal { precision: 20, scale: 1 }
    );
    assert_eq!(of(&[number("1e40"), number("1")]), Column::Text);
    assert_eq!(of(&[number("1e30"), number("1e-9")]), Column::Text, "40 digits");
    assert_eq!(of(&[number("1"), text("1")]), Column::Json);
    assert_eq!(of(&[Value::Map(Vec::new())]), Column::Json);
}

#[test]
fn row_groups_are_bounded() {
    let mut spool = ParquetSpool::new().unwrap();
    let long = "x".repeat(1 << 20);
    for _ in 0..40 {
        spool.add(&vec![("c".into(), text(&long))]).unwrap();
    }
    let mut file = tempfile::tempfile().unwrap();
    spool.finish(&mut file).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 3);
}
