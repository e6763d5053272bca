//! README.md and the pages under `docs/` are true: links, anchors, examples, tables and limits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use domain::{
    bad_input::{self, Scope},
    pipelines::{BadRows, Format, Pipelines, Preset},
    text::grouped,
    verdict::{Change, Kind, Rule},
};
use readers::Limits;
use tests::month::{HEAD, Month};

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../docs/architecture.md");

/// The contents of a page's code blocks in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let begins = format!("```{language}\n");
    page.split(&begins).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// The files of a folder, sorted by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

/// The pages under `docs/`, each with its path from the root.
fn docs() -> Vec<(PathBuf, String)> {
    let docs = files(&root().join("docs")).into_iter();
    docs.map(|path| (path.clone(), fs::read_to_string(&path).expect("a page"))).collect()
}

/// Everything that is written for people: README.md, the pages, the changelog, and what lies beside code and samples.
fn pages() -> Vec<(PathBuf, String)> {
    let crates = files(&root().join("crates")).into_iter().map(|folder| folder.join("README.md"));
    let others = ["README.md", "CHANGELOG.md", "samples/README.md"].map(|name| root().join(name));
    let others = others.into_iter().chain(crates).filter(|path| path.exists());
    let others = others.map(|path| (path.clone(), fs::read_to_string(&path).expect("a page")));
    others.chain(docs()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository").to_owned()
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
    for (path, _) in docs() {
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(README.contains(&format!("](docs/{name})")), "README.md does not link docs/{name}");
    }
    assert!(README.contains("](CHANGELOG.md)"));
}

#[test]
fn the_readme_is_short() {
    let lines = README.lines().count();
    assert!(lines <= 180, "README.md has {lines} lines: move details to a page under docs/");
}

/// The text of every source file below a folder.
fn sources(folder: &Path, text: &mut String) {
    for path in files(folder) {
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|it| it == "rs") {
            text.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn functions_that_pages_name_are_in_the_code() {
    let mut code = String::new();
    for folder in ["crates", "functions", "worker/src", "cli/src"] {
        sources(&root().join(folder), &mut code);
    }
    let mut count = 0;
    for (path, text) in docs() {
        for name in text.split('`').skip(1).step_by(2).filter_map(|span| span.strip_suffix("()")) {
            count += 1;
            let (owner, function) = name.rsplit_once("::").map_or((None, name), |(a, b)| (Some(a), b));
            let page = path.display();
            let is_there = ["(", "<"].iter().any(|after| code.contains(&format!("fn {function}{after}")));
            assert!(is_there, "{page} names {name}(), but there is no fn {function}");
            if let Some(owner) = owner.map(|owner| owner.rsplit("::").next().unwrap_or(owner)) {
                let is_there =
                    ["struct ", "enum ", "mod "].iter().any(|kind| code.contains(&format!("{kind}{owner}")));
                assert!(is_there, "{page} names {name}(), but there is no {owner}");
            }
        }
    }
    assert!(count > 20, "{count} functions");
}

#[test]
fn the_glossary_has_the_words_of_our_own() {
    let (_, glossary) = ARCHITECTURE.split_once("\n## Glossary\n").expect("a glossary");
    for word in [
        "backlog",
        "breaker",
        "digest",
        "drain",
        "fence",
        "fleet",
        "generation",
        "ledger",
        "lease",
        "manifest",
        "quarantine",
        "settled",
        "slot",
        "sweep",
        "verdict",
    ] {
        assert!(glossary.contains(&format!("| {word} |")), "the glossary does not explain {word}");
    }
}

/// The rows of many objects take minutes: they are made by the same command as these.
#[test]
fn the_cost_of_a_month_is_as_documented() {
    let page = include_str!("../../docs/cost.md");
    assert!(page.contains(HEAD), "docs/cost.md has another table than\n{HEAD}");
    for objects_a_day in [0, 100] {
        let row = Month::of(objects_a_day).to_string();
        let start = format!("| {objects_a_day} |");
        let documented = page.lines().find(|line| line.starts_with(&start)).expect("a row");
        assert!(are_close(&row, documented), "docs/cost.md has the row\n{documented}\nand not\n{row}");
    }
}

/// Whether two rows have the same cells, amounts within a fiftieth: random waits move them by less than half of that, which may
/// be across the border between two cents or two tenths of a cent.
fn are_close(row: &str, documented: &str) -> bool {
    let amount = |cell: &str| cell.trim().strip_prefix('$').and_then(|digits| digits.parse::<f64>().ok());
    let alike = |(found, kept): (&str, &str)| match (amount(found), amount(kept)) {
        (Some(found), Some(kept)) => (found - kept).abs() <= kept / 50.0,
        _ => found == kept,
    };
    row.split('|').count() == documented.split('|').count()
        && row.split('|').zip(documented.split('|')).all(alike)
}

#[test]
fn verdicts_and_reasons_are_those_of_the_tables() {
    let page = include_str!("../../docs/verdicts.md");
    let verdicts = Kind::ALL.iter().map(|kind| {
        let row = kind.row();
        let counts = if row.counts_against_object { "yes" } else { "no" };
        let next = match row.rule {
            Rule::Retry(Change::Same, _) => "retry",
            Rule::Retry(Change::Larger, _) => "retry one size larger",
            Rule::Retry(Change::OnDemand, _) => "retry on demand",
            Rule::GiveUp => "fail",
            Rule::Ignore => "none",
        };
        let codes = row.exit_codes.iter().map(|exit| exit.code().to_string()).collect::<Vec<_>>().join(", ");
        let (code, sentence, advice) = (kind.code(), kind.sentence(), row.advice);
        format!("| `{code}` | {sentence} | {counts} | {next} | {codes} | {advice} |")
    });
    let reasons = bad_input::Reason::ALL.iter().map(|reason| {
        let (code, sentence, advice) = (reason.code(), reason.sentence(), reason.row().advice);
        let rejects = match reason.row().scope {
            Scope::Row => "row",
            Scope::Object => "object",
        };
        format!("| `{code}` | {sentence} | {rejects} | {advice} |")
    });
    let rows: Vec<String> = verdicts.chain(reasons).collect();
    for row in &rows {
        assert!(page.lines().any(|line| line == row), "docs/verdicts.md does not have the row\n{row}");
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), rows.len(), "rows too many");
}

#[test]
fn the_limits_are_as_documented() {
    let (page, limits) = (include_str!("../../docs/limits.md"), Limits::default());
    for fact in [
        format!("a field {} KiB", limits.field_bytes / 1024),
        format!("| Columns | {} |", grouped(limits.columns as u64)),
        format!("up to {} GiB of text", limits.decoded_bytes >> 30),
        format!(
            "{} times its size when unpacked, checked from {} MiB on",
            limits.ratio,
            limits.ratio_from_bytes >> 20
        ),
    ] {
        assert!(page.contains(&fact), "docs/limits.md does not say: {fact}");
    }
}

/// The example with this pipeline, of all examples of a page.
fn example(page: &str, pipeline: &str) -> Pipelines {
    let all = blocks(page, "toml").into_iter();
    let mut all = all.map(|text| Pipelines::parse(text, "example").unwrap_or_else(|error| panic!("{error}")));
    all.find(|example| example.get(pipeline).is_some()).unwrap_or_else(|| panic!("no example of {pipeline}"))
}

#[test]
fn every_example_of_a_pipelines_file_is_legal() {
    let mut count = 0;
    for (path, text) in pages() {
        for block in blocks(&text, "toml") {
            count += 1;
            let page = path.display().to_string();
            Pipelines::parse(block, &page).unwrap_or_else(|error| panic!("{error}\n{block}"));
        }
    }
    assert!(count >= 4, "{count} examples");
}

#[test]
fn the_example_pipelines_route_as_documented() {
    let page = include_str!("../../docs/pipelines.md");
    let pipelines = example(page, "everything");
    let route = |key| pipelines.route(key, Some(1)).map(|pipeline| pipeline.name.as_str());
    assert_eq!(route("uploads/orders/a.csv"), Some("orders"));
    assert_eq!(route("uploads/customers/a.json"), Some("customers"));
    assert_eq!(route("uploads/a"), Some("everything"));
    assert_eq!(route("uploads/README.md"), None);
    let orders = pipelines.get("orders").unwrap();
    assert_eq!((orders.bad_rows, orders.attempts), (BadRows::Quarantine, 5));
    assert_eq!(pipelines.get("customers").unwrap().key.as_ref().unwrap().to_string(), "{customer_id}");
    assert_eq!(example(page, "pictures").get("pictures").unwrap().format, Format::Object);
    let inventory = Format::Aws(Preset::S3Inventory);
    assert_eq!(example(page, "inventory").get("inventory").unwrap().format, inventory);
    let commands = example(include_str!("../../docs/commands-on-objects.md"), "states");
    assert_eq!(
        commands.get("states").unwrap().command.as_ref().unwrap().words,
        ["python3", "/app/states.py"]
    );
    assert_eq!(example(README, "orders").get("orders").unwrap().bad_rows, BadRows::Quarantine);
}

#[test]
fn the_commands_are_those_that_the_checks_run() {
    let checks = include_str!("../../.ci/run");
    let commands = blocks(README, "sh");
    assert_eq!(commands.len(), 2);
    for command in commands {
        let locked = command.replacen("cargo test --workspace", "cargo test --workspace --locked", 1);
        let locked = locked.replacen("cargo run --", "cargo run --locked --", 1);
        assert!(checks.contains(&locked), ".ci/run does not run `{command}`");
    }
}
