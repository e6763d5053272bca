//! Two programs of an image that the tests make from the worker's, in one file.

use std::{env, hint, os::unix::process::CommandExt, process::Command, thread, time::Duration};

/// More than the smallest task has, and less than the next.
const HELD: usize = 700 << 20;

fn main() {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    // A pipeline's command: it never ends by itself.
    if arguments.first().is_some_and(|first| first == "wait") {
        loop {
            thread::sleep(Duration::from_secs(3600));
        }
    }
    // The entry point: what it holds has been written to, so that the kernel had to find room for it.
    drop(hint::black_box(vec![1_u8; HELD]));
    let error = Command::new("/worker").args(arguments).exec();
    panic!("cannot become the worker: {error}");
}
