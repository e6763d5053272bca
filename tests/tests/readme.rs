//! What README.md says is so.

use std::path::Path;

use tidemill_core::pipelines::{BadRows, Format, Pipelines};

const README: &str = include_str!("../../README.md");

/// The contents of the README's code blocks in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begins = format!("```{language}\n");
    README.split(&begins).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let links: Vec<_> = README.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 15);
    for link in links {
        assert!(root.join(link).exists(), "README.md links to {link}, which is not there");
    }
}

#[test]
fn the_example_pipelines_are_legal_and_route_as_told() {
    let [example, commands, facts] = blocks("toml")[..] else { panic!("three examples of pipelines") };
    let pipelines = Pipelines::parse(example, "README.md").unwrap_or_else(|error| panic!("{error}"));
    let route = |key| pipelines.route(key, Some(1)).map(|pipeline| pipeline.name.as_str());
    assert_eq!(route("uploads/orders/a.csv"), Some("orders"));
    assert_eq!(route("uploads/customers/a.json"), Some("customers"));
    assert_eq!(route("uploads/a"), Some("everything"));
    assert_eq!(route("uploads/README.md"), None);
    let orders = pipelines.get("orders").unwrap();
    assert_eq!((orders.bad_rows, orders.attempts), (BadRows::Quarantine, 5));
    assert_eq!(pipelines.get("customers").unwrap().key.as_ref().unwrap().to_string(), "{customer_id}");
    let of = |text, name: &str| {
        let pipelines = Pipelines::parse(text, "README.md").unwrap_or_else(|error| panic!("{error}"));
        pipelines.get(name).unwrap().clone()
    };
    assert_eq!(of(commands, "states").command.unwrap().words, ["python3", "/app/states.py"]);
    assert_eq!(of(facts, "pictures").format, Format::Object);
}

#[test]
fn the_commands_are_those_that_the_checks_run() {
    let checks = include_str!("../../.ci/run");
    for command in blocks("sh") {
        let locked = command.replacen("cargo test --workspace", "cargo test --workspace --locked", 1);
        let locked = locked.replacen("cargo run --release --", "cargo run --release --locked --", 1);
        assert!(checks.contains(&locked), ".ci/run does not run `{command}`");
    }
}
