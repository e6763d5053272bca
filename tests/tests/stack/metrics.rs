//! What the alarms and the dashboard are made of: the metrics that functions and worker put into their logs.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is how a test fails")]

use std::{collections::BTreeMap, time::Duration};

use localcloud::cloudwatch::{Alarm, Comparison, Metric, MissingData, State, Statistic};
use serde_json::Value;
use telemetry::metrics::{self, NAMESPACE, STACK};
use tests::TestEnv;

/// Of every metric, by its dimensions beyond the stack, how many values came and their sum.
fn measured(env: &TestEnv) -> BTreeMap<String, (usize, u64)> {
    let mut sums = BTreeMap::<_, (usize, u64)>::new();
    for line in env.cloud().services().logs.last(100_000) {
        let Ok(line) = serde_json::from_str::<Value>(&line.text) else { continue };
        let Some(directives) = line["_aws"]["CloudWatchMetrics"].as_array() else { continue };
        assert_eq!(line[STACK], env.cloud().stack().name, "{line}");
        for directive in directives {
            assert_eq!(directive["Namespace"], NAMESPACE);
            for names in directive["Dimensions"].as_array().unwrap() {
                let names = names.as_array().unwrap();
                assert_eq!(names[0], STACK, "{line}");
                let more = names[1..].iter().map(|name| line[name.as_str().unwrap()].as_str().unwrap());
                for metric in directive["Metrics"].as_array().unwrap() {
                    let name = metric["Name"].as_str().unwrap();
                    let name = std::iter::once(name).chain(more.clone()).collect::<Vec<_>>().join(" ");
                    let sum = sums.entry(name).or_default();
                    sum.0 += 1;
                    sum.1 += line[metric["Name"].as_str().unwrap()].as_u64().unwrap();
                }
            }
        }
    }
    sums
}

#[test]
fn what_happens_is_measured_once() {
    TestEnv::plan(601).scheduled().run(async |env| {
        env.put("uploads/a.csv", "id\n1\n2\n").await;
        env.put("uploads/b.csv", "id\n3\n").await;
        env.put("uploads/bad.csv", "x,y\n1\n").await;
        tokio::time::sleep(Duration::from_mins(10)).await;
        env.put("uploads/c.csv", "id,tip\n4,1\n").await;
        tokio::time::sleep(Duration::from_mins(120)).await;
        let measured = measured(env);
        let sum = |name: &str| measured.get(name).map(|(_, sum)| *sum);
        assert_eq!((sum("ObjectsIn"), sum("ObjectsSettled")), (Some(4), Some(4)), "{measured:#?}");
        assert_eq!((sum("ObjectsSettled done"), sum("ObjectsSettled failed")), (Some(3), Some(1)));
        assert_eq!((sum("Verdicts succeeded"), sum("Verdicts ragged_row")), (Some(3), Some(1)));
        assert_eq!((sum("Records"), measured["UploadToVisible"].0), (Some(4), 3));
        assert_eq!(sum("ColumnDrifts"), Some(1), "c.csv has a column that a.csv and b.csv do not have");
        let visible = sum("UploadToVisible").unwrap() / 3;
        assert!((30_000..120_000).contains(&visible), "a task took its time to start: {visible} ms");
        assert_eq!(sum("Sweeps"), Some(2));
        assert!(sum("CostMicroDollars") > Some(100), "{measured:#?}");
        assert!(sum("Tasks") > Some(0) && sum("FleetUse") > Some(0), "{measured:#?}");
        assert_eq!((sum("LaunchesFailed"), sum("MailsRefused")), (None, None));
        let is_known = |name: &str| metrics::Metric::ALL.iter().any(|metric| metric.name() == name);
        assert!(measured.keys().all(|name| is_known(name.split(' ').next().unwrap())), "{measured:#?}");
    });
}

#[test]
fn an_alarm_watches_a_metric_of_the_logs() {
    TestEnv::plan(602).run(async |env| {
        let cloud = env.cloud();
        let failed = |name: &str, outcome: &str| Alarm {
            name: name.to_owned(),
            description: None,
            metric: Metric {
                namespace: NAMESPACE.to_owned(),
                name: "ObjectsSettled".to_owned(),
                dimensions: vec![
                    (STACK.to_owned(), cloud.stack().name.clone()),
                    (metrics::OUTCOME.to_owned(), outcome.to_owned()),
                ],
            },
            statistic: Statistic::Sum,
            period: Duration::from_mins(5),
            evaluation_periods: 1,
            datapoints_to_alarm: 1,
            comparison: Comparison::GreaterThanOrEqualToThreshold,
            threshold: 2.0,
            missing_data: MissingData::NotBreaching,
            actions_enabled: false,
            alarm_actions: Vec::new(),
            ok_actions: Vec::new(),
            insufficient_data_actions: Vec::new(),
        };
        let cloudwatch = &cloud.services().cloudwatch;
        cloudwatch.put_alarm(failed("failed", "failed")).unwrap();
        cloudwatch.put_alarm(failed("done", "done")).unwrap();
        for n in 1..=2 {
            env.put(&format!("uploads/bad-{n}.csv"), "x,y\n1\n").await;
        }
        env.put("uploads/good.csv", "x,y\n1,2\n").await;
        env.settle().await;
        tokio::time::sleep(Duration::from_mins(1)).await;
        let state = |name| cloudwatch.status(name).unwrap().state;
        assert_eq!((state("failed"), state("done")), (State::Alarm, State::Ok));
        // An alarm looks at some periods more than its own where data is missing.
        tokio::time::sleep(Duration::from_mins(20)).await;
        assert_eq!(state("failed"), State::Ok, "and the periods it looks at are over");
    });
}
