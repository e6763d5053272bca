//! Objects and jobs by the names that people have at hand, what is kept beside records, and what the command knows of itself.

use std::{ffi::OsStr, fs};

use serde_json::json;

use crate::{
    cloud::{Up, bare, complains, parsed, put},
    process::Running,
};

#[test]
fn objects_and_jobs_are_found_by_any_of_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let (files, pipelines) = (folder.path().join("in"), folder.path().join("p.toml"));
    fs::create_dir(&files).expect("a folder");
    let kept = "[[pipeline]]\nname = \"kept\"\nmatch = { suffix = \"kept.csv\" }\nbad_rows = \"quarantine\"\nmax_rejected = \"50%\"\n";
    fs::write(&pipelines, format!("version = 1\n{kept}[[pipeline]]\nname = \"all\"\n")).expect("a file");
    let arguments = ["--watch".as_ref(), files.as_os_str(), OsStr::new("--pipelines"), pipelines.as_os_str()];
    let mut up = Up::start(&arguments);
    put(&files, "kept.csv", "a,b\n1,2\n3,4,5\n6,7\n");
    assert_eq!(up.event("settled", "kept.csv")["state"], "done");
    put(&files, "bad.csv", "a,b\n1,2,3\n");
    up.event("mail", "bad.csv");

    let by_uri = up.run(&["explain", &up.uri("bad.csv"), "--json"]).with_code(0).json();
    let job = by_uri["versions"][0]["job"]["job"].as_str().expect("a job").to_owned();
    let url = format!("{}/{}/uploads/bad.csv", up.endpoint(), up.bucket);
    for name in ["bad.csv", "uploads/bad.csv", &format!("arn:aws:s3:::{}/uploads/bad.csv", up.bucket), &url] {
        assert_eq!(up.run(&["explain", name, "--json"]).with_code(0).json(), by_uri, "{name}");
    }
    let by_job = up.run(&["explain", &job[..7], "--json"]).with_code(0).json();
    assert_eq!(by_job["versions"][0]["job"]["job"], json!(job));

    let rejects = up.run(&["rejects", "kept.csv"]).with_code(0);
    let said = rejects.stdout.strip_prefix("line 3: ragged_row: 3 fields where the header has 2");
    assert!(said.is_some_and(|rest| rest.ends_with("\n  3,4,5\n")), "{}", rejects.stdout);
    assert_eq!(up.lines(&["rejects", "kept.csv"])[0]["raw"], "3,4,5");
    complains(up.run(&["rejects", "bad.csv"]), &["no rejected rows of", "bad.csv are kept"]);

    let mails = up.run(&["mails"]).with_code(0);
    assert!(
        mails.stdout.ends_with("  [tidemill] failed: uploads/bad.csv (ragged_row)\n"),
        "{}",
        mails.stdout
    );
    let mail = up.run(&["mails", "1"]).with_code(0).stdout;
    assert!(mail.contains("Subject: [tidemill] failed: uploads/bad.csv") && mail.contains(&job), "{mail}");
    complains(up.run(&["mails", "7"]), &["there is no mail 7", "has sent 1 since it started"]);

    assert_eq!(up.lines(&["jobs", "--limit", "1"]).len(), 1);
    let watched = up.run(&["jobs", "--watch", "--limit", "2", "--json"]).with_code(0);
    let mut states: Vec<String> =
        watched.stdout.lines().map(|line| parsed(line)["state"].to_string()).collect();
    states.sort();
    assert_eq!(states, ["\"done\"", "\"failed\""]);
}

#[test]
fn the_command_has_its_files_its_completions_and_its_pages_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path();
    let run = |arguments: &[&str]| {
        Running::start(bare().args(arguments).current_dir(here)).end().with_code(0).stdout
    };
    assert!(run(&["init"]).contains("wrote ./pipelines/pipelines.toml"));
    assert!(run(&["init"]).contains("./template.yaml is there already, and stays as it is"));
    assert!(run(&["check"]).contains("in pipelines/pipelines.toml and template.yaml: no problems"));
    assert!(run(&["completions", "bash"]).contains("_tidemill()"));
    assert!(run(&["man"]).contains(".TH tidemill 1"));
    run(&["man", "--out", "pages"]);
    let pages =
        fs::read_dir(here.join("pages")).expect("a folder").map(|page| page.expect("a page").file_name());
    let operating = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md");
    let operating = fs::read_to_string(operating).expect("a page");
    for page in pages {
        let page = page.into_string().expect("text");
        let command = page.trim_end_matches(".1").replace('-', " ");
        assert!(
            operating.contains(&format!("`{command}")) || operating.contains(&format!("({command}")),
            "docs/operating.md has no row of `{command}`"
        );
    }
    assert!(here.join("pages/tidemill-run.1").is_file());
    let help = Running::start(bare().args(["run", "--help"]).env("COLUMNS", "80")).end().with_code(0).stdout;
    assert!(help.contains("Examples:\n  tidemill run samples\n"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 80), "{help}");
}
