//! The images of these tests, and the containers that are there.

use std::{env, fs, process::Command};

use crate::process;

/// Names the worker's image.
const VARIABLE: &str = "TIDEMILL_TEST_IMAGE";

/// The worker's image, as `.ci/containers` has built it.
pub(crate) fn worker() -> String {
    env::var(VARIABLE)
        .unwrap_or_else(|_| panic!("{VARIABLE} must name the worker's image: run .ci/containers"))
}

/// What runs containers here: the same that the command finds.
fn runtime(arguments: &[&str]) -> String {
    let program = env::var("CONTAINER_RUNTIME").unwrap_or_else(|_| "podman".to_owned());
    let output = Command::new(&program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The containers of any local cloud on this machine, running or not.
pub(crate) fn containers() -> Vec<String> {
    let ids = runtime(&["ps", "--all", "--quiet", "--no-trunc", "--filter=label=tidemill.run"]);
    ids.lines().map(str::to_owned).collect()
}

/// What the runtime knows of one that is there, as the worker's task definition wants it.
pub(crate) fn inspect(container: &str, format: &str) -> String {
    runtime(&["inspect", "--format", format, container]).trim().to_owned()
}

/// Waits until this is so of the containers that are there.
pub(crate) fn until(what: &str, so: impl Fn(&[String]) -> bool) -> Vec<String> {
    process::until(what, || Some(containers()).filter(|found| so(found)))
}

/// An image made from the worker's, with `hungry.rs` in it; removed with this value.
pub(crate) struct Hungry(pub(crate) String);

impl Hungry {
    /// Builds it. With `first` its entry point is the hungry program, which becomes the worker; else the worker.
    pub(crate) fn build(name: &str, first: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("hungry");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/program/containers/hungry.rs");
        let compiled = Command::new("rustc")
            .args(["--edition=2024", "-Copt-level=1", "-Ctarget-feature=+crt-static", "-o"])
            .args([program.as_os_str(), source.as_ref()])
            .status();
        assert!(compiled.expect("rustc is there").success());
        let entry = if first { "ENTRYPOINT [\"/hungry\"]\n" } else { "" };
        let text = format!("FROM {}\nCOPY hungry /hungry\n{entry}", worker());
        fs::write(folder.path().join("Dockerfile"), text).expect("a file");
        runtime(&["build", "--quiet", "--tag", name, folder.path().to_str().expect("UTF-8")]);
        Self(name.to_owned())
    }
}

impl Drop for Hungry {
    fn drop(&mut self) {
        runtime(&["image", "rm", "--force", &self.0]);
    }
}
