//! Asking before much is done.

use std::io::{BufRead, IsTerminal, stderr, stdin};

use domain::text::count;

/// How many jobs or messages are replayed without asking.
const UNASKED: u64 = 100;

/// Asks whether to replay this number of items, if it is large and `is_agreed` is not set.
///
/// # Errors
/// When the answer is not yes, or there is nobody to ask.
pub(super) fn confirm(items: u64, word: &str, is_agreed: bool) -> anyhow::Result<()> {
    if items <= UNASKED || is_agreed {
        return Ok(());
    }
    let items = count(items, word);
    anyhow::ensure!(
        stdin().is_terminal() && stderr().is_terminal(),
        "this would replay {items}; look at them with --dry-run, and replay them with --yes"
    );
    eprint!("This replays {items}. Continue? [y/N] ");
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    let is_yes = ["y", "yes"].contains(&answer.trim().to_lowercase().as_str());
    anyhow::ensure!(is_yes, "nothing was replayed");
    Ok(())
}
