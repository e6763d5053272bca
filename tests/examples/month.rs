//! What a month costs, as the table of `docs/cost.md`: days with ever more objects, on virtual time.
//!
//! `cargo run --release -p tests --example month [OBJECTS-A-DAY …]`

use tests::month::{HEAD, Month};

fn main() {
    let asked: Vec<u32> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let days = if asked.is_empty() { vec![0, 100, 1_000] } else { asked };
    println!("{HEAD}");
    for objects_a_day in days {
        println!("{}", Month::of(objects_a_day));
    }
}
