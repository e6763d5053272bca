//! The sample objects.

use std::path::Path;

use super::*;

async fn sample(name: &str, options: &Options) -> (Checked, Vec<Row>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").join(name);
    let bytes = std::fs::read(path).unwrap();
    read(&bytes, options).await.unwrap()
}

fn kinds(checked: &Checked) -> Vec<(&str, ColumnType)> {
    checked.schema.columns.iter().map(|column| (&*column.name, column.kind)).collect()
}

#[tokio::test]
async fn airports_keep_their_codes() {
    let (checked, rows) = sample("airports.csv", &Options::default()).await;
    assert_eq!((checked.rows, checked.rejected), (3_376, 0));
    assert_eq!(checked.schema.layout, Layout::Delimited(Dialect::of(b',')));
    assert_eq!(*field(&rows[0], "iata"), Value::Text("00M".to_owned()));
    assert_eq!(*field(&rows[0], "latitude"), Value::Number("31.95376472".to_owned()));
}

#[tokio::test]
async fn unemployment_is_tab_separated_with_numbers_without_a_leading_zero() {
    let (checked, rows) = sample("unemployment.tsv", &Options::default()).await;
    assert_eq!((checked.rows, checked.rejected), (3_218, 0));
    assert_eq!(checked.schema.layout, Layout::Delimited(Dialect::of(b'\t')));
    assert_eq!(kinds(&checked), [("id", ColumnType::Number), ("rate", ColumnType::Number)]);
    assert_eq!(*field(&rows[0], "rate"), Value::Number(".097".to_owned()));
}

#[tokio::test]
async fn weather_keeps_its_zeros() {
    let (checked, rows) = sample("seattle-weather.csv", &Options::default()).await;
    assert_eq!((checked.rows, checked.rejected), (1_461, 0));
    assert_eq!(*field(&rows[0], "precipitation"), Value::Number("0.0".to_owned()));
    assert_eq!(*field(&rows[0], "date"), Value::Text("2012-01-01".to_owned()));
}

#[tokio::test]
async fn birdstrikes_are_unpacked() {
    let (checked, _) = sample("birdstrikes.csv.gz", &Options::default()).await;
    assert_eq!((checked.rows, checked.rejected), (10_000, 0));
    assert_eq!(checked.compression, Compression::Gzip);
}

#[tokio::test]
async fn earthquakes_are_found_inside_their_document() {
    let (checked, rows) = sample("earthquakes.json", &pointer("/features")).await;
    assert_eq!((checked.rows, checked.rejected), (1_707, 0));
    assert!(matches!(field(&rows[0], "geometry"), Value::Map(_)));
    let refused = read(
        &std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/earthquakes.json")).unwrap(),
        &Options::default(),
    )
    .await;
    // Without the pointer it is one record, and too large for one.
    assert_eq!(refused.unwrap().0.first_rejects[0].1.reason, Reason::ItemTooLarge);
}

#[tokio::test]
async fn flights_are_an_array() {
    let (checked, rows) = sample("flights-2k.json", &Options::default()).await;
    assert_eq!((checked.rows, checked.rejected), (2_000, 0));
    assert_eq!(*field(&rows[0], "delay"), Value::Number("-19".to_owned()));
}
