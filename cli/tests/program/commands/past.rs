//! Objects from before: a backfill has them processed, and forgetting one leaves nothing of it.

use std::fs;

use serde_json::json;

use crate::{
    cloud::{Up, complains},
    process::until,
};

const KEY: &str = "uploads/old/a.csv";

#[test]
fn an_object_without_a_job_is_found_processed_and_in_the_end_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pipelines.toml");
    let write = |prefix: &str| {
        let text = format!(
            "version = 1\n[[pipeline]]\nname = \"all\"\nmatch = {{ prefix = \"{prefix}\" }}\nbad_rows = \"quarantine\"\n\
             max_rejected = \"50%\"\n"
        );
        fs::write(&file, text).expect("a pipelines file");
    };
    write("uploads/new/");
    let mut up = Up::start(&["--pipelines".as_ref(), file.as_os_str()]);
    up.put(KEY, "x,y\n1,2\n3\n");
    write("uploads/");
    up.event("pipelines", "pipelines.toml");

    let now = ["backfill", "--since", "1h", "--until", "0s"];
    let dry = up.run(&[now.as_slice(), &["--dry-run"]].concat()).with_code(0).stdout;
    assert!(dry.starts_with(&format!("would queue  {} (all)\n", up.uri("old/a.csv"))), "{dry}");
    assert!(dry.contains("Looked at 1 object version\nput from "), "{dry}");
    assert!(dry.contains("           1  have none and would be queued\n"), "{dry}");
    assert!(dry.lines().all(|line| line.len() <= 80), "{dry}");
    up.run(&now).with_code(0);
    assert_eq!(up.event("settled", KEY)["state"], "done");
    let again = up.lines(&now);
    assert!(again.is_empty(), "{again:?}");

    let uri = up.uri("old/a.csv");
    complains(up.run(&["forget", &uri]), &["the bucket still has 1 version of it", "delete them first"]);
    up.delete_versions(KEY);
    let dry = up.run(&["forget", &uri, "--dry-run"]).with_code(0).stdout;
    assert!(dry.starts_with("would forget ") && dry.contains("1 job"), "{dry}");
    let forgotten = up.run(&["forget", &uri, "--json"]).with_code(0).json();
    let counted = ["jobs", "records", "rejects"].map(|what| forgotten[what].clone());
    assert_eq!(counted, [json!(1), json!(1), json!(1)], "{forgotten}");
    complains(up.run(&["explain", &uri]), &["there is no object"]);
    complains(up.run(&["records", &uri]), &["no records of"]);
    until("no job", || up.lines(&["jobs"]).is_empty().then_some(()));
}
