//! The structure of the workspace: which crate may use which, which have tests of their own, and no cycle of imports between
//! the modules of a crate.
//!
//! A module is a file. It imports another module if it names an item of it, by `use` or by path; an item that is
//! re-exported belongs to the module that defines it. Test modules are not looked at.

mod imports;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use imports::{circles, imports, is_test};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Each crate, by its folder, and the crates of this workspace that it may depend on, tests aside.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("crates/awscron", &[]),
    ("crates/clock", &[]),
    ("crates/pricing", &[]),
    ("crates/domain", &["awscron", "pricing"]),
    ("crates/telemetry", &["clock", "domain"]),
    ("crates/readers", &["domain"]),
    ("crates/aws", &["clock", "domain", "telemetry"]),
    ("crates/app", &["aws", "clock", "domain", "readers", "telemetry"]),
    // Nothing of the product, in its tests neither: a mistake of the product about AWS must not be the local cloud's too.
    (LOCAL_CLOUD, &["awscron", "clock", "pricing"]),
    ("worker", &["app", "aws", "clock", "domain", "readers", "telemetry"]),
];

const LOCAL_CLOUD: &str = "crates/localcloud";

#[test]
fn crates_use_only_those_below_them() {
    let mut rules: Vec<(String, Vec<&str>)> =
        MAY_USE.iter().map(|(folder, may)| ((*folder).to_owned(), may.to_vec())).collect();
    for function in members().into_iter().filter(|member| member.starts_with("functions/")) {
        rules.push((function, vec!["app", "aws", "clock", "domain", "telemetry"]));
    }
    let ours = ours();
    let mut wrong = Vec::new();
    for (folder, may) in rules {
        let manifest =
            fs::read_to_string(Path::new(ROOT).join(&folder).join("Cargo.toml")).expect("as the tree has it");
        let mut uses = dependencies(&manifest, "[dependencies]");
        if folder == LOCAL_CLOUD {
            uses.extend(dependencies(&manifest, "[dev-dependencies]"));
        }
        let uses = uses.into_iter().filter(|name| ours.contains(name));
        wrong.extend(
            uses.filter(|name| !may.contains(&name.as_str())).map(|name| format!("{folder} uses {name}")),
        );
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// The names of the workspace's crates.
fn ours() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).expect("as the tree has it");
    let folders = manifest.lines().filter_map(|line| line.split_once("{ path = \"")?.1.split('"').next());
    folders.map(|folder| folder.rsplit('/').next().unwrap_or(folder).to_owned()).collect()
}

/// The crates that a section of a manifest names.
fn dependencies(manifest: &str, section: &str) -> Vec<String> {
    let lines = manifest.lines().skip_while(|line| *line != section).skip(1);
    let own = lines.take_while(|line| !line.starts_with('['));
    own.filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_crate_whose_tests_are_switched_off_has_none() {
    let mut found = Vec::new();
    for folder in sources() {
        let manifest = fs::read_to_string(folder.with_file_name("Cargo.toml")).expect("as the tree has it");
        let (no_tests, no_examples) =
            (manifest.contains("\ntest = false"), manifest.contains("\ndoctest = false"));
        for (module, text) in read(&folder) {
            let has_tests =
                text.lines().any(|line| line.trim_start().starts_with("#[test") || line.contains("::test"));
            if (no_tests && has_tests) || (no_examples && has_examples(&text)) {
                found.push(format!("{}: {module}", folder.display()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "these tests or examples never run: their crate's Cargo.toml excludes them: {found:?}"
    );
}

/// Whether a text has an example that `cargo test` would run: a block of code that is not said to be something else.
fn has_examples(text: &str) -> bool {
    let comments = text
        .lines()
        .map(str::trim_start)
        .filter_map(|line| line.strip_prefix("//! ").or(line.strip_prefix("/// ")));
    let fences = comments.filter_map(|line| line.strip_prefix("```"));
    fences.step_by(2).any(|language| language.is_empty() || language.starts_with("rust"))
}

#[test]
fn an_example_in_a_comment_is_found() {
    assert!(has_examples("//! ```text\n//! a\n//! ```\n\n    /// ```\n    /// f();\n    /// ```\n"));
    assert!(!has_examples("//! ```text\n//! a\n//! ```\n// ```\n"));
}

#[test]
fn no_modules_of_a_crate_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in sources() {
        let name = folder.strip_prefix(ROOT).unwrap_or(&folder).display().to_string();
        let imports = imports(&read(&folder));
        for circle in circles(&imports) {
            let within = |of: &String| {
                imports[of].iter().filter(|it| circle.contains(it)).cloned().collect::<Vec<_>>()
            };
            found.extend(
                circle.iter().map(|module| format!("{name}: {module} imports {}", within(module).join(", "))),
            );
        }
    }
    assert!(found.is_empty(), "modules import each other in a circle:\n{}", found.join("\n"));
}

/// The folders with the sources of the workspace's crates.
fn sources() -> Vec<PathBuf> {
    members().iter().map(|member| Path::new(ROOT).join(member).join("src")).collect()
}

/// The folders of the workspace's crates, as its manifest has them.
fn members() -> Vec<String> {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).expect("as the tree has it");
    let (_, members) = manifest.split_once("members = [").expect("as the tree has it");
    let (members, _) = members.split_once(']').expect("as the tree has it");
    members.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The modules of a crate: their text, by path (`a::b`, the root is empty). Test modules are left out.
fn read(folder: &Path) -> BTreeMap<String, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("as the tree has it") {
            let path = entry.expect("as the tree has it").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let inner = path.strip_prefix(folder).expect("as the tree has it").with_extension("");
                let mut names: Vec<&str> = inner.iter().filter_map(|it| it.to_str()).collect();
                if matches!(names.last(), Some(&"mod" | &"lib" | &"main")) {
                    names.pop();
                }
                let name = names.join("::");
                if !is_test(&name) {
                    modules
                        .entry(name)
                        .or_insert_with(String::new)
                        .push_str(&fs::read_to_string(&path).expect("as the tree has it"));
                }
            }
        }
    }
    modules
}
