//! The example command on the sample it is made for.

use serde_json::Value;
use tests::{JobAsserts, TestEnv};

use crate::reason;

const AIRPORTS: &[u8] = include_bytes!("../../../samples/airports.csv");

/// The pipeline that README.md shows.
fn states() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines/commands/states.py");
    format!(
        "version = 1\n[[pipeline]]\nname = \"states\"\nmatch = {{ prefix = \"uploads/\" }}\nformat = \"command\"\n\
         command = [\"python3\", {}]\n",
        serde_json::to_string(script).unwrap()
    )
}

#[test]
fn the_airports_of_each_state_are_counted() {
    TestEnv::plan(601).pipelines(&states()).run(async |env| {
        env.put("uploads/airports.csv", AIRPORTS).await;
        env.settle().await;
        let job = env.job("uploads/airports.csv").await;
        job.assert_done().assert_attempt(1).assert_records(57);
        assert_eq!(job.format(), Some("command"));
        let records = env.visible("uploads/airports.csv").await;
        let records: Vec<Value> = records.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let of = |state: &str| records.iter().find(|record| record["state"] == state).unwrap();
        assert_eq!(of("AK")["airports"], 263);
        assert_eq!(
            of("AK")["northernmost"]["latitude"],
            "71.2854475",
            "a text stays as the command printed it"
        );
        assert_eq!(records.iter().map(|record| record["airports"].as_u64().unwrap()).sum::<u64>(), 3_376);
    });
}

#[test]
fn a_table_that_the_command_cannot_use_fails_in_the_commands_words() {
    TestEnv::plan(602).pipelines(&states()).run(async |env| {
        env.put("uploads/weather.csv", &include_bytes!("../../../samples/seattle-weather.csv")[..]).await;
        env.settle().await;
        let job = env.job("uploads/weather.csv").await;
        job.assert_failed().assert_counted(1).assert_ended_with(&["bad_input"]);
        assert_eq!(reason(&job), ("bad_input", "the table has no column named state"));
        let mail = &env.mails()[0];
        assert_eq!(mail.subject, "[tidemill] failed: uploads/weather.csv (bad_input)");
        assert!(mail.body.contains("the table has no column named state"), "{}", mail.body);
    });
}
