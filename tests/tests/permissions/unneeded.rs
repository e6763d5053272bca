//! A grant too many is found.

use tests::TestEnv;

use crate::{
    report::{play, table},
    scenarios::{SCENARIOS, TEMPLATE},
};

#[test]
fn a_grant_that_nothing_needs_is_reported() {
    let statement = "            - Sid: SendMail\n";
    let more = "            - Sid: JustInCase\n              Effect: Allow\n              Action: [sns:Subscribe, \
                sns:ListTopics]\n              Resource: '*'\n";
    assert_eq!(TEMPLATE.matches(statement).count(), 1, "λ stops sends mail");
    let text = TEMPLATE.replace(statement, &format!("{more}{statement}"));
    let scenario = SCENARIOS.iter().find(|it| it.name == "bad input").unwrap();
    let used = play(scenario, || (scenario.plan)().template(&text));
    let unused = used.iter().filter(|grant| grant.uses == 0 && grant.id.sid == "JustInCase");
    let report = table(unused);
    assert_eq!(report.lines().count(), 3, "{report}");
    assert!(report.contains("StopsFunctionRole") && report.contains("sns:Subscribe"), "{report}");
    assert!(used.iter().any(|grant| grant.uses > 0 && grant.id.sid == "SendMail"));
}

#[test]
fn a_policy_that_cannot_be_enforced_stops_the_deployment() {
    let text = TEMPLATE.replace("iam:PassedToService: ecs-tasks", "iam:PassedToServise: ecs-tasks");
    let plan = TestEnv::plan(1).template(&text);
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| plan.run(async |_: &TestEnv| {})));
    let panic = built.unwrap_err();
    let words = panic.downcast_ref::<String>().unwrap();
    assert!(words.contains("iam:PassedToServise"), "{words}");
}
