//! The day that cost others 44 % of their objects, on virtual time: 96,191 small ones within two hours.
//!
//! `cargo run --release -p tests --example flood [OBJECTS [MINUTES]]`

use std::time::Duration;

use tests::flood::Flood;

fn main() {
    let number =
        |at: usize, default| std::env::args().nth(at).map_or(default, |text| text.parse().expect("a number"));
    let flood = Flood { objects: number(1, 96_191), over: Duration::from_mins(number(2, 120).into()) };
    print!("{}", flood.run());
}
