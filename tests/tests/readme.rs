//! What README.md and the pages under `docs/` say is so.

use std::{
    fs,
    path::{Path, PathBuf},
};

use domain::{
    mail::grouped,
    pipelines::{BadRows, Format, Pipelines},
};
use readers::Limits;
use tests::month::{HEAD, Month};

const README: &str = include_str!("../../README.md");

/// The contents of the README's code blocks in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begins = format!("```{language}\n");
    README.split(&begins).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// README.md and the pages, each with its path.
fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs")).expect("a folder").map(|file| file.expect("a file").path());
    let pages = std::iter::once(root.join("README.md")).chain(docs);
    pages.map(|path| (path.clone(), fs::read_to_string(&path).expect("a page"))).collect()
}

/// The anchors of a page's headings, as forges make them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    let plain = |c: char| c.is_alphanumeric() || "- ".contains(c);
    let anchor = |text: &str| {
        text.trim_start_matches('#').trim().to_lowercase().replace(|c| !plain(c), "").replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (pages, mut count) = (pages(), 0);
    assert!(pages.len() > 8, "{pages:#?}");
    for (path, text) in &pages {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            count += 1;
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) =
                link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
            let target =
                if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            assert!(target.exists(), "{} links to {link}, which is not there", path.display());
            if let Some(anchor) = anchor {
                let page = fs::read_to_string(&target).expect("a page");
                assert!(
                    anchors(&page).iter().any(|it| it == anchor),
                    "{}: no heading for {link}",
                    path.display()
                );
            }
        }
    }
    assert!(count > 60, "{count} links");
}

#[test]
fn every_page_is_linked_from_the_readme() {
    for (path, _) in pages().iter().skip(1) {
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(README.contains(&format!("](docs/{name})")), "README.md does not link docs/{name}");
    }
}

/// The rows of many objects take minutes: they are made by the same command as these.
#[test]
fn the_cost_of_a_month_is_as_told() {
    let page = include_str!("../../docs/cost.md");
    assert!(page.contains(HEAD), "docs/cost.md has another table than\n{HEAD}");
    for objects_a_day in [0, 100] {
        let row = Month::of(objects_a_day).to_string();
        assert!(page.contains(&row), "docs/cost.md has another row than\n{row}");
    }
}

#[test]
fn the_limits_are_as_told() {
    let (page, limits) = (include_str!("../../docs/limits.md"), Limits::default());
    for told in [
        format!("a field {} KiB", limits.field_bytes / 1024),
        format!("| Columns | {} |", grouped(limits.columns as u64)),
        format!("up to {} GiB of text", limits.decoded_bytes >> 30),
        format!(
            "{} times its size when unpacked, looked at from {} MiB on",
            limits.ratio,
            limits.ratio_from_bytes >> 20
        ),
    ] {
        assert!(page.contains(&told), "docs/limits.md does not say: {told}");
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
