use jiff::Timestamp;

use super::*;
use crate::{destination::KeyType, job::Job};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn number(text: &str) -> Value {
    Value::Number(text.to_owned())
}

fn attribute(name: &str, kind: KeyType) -> KeyAttribute {
    KeyAttribute { name: name.to_owned(), kind }
}

fn shop() -> TableSchema {
    TableSchema {
        partition_key: attribute("PK", KeyType::S),
        sort_key: Some(attribute("SK", KeyType::S)),
        index_keys: vec![attribute("total", KeyType::N)],
    }
}

/// An item maker of a pipeline with these keys, for the object `uploads/acme/orders/2026-01-02/a.csv`.
fn maker(keys: &str, schema: TableSchema) -> Result<ItemMaker, String> {
    let prefix = "match = { prefix = \"uploads/{tenant}/orders/{day}/\" }\ntable = \"shop\"\n";
    let mut job = Job::sample(&format!("{prefix}{keys}\n"), Timestamp::UNIX_EPOCH);
    job.object.key = "uploads/acme/orders/2026-01-02/a.csv".to_owned();
    let destination = job.pipeline.destination.clone().unwrap();
    ItemMaker::new(&job.object, job.pipeline.matches.prefix.as_ref(), &destination, schema)
}

fn record(fields: &[(&str, Value)]) -> Record {
    fields.iter().map(|(name, value)| ((*name).into(), value.clone())).collect()
}

const KEYS: &str = "key = { PK = \"CUSTOMER#{tenant}#{customer_id}\", SK = \"ORDER#{order_id}\" }";

#[test]
fn a_record_becomes_an_item_of_its_key_and_its_attributes() {
    let keys = format!(
        "{KEYS}\nset = {{ source = \"{{s3.key}}\", day = \"{{day}}\", expires_at = \"{{order_date|epoch|+90d}}\" }}\n\
         rename = {{ \"Order Total\" = \"total\" }}\nomit = [\"comment\"]"
    );
    let maker = maker(&keys, shop()).unwrap();
    let record = record(&[
        ("customer_id", number("07.0")),
        ("order_id", text("A-1")),
        ("Order Total", number("9.50")),
        ("comment", text("hello")),
        ("order_date", text("1970-01-02")),
    ]);
    let item = maker.item(4, record).unwrap();
    assert_eq!(item.key, [("PK".into(), text("CUSTOMER#acme#7")), ("SK".into(), text("ORDER#A-1"))]);
    let attributes: Vec<_> = item.attributes.iter().map(|(name, value)| (&**name, value.clone())).collect();
    assert_eq!(
        attributes,
        [
            ("customer_id", number("07.0")),
            ("order_id", text("A-1")),
            ("total", number("9.50")),
            ("order_date", text("1970-01-02")),
            ("day", text("2026-01-02")),
            ("expires_at", number("7862400")),
            ("source", text("uploads/acme/orders/2026-01-02/a.csv")),
        ]
    );
    let plain = record::size_bytes(&item.attributes) + "PKCUSTOMER#acme#7SKORDER#A-1".len();
    assert!(item.bytes > plain + "_tidemill".len(), "the provenance counts");
}

#[test]
fn equal_numbers_are_one_key_whatever_the_tables_type() {
    for (kind, key) in [(KeyType::N, number("7")), (KeyType::S, text("7"))] {
        let schema = TableSchema { partition_key: attribute("id", kind), sort_key: None, index_keys: vec![] };
        let maker = maker("", schema).unwrap();
        let made = ["7", "7.0", "07e0", "700e-2"].map(|spelling| {
            let item = maker.item(1, record(&[("id", number(spelling)), ("a", text("b"))])).unwrap();
            assert_eq!(item.attributes, record(&[("a", text("b"))]), "the key is not an attribute twice");
            (item.key_hash(), item.key)
        });
        assert_eq!(made[0].1, [("id".into(), key)]);
        assert!(made.iter().all(|other| *other == made[0]), "{made:?}");
    }
}

#[test]
fn hashes_tell_the_parts_of_a_key_apart() {
    let maker = maker("key = { PK = \"{a}\", SK = \"{b}\" }", shop()).unwrap();
    let hash =
        |a: &str, b: &str| maker.item(1, record(&[("a", text(a)), ("b", text(b))])).unwrap().key_hash();
    assert_ne!(hash("1", "23"), hash("12", "3"));
    assert_eq!(hash("1", "23"), hash("1", "23"));
}

#[test]
fn a_row_that_the_table_cannot_hold_is_refused_with_a_reason() {
    let shop_maker = maker(KEYS, shop()).unwrap();
    let refused = |record: Record| {
        let refused = shop_maker.item(1, record).unwrap_err();
        (refused.reason, refused.message)
    };
    let needs = "the key attribute SK needs a value in each column of ORDER#{order_id}".to_owned();
    for missing in [Value::Null, text("")] {
        let record = record(&[("customer_id", text("c")), ("order_id", missing)]);
        assert_eq!(refused(record), (Reason::BadKey, needs.clone()));
    }
    let row = |name: &str, value: Value| {
        record(&[("customer_id", text("c")), ("order_id", text("o")), (name, value)])
    };
    let long = record(&[("customer_id", text("c")), ("order_id", text(&"o".repeat(1_019)))]);
    assert_eq!(
        refused(long),
        (Reason::BadKey, "the key attribute SK has 1,025 bytes; at most 1024 are allowed".to_owned())
    );
    assert_eq!(refused(row("total", text("x"))).0, Reason::BadValue, "an index has numbers as its key");
    assert_eq!(refused(row("_tidemill", text("x"))).0, Reason::ReservedName);
    let large: Record = record(&[
        ("customer_id", text("c")),
        ("order_id", text("o")),
        ("a", text(&"x".repeat(204_800))),
        ("b", text(&"x".repeat(204_700))),
    ]);
    assert_eq!(refused(large).0, Reason::ItemTooLarge);
    // An index passes over an item without its key.
    assert!(
        shop_maker
            .item(1, row("total", Value::Null))
            .unwrap()
            .attributes
            .iter()
            .all(|(name, _)| &**name != "total")
    );

    let numbers =
        TableSchema { partition_key: attribute("id", KeyType::N), sort_key: None, index_keys: vec![] };
    let maker = maker("key = { id = \"{id}\" }", numbers).unwrap();
    let refused = maker.item(1, record(&[("id", text("7a"))])).unwrap_err();
    assert_eq!(refused.message, "the key attribute id is a number (N) in the table: not a decimal number");
}

#[test]
fn a_table_with_other_keys_is_named_with_what_to_do() {
    let error = maker("key = { id = \"{id}\" }", shop()).unwrap_err();
    assert_eq!(
        error,
        "table shop has the key PK, SK, and the pipeline makes id; correct key in the pipelines file"
    );
    let taken =
        TableSchema { partition_key: attribute("_tidemill", KeyType::S), sort_key: None, index_keys: vec![] };
    assert!(maker("", taken).unwrap_err().contains("give provenance another name"));
}
