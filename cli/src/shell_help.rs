//! What shells and manuals know of the command: completions and manual pages, made from its arguments.

use std::{io, path::Path, process::ExitCode};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::{
    args::Arguments,
    output::{failed, is_unread, print},
};

const NAME: &str = "tidemill";

/// Prints the completions for a shell.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    ended(print(&String::from_utf8_lossy(&script)))
}

/// Prints the manual page, or writes the pages of all commands into a folder.
pub(crate) fn man(out: Option<&Path>) -> ExitCode {
    ended(match out {
        None => page().and_then(|page| print(&page)),
        Some(folder) => pages(folder),
    })
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_unread(&error) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn page() -> anyhow::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page).context("cannot make the manual page")?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn pages(folder: &Path) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Arguments::command(), folder)
    };
    write().with_context(|| format!("cannot write the manual pages into {}", folder.display()))
}
