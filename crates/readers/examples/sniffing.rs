//! What it costs to find out what an object is and how it is written: the processor time of that alone, and of the whole
//! reading, which is the check and the rows. Sniffing is to cost under 2 % of a large object and under 2 ms of a small one; the
//! exit code is 1 when it costs more.
//!
//! ```sh
//! cargo run -p readers --release --example sniffing
//! ```

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use readers::{Options, Rows, Source, Tolerance, check};

/// The most that sniffing may cost of a small object.
const SMALL: Duration = Duration::from_millis(2);

/// The most that sniffing may cost of a large object, as a share of its reading.
const SHARE: f64 = 0.02;

/// How often everything is measured.
const SERIES: u32 = 3;

/// A table of about this many bytes.
fn table(bytes: usize) -> Vec<u8> {
    let mut text = b"id,created,item,price,pieces,city,remark\n".to_vec();
    let mut row = 0;
    while text.len() < bytes {
        row += 1;
        let line = format!(
            "{},2024-05-{:02},\"bolt, size {}\",{}.{:02},{},Bergen,it's the {row}th\n",
            1_000 + row,
            row % 28 + 1,
            row % 9,
            row % 300,
            row % 100,
            row % 7
        );
        text.extend_from_slice(line.as_bytes());
    }
    text
}

/// JSON Lines of about this many bytes.
fn lines(bytes: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut row = 0;
    while text.len() < bytes {
        row += 1;
        let line = format!(
            "{{\"id\":{},\"created\":\"2024-05-{:02}\",\"item\":\"bolt, size {}\",\"price\":{}.{:02},\"city\":\"Bergen\"}}\n",
            1_000 + row,
            row % 28 + 1,
            row % 9,
            row % 300,
            row % 100
        );
        text.extend_from_slice(line.as_bytes());
    }
    text
}

/// The processor time that this thread has had, by the kernel's count.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel that counts");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number of nanoseconds"))
}

/// The processor time of a run: the least of several series, since the kernel counts by ticks and others share the machine.
fn of_one(runs: u32, run: impl Fn()) -> Duration {
    let series = || {
        let before = processor_time();
        (0..runs).for_each(|_| run());
        (processor_time() - before) / runs
    };
    (0..SERIES).map(|_| series()).min().unwrap_or_default()
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let options = Options::default();
    let mut is_met = true;
    for (name, text, runs) in [
        ("csv", table(5_000), 500),
        ("jsonl", lines(5_000), 500),
        ("csv", table(100_000_000), 1),
        ("jsonl", lines(100_000_000), 1),
    ] {
        let text = Bytes::from(text);
        let open = || Source::bytes(text.clone());
        // Without a schema, opening sniffs and reads no row.
        let sniffing = of_one(2_000, || {
            drop(runtime.block_on(Rows::open(open(), &options, None)).expect("rows"));
        });
        let whole = of_one(runs, || {
            runtime.block_on(async {
                let checked = check(open(), &options, Tolerance::None).await.expect("good rows");
                let mut rows = Rows::open(open(), &options, Some(&checked.schema)).await.expect("rows");
                while rows.next().await.expect("a row").is_some() {}
            });
        });
        // Each reading of JSON finds it out again; the second one of a table does not.
        let times = if name == "csv" { 1.0 } else { 2.0 };
        let sniffing = sniffing.mul_f64(times);
        let share = sniffing.as_secs_f64() / whole.as_secs_f64();
        println!(
            "{name:>5} of {:>11} bytes: sniffing {:>8.3} ms, {:>6.3} % of {:>10.3} ms",
            text.len(),
            sniffing.as_secs_f64() * 1e3,
            share * 100.0,
            whole.as_secs_f64() * 1e3
        );
        is_met &= if text.len() < 1_000_000 { sniffing < SMALL } else { share < SHARE };
    }
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
