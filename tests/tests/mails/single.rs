//! The mails of single jobs, as people get them.

use std::time::Duration;

use localcloud::{ecs::KillCause, faults::Call};
use tests::{JobAsserts, TestEnv, call};

use crate::{RAGGED, texts};

const HELD: Call = Call::Delay(Duration::from_secs(1_200));

#[test]
fn bad_input_in_the_pool_comes_with_what_the_worker_logged_of_it_and_of_no_other() {
    TestEnv::plan(811).run(async |env| {
        env.put("uploads/good.csv", "id\n1\n").await;
        env.put("uploads/it's ragged.csv", RAGGED).await;
        env.settle().await;
        env.golden_text("mail-bad-input-pooled", &texts(env).join("\n\n----\n\n")).await;
        // The lines of the worker are kept as CloudWatch Logs would: the other job's are there too.
        let logs = &env.cloud().services().logs;
        let good = env.job("uploads/good.csv").await;
        let lines = logs.last(1_000).into_iter().filter(|line| line.text.contains(good.id.as_str())).count();
        assert!(lines >= 2, "{lines}");
    });
}

#[test]
fn out_of_memory_at_the_largest_size_is_mailed_with_its_history() {
    let pipelines = r#"
version = 1
[[pipeline]]
name = "heavy"
match = { prefix = "uploads/" }
dedicated_above = 0
attempts = 5
task = { cpu = 4096, memory = 29696 }
"#;
    TestEnv::plan(812).pipelines(pipelines).run(async |env| {
        env.on(call::read_object().meets(HELD).first(3));
        env.put("uploads/heavy.csv", "id\n1\n").await;
        for (n, cause) in
            [(1, KillCause::Infrastructure), (2, KillCause::OutOfMemory), (3, KillCause::OutOfMemory)]
        {
            env.kill_at("s3", "GetObject", n, cause).await;
        }
        env.settle().await;
        let job = env.job("uploads/heavy.csv").await;
        job.assert_failed().assert_attempt(3).assert_counted(2);
        let memory: Vec<_> = env.ecs().tasks().iter().map(|task| task.memory).collect();
        assert_eq!(memory, [29_696, 29_696, 30_720]);
        env.golden_text("mail-out-of-memory", &texts(env).join("\n\n----\n\n")).await;
    });
}

#[test]
fn a_task_that_never_started_has_no_log_and_its_mail_says_so() {
    TestEnv::plan(813).dedicated_tasks().run(async |env| {
        env.ecs().fail_to_start("InternalError: the host agent is gone", 100);
        env.put("uploads/a.csv", "id\n1\n").await;
        env.settle().await;
        let mails = texts(env);
        assert_eq!(mails.len(), 1);
        assert!(mails[0].contains("\nLast log lines\n  None: nothing was logged"), "{}", mails[0]);
        assert!(!mails[0].contains("Fix the object"), "{}", mails[0]);
    });
}
