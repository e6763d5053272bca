//! What an operator sees of objects that are done, that fail and are replayed, and that are stopped.

use serde_json::{Value, json};

use crate::{
    cloud::{Up, complains, put},
    process::until,
};

/// The id of the one job that an event tells of.
fn id(event: &Value) -> String {
    event["job"].as_str().expect("a job").to_owned()
}

#[test]
fn a_failure_is_found_explained_and_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(&["--watch".as_ref(), folder.path().as_os_str()]);
    put(folder.path(), "good.csv", "x,y\n1,2\n3,4\n");
    let good = up.event("settled", "good.csv");
    assert_eq!((&good["state"], &good["records"]), (&json!("done"), &json!(2)));
    put(folder.path(), "bad.csv", "x,y\n1\n");
    let bad = up.event("settled", "bad.csv");
    assert_eq!((&bad["state"], &bad["reason"]["code"]), (&json!("failed"), &json!("ragged_row")));
    let mail = up.event("mail", "bad.csv");
    assert!(mail["subject"].as_str().expect("a subject").contains("failed: uploads/bad.csv"));
    let (good, bad) = (id(&good), id(&bad));
    notified(&up, &bad);

    listed(&up, &good, &bad);
    explained(&up, &good, &bad);
    recorded(&up);
    remembered(&up);
    listed_dead_letters(&up, &bad);
    replayed(&mut up, &bad);
    complains(up.run(&["stop", &good]), &["is already done (since ", "there is nothing to stop"]);
    complains(
        up.run(&["replay", "--job", &"0".repeat(32)]),
        &["has no job 0000", "`tidemill jobs` lists its jobs"],
    );
    let refused = up.run(&["replay", "--job", &good]).with_code(1);
    assert!(
        refused.stdout.contains("refused") && refused.stdout.contains("--done processes its object again")
    );

    let ended = up.interrupt().with_code(0);
    assert!(ended.stderr.ends_with("tidemill: stopped; all processes have ended\n"), "{}", ended.stderr);
}

/// `jobs`, by all that narrows it.
fn listed(up: &Up, good: &str, bad: &str) {
    let ids = |arguments: &[&str]| -> Vec<String> { up.lines(arguments).iter().map(id).collect() };
    assert_eq!(ids(&["jobs"]), [bad, good], "the newest first");
    assert_eq!(ids(&["jobs", "--state", "failed"]), [bad]);
    assert_eq!(ids(&["jobs", "--state", "failed", "--state", "done", "--prefix", "uploads/g"]), [good]);
    assert_eq!(ids(&["jobs", "--since", "2999-01-01T00:00Z"]), [] as [&str; 0]);
    let text = up.run(&["jobs", "--since", "1h"]).with_code(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("job ") && lines[0].ends_with("took"), "{text}");
    assert!(lines[1].starts_with(bad) && lines[1].contains(" failed "), "{text}");
    assert_eq!(lines[2], "  uploads/bad.csv (everything): ragged_row");
    assert!(lines[3].starts_with(good) && lines[3].contains(" done "), "{text}");
    assert!(lines.iter().all(|line| line.len() <= 80), "{text}");
    let none = up.run(&["jobs", "--state", "source_deleted"]).with_code(0);
    assert!(none.stdout.is_empty() && none.stderr.starts_with("no matching job is open"), "{none:?}");
}

/// `explain`, of an object and of a job.
fn explained(up: &Up, good: &str, bad: &str) {
    let text = up.run(&["explain", &up.uri("bad.csv")]).with_code(0).stdout;
    let timeline = unbroken(&text);
    for part in [
        "no records are visible",
        "pipeline everything: failed: ragged_row",
        " recorded pipeline everything, for pooled workers: its 6 bytes are not above",
        " claimed pooled worker ",
        "ragged_row: line 2: 1 field",
        " notified failure mail sent",
        " What to do Give each row as many fields as the header",
        &format!("tidemill replay --job {bad}"),
    ] {
        assert!(timeline.contains(part), "no {part:?} in {timeline}");
    }
    assert_eq!(up.run(&["explain", bad]).with_code(0).stdout.lines().count(), text.lines().count());
    let history = up.run(&["explain", &up.uri("good.csv"), "--json"]).with_code(0).json();
    assert_eq!((&history["visible"]["records"], &history["visible"]["job"]), (&json!(2), &json!(good)));
    let version = &history["versions"][0];
    assert_eq!(version["job"]["state"], "done");
    let events: Vec<&Value> =
        version["timeline"].as_array().expect("lines").iter().map(|line| &line["event"]).collect();
    let place = |event: &str| events.iter().position(|found| *found == event).expect("it is there");
    assert!(place("recorded") < place("claimed") && place("claimed") < place("done"), "{events:?}");
    let wanted = version["version"].as_str().expect("a version");
    let one = up.run(&["explain", &up.uri("good.csv"), "--version", wanted, "--json"]).with_code(0).json();
    assert_eq!(one["versions"].as_array().map(Vec::len), Some(1));
    complains(up.run(&["explain", &up.uri("good.csv"), "--version", "none"]), &["of version none"]);
    complains(up.run(&["explain", &up.uri("none.csv")]), &["there is no object", "none.csv"]);
}

