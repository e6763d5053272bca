//! How fast the worker turns an object into rows, and what it needs for it:
//!
//! ```text
//! cargo run --release -p bench
//! ```
//!
//! It generates files of orders and runs the real worker on each, as a process, against a null sink in another:
//! S3 that streams the file, DynamoDB that takes rows and forgets them. So the figures are the worker's own cost,
//! without the network's and without TLS. Nothing is asserted about time; the exit code is 1 when a record is
//! missing.

mod format;
mod generate;
mod measure;
mod order;
mod sink;
mod target;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};

use crate::{format::Format, measure::Measured, target::Target};

/// Measures the worker: records per second, processor time per record, peak memory.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Sizes of the files' records as text, in millions of bytes. A sheet ends after 1,048,575 records.
    #[arg(long, value_delimiter = ',', default_value = "100,1000")]
    megabytes: Vec<u64>,
    /// What the files are.
    #[arg(long, value_delimiter = ',', default_value = "csv,jsonl,csv.gz,csv.zst,parquet,xlsx")]
    format: Vec<Format>,
    /// Where the records go.
    #[arg(long, value_delimiter = ',', default_value = "records")]
    into: Vec<Target>,
    /// Keep the files, and say where they are.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    // The processes this one starts are the same executable.
    let result = match std::env::args().nth(1).as_deref() {
        Some("worker") => return worker::main(std::env::args().skip(2)),
        Some("sink") => sink::main().map(|()| true),
        _ => run(&Arguments::parse()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything that was asked for and says whether no record was missing.
fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    if arguments.keep {
        folder.disable_cleanup(true);
        eprintln!("keeping the files in {}", folder.path().display());
    }
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header([
        "format",
        "into",
        "MB of text",
        "MB of file",
        "records",
        "seconds",
        "of which check",
        "records/s",
        "MB/s",
        "CPU µs/record",
        "peak MiB",
        "start to claim ms",
    ]);
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let mut whole = true;
    for &format in &arguments.format {
        for &megabytes in &arguments.megabytes {
            let file = folder.path().join(format!("orders-{megabytes}.{format}"));
            eprintln!("{megabytes} MB of {format} ...");
            let generated = generate::generate(&file, format, megabytes * 1_000_000)
                .with_context(|| format!("cannot write {}", file.display()))?;
            let file_bytes = std::fs::metadata(&file)?.len();
            for &into in &arguments.into {
                let measured = measure::measure(&file, format, into)?;
                if measured.rows != generated.records {
                    let records = generated.records;
                    eprintln!("{megabytes} MB of {format}: {} of {records} records", measured.rows);
                    whole = false;
                }
                table.add_row(row(format, into, generated.text_bytes, file_bytes, &measured));
            }
            if !arguments.keep {
                std::fs::remove_file(&file)?;
            }
        }
    }
    println!("{table}");
    Ok(whole)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people, of three digits")]
fn row(format: Format, into: Target, text_bytes: u64, file_bytes: u64, measured: &Measured) -> [String; 12] {
    let seconds = measured.total.as_secs_f64();
    let megabytes = text_bytes as f64 / 1e6;
    let records = measured.rows as f64;
    [
        format.to_string(),
        into.to_string(),
        format!("{megabytes:.0}"),
        format!("{:.1}", file_bytes as f64 / 1e6),
        measured.rows.to_string(),
        format!("{seconds:.1}"),
        format!("{:.1}", measured.check.as_secs_f64()),
        format!("{:.0}", records / seconds),
        format!("{:.1}", megabytes / seconds),
        format!("{:.2}", measured.cpu.as_secs_f64() * 1e6 / records.max(1.0)),
        format!("{:.1}", measured.peak_bytes as f64 / f64::from(1 << 20)),
        measured.start.as_millis().to_string(),
    ]
}
