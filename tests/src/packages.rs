//! Packages of other languages that tests need, installed once and kept in the target folder between runs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::process::Command;

/// A Python that has the packages of `requirements`, in a virtual environment in `folder`.
///
/// # Panics
/// When there is no Python 3 with venv, or the packages cannot be installed within five minutes.
pub async fn python_with(folder: &Path, requirements: &Path) -> PathBuf {
    let python = folder.join("bin/python3");
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
        .arg(requirements);
    install(folder, requirements, [venv, pip]).await;
    python
}

/// Installs the packages of a `package.json` in `folder`, for a program that lies there.
///
/// # Panics
/// When there is no npm, or the packages cannot be installed within five minutes.
pub async fn node_modules(folder: &Path, package: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::copy(package, folder.join("package.json")).expect("a file");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(folder);
    install(folder, package, [npm]).await;
}

/// Runs the commands, unless they ran for the same list before.
async fn install<const N: usize>(folder: &Path, list: &Path, commands: [Command; N]) {
    let wanted = std::fs::read_to_string(list).expect("a list of packages");
    // Tests that run at the same time share what is installed. The lock ends with the file.
    let lock = std::fs::File::create(folder.with_extension("lock")).expect("a file to lock");
    lock.lock().expect("a lock");
    // Written when all is installed, so that an installation that broke off is made again.
    let installed = folder.join("installed");
    if std::fs::read_to_string(&installed).is_ok_and(|present| present == wanted) {
        return;
    }
    for command in commands {
        run(command).await;
    }
    std::fs::write(&installed, wanted).expect("a note of what is installed");
}

async fn run(mut command: Command) {
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(Duration::from_secs(300), command.kill_on_drop(true).output()).await;
    let output =
        output.unwrap_or_else(|_| panic!("this test needs packages, and {shown} hangs")).unwrap_or_else(
            |error| panic!("this test needs Python 3 with venv, and Node with npm: {shown}: {error}"),
        );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test needs packages, and {shown} failed:\n{said}");
}
