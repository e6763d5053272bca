//! Many failures, few mails.

use domain::alerts::SINGLES_PER_MINUTE;
use localcloud::faults::Call;
use tests::{JobAsserts, TestEnv, call};

use crate::{RAGGED, mailed_failures, minutes, most_in_a_second, texts};

async fn upload(env: &TestEnv, folder: &str, count: usize) {
    for n in 0..count {
        env.put(&format!("uploads/{folder}/{n:03}.csv"), RAGGED).await;
    }
}

#[test]
fn two_hundred_bad_objects_make_a_few_mails_that_count_each() {
    TestEnv::plan(801).run(async |env| {
        upload(env, "orders", 200).await;
        env.settle().await;
        minutes(20).await;
        let jobs = env.jobs().await;
        for job in &jobs {
            job.assert_failed();
            assert!(job.notified_at().is_some(), "{job:#?}");
        }
        assert_eq!(env.dead_letters().await.len(), 200);
        assert_eq!(mailed_failures(env), (3, 197), "{:#?}", env.subjects());
        let subjects = env.subjects();
        assert!(subjects.len() <= 6, "{subjects:#?}");
        assert!(most_in_a_second(env) <= 10);
        let quiet: Vec<_> = subjects.iter().filter(|it| it.starts_with("[tidemill] quiet: ")).collect();
        assert_eq!(quiet.len(), 1, "{subjects:#?}");
        env.golden_text("grouped-failures", &texts(env)[3..].join("\n\n----\n\n")).await;

        // Nothing is left of it: the next failure has a mail of its own.
        let before = subjects.len();
        env.put("uploads/orders/later.csv", RAGGED).await;
        env.settle().await;
        assert_eq!(env.subjects()[before..], ["[tidemill] failed: uploads/orders/later.csv (ragged_row)"]);
    });
}

#[test]
fn failures_that_continue_are_mailed_less_and_less_often() {
    TestEnv::plan(802).run(async |env| {
        for n in 0..100 {
            upload(env, &format!("{n:03}"), 1).await;
            minutes(1).await;
        }
        env.settle().await;
        minutes(61).await;
        let (single, grouped) = mailed_failures(env);
        // The first group is of one job, and is that job's mail.
        assert_eq!((single, single + grouped), (4, 100));
        // Three single, after 1, 5, 15 and 60 minutes, and that it is quiet; the sweeps' digests are others.
        let ours = env.subjects().into_iter().filter(|it| it.contains("failed:") || it.contains("quiet:"));
        let ours: Vec<_> = ours.collect();
        assert_eq!(ours.len(), 8, "{ours:#?}");
    });
}

#[test]
fn bursts_of_many_causes_at_once_stay_below_the_rate_that_sns_accepts() {
    let pipelines: String = (0..30)
        .map(|n| format!("[[pipeline]]\nname = \"p{n}\"\nmatch = {{ prefix = \"uploads/p{n}/\" }}\n"))
        .collect();
    TestEnv::plan(803).pipelines(&format!("version = 1\n{pipelines}")).run(async |env| {
        for n in 0..24 {
            upload(env, &format!("p{n}"), 4).await;
        }
        env.settle().await;
        minutes(45).await;
        let (single, grouped) = mailed_failures(env);
        assert_eq!(single + grouped, 96, "{:#?}", env.subjects());
        assert!(most_in_a_second(env) <= SINGLES_PER_MINUTE + 2, "{}", most_in_a_second(env));
        let sent = env.mails().iter().map(|mail| mail.sent_at).collect::<Vec<_>>();
        let most = sent
            .iter()
            .map(|at| sent.iter().filter(|it| *it >= at && it.duration_since(*at).as_secs() < 60).count());
        // Six single ones, and what two flushes send.
        assert!(most.max().unwrap() <= 18);
    });
}

#[test]
fn without_mails_there_are_no_grouped_mails_either() {
    TestEnv::plan(804).parameter("NotifyOn", "none").run(async |env| {
        upload(env, "orders", 20).await;
        env.settle().await;
        minutes(30).await;
        assert_eq!(env.subjects(), [""; 0]);
        assert_eq!(env.dead_letters().await.len(), 20);
        assert!(env.jobs().await.iter().all(|job| job.notified_at().is_some()));
    });
}

#[test]
fn an_idle_minute_costs_one_read() {
    TestEnv::plan(805).run(async |env| {
        minutes(2).await;
        let before = [env.calls("dynamodb", "GetItem"), env.calls("dynamodb", "PutItem")];
        minutes(50).await;
        let after = [env.calls("dynamodb", "GetItem"), env.calls("dynamodb", "PutItem")];
        assert_eq!([after[0] - before[0], after[1] - before[1]], [50, 0]);
        assert_eq!(env.calls("sns", "Publish"), 0);
    });
}

#[test]
fn a_flush_that_dies_before_recording_its_mail_sends_that_mail_twice_and_no_other() {
    TestEnv::plan(806).run(async |env| {
        // As often as the SDK asks.
        env.on(call::save_first_grouped_mail().meets(Call::LoseRequest).first(3));
        upload(env, "orders", 10).await;
        env.settle().await;
        minutes(20).await;
        let subjects = env.subjects();
        let grouped: Vec<_> = subjects.iter().filter(|it| it.contains(" 7 failed: ")).collect();
        assert_eq!(grouped.len(), 2, "{subjects:#?}");
        assert_eq!(subjects.len(), 3 + 2 + 1, "{subjects:#?}");
    });
}

#[test]
fn counts_that_are_written_at_once_are_all_kept() {
    TestEnv::plan(807).run(async |env| {
        // The functions meet each other at every change, and some of the answers are lost.
        env.on(call::save_alerts().meets(Call::Delay(std::time::Duration::from_millis(50))));
        env.on(call::save_alerts().meets(Call::LoseAnswer).chance(0.1));
        upload(env, "orders", 60).await;
        env.settle().await;
        minutes(20).await;
        let (single, grouped) = mailed_failures(env);
        assert_eq!(single + grouped, 60, "{:#?}", env.subjects());
    });
}
