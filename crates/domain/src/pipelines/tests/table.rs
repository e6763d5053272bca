//! Tables of the user's own in the pipelines file.

use super::*;
use crate::destination::{DuplicateKeys, WriteMode};

fn read(keys: &str) -> Result<Pipelines, String> {
    let text = format!("version = 1\n{keys}");
    Pipelines::parse(&text, "p.toml").map_err(|error| error.to_string())
}

const SHOP: &str = r#"
[[pipeline]]
name  = "orders"
match = { prefix = "uploads/{tenant}/orders/{day}/" }
table = "shop"
key   = { PK = "CUSTOMER#{tenant}#{customer_id}", SK = "ORDER#{order_id}" }
write = "merge"
set   = { source = "{s3.key}", day = "{day}", expires_at = "{order_date|epoch|+90d}" }
columns = { total = "number", zip = "text" }
rename = { "Order Total" = "total" }
omit  = ["comment"]
on_delete = "keep"
provenance = "_from"
duplicate_keys = "reject"

[[table]]
name = "shop"
partition_key = { name = "PK", type = "S" }
sort_key = { name = "SK", type = "S" }
"#;

#[test]
fn a_table_of_ones_own_is_read_and_stored() {
    let pipelines = read(SHOP).unwrap();
    let pipeline = pipelines.route("uploads/acme/orders/2026-01-02/a.csv", None).unwrap();
    assert!(pipelines.route("uploads/acme/other/2026-01-02/a.csv", None).is_none());
    let destination = pipeline.destination.as_ref().unwrap();
    assert_eq!((destination.write, destination.duplicate_keys), (WriteMode::Merge, DuplicateKeys::Reject));
    assert_eq!(
        (destination.name_in_object("total"), destination.name_in_object("zip")),
        ("Order Total", "zip")
    );
    assert_eq!(pipelines.tables()[0].name, "shop");
    let stored = serde_json::to_value(pipeline).unwrap();
    assert_eq!(stored["v"], 3, "an older worker would write to the wrong table");
    assert_eq!(serde_json::from_value::<Pipeline>(stored).unwrap(), *pipeline);
    let plain = read("[[pipeline]]\nname = \"p\"\ntable = \"shop\"\n").unwrap();
    let plain = plain.get("p").unwrap().destination.as_ref().unwrap();
    assert_eq!((plain.write, plain.provenance.as_deref()), (WriteMode::Upsert, Some("_tidemill")));
}

