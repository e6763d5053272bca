//! The structure of the workspace: which crate may use which, and no cycle of imports between the modules of a crate.
//!
//! A module is a file. It imports another module if it names an item of it, by `use` or by path; an item that is
//! re-exported belongs to the module that defines it. Test modules are not looked at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

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

const FUNCTIONS: [&str; 5] = ["backlog", "scaler", "schedule", "stops", "uploads"];

#[test]
fn crates_use_only_those_below_them() {
    let mut rules: Vec<(String, Vec<&str>)> =
        MAY_USE.iter().map(|(folder, may)| ((*folder).to_owned(), may.to_vec())).collect();
    for function in FUNCTIONS {
        rules.push((format!("functions/{function}"), vec!["app", "aws", "clock", "domain", "telemetry"]));
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
fn no_modules_of_a_crate_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for folder in sources() {
        let name = folder.strip_prefix(ROOT).unwrap_or(&folder).display().to_string();
        for circle in circles(&imports(&read(&folder))) {
            found.push((name.trim_start_matches('/').to_owned(), circle));
        }
    }
    assert_eq!(found, Vec::<(String, Vec<String>)>::new());
}

/// The folders with the sources of the workspace's crates.
fn sources() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).expect("as the tree has it");
    let members = manifest
        .split_once("members = [")
        .expect("as the tree has it")
        .1
        .split_once(']')
        .expect("as the tree has it")
        .0;
    members.split('"').skip(1).step_by(2).map(|member| Path::new(ROOT).join(member).join("src")).collect()
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

fn is_test(module: &str) -> bool {
    module.split("::").any(|part| part == "tests" || part.ends_with("_tests"))
}

/// Which modules each module imports.
fn imports(modules: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let reexports: BTreeMap<&str, Vec<(String, String)>> =
        modules.iter().map(|(module, text)| (module.as_str(), reexports(module, text))).collect();
    let imported = |module: &str, text: &str| {
        let paths = paths(text).into_iter().filter_map(|path| absolute(module, &path, modules));
        let owners = paths.map(|path| owner(&path, modules, &reexports, 0));
        owners.filter(|owner| owner != module && !is_test(owner)).collect()
    };
    modules.iter().map(|(module, text)| (module.clone(), imported(module, text))).collect()
}

/// The module that an item belongs to: the longest part of its path that is a module, or where that re-exports it from.
fn owner(
    path: &[String],
    modules: &BTreeMap<String, String>,
    reexports: &BTreeMap<&str, Vec<(String, String)>>,
    depth: usize,
) -> String {
    let length =
        (0..=path.len()).rev().find(|end| modules.contains_key(&path[..*end].join("::"))).unwrap_or(0);
    let module = path[..length].join("::");
    let from = path.get(length).and_then(|item| {
        reexports.get(module.as_str())?.iter().find(|(name, _)| name == item || name == "*")
    });
    match from {
        Some((name, from)) if depth < 8 => {
            let mut next: Vec<String> = from.split("::").map(str::to_owned).collect();
            // A glob passes on what is asked for.
            let rest = if name == "*" { &path[length..] } else { &path[length + 1..] };
            next.extend_from_slice(rest);
            owner(&next, modules, reexports, depth + 1)
        }
        _ => module,
    }
}

/// The items that a module passes on with `pub use`: name and absolute path.
fn reexports(module: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (public, tree) in uses(&code(text)) {
        if !public {
            continue;
        }
        for path in expanded(&tree) {
            let mut parts: Vec<String> = path.split("::").map(str::to_owned).collect();
            let mut base: Vec<String> = split(module);
            match parts[0].as_str() {
                "crate" => base.clear(),
                "self" => {}
                "super" => drop(base.pop()),
                _ => parts.insert(0, "self".to_owned()),
            }
            base.extend_from_slice(&parts[1..]);
            let name = base.last().cloned().unwrap_or_default();
            if name == "*" {
                base.pop();
            }
            found.push((name, base.join("::")));
        }
    }
    found
}

/// Every path that a text names, in imports and elsewhere, but not those it only passes on.
fn paths(text: &str) -> Vec<String> {
    let code = code(text);
    let mut found: Vec<String> =
        uses(&code).into_iter().filter(|(public, _)| !public).flat_map(|(_, tree)| expanded(&tree)).collect();
    for start in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if code[..at].ends_with("(in ")
                || before.is_alphanumeric()
                || matches!(before, '_' | ':' | '{')
                || in_use(&code, at)
            {
                continue;
            }
            let rest: String =
                code[at..].chars().take_while(|it| it.is_alphanumeric() || matches!(it, '_' | ':')).collect();
            found.push(rest.trim_end_matches(':').to_owned());
        }
    }
    found
}

