//! docs/reading.md is true: its snippets read what a worker wrote, in three languages. And applications read tables of the
//! user's own as ever.

mod own_tables;
mod snippet;

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tests::packages::{node_modules, python_with};

use crate::{
    cloud::{Up, bare, complains, put},
    process::{Running, root},
};

/// Enough for more than one partition.
const ROWS: u64 = 6_000;

#[test]
fn applications_read_records_as_the_page_says() {
    let page = fs::read_to_string(root().join("docs/reading.md")).expect("the page");
    assert_eq!(block(&page, "rust"), include_str!("snippet.rs"), "the page shows what is compiled");
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(&["--watch".as_ref(), folder.path().as_os_str()]);
    let table: String = (1..=ROWS).map(|n| format!("{n},row {n}\n")).collect();
    put(folder.path(), "numbers.csv", &format!("n,name\n{table}"));
    assert_eq!(up.event("settled", "numbers.csv")["state"], "done");

    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let here = root().join("cli/tests/program/reading");
    let (modules, venv) = (temporary.join("reading"), temporary.join("boto3"));
    let requirements = root().join("tests/tests/stack/boto3/requirements.txt");
    let python = block_on(async {
        node_modules(&modules, &here.join("package.json")).await;
        python_with(&venv, &requirements).await
    });
    let wanted = json!({"records": ROWS, "total": (ROWS * (ROWS + 1) / 2).to_string(), "seventh": "7"});
    for (language, program, file) in
        [("python", python.as_path(), "read.py"), ("js", Path::new("node"), "read.mjs")]
    {
        let file = modules.join(file);
        fs::write(&file, block(&page, language)).expect("a file");
        let reader = |name: &str| {
            let mut command = Command::new(program);
            command.arg(&file).args([&*up.output("RecordsTable"), &up.bucket, &format!("uploads/{name}")]);
            up.configure(&mut command);
            Running::start(&mut command).end()
        };
        assert_eq!(reader("numbers.csv").with_code(0).json(), wanted, "{language}");
        assert!(reader("none.csv").with_code(1).stderr.contains("no version of s3://"), "{language}");
    }
    let (table, key) = (up.output("RecordsTable"), "uploads/numbers.csv");
    let read = up.with_sdk(async |config| {
        let client = aws_sdk_dynamodb::Client::new(config);
        snippet::read(&client, &table, &up.bucket, key).await.map_err(|error| error.to_string())
    });
    assert_eq!(read, Ok((ROWS, ROWS * (ROWS + 1) / 2, 7)));
    printed(&up);
}

/// `records`, in each format and with a limit.
fn printed(up: &Up) {
    let uri = up.uri("numbers.csv");
    let rows =
        |lines: &[Value]| lines.iter().map(|line| line["row"].as_u64().expect("a row")).collect::<Vec<_>>();
    assert_eq!(rows(&up.lines(&["records", &uri])), (1..=ROWS).collect::<Vec<_>>());
    assert_eq!(rows(&up.lines(&["records", &uri, "--limit", "3"])), [1, 2, 3]);
    let csv = up.run(&["records", &uri, "--format", "csv", "--limit", "2"]).with_code(0).stdout;
    assert_eq!(csv, "n,name\r\n1,row 1\r\n2,row 2\r\n");
    let mut parquet = bare();
    up.configure(parquet.args(["records", &uri, "--format", "parquet"]));
    let parquet = parquet.output().expect("an output").stdout;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"), "{} bytes", parquet.len());
    complains(up.run(&["records", &up.uri("none.csv"), "--format", "csv"]), &["no records of", "none.csv"]);
}

/// The page's one code block in this language.
fn block(page: &str, language: &str) -> String {
    let (_, rest) = page.split_once(&format!("```{language}\n")).expect("a block");
    let (block, _) = rest.split_once("\n```").expect("its end");
    format!("{block}\n")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
