//! The benchmark itself runs, and counts every record of all formats.

use std::process::Command;

#[test]
fn a_small_run_measures_every_format_and_misses_no_record() {
    let run = Command::new(env!("CARGO_BIN_EXE_bench")).args(["--megabytes", "1"]).output().unwrap();
    let (table, errors) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    assert!(run.status.success(), "{errors}");
    let figures = |format| {
        let row = table.lines().find(|line| line.starts_with(&format!("| {format} "))).unwrap();
        row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    // The files are the same ones on every machine.
    for format in ["csv", "csv.gz", "csv.zst", "parquet", "xlsx"] {
        assert_eq!(figures(format)[4], "8477", "{table}");
    }
    assert_eq!(figures("jsonl")[4], "4324", "{table}");
}