/// Whether a place is in an import, whose tree is read otherwise.
fn in_use(code: &str, at: usize) -> bool {
    let statement = code[..at].rfind([';', '}']).map_or(0, |end| end + 1);
    let head = code[statement..at].trim_start();
    head.starts_with("use ") || (head.starts_with("pub") && head.contains(" use "))
}

/// The text without comments, literals and test modules.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let mut code = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or(line);
        for (n, part) in line.split('"').enumerate() {
            if n % 2 == 0 {
                code.push_str(part);
            }
        }
        code.push('\n');
    }
    code
}

/// The imports of a text: whether they are public, and their trees without spaces.
fn uses(code: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap_or_default().trim_start();
        if !(line.is_empty() || line == "pub " || (line.starts_with("pub(") && line.ends_with(") "))) {
            continue;
        }
        let tree = code[at + 4..].split(';').next().unwrap_or_default();
        let words: Vec<&str> = tree.split_whitespace().collect();
        found.push((!line.is_empty(), words.join(" ")));
    }
    found
}

/// The paths of an import's tree.
fn expanded(tree: &str) -> Vec<String> {
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree).replace(' ', "");
        return vec![path.trim_end_matches("::self").to_owned()];
    };
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut part, mut parts) = (0, String::new(), Vec::new());
    for character in inner.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(character);
    }
    parts.push(part);
    let head = tree[..open].trim();
    let whole = parts.iter().map(|it| it.trim()).filter(|it| !it.is_empty());
    whole.flat_map(|part| expanded(&format!("{head}{part}"))).collect()
}

/// The path from the root of the crate; none for one of another crate.
fn absolute(module: &str, path: &str, modules: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let parts: Vec<&str> = path.split("::").collect();
    let mut base = split(module);
    let rest = match parts[0] {
        "crate" => {
            base.clear();
            &parts[1..]
        }
        "self" => &parts[1..],
        "super" => {
            let ups = parts.iter().take_while(|it| **it == "super").count();
            base.truncate(base.len().saturating_sub(ups));
            &parts[ups..]
        }
        child => {
            let below = base.iter().map(String::as_str).chain([child]).collect::<Vec<_>>().join("::");
            modules.contains_key(&below).then_some(&parts[..])?
        }
    };
    base.extend(rest.iter().filter(|it| **it != "*").map(|it| (*it).to_owned()));
    Some(base)
}

fn split(module: &str) -> Vec<String> {
    module.split("::").filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// The groups of modules that reach each other, each sorted.
fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(module) = next.pop() {
            let fresh = imports.get(module).into_iter().flatten().filter(|it| seen.insert((*it).clone()));
            next.extend(fresh);
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = imports.keys().map(|it| (it, reached(it))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (module, reached) in &reach {
        if reached.contains(*module) {
            let circle = reached.iter().filter(|it| reach.get(it).is_some_and(|back| back.contains(*module)));
            found.insert(circle.cloned().collect());
        }
    }
    found.into_iter().collect()
}

fn planted(modules: &[(&str, &str)]) -> Vec<Vec<String>> {
    let modules = modules.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    circles(&imports(&modules))
}

#[test]
fn a_planted_circle_is_found() {
    let circle = [
        ("", "mod a;\nmod b;\n"),
        ("a", "use crate::b::B;\npub struct A(B);\n"),
        ("b", "pub struct B;\nfn f() { let _ = super::a::g(); }\n"),
    ];
    assert_eq!(planted(&circle), [["a", "b"]]);
    let line = [
        ("", "mod a;\nmod b;\n"),
        ("a", "use crate::b::B;\n"),
        ("b", "// crate::a::A\nconst B: &str = \"crate::a\";\n"),
    ];
    assert!(planted(&line).is_empty());
}

#[test]
fn a_parent_that_only_passes_its_children_on_is_in_no_circle() {
    let passed_on = [
        ("p", "mod a;\nmod b;\npub use a::A;\npub use self::b::{B};\n"),
        ("p::a", "use super::B;\npub struct A(B);\n"),
        ("p::b", "pub struct B;\n"),
    ];
    assert!(planted(&passed_on).is_empty());
    let used =
        [("p", "mod a;\npub struct P(a::A);\nuse a::A;\n"), ("p::a", "use super::P;\npub struct A;\n")];
    assert_eq!(planted(&used), [["p", "p::a"]]);
}
