//! What was used by all scenarios together, and what by none.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};

use localcloud::iam::{GrantId, GrantUse};
use tests::{Plan, TestEnv};

use crate::{
    explained::EXPLAINED,
    is_of,
    scenarios::{SCENARIOS, Scenario},
};

/// What each scenario used.
pub(crate) struct Uses {
    /// Every grant, with its uses in all scenarios.
    pub(crate) grants: Vec<GrantUse>,
    /// The scenarios that used a grant, the cheapest first.
    pub(crate) by: BTreeMap<GrantId, Vec<&'static Scenario>>,
}

impl Uses {
    /// The grants that the template itself makes: those in AWS's own policies are AWS's.
    pub(crate) fn own(&self) -> impl Iterator<Item = &GrantUse> {
        self.grants.iter().filter(|grant| grant.managed.is_none())
    }
}

/// All scenarios, played once for all tests.
pub(crate) static USES: LazyLock<Uses> = LazyLock::new(uses);

/// Plays a scenario in a thread of its own and answers what it used.
pub(crate) fn play(scenario: &Scenario, plan: impl FnOnce() -> Plan + Send) -> Vec<GrantUse> {
    // Threads have names, so that a failure shows its scenario.
    let thread = std::thread::Builder::new().name(scenario.name.to_owned());
    let plays = move || {
        let mut used = Vec::new();
        plan().run(async |env: &TestEnv| {
            (scenario.happens)(env).await;
            used = env.iam().grants();
        });
        used
    };
    std::thread::scope(|threads| {
        let played = thread.spawn_scoped(threads, plays).unwrap().join();
        played.unwrap_or_else(|_| panic!("the scenario failed: {}", scenario.name))
    })
}

fn uses() -> Uses {
    let (left, done) = (Mutex::new(SCENARIOS.iter().rev().collect::<Vec<_>>()), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    // Taken out of the lock before it is played.
                    let next = left.lock().unwrap().pop();
                    let Some(scenario) = next else { return };
                    let began = std::time::Instant::now();
                    let grants = play(scenario, scenario.plan);
                    done.lock().unwrap().push((scenario, grants, began.elapsed()));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(_, _, took)| *took);
    let (mut all, mut by) = (BTreeMap::new(), BTreeMap::<GrantId, Vec<_>>::new());
    for (scenario, grants, took) in done {
        println!("{:<28} {:>6} ms", scenario.name, took.as_millis());
        for grant in grants {
            if grant.uses > 0 {
                by.entry(grant.id.clone()).or_default().push(scenario);
            }
            let known = all.entry(grant.id.clone()).or_insert(GrantUse { uses: 0, ..grant.clone() });
            known.uses += grant.uses;
        }
    }
    Uses { grants: all.into_values().collect(), by }
}

#[test]
fn every_grant_is_used_or_it_is_explained_why_not() {
    let uses = &*USES;
    println!("\n{}", table(&uses.grants));
    let explained =
        |grant: &GrantUse| EXPLAINED.iter().any(|(holder, sid, action, _)| is_of(grant, holder, sid, action));
    let unused: Vec<_> = uses.own().filter(|grant| grant.uses == 0 && !explained(grant)).collect();
    assert!(
        unused.is_empty(),
        "granted, and needed by nothing that happens:\n{}",
        table(unused.iter().copied())
    );
    for (holder, sid, action, why) in EXPLAINED {
        let of: Vec<_> = uses.own().filter(|grant| is_of(grant, holder, sid, action)).collect();
        assert!(!of.is_empty(), "there is no {holder} {sid} {action} to explain ({why})");
        assert!(
            of.iter().all(|grant| grant.uses == 0),
            "{holder} {sid} {action} is used: no need to say that {why}"
        );
    }
}

#[test]
fn each_of_awss_own_policies_is_of_use_to_the_role_that_has_it() {
    let mut policies = BTreeMap::<_, u64>::new();
    for grant in &USES.grants {
        if let Some(policy) = &grant.managed {
            *policies.entry((&grant.id.holder, policy)).or_default() += grant.uses;
        }
    }
    assert!(!policies.is_empty(), "SAM gives every function one");
    for ((holder, policy), uses) in policies {
        let is_explained = EXPLAINED.iter().any(|(explained, ..)| explained == holder);
        assert!(uses > 0 || is_explained, "{holder} has {policy} for nothing");
    }
}

/// The grants as a table.
pub(crate) fn table<'g>(grants: impl IntoIterator<Item = &'g GrantUse>) -> String {
    let row = |holder: &str, sid: &str, action: &str, uses: &str, on: &str| {
        format!("{holder:<32} {sid:<38} {action:<32} {uses:>6}  {on}\n")
    };
    let mut text = row("role or policy", "statement", "action", "uses", "resource");
    for grant in grants {
        let resource = grant.id.resource.replace("us-east-1:123456789012:", "").replace("arn:aws:", "");
        let GrantId { holder, sid, action, .. } = &grant.id;
        text.push_str(&row(holder, sid, action, &grant.uses.to_string(), &resource));
    }
    text
}
