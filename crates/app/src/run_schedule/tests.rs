use serde_json::json;

use super::*;

const PIPELINES: &str = r#"
version = 1
[[pipeline]]
name = "all"
[[schedule]]
name = "nightly"
cron = "0 3 * * ? *"
command = ["python3", "report.py", "--day", "yesterday"]
[[schedule]]
name = "orders"
cron = "0 3 ? * SAT *"
sweep = { prefix = "uploads/orders/", since = "7d" }
"#;

fn orders(tick: &str) -> Vec<(Definition, String, Vec<String>)> {
    let pipelines = Pipelines::parse(PIPELINES, "p.toml").unwrap();
    let orders = ticked(pipelines.schedules(), tick.parse().unwrap());
    orders.into_iter().map(|(definition, order)| (definition, order.started_by, order.command)).collect()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn every_tick_has_its_sweep_and_what_is_due() {
    let sweep = |hour: &str| (Definition::Sweep, format!("sweep/{hour}"), words("sweep"));
    assert_eq!(orders("2026-11-20T02:00:00Z"), [sweep("20261120T02")]);
    let nightly = |hour: &str| {
        (
            Definition::Worker,
            format!("command/nightly/{hour}"),
            words("exec python3 report.py --day yesterday"),
        )
    };
    assert_eq!(orders("2026-11-20T03:00:00Z"), [sweep("20261120T03"), nightly("20261120T03")]);
    // A Saturday; and a tick that comes late is the tick of its hour.
    let backfill = (
        Definition::Sweep,
        "sweep/orders-20261121T03".to_owned(),
        words("sweep --since 604800s --prefix uploads/orders/"),
    );
    assert_eq!(orders("2026-11-21T03:00:07Z"), [sweep("20261121T03"), nightly("20261121T03"), backfill]);
}

#[test]
fn a_repeated_tick_orders_the_same_and_the_next_does_not() {
    let token = |tick: &str| ticked(&[], tick.parse().unwrap())[0].1.token.clone();
    assert_eq!(token("2026-11-20T02:00:00Z"), token("2026-11-20T02:00:59Z"));
    assert_ne!(token("2026-11-20T02:00:00Z"), token("2026-11-20T03:00:00Z"));
}

#[test]
fn a_schedule_run_by_hand_twice_for_one_request_is_one_task() {
    let pipelines = Pipelines::parse(PIPELINES, "p.toml").unwrap();
    let token = |request: &str| by_hand(pipelines.schedules(), "nightly", request).unwrap().1.token;
    assert_eq!(token("4fb2"), token("4fb2"));
    assert_ne!(token("4fb2"), token("4fb3"));
    let event = Event::read(json!({ "schedule": { "name": "nightly", "request": "4fb2" } })).unwrap();
    assert_eq!(event, Event::Schedule { name: "nightly".to_owned(), request: Some("4fb2".to_owned()) });
}

#[test]
fn events_are_read_and_what_is_wrong_with_them_is_said() {
    let tick = Event::read(json!({ "scheduled_at": "2026-11-20T02:00:00Z" })).unwrap();
    assert_eq!(tick, Event::Tick { scheduled_at: "2026-11-20T02:00:00Z".parse().unwrap() });
    let asked = Event::read(json!({ "sweep": { "since": "7d", "dry_run": true } })).unwrap();
    assert!(matches!(asked, Event::Sweep { sweep: SweepRequest { dry_run: true, .. } }));
    assert_eq!(Event::read(json!({ "sweep": {} })).unwrap(), Event::Sweep { sweep: SweepRequest::default() });
    let wrong = |event| telemetry::causes(&Event::read(event).unwrap_err());
    assert!(wrong(json!({ "sweep": { "sinc": "7d" } })).contains("since"));
    assert!(wrong(json!({ "sweep": { "since": "soon" } })).contains("\"soon\" is not a time"));
    assert!(wrong(json!({})).contains("scheduled_at"));
}
