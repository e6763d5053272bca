//! Many objects in one worker.

use std::time::Duration;

use domain::job::{Job, State};
use localcloud::faults::{Call, Delivery, Rule};
use tests::{JobAsserts, call};

use crate::{backlog, csv, hold_reads, pool, records};

#[test]
fn a_hundred_small_objects_are_in_flight_together() {
    pool(201).run(async |env| {
        env.on(call::read_object().meets(Call::Delay(Duration::from_millis(150))));
        for n in 0..100 {
            env.put(&format!("uploads/{n}.csv"), csv(n % 7 + 1)).await;
        }
        env.settle().await;
        let jobs = env.jobs().await;
        assert_eq!(jobs.len(), 100);
        for job in &jobs {
            job.assert_done().assert_attempt(1).assert_fence(1);
        }
        let began = jobs.iter().filter_map(Job::claimed_at).min().unwrap();
        let ended = jobs.iter().filter_map(Job::settled_at).max().unwrap();
        let took = Duration::try_from(ended.duration_since(began)).unwrap();
        // One after the other they would take 15 s and more.
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert_eq!(env.visible("uploads/5.csv").await, records(6));
        assert_eq!(env.ecs_launches(), 1);
        assert_eq!(env.calls("sqs", "DeleteMessageBatch"), 10, "deletes are paid by the call");
        assert_eq!(env.dead_letters().await, []);
    });
}

#[test]
fn large_objects_and_small_ones_share_the_memory_and_all_end() {
    pool(202).run(async |env| {
        env.on(call::read_object().meets(Call::Delay(Duration::from_millis(150))));
        // Small ones that are large inside, and large ones that stream: more than may be read deep at once.
        let wide = |rows: usize| {
            let rows = (0..rows).map(|row| format!("{row},{}\n", "x".repeat(50_000)));
            std::iter::once("id,text\n".to_owned()).chain(rows).collect::<String>()
        };
        let packed = zstd::encode_all(wide(6).as_bytes(), 3).unwrap();
        for n in 0..8 {
            env.put(&format!("uploads/packed-{n}.csv.zst"), packed.clone()).await;
            env.put(&format!("uploads/small-{n}.csv"), csv(3)).await;
        }
        for n in 0..2 {
            env.put(&format!("uploads/large-{n}.csv"), wide(90)).await;
        }
        env.settle().await;
        let jobs = env.jobs().await;
        assert_eq!(jobs.len(), 18);
        for job in &jobs {
            job.assert_done().assert_attempt(1);
        }
    });
}

#[test]
fn a_message_that_comes_twice_is_one_job() {
    pool(203).run(async |env| {
        let sqs = &env.cloud().services().sqs;
        sqs.set_delivery_faults(Delivery {
            duplicate: 0.5,
            reorder: true,
            return_after_delete: 0.2,
            ..Delivery::default()
        });
        env.on(call::read_object().meets(Call::Delay(Duration::from_millis(150))));
        for n in 0..40 {
            env.put(&format!("uploads/{n}.csv"), csv(2)).await;
        }
        env.settle().await;
        for job in env.jobs().await {
            job.assert_done().assert_attempt(1).assert_fence(1);
        }
        assert_eq!(env.contents().rows, 80);
        // The queue of events gives up what comes back too often.
        let dead_letters = env.dead_letters().await;
        assert!(
            dead_letters.iter().all(|dead_letter| !dead_letter.body.contains("tidemill\":1")),
            "{dead_letters:#?}"
        );
    });
}

#[test]
fn a_message_is_held_for_as_long_as_its_object_takes() {
    pool(204).run(async |env| {
        env.on(call::read_object_at(crate::KEY).meets(Call::Delay(Duration::from_secs(500))));
        env.put(crate::KEY, csv(60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        // Neither message nor claim passes to anybody else meanwhile.
        tokio::time::sleep(Duration::from_secs(490)).await;
        assert_eq!(backlog(env).iter().map(|(_, receives)| *receives).collect::<Vec<_>>(), [1]);
        env.settle().await;
        let job = env.job(crate::KEY).await;
        job.assert_done().assert_attempt(1).assert_fence(1);
        assert_eq!(env.ecs_launches(), 1);
    });
}

#[test]
fn a_failed_heartbeat_is_followed_by_the_next_one() {
    pool(205).run(async |env| {
        env.on(call::read_object_at(crate::KEY).meets(Call::Delay(Duration::from_secs(500))));
        env.put(crate::KEY, csv(60)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        // Each SDK call asks three times.
        env.on(Rule::new("sqs", "ChangeMessageVisibilityBatch", Call::LoseRequest).first(3));
        tokio::time::sleep(Duration::from_secs(490)).await;
        assert_eq!(backlog(env).iter().map(|(_, receives)| *receives).collect::<Vec<_>>(), [1]);
        env.settle().await;
        assert_eq!(env.job(crate::KEY).await.fence, 1);
    });
}

#[test]
fn an_object_that_hangs_holds_up_no_other() {
    pool(206).run(async |env| {
        hold_reads(env, "uploads/hangs.csv", 1);
        env.put("uploads/hangs.csv", csv(1)).await;
        env.until("a reader", || env.calls("s3", "GetObject") == 1).await;
        for n in 0..40 {
            env.put(&format!("uploads/{n}.csv"), csv(2)).await;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let done = env.jobs().await.iter().filter(|job| job.state() == State::Done).count();
        assert_eq!(done, 40);
        env.settle().await;
        env.job("uploads/hangs.csv").await.assert_done();
        assert_eq!(env.ecs_launches(), 1);
    });
}
