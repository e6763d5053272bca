//! Each grant left out, one at a time: what used it is refused, in the name of who lacks it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, OnceLock},
};

use localcloud::iam::{GrantUse, Iam, Refused};
use tests::TestEnv;

use crate::{
    is_of,
    report::{USES, table},
    scenarios::Scenario,
};

/// Grants that AWS's own policies cover, and why they are granted all the same. An entry without which something is
/// refused, or that is no longer granted, fails the test.
const COVERED: [(&str, &str, &str, &str); 1] = [(
    "UploadsFunctionRole",
    "CountTheBacklog",
    "sqs:GetQueueAttributes",
    "SAM's policy for functions that read a queue allows it on every queue, and is AWS's to change",
)];

/// The refusal that is met when a scenario happens without a grant.
fn refused_without(grant: &GrantUse, scenario: &Scenario) -> Option<Refused> {
    let plan = (scenario.plan)().without(grant.id.clone());
    let wanted = |refused: &Refused| is_for_want_of(refused, grant);
    let iam = OnceLock::new();
    let plays = AssertUnwindSafe(|| {
        plan.run(async |env: &TestEnv| {
            let iam: &Iam = iam.get_or_init(|| env.iam().clone());
            tokio::select! {
                // What the scenario waits for may never come now.
                biased;
                _ = iam.refused(wanted) => {}
                () = (scenario.happens)(env) => {}
            }
        });
    });
    // A scenario may fail of the refusal before anybody else hears of it; what counts is that it was met.
    let _ = catch_unwind(plays);
    iam.get()?.refusals().into_iter().find(wanted)
}

/// Whether a refusal names who had the grant and what it allowed. What a resource's policy allowed, whoever comes to
/// it lacks.
fn is_for_want_of(refused: &Refused, grant: &GrantUse) -> bool {
    let action = match grant.id.action.strip_suffix('*') {
        Some(begins) => refused.action.starts_with(begins),
        None => refused.action == grant.id.action,
    };
    action && (refused.is_by_resource() || refused.holder == grant.id.holder)
}

#[test]
fn without_any_one_grant_something_is_refused() {
    let left: Vec<_> = USES.own().filter(|grant| grant.uses > 0).collect();
    assert!(left.len() > 100, "{} grants", left.len());
    let (left, unneeded) = (Mutex::new(left), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8) {
            threads.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop();
                    let Some(grant) = next else { return };
                    let scenarios = &USES.by[&grant.id];
                    if !scenarios.iter().any(|scenario| refused_without(grant, scenario).is_some()) {
                        unneeded.lock().unwrap().push(grant);
                    }
                }
            });
        }
    });
    let mut unneeded = unneeded.into_inner().unwrap();
    for (holder, sid, action, why) in COVERED {
        let found = unneeded.iter().position(|grant| is_of(grant, holder, sid, action));
        let found = found
            .unwrap_or_else(|| panic!("{holder} {sid} {action} is not covered: no need to say that {why}"));
        unneeded.remove(found);
    }
    assert!(
        unneeded.is_empty(),
        "left out, nothing is refused: another grant allows the same\n{}",
        table(unneeded.iter().copied())
    );
}
