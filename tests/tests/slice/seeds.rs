//! Whatever fails: random faults of all kinds over many seeds, and what must hold after each.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::job::{Job, State};
use localcloud::{
    ecs::KillCause,
    faults::{Call, Delivery, Partial, Rule},
};
use tests::TestEnv;

use crate::{csv, records};

/// How many seeds are run in some 20 seconds, unless `SEEDS` says otherwise.
const SEEDS: u64 = 25;

#[test]
fn every_version_ends_once_and_the_newest_is_visible() {
    let seeds = std::env::var("SEEDS").map_or(SEEDS, |text| text.parse().unwrap());
    let mut ends = BTreeMap::new();
    for seed in 0..seeds {
        // Should it fail: `SEEDS` is not needed to repeat it, only this number.
        let named = NameOnPanic(seed);
        TestEnv::plan(seed).dedicated_tasks().run(async |env| {
            for state in one(env).await {
                *ends.entry(state.as_str()).or_insert(0) += 1;
            }
        });
        drop(named);
    }
    eprintln!("{seeds} seeds: {ends:?}");
}

#[test]
fn a_seed_makes_the_same_calls_again() {
    let seeds = std::env::var("SEEDS").map_or(3, |text| text.parse().unwrap());
    for seed in 0..seeds {
        assert_eq!(calls(seed), calls(seed), "seed {seed}: count and hash of its calls");
    }
}

/// How many calls a seed makes, and the hash of them in their order: time, service, operation and input of each.
fn calls(seed: u64) -> (u64, u64) {
    let made = Arc::new(Mutex::new((0_u64, DefaultHasher::new())));
    let observed = made.clone();
    TestEnv::plan(seed).dedicated_tasks().run(async |env| {
        let (clock, trace) = (env.cloud().clock(), std::env::var_os("TRACE").is_some());
        env.cloud().faults().observe(move |service, operation, input| {
            let call = format!("{} {service} {operation} {input}", clock.now());
            if trace {
                eprintln!("{call}");
            }
            let mut made = observed.lock().unwrap();
            made.0 += 1;
            call.hash(&mut made.1);
        });
        one(env).await;
    });
    let made = made.lock().unwrap();
    (made.0, made.1.finish())
}

struct NameOnPanic(u64);

impl Drop for NameOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed is {}", self.0);
        }
    }
}

/// Ten uploads of three keys while everything fails now and then; the states that the versions ended in.
async fn one(env: &TestEnv) -> Vec<State> {
    inject_faults(env);
    let mut uploaded = BTreeMap::new();
    for n in 0..10 {
        let key = format!("uploads/{}.csv", fastrand::u8(..3));
        let (first, rows) = (n * 1_000, fastrand::usize(0..80));
        let version = env.put(&key, csv(first, rows)).await;
        uploaded.insert(version, (key, first, rows));
        tokio::time::sleep(Duration::from_millis(fastrand::u64(..60_000))).await;
        if fastrand::u8(..3) == 0 {
            kill_one(env);
        }
    }
    env.settle().await;
    let jobs = env.jobs().await;
    assert_eq!(jobs.len(), uploaded.len(), "a job for each version");
    let mut newest = BTreeMap::new();
    for job in &jobs {
        let (key, first, rows) = &uploaded[job.object.version_id.as_deref().unwrap()];
        assert_eq!(&job.object.key, key);
        // In the order of versions: the last that is done stays.
        if job.state() == State::Done {
            assert_eq!(job.records(), *rows as u64);
            newest.insert(key.clone(), (*first, *rows));
        }
    }
    for (key, (first, rows)) in newest {
        assert_eq!(env.visible(&key).await, records(first, rows), "{key}");
    }
    jobs.iter().map(Job::state).collect()
}

fn inject_faults(env: &TestEnv) {
    let services = env.cloud().services();
    services.events.set_delivery_faults(Delivery {
        duplicate: 0.2,
        delay: Duration::from_secs(fastrand::u64(..90)),
        ..Delivery::default()
    });
    services.sqs.set_delivery_faults(Delivery {
        duplicate: 0.1,
        reorder: true,
        return_after_delete: 0.05,
        ..Delivery::default()
    });
    if fastrand::bool() {
        env.ecs().fail_to_start("CannotPullContainerError: i/o timeout", fastrand::usize(..3));
    }
    let cut = Call::CutBody { after: fastrand::u64(..600) };
    let full = Partial::LaunchFailures { reason: "RESOURCE:FARGATE".to_owned(), detail: None };
    let conflict = Call::CancelTransaction { code: "TransactionConflict".to_owned() };
    for (service, operation, fault, chance) in [
        ("*", "*", Call::LoseAnswer, 0.04),
        ("*", "*", Call::LoseRequest, 0.04),
        ("*", "*", Call::Throttle, 0.04),
        ("*", "*", Call::Hang, 0.01),
        ("*", "*", Call::HangAnswer, 0.01),
        ("s3", "GetObject", Call::StallBody { after: fastrand::u64(..600) }, 0.05),
        ("*", "*", Call::Delay(Duration::from_millis(fastrand::u64(..3_000))), 0.1),
        ("s3", "GetObject", cut, 0.2),
        ("ecs", "RunTask", Call::Part(full), 0.2),
        ("dynamodb", "TransactWriteItems", conflict, 0.2),
        ("dynamodb", "BatchWriteItem", Call::Part(Partial::Unprocessed { share: 0.3 }), 0.3),
    ] {
        env.on(Rule::new(service, operation, fault).chance(chance));
    }
}

/// Kills one of the live tasks, if there are any.
fn kill_one(env: &TestEnv) {
    let causes = [KillCause::Infrastructure, KillCause::Signal, KillCause::OutOfMemory];
    let tasks = env.ecs().tasks();
    let live: Vec<_> = tasks.iter().filter(|task| task.stopped_at.is_none()).collect();
    if let (Some(task), Some(cause)) = (fastrand::choice(&live), fastrand::choice(causes)) {
        env.ecs().kill(&task.arn, cause);
    }
}
