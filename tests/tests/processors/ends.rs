//! How a command ends is what becomes of the job: the same in a task of its own and in a pooled worker.

use localcloud::ecs::TaskSnapshot;
use tests::{Contents, JobAsserts, Plan};

use crate::{KEY, dedicated, pool, reason};

/// Both places, and whether it is the pool.
fn both(seed: u64, script: &str, lines: &str) -> [(Plan, bool); 2] {
    [(dedicated(seed, script, lines), false), (pool(seed + 50, script, lines), true)]
}

fn exit_codes(tasks: &[TaskSnapshot]) -> Vec<Option<i32>> {
    tasks.iter().map(|task| task.exit_codes[0]).collect()
}

#[test]
fn bad_input_fails_the_job_at_once_in_the_commands_words() {
    let script = "echo '{\"half\":1}'; echo 'page 1' >&2; echo 'no <b>sheet</b> here' >&2; exit 65";
    for (plan, pooled) in both(611, script, "") {
        plan.run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_failed().assert_attempt(1).assert_counted(1);
            assert_eq!(reason(&job), ("bad_input", "no <b>sheet</b> here"));
            job.assert_ended_with(&["bad_input"]);
            assert_eq!(env.contents(), Contents::default(), "nothing was written");
            assert_eq!(env.mails().len(), 1);
            if !pooled {
                assert_eq!(exit_codes(&env.ecs().tasks()), [Some(65)]);
            }
        });
    }
}

#[test]
fn one_that_asks_to_be_tried_again_does_not_count_against_the_object() {
    let script = "[ $TIDEMILL_ATTEMPT -gt 3 ] && echo '{\"ok\":true}' && exit 0; echo busy >&2; exit 75";
    for (plan, pooled) in both(612, script, "attempts = 1") {
        plan.run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_done().assert_attempt(4).assert_counted(0);
            job.assert_ended_with(&["try_again"; 3]);
            assert!(job.history.iter().all(|ended| ended.verdict.message == "busy"), "{job:#?}");
            assert_eq!(env.visible(KEY).await, [r#"{"ok":true}"#]);
            if !pooled {
                let codes = exit_codes(&env.ecs().tasks());
                assert_eq!(codes, [Some(75), Some(75), Some(75), Some(0)]);
            }
        });
    }
}

#[test]
fn a_crash_counts_against_the_object_and_the_last_attempt_fails_the_job() {
    for (plan, pooled) in both(613, "echo 'KeyError: 7' >&2; exit 3", "attempts = 2") {
        plan.run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_failed().assert_attempt(2).assert_counted(2);
            job.assert_ended_with(&["command_crashed"; 2]);
            assert_eq!(reason(&job), ("command_crashed", "the command exited with code 3: KeyError: 7"));
            assert_eq!(env.subjects(), ["[tidemill] failed: uploads/object.txt (command_crashed)"]);
            if !pooled {
                assert_eq!(exit_codes(&env.ecs().tasks()), [Some(76); 2]);
            }
        });
    }
}

#[test]
fn a_killed_command_is_retried_one_size_larger() {
    let script = "[ $TIDEMILL_ATTEMPT = 2 ] || kill -KILL $$; echo '{\"ok\":true}'";
    for (plan, pooled) in both(614, script, "") {
        plan.run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_done().assert_attempt(2).assert_counted(1);
            job.assert_ended_with(&["out_of_memory"]);
            assert!(job.history[0].verdict.message.starts_with("the command was killed"), "{job:#?}");
            let tasks = env.ecs().tasks();
            let of_its_own: Vec<_> =
                tasks.iter().filter(|task| task.started_by == Some(job.id.to_string())).collect();
            assert_eq!(of_its_own.last().unwrap().memory, 1_024);
            if !pooled {
                assert_eq!(exit_codes(&tasks), [Some(137), Some(0)]);
            }
        });
    }
}

#[test]
fn one_that_needs_more_memory_than_it_has_gets_the_next_size() {
    // The smallest task leaves 224 MiB to a command, the next one 736.
    let script = "python3 -c 'import sys, time; x = bytearray(300 << 20); time.sleep(1); print(len(x))'";
    dedicated(615, script, "").run(async |env| {
        env.put(KEY, "x").await;
        env.settle().await;
        let job = env.job(KEY).await;
        job.assert_done().assert_ended_with(&["out_of_memory"]);
        let message = &job.history[0].verdict.message;
        assert!(message.ends_with("MiB of memory; its limit in this task is 224 MiB"), "{message}");
        assert_eq!(env.visible(KEY).await, [r#"{"value":314572800}"#]);
    });
}

#[test]
fn a_program_that_is_not_there_is_a_wrong_deployment_and_no_fault_of_the_object() {
    dedicated(616, "", "")
        .pipelines(&crate::file("", "").replace("\"sh\", \"-c\", \"\"", "\"/no/such/program\""))
        .dedicated_tasks()
        .run(async |env| {
            env.put(KEY, "x").await;
            env.settle().await;
            let job = env.job(KEY).await;
            job.assert_failed().assert_attempt(10).assert_counted(0);
            let (code, message) = reason(&job);
            assert_eq!(code, "misconfigured");
            assert!(message.starts_with("cannot start /no/such/program: No such file"), "{message}");
        });
}

#[test]
fn an_object_that_is_gone_is_never_handed_to_it() {
    dedicated(617, "cat", "").run(async |env| {
        let version = env.put(KEY, "{}").await;
        let delete = env.s3().delete_object().bucket(env.bucket()).key(KEY).version_id(version);
        delete.send().await.unwrap();
        env.settle().await;
        env.job(KEY).await.assert_source_deleted();
    });
}
