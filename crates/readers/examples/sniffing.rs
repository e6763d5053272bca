//! What it costs to find out how delimited text is written: the time of a check of a small and of a large object, with the
//! way it is written found out and with all of it declared.
//!
//! ```sh
//! cargo run -p readers --release --example sniffing
//! ```

use std::time::{Duration, Instant};

use domain::pipelines::{Delimited, Header, Sign};
use readers::{Options, Tolerance, check};

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

/// The least time of several runs.
fn least(text: &[u8], options: &Options, runs: u32) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let one = || {
        let began = Instant::now();
        let source = std::io::Cursor::new(text.to_vec());
        runtime.block_on(check(source, options, Tolerance::None)).expect("a table");
        began.elapsed()
    };
    (0..runs).map(|_| one()).min().unwrap_or_default()
}

fn main() {
    let declared = Options {
        delimiter: Some(b','),
        repair: Some(0),
        table: Delimited {
            header: Some(Header::InFirstRow(true)),
            quote: Some(Sign::Is(b'"')),
            ..Delimited::default()
        },
        ..Options::default()
    };
    for (bytes, runs) in [(1_000, 2_000), (8_000, 500), (66_000, 200), (20_000_000, 5)] {
        let text = table(bytes);
        let (found, told) = (least(&text, &Options::default(), runs), least(&text, &declared, runs));
        println!(
            "{:>10} bytes: check {:>9.3} ms; {:>9.3} ms with all declared and rows repaired",
            text.len(),
            found.as_secs_f64() * 1e3,
            told.as_secs_f64() * 1e3
        );
    }
}
