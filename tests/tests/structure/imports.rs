//! Which modules import each other, from the text of their files.

use std::collections::{BTreeMap, BTreeSet};

/// Which modules each module imports.
pub(crate) fn imports(modules: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
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
    let (passed_on, imported): (Vec<_>, Vec<_>) = uses(&code).into_iter().partition(|(public, _)| *public);
    let rest = without_uses(&code);
    let mut found: Vec<String> = imported.iter().flat_map(|(_, tree)| expanded(tree)).collect();
    // What is passed on and named in the rest of the text is used here too.
    let words: BTreeSet<&str> = rest.split(|it: char| !is_word(it)).collect();
    let passed_on = passed_on.iter().flat_map(|(_, tree)| expanded(tree));
    found.extend(passed_on.filter(|path| words.contains(path.rsplit("::").next().unwrap_or(path))));
    for (at, _) in rest.match_indices("::") {
        let start = rest[..at].rfind(|it: char| !is_word(it)).map_or(0, |before| before + 1);
        // The middle of a path, or `<T as Trait>::`.
        if start == at || rest[..start].ends_with("::") || rest[..start].ends_with("(in ") {
            continue;
        }
        let path: String = rest[start..].chars().take_while(|it| is_word(*it) || *it == ':').collect();
        found.push(path.trim_end_matches(':').to_owned());
    }
    found
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The text but for its imports and the names of its modules.
fn without_uses(code: &str) -> String {
    let mut rest = String::new();
    let mut from = 0;
    for (at, tree) in use_statements(code) {
        rest.push_str(&code[from..at]);
        from = at + "use ".len() + tree.len();
    }
    rest.push_str(&code[from..]);
    let is_module = |line: &str| line.ends_with(';') && line.split(' ').rev().nth(1) == Some("mod");
    rest.lines().filter(|line| !is_module(line)).collect::<Vec<_>>().join("\n")
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

/// The imports of a text: whether they are public, and their trees without line breaks.
fn uses(code: &str) -> Vec<(bool, String)> {
    let public = |at: usize| !code[..at].rsplit('\n').next().unwrap_or_default().trim().is_empty();
    let on_one_line = |tree: &str| tree.split_whitespace().collect::<Vec<_>>().join(" ");
    use_statements(code).into_iter().map(|(at, tree)| (public(at), on_one_line(tree))).collect()
}

/// Where each import's `use` stands, and its tree as it is written.
fn use_statements(code: &str) -> Vec<(usize, &str)> {
    let starts_line = |at: usize| {
        let line = code[..at].rsplit('\n').next().unwrap_or_default().trim_start();
        line.is_empty() || line == "pub " || (line.starts_with("pub(") && line.ends_with(") "))
    };
    let statements = code.match_indices("use ").filter(|(at, _)| starts_line(*at));
    statements.map(|(at, _)| (at, code[at + 4..].split(';').next().unwrap_or_default())).collect()
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
pub(crate) fn circles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
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

/// Whether a module has tests only.
pub(crate) fn is_test(module: &str) -> bool {
    module.split("::").any(|part| part == "tests" || part.ends_with("_tests"))
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

#[test]
fn a_parent_that_uses_a_child_is_in_a_circle_with_it_however_it_names_it() {
    let child = ("p::a", "use super::P;\npub struct A;\n");
    for parent in [
        "mod a;\npub struct P;\nfn f() { let _ = Some(a::g()); }\n",
        "pub use a::A;\nmod a;\npub struct P(A);\n",
        "mod a;\npub struct P;\nuse std::{fmt::{self}, io};\nfn f() -> a::A { a::A }\n",
    ] {
        assert_eq!(planted(&[("p", parent), child]), [["p", "p::a"]], "{parent}");
    }
    // A field, a variable and an item of another crate are not the child.
    let other = "mod a;\npub struct P;\nfn f(a: u8) { other::a::g(a, P { a }.a) }\n";
    assert!(planted(&[("p", other), child]).is_empty());
}