/// `records`, of what is visible and of what is not.
fn recorded(up: &Up) {
    let lines = up.lines(&["records", &up.uri("good.csv")]);
    let values: Vec<&Value> = lines.iter().map(|line| &line["record"]).collect();
    assert_eq!(values, [&json!({"x": 1, "y": 2}), &json!({"x": 3, "y": 4})]);
    complains(up.run(&["records", &up.uri("bad.csv")]), &["no records of", "bad.csv", "tidemill explain"]);
}

/// `columns`, of the object that was read, and after they are forgotten.
fn remembered(up: &Up) {
    let text = up.run(&["columns", "everything"]).with_code(0).stdout;
    let good = format!(" in\n{}\n", up.uri("good.csv"));
    assert!(
        text.starts_with("pipeline everything\n\n2 columns, first seen ") && text.contains(&good),
        "{text}"
    );
    assert!(text.contains("\n  x       number  ") && text.lines().all(|line| line.len() <= 80), "{text}");
    let known = up.run(&["columns", "everything", "--json"]).with_code(0).json();
    let column = &known["groups"][0]["columns"][1];
    assert_eq!((&column["name"], &column["kinds"]), (&json!("y"), &json!("number")));
    let forgotten = up.run(&["columns", "everything", "--forget"]).with_code(0).stdout;
    assert!(forgotten.starts_with(text.trim_end()) && forgotten.contains("\nForgotten. "), "{forgotten}");
    let none = up.run(&["columns", "everything"]).with_code(1).stdout;
    assert!(none.starts_with("no columns of pipeline everything are known"), "{none}");
}

/// `dead`, twice: listing removes nothing.
fn listed_dead_letters(up: &Up, bad: &str) {
    for _ in 0..2 {
        let entries = up.lines(&["dead"]);
        assert_eq!(entries.len(), 1, "{entries:?}");
        let entry = &entries[0];
        assert_eq!((&entry["job"], &entry["reason"]), (&json!(bad), &json!("ragged_row")));
        assert_eq!(entry["current"]["state"], "failed");
        assert!(entry["status"].as_str().expect("words").contains("tidemill replay --job"));
    }
    let text = up.run(&["dead"]).with_code(0).stdout;
    assert!(text.contains("ragged_row: line 2") && text.contains("uploads/bad.csv"), "{text}");
}

/// `replay`, by job, verdict and dead-letter queue: the object is no better, so it fails each time.
fn replayed(up: &mut Up, bad: &str) {
    let dry = up.lines(&["replay", "--job", bad, "--dry-run"]);
    assert_eq!((&dry[0]["replayed"], &dry[0]["dry_run"]), (&json!(true), &json!(true)));
    let again = up.run(&["replay", "--job", bad]).with_code(0);
    assert!(again.stdout.contains("attempt 2 is queued"), "{again:?}");
    assert_eq!(again.stderr, "1 replayed, 0 refused\n");
    let settled = up.event("settled", bad);
    assert_eq!((&settled["attempt"], &settled["counted_attempts"]), (&json!(2), &json!(1)), "counted anew");
    // A failure is mailed, and only then may the job be replayed.
    up.event("mail", "bad.csv");
    notified(up, bad);
    let timeline = unbroken(&up.run(&["explain", bad]).with_code(0).stdout);
    assert!(timeline.contains(" replayed by ada ") && timeline.contains("it had failed at"), "{timeline}");

    assert_eq!(up.lines(&["dead"]).len(), 2, "one of each failure");
    let emptied = up.run(&["replay", "--dead"]).with_code(0);
    assert!(emptied.stdout.contains("attempt 3 is queued"), "{emptied:?}");
    assert!(emptied.stdout.contains("the job is already "), "the other letter: {emptied:?}");
    up.event("mail", "bad.csv");
    notified(up, bad);
    assert_eq!(up.lines(&["dead"]).len(), 1, "of the last failure");

    let by_verdict =
        up.lines(&["replay", "--verdict", "ragged_row", "--prefix", "uploads/bad", "--since", "1h"]);
    assert_eq!(by_verdict.len(), 1, "{by_verdict:?}");
    up.event("mail", "bad.csv");
    notified(up, bad);
    assert!(up.lines(&["replay", "--verdict", "out_of_memory"]).is_empty());
}

