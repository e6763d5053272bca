//! Pipelines that run a program on each object.

use super::*;

#[test]
fn a_command_is_read_with_all_that_belongs_to_it() {
    let pipelines = parse(
        r#"version = 1
[[pipeline]]
name = "pages"
match = { prefix = "uploads/pdf/" }
format = "command"
command = ["python3", "/app/pages.py", "--all"]
environment = { MODE = "fast", _2 = "" }
aws = true
output_bytes = 5_000
columns = { page = "number" }
key = "{page}"
[[pipeline]]
name = "plain"
match = { prefix = "uploads/txt/" }
format = "command"
command = ["wc"]
[[pipeline]]
name = "facts"
format = "object"
key = "{sha256}"
"#,
    );
    let pages = pipelines.get("pages").unwrap();
    let command = pages.command.as_ref().unwrap();
    assert_eq!(command.words, ["python3", "/app/pages.py", "--all"]);
    assert_eq!(command.environment["MODE"], "fast");
    assert_eq!((command.aws, command.output_bytes), (true, 5_000));
    let plain = pipelines.get("plain").unwrap().command.as_ref().unwrap();
    assert_eq!((plain.aws, plain.output_bytes, plain.environment.len()), (false, 1 << 30, 0));
    let facts = pipelines.get("facts").unwrap();
    assert_eq!((facts.format, &facts.command), (Format::Object, &None));
    for pipeline in pipelines.iter() {
        let stored = serde_json::to_string(pipeline).unwrap();
        assert_eq!(&serde_json::from_str::<Pipeline>(&stored).unwrap(), pipeline, "{stored}");
    }
}

#[test]
fn what_belongs_to_a_command_is_told_where_it_is_missing_wrong_or_out_of_place() {
    let command = "format = \"command\"\ncommand = [\"cat\"]\n";
    let table = [
        (
            "format = \"command\"".to_owned(),
            "p.toml:2:1: pipeline[1].command: it is missing; format \"command\" needs a list such as \
             [\"python3\", \"/app/x.py\"]",
        ),
        (
            "format = \"command\"\ncommand = \"cat\"".to_owned(),
            "p.toml:5:11: pipeline[1].command: found \"cat\"; allowed: a list such as \
             [\"python3\", \"report.py\"], of at most 1024 bytes",
        ),
        (
            "format = \"command\"\ncommand = [\"cat\", \"a\\u0000b\"]".to_owned(),
            "p.toml:5:11: pipeline[1].command: found an array; allowed: a list such as \
             [\"python3\", \"report.py\"], of at most 1024 bytes",
        ),
        (
            "command = [\"cat\"]".to_owned(),
            "p.toml:4:11: pipeline[1].command: found an array; allowed: only with format \"command\"",
        ),
        (
            "format = \"csv\"\naws = true".to_owned(),
            "p.toml:5:7: pipeline[1].aws: found true; allowed: only with format \"command\"",
        ),
        (
            "output_bytes = 5".to_owned(),
            "p.toml:4:16: pipeline[1].output_bytes: found 5; allowed: only with format \"command\"",
        ),
        (
            format!("{command}aws = \"yes\""),
            "p.toml:6:7: pipeline[1].aws: found \"yes\"; allowed: true or false",
        ),
        (
            format!("{command}environment = [\"A=1\"]"),
            "p.toml:6:15: pipeline[1].environment: found an array; allowed: a table such as { LANG = \"C.UTF-8\" }",
        ),
        (
            format!("{command}environment = {{ A = 1 }}"),
            "p.toml:6:21: pipeline[1].environment.A: found 1; allowed: a text without NUL",
        ),
        (
            format!("{command}environment = {{ TIDEMILL_KEY = \"x\" }}"),
            "p.toml:6:32: pipeline[1].environment.TIDEMILL_KEY: allowed: a name of letters, digits and _ that \
             begins with no digit and not with TIDEMILL_",
        ),
        (
            format!("{command}output_bytes = -1"),
            "p.toml:6:16: pipeline[1].output_bytes: found -1; allowed: a whole number of bytes, 0 or more",
        ),
        (
            format!("{command}delimiter = \";\""),
            "p.toml:6:13: pipeline[1].delimiter: found \";\"; allowed: only with format \"csv\" or \"auto\"",
        ),
        (
            "format = \"object\"\ncolumns = { a = \"text\" }".to_owned(),
            "p.toml:5:11: pipeline[1].columns: found a table; allowed: not with format \"object\", whose record \
             has fields of its own",
        ),
    ];
    for (lines, expected) in table {
        assert_eq!(complaint(&lines), expected, "{lines}");
    }
    let long = format!("{command}environment = {{ A = \"{}\" }}", "x".repeat(4_096));
    assert!(complaint(&long).ends_with("allowed: at most 4096 bytes of names and values, not 4097"));
}
