mod command;
mod delimited;
mod table;

use super::*;

const SHIPPED: &str = include_str!("../../../../pipelines/pipelines.toml");

fn parse(text: &str) -> Pipelines {
    Pipelines::parse(text, "p.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// What is said about a file with one pipeline that has these lines.
fn complaint(lines: &str) -> String {
    let text = format!("version = 1\n[[pipeline]]\nname = \"a\"\n{lines}\n");
    Pipelines::parse(&text, "p.toml").unwrap_err().to_string()
}

#[test]
fn the_shipped_file_routes_the_samples() {
    let pipelines = Pipelines::parse(SHIPPED, "pipelines.toml").unwrap_or_else(|error| panic!("{error}"));
    let name = |key| pipelines.route(key, Some(1_000)).map(|pipeline| pipeline.name.as_str());
    assert_eq!(name("uploads/earthquakes.json"), Some("earthquakes"));
    assert_eq!(name("uploads/2026/earthquakes.json"), Some("earthquakes"));
    assert_eq!(name("uploads/README.md"), None, "ignored");
    assert_eq!(name("uploads/airports.csv"), Some("everything"));
    assert_eq!(name("rejects/airports.csv"), None);
    assert_eq!(pipelines.get("earthquakes").unwrap().records.as_deref(), Some("/features"));
}

#[test]
fn the_example_in_the_shipped_files_comment_is_a_legal_pipeline() {
    let example: String = SHIPPED
        .lines()
        .filter_map(|line| line.strip_prefix("#   "))
        .filter(|line| !line.starts_with(' '))
        // One pipeline cannot show a delimiter, a sheet and a JSON pointer at once.
        .filter(|line| !line.starts_with("records") && !line.starts_with("sheet"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let pipelines = parse(&format!("version = 1\n{example}"));
    assert_eq!(pipelines.iter().next().unwrap().key.as_ref().unwrap().to_string(), "{customer_id}");
    let [report, orders] = pipelines.schedules() else { panic!("{pipelines:?}") };
    assert_eq!(report.run, Run::Command(vec!["python3".to_owned(), "report.py".to_owned()]));
    let week = Duration::from_hours(7 * 24);
    assert_eq!(orders.run, Run::Sweep { prefix: Some("uploads/orders/".to_owned()), since: Some(week) });
    let tick = |text: &str| due(pipelines.schedules(), text.parse().unwrap()).len();
    assert_eq!(["2026-07-04T01:00:00Z", "2026-07-04T02:00:00Z", "2026-07-05T04:00:00Z"].map(tick), [1, 0, 1]);
}

#[test]
fn a_pipeline_with_only_a_name_gets_the_defaults() {
    let pipelines = parse("version = 1\n[[pipeline]]\nname = \"all\"\n");
    let pipeline = pipelines.route("anything", None).unwrap();
    assert_eq!(pipeline.matches, Match::default());
    assert_eq!(pipeline.format, Format::Auto);
    assert_eq!(pipeline.bad_rows, BadRows::RejectFile);
    assert_eq!((pipeline.attempts, pipeline.timeout), (3, Duration::from_hours(1)));
    assert_eq!(pipeline.task, Size::SMALLEST);
    assert_eq!((&pipeline.key, pipeline.delimiter, &pipeline.records), (&None, None, &None));
}

#[test]
fn every_key_is_read() {
    let pipelines = parse(
        r#"version = 1
[[pipeline]]
name = "orders-2"
match = { prefix = "uploads/o/", suffix = ".tsv", min_bytes = 0x10, max_bytes = 1_000_000 }
format = "csv"
delimiter = "tab"
columns = { zip = "text", rate = "number", ok = "boolean", "two words" = "text" }
key = "{customer_id}"
bad_rows = "quarantine"
on_drift = "reject"
max_records = 7
max_cost = "$0.50"
attempts = 10
timeout = "90s"
task = { cpu = 512, memory = 4096 }
"#,
    );
    let pipeline = pipelines.get("orders-2").unwrap();
    assert_eq!((pipeline.matches.min_bytes, pipeline.matches.max_bytes), (Some(16), Some(1_000_000)));
    assert_eq!(pipeline.columns.len(), 4);
    assert_eq!(pipeline.columns["two words"], ColumnType::Text);
    assert_eq!(pipeline.timeout, Duration::from_secs(90));
    assert_eq!(pipeline.task, Size::new(512, 4_096).unwrap());
    assert_eq!((pipeline.bad_rows, pipeline.attempts), (BadRows::Quarantine, 10));
    assert_eq!(pipeline.on_drift, Some(crate::drift::OnDrift::Reject));
    assert_eq!((pipeline.max_records, pipeline.max_cost), (Some(7), "$0.50".parse().ok()));
}

#[test]
fn the_first_match_wins_and_bounds_include_themselves() {
    let pipelines = parse(
        r#"version = 1
[[pipeline]]
name = "big"
match = { suffix = ".csv", min_bytes = 100 }
[[pipeline]]
name = "middle"
match = { suffix = ".csv", min_bytes = 10, max_bytes = 99 }
[[pipeline]]
name = "rest"
"#,
    );
    let name = |key, size| pipelines.route(key, size).unwrap().name.as_str();
    for (size, expected) in [(0, "rest"), (9, "rest"), (10, "middle"), (99, "middle"), (100, "big")] {
        assert_eq!(name("a.csv", Some(size)), expected, "{size}");
    }
    assert_eq!(name("a.json", Some(1_000)), "rest");
    assert_eq!(name("a.csv", None), "rest");
    assert!(pipelines.needs_size("a.csv"));
    assert!(!pipelines.needs_size("a.json"));
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_is_allowed() {
    let table = [
        (
            "format = \"cvs\"",
            "p.toml:4:10: pipeline[1].format: found \"cvs\"; allowed: \"auto\", \"csv\", \"jsonl\", \"json\", \
             \"dynamodb_json\", \"avro\", \"parquet\", \"sheet\", \"command\", \"object\", \"alb\", \"nlb\", \"elb\", \"cloudfront\", \"vpc_flow_logs\", \
             \"s3_access_logs\", \"s3_inventory\", \"cloudtrail\", \"cur\", \"athena\", \"redshift_unload\" (did you mean \"csv\"?)",
        ),
        (
            "format = \"alb\"\ndelimiter = \",\"",
            "p.toml:5:13: pipeline[1].delimiter: found \",\"; allowed: not with format \"alb\", which says it",
        ),
        (
            "format = \"cloudtrail\"\nnulls = [\"-\"]",
            "p.toml:5:9: pipeline[1].nulls: found an array; allowed: not with format \"cloudtrail\", which says it",
        ),
        (
            "format = \"s3_inventory\"",
            "p.toml:2:1: pipeline[1].header: it is missing; format \"s3_inventory\" needs the names of its columns: \
             fileSchema in the inventory's manifest.json lists them",
        ),
        (
            "max_records = 0",
            "p.toml:4:15: pipeline[1].max_records: found 0; allowed: a whole number of records, 1 or more",
        ),
        (
            "max_cost = 1",
            "p.toml:4:12: pipeline[1].max_cost: found 1; allowed: an amount such as \"$1\" or \"$0.50\"",
        ),
        (
            "max_cost = \"1 EUR\"",
            "p.toml:4:12: pipeline[1].max_cost: found \"1 EUR\"; allowed: an amount such as \"$1\" or \"$0.50\": a \
             dollar sign and a number of dollars with at most nine places are expected",
        ),
        (
            "max_cost = \"$0\"",
            "p.toml:4:12: pipeline[1].max_cost: found \"$0\"; allowed: more than $0, or nothing can be written",
        ),
        ("allow_empty = 1", "p.toml:4:15: pipeline[1].allow_empty: found 1; allowed: true or false"),
        ("attempts = 0", "p.toml:4:12: pipeline[1].attempts: found 0; allowed: 1 to 10"),
        ("attempts = 3.5", "p.toml:4:12: pipeline[1].attempts: found 3.5; allowed: 1 to 10"),
        (
            "timeout = \"2d\"",
            "p.toml:4:11: pipeline[1].timeout: found \"2d\"; allowed: a text such as \"90s\", \"15m\" or \"2h\", \
             from 1s to 24h",
        ),
        (
            "task = { cpu = 256, memory = 700 }",
            "p.toml:4:30: pipeline[1].task.memory: no fargate task of cpu 256 has memory 700; allowed with cpu 256: \
             512, 1024, 2048",
        ),
        (
            "task = { cpu = 256 }",
            "p.toml:4:8: pipeline[1].task.memory: it is missing; cpu and memory go together",
        ),
        (
            "delimiter = \"::\"",
            "p.toml:4:13: pipeline[1].delimiter: found \"::\"; allowed: \"tab\", \"none\" or one ASCII character that is no \
             letter, digit, quote, backslash or line break",
        ),
        (
            "records = \"features\"",
            "p.toml:4:11: pipeline[1].records: found \"features\"; allowed: a JSON pointer to the array of records, \
             such as \"/features\"",
        ),
        (
            "format = \"csv\"\nrecords = \"/features\"",
            "p.toml:5:11: pipeline[1].records: found \"/features\"; allowed: only with format \"json\", \"jsonl\" or \"auto\"",
        ),
        (
            "columns = { \"é\" = 1, zip = \"string\" }",
            "p.toml:4:28: pipeline[1].columns.zip: found \"string\"; allowed: \"text\", \"number\", \"boolean\"",
        ),
        (
            "key = \"{id\"",
            "p.toml:4:7: pipeline[1].key: found \"{id\"; allowed: a template such as \"{customer_id}\": `{` is never \
             closed; write `{{` for a brace that means itself",
        ),
        (
            "match = { sufix = \".csv\" }",
            "p.toml:4:11: pipeline[1].match.sufix: unknown key; did you mean `suffix`? allowed: prefix, suffix, \
             min_bytes, max_bytes",
        ),
        (
            "match = { min_bytes = 5, max_bytes = 4 }",
            "p.toml:4:38: pipeline[1].match.max_bytes: found 4; allowed: min_bytes (5) or more, or nothing can match",
        ),
        (
            "match = { min_bytes = -1 }",
            "p.toml:4:23: pipeline[1].match.min_bytes: found -1; allowed: a whole number of bytes, 0 or more",
        ),
    ];
    for (lines, expected) in table {
        let all = complaint(lines);
        assert!(all.lines().any(|line| line == expected), "{lines}\n  said: {all}\n  not:  {expected}");
    }
}

#[test]
fn names_are_checked_and_unique() {
    let bad = |name: &str| {
        let text = format!("version = 1\n[[pipeline]]\nname = \"{name}\"\n");
        Pipelines::parse(&text, "p.toml").is_err()
    };
    assert!(bad("") && bad("A") && bad("a b") && bad("ä") && bad(&"a".repeat(65)));
    assert!(!bad(&"a".repeat(64)) && !bad("2-fast"));
    let twice =
        "version = 1\n[[pipeline]]\nname = \"a\"\nmatch = { prefix = \"x\" }\n[[pipeline]]\nname = \"a\"\n";
    let error = Pipelines::parse(twice, "p.toml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "p.toml:6:8: pipeline[2].name: found \"a\"; allowed: a name that no pipeline above has"
    );
}

#[test]
fn a_pipeline_that_can_never_match_is_an_error() {
    let two = |first: &str, second: &str| {
        let text = format!(
            "version = 1\n[[pipeline]]\nname = \"one\"\nmatch = {{{first}}}\n[[pipeline]]\nname = \"two\"\nmatch = {{{second}}}\n"
        );
        Pipelines::parse(&text, "p.toml").map_err(|error| error.to_string())
    };
    let said = two("prefix = \"uploads/\"", "prefix = \"uploads/a/\", suffix = \".csv\"").unwrap_err();
    assert_eq!(
        said,
        "p.toml:5:1: pipeline[2].match: it can never match: pipeline \"one\" above takes all of its objects, and the \
         first match wins"
    );
    assert!(two("", "min_bytes = 5").is_err());
    assert!(two("min_bytes = 5", "min_bytes = 6, max_bytes = 9").is_err());
    assert!(two("min_bytes = 5", "min_bytes = 4").is_ok());
    assert!(two("min_bytes = 5", "suffix = \".csv\"").is_ok());
    assert!(two("prefix = \"uploads/a\"", "prefix = \"uploads/\"").is_ok());
}

#[test]
fn all_problems_of_a_file_come_at_once_in_its_order() {
    let text =
        "version = 2\ncolour = 1\n[[pipeline]]\nattempts = 11\n[[pipeline]]\nname = \"b\"\ntimeout = 5\n";
    let error = Pipelines::parse(text, "p.toml").unwrap_err();
    let places: Vec<_> = error.problems.iter().map(|problem| (problem.line, problem.key.as_str())).collect();
    assert_eq!(
        places,
        [
            (1, "version"),
            (2, "colour"),
            (3, "pipeline[1].name"),
            (4, "pipeline[1].attempts"),
            (5, "pipeline[2].match"),
            (7, "pipeline[2].timeout"),
        ]
    );
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    for text in
        ["version = 1\nname = \n", "version = 1\nversion = 1\n", "[[pipeline]\n", "\u{0}", "a = \"\u{1}\""]
    {
        let error = Pipelines::parse(text, "p.toml").unwrap_err();
        assert!(
            error.problems.iter().all(|problem| problem.line >= 1 && !problem.words.is_empty()),
            "{text:?}"
        );
    }
    let error = Pipelines::parse("version = 1\nname = \n", "p.toml").unwrap_err();
    assert_eq!(error.problems[0].line, 2);
}

#[test]
fn a_file_without_version_or_pipelines_is_refused() {
    let error = Pipelines::parse("", "p.toml").unwrap_err();
    assert_eq!(error.problems.len(), 2);
    let error = Pipelines::parse("version = 1\n[pipeline]\nname = \"a\"\n", "p.toml").unwrap_err();
    assert!(error.to_string().contains("two brackets"), "{error}");
    assert!(Pipelines::parse("version = 1\npipeline = []\n", "p.toml").is_err());
}

#[test]
fn a_stored_pipeline_is_read_back_as_it_was() {
    for pipeline in parse(SHIPPED).iter() {
        let json = serde_json::to_string(pipeline).unwrap();
        assert_eq!(&serde_json::from_str::<Pipeline>(&json).unwrap(), pipeline);
    }
    let pipelines =
        parse("version = 1\n[[pipeline]]\nname = \"a\"\nkey = \"{id}\"\nmatch = { suffix = \".csv\" }\n");
    assert_eq!(
        serde_json::to_string(pipelines.get("a").unwrap()).unwrap(),
        r#"{"v":1,"name":"a","match":{"suffix":".csv"},"format":"auto","key":"{id}","bad_rows":"reject_file","attempts":3,"timeout_seconds":3600,"task":{"cpu":256,"memory":512},"dedicated_above":33554432}"#
    );
}

/// An older worker would write the records of an object that this pipeline rejects.
#[test]
fn an_old_reader_does_not_take_a_pipeline_that_rejects_drifts() {
    for (value, version) in [("accept", 1), ("notify", 1), ("reject", 2)] {
        let keys = format!("name = \"a\"\nmatch = {{ prefix = \"a/\" }}\non_drift = \"{value}\"\n");
        let pipelines = parse(&format!("version = 1\n[[pipeline]]\n{keys}"));
        let json = serde_json::to_value(pipelines.get("a").unwrap()).unwrap();
        assert_eq!((&json["v"], &json["on_drift"]), (&version.into(), &value.into()));
    }
}

#[test]
fn an_old_reader_ignores_new_fields_and_refuses_a_new_version() {
    let pipeline: Pipeline =
        serde_json::from_str(r#"{"v":1,"name":"a","colour":"red","match":{"moon":1}}"#).unwrap();
    assert_eq!((pipeline.name.as_str(), pipeline.attempts), ("a", 3));
    let error = serde_json::from_str::<Pipeline>(r#"{"v":4,"name":"a"}"#).unwrap_err();
    assert!(error.to_string().contains("version 4 is not known here"), "{error}");
}

#[test]
fn what_is_ignored_is_taken_by_no_pipeline() {
    let pipelines = parse(
        "version = 1\nignore = [{ suffix = \".md\" }, { prefix = \"tmp/\", max_bytes = 9 }]\n[[pipeline]]\nname = \"all\"\n",
    );
    let taken = |key, size| pipelines.route(key, Some(size)).is_some();
    assert!(!taken("a.md", 1) && !taken("tmp/a", 9));
    assert!(taken("a.csv", 1) && taken("tmp/a", 10));
    assert!(pipelines.needs_size("tmp/a") && !pipelines.needs_size("a.csv"));
}

#[test]
fn an_ignore_that_would_ignore_everything_is_refused() {
    let error = Pipelines::parse("version = 1\nignore = [{}]\n[[pipeline]]\nname = \"all\"\n", "p.toml");
    assert!(error.unwrap_err().to_string().contains("ignore[1]"));
}

#[test]
fn a_schedule_that_cannot_be_is_refused_with_its_place() {
    let complaint = |lines: &str| {
        let text = format!("version = 1\n[[pipeline]]\nname = \"a\"\n[[schedule]]\n{lines}\n");
        Pipelines::parse(&text, "p.toml").unwrap_err().to_string()
    };
    let table = [
        ("name = \"n\"\ncommand = [\"x\"]", "p.toml:4:1: schedule[1].cron: it is missing"),
        (
            "name = \"n\"\ncron = \"0 3 * * ? *\"",
            "p.toml:4:1: schedule[1]: it must have one of command and sweep",
        ),
        (
            "name = \"n\"\ncron = \"0 3 * * ? *\"\ncommand = []",
            "allowed: a list such as [\"python3\", \"report.py\"]",
        ),
        ("name = \"n\"\ncron = \"0 3 * * ? *\"\ncommand = [1]", "allowed: a list such as"),
        (
            "name = \"n\"\ncron = \"30 3 * * ? *\"\ncommand = [\"x\"]",
            "p.toml:6:8: schedule[1].cron: found \"30 3",
        ),
        ("name = \"n\"\ncron = \"30 3 * * ? *\"\ncommand = [\"x\"]", "the minute must be 0"),
        ("name = \"n\"\ncron = \"0 3 * * *\"\ncommand = [\"x\"]", "six fields"),
        ("name = \"n\"\ncron = \"0 3 * * ? *\"\ntimezone = \"Mars\"\ncommand = [\"x\"]", "IANA"),
        ("name = \"n\"\ncron = \"0 3 * * ? *\"\nsweep = { since = \"soon\" }", "how long ago"),
        ("name = \"n\"\ncron = \"0 3 * * ? *\"\nsweep = { sinc = \"7d\" }", "did you mean `since`?"),
        ("name = \"N\"\ncron = \"0 3 * * ? *\"\ncommand = [\"x\"]", "1 to 64 of a-z"),
    ];
    for (lines, words) in table {
        let said = complaint(lines);
        assert!(said.contains(words), "{lines}\n{said}");
    }
    let twice = "name = \"n\"\ncron = \"0 3 * * ? *\"\ncommand = [\"x\"]\n";
    assert!(
        complaint(&format!("{twice}[[schedule]]\n{twice}")).contains("a name that no schedule above has")
    );
}

#[test]
fn who_only_routes_is_not_stopped_by_a_wrong_schedule_but_by_all_else() {
    let text = "version = 1\n[[pipeline]]\nname = \"a\"\n[[schedule]]\ntimezone = \"Europe/Nowhere\"\n";
    assert!(Pipelines::parse(text, "p.toml").is_err());
    let routes = Pipelines::parse_routes(text, "p.toml").unwrap();
    assert_eq!(routes.route("a.csv", Some(1)).unwrap().name, "a");
    let wrong = Pipelines::parse_routes(&format!("{text}[[schedules]]\n"), "p.toml").unwrap_err();
    assert_eq!(wrong.problems.len(), 1, "{wrong}");
}