/// A text without the line breaks inside its columns.
fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Waits until the ledger has noted that the failure mail was sent.
fn notified(up: &Up, job: &str) {
    until("the note of the mail", || {
        let explained = up.run(&["explain", job, "--json"]).with_code(0).json();
        (!explained["versions"][0]["job"]["notified_at"].is_null()).then_some(())
    });
}

#[test]
fn a_running_job_is_stopped_and_its_failure_is_mailed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut up = Up::start(&["--watch".as_ref(), folder.path().as_os_str()]);
    let rows: String = (0..200_000).map(|n| format!("{n},some text,{n}.5\n")).collect();
    put(folder.path(), "large.csv", &format!("id,text,number\n{rows}"));
    up.event("uploaded", "large.csv");
    let running = until("a running job", || up.lines(&["jobs", "--state", "running"]).first().map(id));
    let now = unbroken(&up.run(&["explain", &running]).with_code(0).stdout);
    assert!(now.contains("written so far; lease until"), "{now}");
    let stopped = up.run(&["stop", &running]).with_code(0);
    assert!(stopped.stdout.contains("failed as cancelled; its worker stops working on it"), "{stopped:?}");
    let settled = up.event("settled", &running);
    assert_eq!((&settled["state"], &settled["reason"]["code"]), (&json!("failed"), &json!("cancelled")));
    up.event("mail", "large.csv");
    complains(up.run(&["stop", &running]), &["is already failed: cancelled", "there is nothing to stop"]);
    let timeline = unbroken(&up.run(&["explain", &running]).with_code(0).stdout);
    assert!(timeline.contains(" stopped by ada (access key tidemill)"), "{timeline}");
    complains(up.run(&["records", &up.uri("large.csv")]), &["no records"]);
    // Its worker works on.
    put(folder.path(), "next.csv", "x\n1\n");
    assert_eq!(up.event("settled", "next.csv")["state"], "done");
}

#[test]
fn a_message_without_a_job_goes_back_to_its_queue_or_stays() {
    let mut up = Up::start(&[]);
    // An object that somebody asked for and that is not there yet; and what nobody can read.
    let key = "uploads/late.csv";
    let asks = json!({ "tidemill": 1, "bucket": up.bucket, "key": key }).to_string();
    up.send("UploadsQueue", &asks);
    up.send("UploadsQueue", "no JSON");
    let entries =
        until("two dead letters", || Some(up.lines(&["dead"])).filter(|entries| entries.len() == 2));
    let of = |reason: &str| entries.iter().find(|entry| entry["reason"] == reason).expect("an entry").clone();
    assert_eq!(of("no_such_object")["summary"], format!("a request to process s3://{}/{key}", up.bucket));
    assert!(of("malformed")["summary"].as_str().expect("words").contains("it is not JSON"));

    let dry = up.run(&["replay", "--dead", "--dry-run"]).with_code(1);
    assert!(dry.stdout.contains("it would go back to the uploads queue"), "{dry:?}");
    assert_eq!(up.lines(&["dead"]).len(), 2, "a dry run changes nothing");
    up.put(key, "x\n1\n");
    assert_eq!(up.event("settled", key)["state"], "done");
    let replayed = up.run(&["replay", "--dead"]).with_code(1);
    assert!(replayed.stdout.contains("sent back to the uploads queue"), "{replayed:?}");
    assert!(replayed.stdout.contains("it cannot be read; it stays"), "{replayed:?}");
    assert_eq!(replayed.stderr, "1 replayed, 1 refused\n");
    let left = up.lines(&["dead"]);
    assert_eq!((left.len(), &left[0]["reason"]), (1, &json!("malformed")));
    // It is read, and removed.
    let message = left[0]["id"].as_str().expect("an id");
    let text = up.run(&["dead"]).with_code(0).stdout;
    assert!(text.contains("\n  text: no JSON\n") && text.contains("tidemill dead --remove"), "{text}");
    up.run(&["dead", "--remove", message]).with_code(0);
    assert!(up.lines(&["dead"]).is_empty());
    complains(up.run(&["dead", "--remove", message]), &["has no message", "`tidemill dead` lists them"]);
}