#[test]
fn what_cannot_work_is_an_error_with_advice() {
    let one = |keys: &str| format!("[[pipeline]]\nname = \"p\"\n{keys}\n");
    let table =
        |keys: &str| one(&format!("match = {{ prefix = \"in/{{day}}/\" }}\ntable = \"shop\"\n{keys}"));
    let cases = [
        (one("write = \"merge\""), "pipeline[1].write: found \"merge\"; allowed: only with table"),
        (one("key = { id = \"{id}\" }"), "a template for each key attribute only with table"),
        (table("key = \"{id}\""), "a template for each of the table's one or two key attributes"),
        (table("key = {}"), "a template for each of the table's one or two key attributes"),
        (table("key = { a = \"{x}\", b = \"{y}\", c = \"{z}\" }"), "one or two key attributes"),
        (table("key = { id = \"{id|low}\" }"), "`|low` is no filter"),
        (table("key = { id = \"{s3.name}\" }"), "`{s3.name}` is not known"),
        (table("key = { id = \"{day}\" }"), "at least one column, or {s3.row}"),
        (table("write = \"replce\""), "did you mean \"replace\"?"),
        (table("on_delete = \"remove\"\nprovenance = \"none\""), "items do not say which object wrote them"),
        (table("on_delete = \"remove\"\nwrite = \"merge\""), "your application has put into an item"),
        (table("on_delete = \"remove\"\nwrite = \"insert\""), "only \"keep\" with write \"insert\""),
        (table("header = false\nkey = { id = \"{id}\" }"), "`id` is none"),
        (table("header = false\nset = { a = \"{day}-{x}\" }"), "`x` is none"),
        (table("delimiter = \"none\"\nkey = { id = \"{a}\" }\nset = { b = \"{c}\" }"), "one column at most"),
        (table("provenance = \"none\"\nwrite = \"insert\""), "\"none\" only with write \"upsert\""),
        (
            table("write = \"replace\"\nformat = \"command\"\ncommand = [\"cat\"]"),
            "not \"replace\" with format \"command\"",
        ),
        (table("key = { id = \"{id}\" }\nset = { id = \"{x}\" }"), "attributes other than the keys"),
        (table("set = { _tidemill = \"{x}\" }"), "other than the one of provenance"),
        (table("set = { a = \"{x}\" }\nomit = [\"a\"]"), "columns that set does not make"),
        (table("set = { a = \"{Old}\" }\nrename = { Old = \"new\" }"), "`Old` is renamed to `new`"),
        (table("columns = { Old = \"text\" }\nrename = { Old = \"new\" }"), "`Old` is renamed to `new`"),
        (table("columns = { day = \"text\" }"), "names in braces that are no columns"),
        (table("key = { id = \"{id}\" }\nprovenance = \"id\""), "another attribute than those of key"),
        (
            table("header = [\"a\", \"b\"]\nkey = { id = \"{a}#{c}\" }"),
            "columns that header names (a, b) and names of match.prefix; `c` is none of them",
        ),
        (one("match = { prefix = \"in/{Day}/\" }"), "`{Day}` is no name of a-z, 0-9 and _"),
        (one("table = \"a b\""), "it is neither 3 to 255 of"),
        (
            format!(
                "{}[[table]]\nname = \"shop\"\npartition_key = {{ name = \"PK\", type = \"S\" }}\n",
                table("key = { id = \"{id}\" }")
            ),
            "table shop has the key PK, and the pipeline makes id",
        ),
        (
            format!(
                "{}[[table]]\nname = \"shop\"\npartition_key = {{ name = \"PK\", type = \"X\" }}\n",
                one("")
            ),
            "table[1].partition_key.type: found \"X\"; allowed: \"S\", \"N\", \"B\"",
        ),
        (
            format!(
                "{SHOP}\n[[pipeline]]\nname = \"other\"\ntable = \"shop\"\nwrite = \"merge\"\nprovenance = \"_from\"\n"
            ),
            "which merges into the same table",
        ),
    ];
    for (text, words) in cases {
        let error = read(&text).expect_err(&text);
        assert!(error.contains(words), "{text}\n{error}");
    }
}

#[test]
fn header_names_count_by_their_new_names() {
    let keys = "[[pipeline]]\nname = \"p\"\ntable = \"shop\"\nheader = [\"Order Total\", \"id\"]\n\
                rename = { \"Order Total\" = \"total\" }\ncolumns = { total = \"number\" }\nkey = { id = \"{id}\" }\n";
    read(keys).unwrap();
    let keys = "[[pipeline]]\nname = \"p\"\nmatch = { prefix = \"in/{day}/\" }\ntable = \"shop\"\nheader = false\n\
                rename = { column_1 = \"id\" }\ncolumns = { id = \"number\" }\nkey = { id = \"{day}#{id}\" }\n";
    read(keys).unwrap();
}

#[test]
fn only_what_is_before_the_first_name_in_braces_is_compared_with_what_is_watched() {
    let text = |prefix: &str| {
        format!("version = 1\n[[pipeline]]\nname = \"p\"\nmatch = {{ prefix = \"{prefix}\" }}\n")
    };
    for prefix in ["uploads/{day}/", "up{rest}/", "{folder}/"] {
        Pipelines::parse_watched(&text(prefix), "p.toml", &["uploads/"]).unwrap();
    }
    let error = Pipelines::parse_watched(&text("in/{day}/"), "p.toml", &["uploads/"]).unwrap_err();
    assert!(error.to_string().contains("a prefix below uploads/"), "{error}");
}
