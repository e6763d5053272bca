//! The benchmark itself runs, and counts every record of all formats, wherever they go.

use std::process::Command;

#[test]
fn a_small_run_measures_every_format_and_misses_no_record() {
    let run = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--megabytes", "1", "--into", "records,own-table"])
        .output()
        .unwrap();
    let (table, errors) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    assert!(run.status.success(), "{errors}");
    let rows = table.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let counted: Vec<_> = rows.skip(2).map(|row| [row[1], row[2], row[5]]).collect();
    // The files are the same ones on every machine.
    let mut wanted = Vec::new();
    for format in ["csv", "jsonl", "csv.gz", "csv.zst", "parquet", "xlsx"] {
        let records = if format == "jsonl" { "4324" } else { "8477" };
        wanted.extend(["records", "own-table"].map(|into| [format, into, records]));
    }
    assert_eq!(counted, wanted, "{table}");
}
