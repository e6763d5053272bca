//! Two tables of the user's own, written by a worker in another process and read with boto3: composite keys, items of two kinds
//! in one table, each write mode, a newer file without some rows, and a deleted object.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use tests::packages::python_with;

use super::block_on;
use crate::{
    cloud::Up,
    process::{Running, root, until},
};

const PIPELINES: &str = r#"
version = 1

[[table]]
name = "shop"
partition_key = { name = "PK", type = "S" }
sort_key = { name = "SK", type = "S" }

[[table]]
name = "prices"
partition_key = { name = "sku", type = "S" }
sort_key = { name = "valid_from", type = "N" }

[[pipeline]]
name  = "orders"
match = { prefix = "uploads/{tenant}/orders/" }
table = "shop"
key   = { PK = "CUSTOMER#{tenant}#{customer_id}", SK = "ORDER#{order_id}" }
on_delete = "remove"

[[pipeline]]
name  = "customers"
match = { prefix = "uploads/{tenant}/customers/" }
table = "shop"
key   = { PK = "CUSTOMER#{tenant}#{customer_id}", SK = "PROFILE" }
write = "merge"

[[pipeline]]
name  = "prices"
match = { prefix = "uploads/prices/" }
table = "prices"
write = "replace"
on_delete = "remove"

[[pipeline]]
name  = "defaults"
match = { prefix = "uploads/defaults/" }
table = "prices"
write = "insert"
"#;

/// boto3 beside a cloud.
struct Reader<'u> {
    up: &'u Up,
    python: PathBuf,
}

impl Reader<'_> {
    /// The items of a table, or of one of its partitions, as boto3 reads them.
    fn items(&self, table: &str, partition: &[&str]) -> Vec<Value> {
        let script = root().join("cli/tests/program/reading/own_tables.py");
        let mut command = Command::new(&self.python);
        self.up.configure(command.arg(script).arg(table).args(partition));
        let items = Running::start(&mut command).end().with_code(0).json();
        items.as_array().expect("an array").clone()
    }

    /// A customer's items, in the order of the sort key.
    fn customer(&self) -> Vec<Value> {
        self.items("shop", &["PK", "CUSTOMER#acme#7"])
    }

    /// The prices, each as `sku valid_from price`.
    fn prices(&self) -> Vec<String> {
        let text = |item: &Value| {
            let [sku, from, price] = ["sku", "valid_from", "price"].map(|name| item[name].clone());
            format!("{} {from} {price}", sku.as_str().expect("a text"))
        };
        let mut prices: Vec<String> = self.items("prices", &[]).iter().map(text).collect();
        prices.sort();
        prices
    }
}

#[test]
fn boto3_reads_what_is_written_to_tables_of_ones_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pipelines.toml");
    fs::write(&file, PIPELINES).expect("a pipelines file");
    let mut up = Up::start(&["--pipelines".as_ref(), file.as_os_str()]);
    let requirements = root().join("tests/tests/stack/boto3/requirements.txt");
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("boto3");
    let python = block_on(python_with(&venv, &requirements));
    let mut uploaded = |key: &str, text: &str| {
        up.put(key, text);
        assert_eq!(up.event("settled", key)["state"], "done", "{key}");
    };
    uploaded("uploads/acme/customers/all.jsonl", "{\"customer_id\":7,\"name\":\"Ann\",\"city\":\"Ulm\"}\n");
    uploaded("uploads/acme/orders/1.csv", "customer_id,order_id,total\n7,A-1,9.50\n7,A-2,3\n8,B-1,1\n");
    // Merge keeps the city.
    uploaded("uploads/acme/customers/new.jsonl", "{\"customer_id\":7.0,\"name\":\"Anna\"}\n");
    uploaded("uploads/prices/2026.csv", "sku,valid_from,price\nx,20260101,10\nx,20260201,11\ny,20260101,5\n");
    // Insert leaves what is there.
    uploaded("uploads/defaults/all.csv", "sku,valid_from,price\ny,20260101,99\nz,20260101,1\n");
    // A newer file, in which rows are gone.
    uploaded("uploads/prices/2026.csv", "sku,valid_from,price\nx,2026.0201e4,12\n");
    let reader = Reader { up: &up, python };
    let customer = "CUSTOMER#acme#7";
    let profile = json!({ "PK": customer, "SK": "PROFILE", "customer_id": 7, "name": "Anna", "city": "Ulm" });
    let order = |id: &str, total: Value| json!({ "PK": customer, "SK": format!("ORDER#{id}"), "customer_id": 7, "order_id": id, "total": total });
    assert_eq!(
        reader.customer(),
        [order("A-1", json!("9.5")), order("A-2", json!(3)), profile.clone()],
        "one table, items of two kinds, in the order of the sort key"
    );
    assert_eq!(reader.prices(), ["x 20260201 12", "z 20260101 1"]);

    up.delete("uploads/acme/orders/1.csv");
    until("the orders are gone", || (reader.customer().len() == 1).then_some(()));
    assert_eq!(reader.customer(), [profile]);
    assert_eq!(reader.items("shop", &["PK", "CUSTOMER#acme#8"]), [] as [Value; 0]);
    up.delete("uploads/prices/2026.csv");
    until("the price is gone", || (reader.prices().len() == 1).then_some(()));
    assert_eq!(reader.prices(), ["z 20260101 1"], "what another object wrote stays");
    let deleted = up.run(&["explain", &up.uri("acme/orders/1.csv")]).with_code(0).stdout;
    assert!(deleted.contains("table shop: 3 items removed with the object"), "{deleted}");
}
