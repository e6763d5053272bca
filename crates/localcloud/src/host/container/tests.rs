//! The arguments that a runtime gets. The command's own tests show what it does with them, where there is one.

use std::collections::BTreeMap;

use super::{super::Confinement, *};
use crate::services::logs::LogStream;

fn launch(container: Option<Confinement>) -> Launch {
    Launch {
        name: "worker".to_owned(),
        command: vec!["drain".to_owned()],
        env: BTreeMap::from([("A".to_owned(), "1 = one\ntwo".to_owned())]),
        memory_bytes: Some(512 << 20),
        container,
        logs: LogStream::default(),
        stop: CancellationToken::new(),
    }
}

fn confinement() -> Confinement {
    Confinement {
        image: "tidemill:1".to_owned(),
        user: Some("10001:10001".to_owned()),
        cpu_units: 256,
        read_only: true,
        dropped_capabilities: vec!["ALL".to_owned()],
        scratch: vec!["/scratch".to_owned()],
        ..Confinement::default()
    }
}

fn runtime(name: &'static str) -> Runtime {
    Runtime { name, program: name.into() }
}

#[test]
fn a_container_is_made_as_its_task_definition_says() {
    let arguments = runtime("docker").create("c", "r", &launch(Some(confinement()))).unwrap();
    let expected = [
        "create",
        "--name=c",
        "--label=tidemill.run=r",
        "--pull=never",
        "--network=host",
        "--log-driver=none",
        "--memory=536870912b",
        "--memory-swap=536870912b",
        "--cpus=0.250",
        "--user=10001:10001",
        "--cap-drop=ALL",
        "--read-only=true",
        "--volume=/scratch",
        "--env=A=1 = one\ntwo",
        "tidemill:1",
        "drain",
    ];
    assert_eq!(arguments, expected);
}

#[test]
fn podman_is_told_to_be_as_strict_as_fargate() {
    let arguments = runtime("podman").create("c", "r", &launch(Some(confinement()))).unwrap();
    for option in ["--read-only-tmpfs=false", "--http-proxy=false"] {
        assert!(arguments.iter().any(|it| it == option), "{arguments:?}");
    }
}

#[test]
fn an_entry_point_of_several_words_goes_before_the_command() {
    let container =
        Confinement { entry_point: vec!["/bin/env".to_owned(), "worker".to_owned()], ..confinement() };
    let arguments = runtime("docker").create("c", "r", &launch(Some(container))).unwrap();
    assert_eq!(arguments[arguments.len() - 4..], ["--entrypoint=/bin/env", "tidemill:1", "worker", "drain"]);
}

#[test]
fn more_processors_than_there_are_are_not_asked_for() {
    let container = Confinement { cpu_units: 1024 * 1024, ..confinement() };
    let arguments = runtime("docker").create("c", "r", &launch(Some(container))).unwrap();
    let there = std::thread::available_parallelism().unwrap();
    assert!(arguments.contains(&format!("--cpus={there}.000")), "{arguments:?}");
}

#[test]
fn an_image_that_would_be_an_option_and_a_function_are_refused() {
    let container = Confinement { image: "--privileged".to_owned(), ..confinement() };
    let refused = runtime("docker").create("c", "r", &launch(Some(container))).unwrap_err();
    assert_eq!(refused, "\"--privileged\" is no image's name");
    assert!(runtime("docker").create("c", "r", &launch(None)).unwrap_err().contains("has no image"));
}
