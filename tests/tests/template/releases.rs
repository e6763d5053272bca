//! That what is changed reaches what runs: code, parameters and task definitions, by new versions behind the alias.

use std::{fs, path::Path};

use serde_json::Value;

use super::{ROOT, invoked, of_kind, stack, stack_with};

#[test]
fn every_way_to_a_function_leads_through_its_alias() {
    let stack = stack();
    let targets = of_kind(&stack, "AWS::Scheduler::Schedule");
    let mut ways: Vec<&Value> = targets.iter().map(|it| &it.properties["Target"]["Arn"]).collect();
    ways.extend(of_kind(&stack, "AWS::Lambda::Permission").iter().map(|it| &it.properties["FunctionName"]));
    ways.extend(
        of_kind(&stack, "AWS::Lambda::EventSourceMapping").iter().map(|it| &it.properties["FunctionName"]),
    );
    for rule in of_kind(&stack, "AWS::Events::Rule") {
        let targets = rule.properties["Targets"].as_array().unwrap();
        ways.extend(
            targets.iter().map(|it| &it["Arn"]).filter(|arn| arn.as_str().unwrap().contains(":lambda:")),
        );
    }
    let mut reached: Vec<&str> = ways
        .iter()
        .map(|way| invoked(&stack, way).unwrap_or_else(|| panic!("{way}")).logical_id.as_str())
        .collect();
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), of_kind(&stack, "AWS::Lambda::Function").len());
    for config in of_kind(&stack, "AWS::Lambda::EventInvokeConfig") {
        assert_eq!(config.properties["Qualifier"], "live", "{}", config.logical_id);
    }
}

/// Another value than its default for every parameter that may be changed alone.
const CHANGES: [&[(&str, &str)]; 22] = [
    &[("NotifyEmail", "others@example.com")],
    &[("NotifyEmail", "ops@example.com,others@example.com")],
    &[("NotifyEmail", ""), ("ExistingTopic", "arn:aws:sns:us-east-1:123456789012:operations")],
    &[("Chat", "enabled")],
    &[("ExistingBucket", "inbox"), ("ExistingPrefix", "exports/")],
    &[("NotifyOn", "failures")],
    &[("ImageTag", "2")],
    &[("WorkerImage", "worker:1")],
    &[("WorkerArchitecture", "X86_64")],
    &[("Network", "private")],
    &[("Network", "existing"), ("VpcId", "vpc-0a1b2c3d"), ("SubnetIds", "subnet-0a1b2c3d")],
    &[("Zones", "2")],
    &[("VpcCidr", "10.65.0.0/16")],
    &[("MaximumTasks", "11")],
    &[("FleetCpu", "512"), ("FleetMemory", "1024")],
    &[("FleetMemory", "1024")],
    &[("SpotShare", "50")],
    &[("WatchedPrefix", "incoming/")],
    &[("LogRetentionDays", "60")],
    &[("ContainerInsights", "disabled")],
    &[("FunctionArchitecture", "x86_64")],
    &[("Rollout", "AllAtOnce")],
];

#[test]
fn a_parameter_of_functions_has_new_versions_published() {
    let before = stack();
    let properties = |stack: &localcloud::template::Stack, id: &str| stack.resources[id].properties.clone();
    for changes in CHANGES {
        let after = stack_with(changes);
        let functions = of_kind(&before, "AWS::Lambda::Function");
        // A revision is a number here that does not change; on AWS it does with the definition.
        let mut has_new_values = properties(&before, "WorkerTask") != properties(&after, "WorkerTask");
        has_new_values |= functions.iter().any(|it| it.properties != properties(&after, &it.logical_id));
        if has_new_values {
            let published = ["WorkerTask", "SweepTask"]
                .into_iter()
                .any(|id| properties(&before, id) != properties(&after, id));
            assert!(published, "{changes:?} would not reach the functions");
        }
    }
    let label =
        properties(&before, "SweepTask")["ContainerDefinitions"][0]["DockerLabels"]["functions"].clone();
    assert!(label.as_str().unwrap().starts_with(&before.resources["WorkerTask"].arn), "{label}");
    let existing = |subnets| [("Network", "existing"), ("VpcId", "vpc-0a1b2c3d"), ("SubnetIds", subnets)];
    let labels = ["subnet-0a1b2c3d", "subnet-0a1b2c3e"].map(|subnets| {
        properties(&stack_with(&existing(subnets)), "SweepTask")["ContainerDefinitions"][0].clone()
    });
    assert_ne!(labels[0], labels[1]);
}

#[test]
fn every_function_is_published_with_the_revision_in_its_environment() {
    let stack = stack();
    let text = fs::read_to_string(Path::new(ROOT).join("template.yaml")).unwrap();
    for function in of_kind(&stack, "AWS::Lambda::Function") {
        let id = &function.logical_id;
        // Without a change of its own, Lambda would publish nothing, and CloudFormation would fail.
        let variables = &function.properties["Environment"]["Variables"];
        assert_eq!(variables["PUBLISHED_FOR"], stack.resources["SweepTask"].arn.as_str(), "{id}");
        let declared = text.split_once(&format!("\n  {id}:\n")).unwrap().1;
        let declared = &declared[..declared.find("\n\n").unwrap()];
        for line in [
            "AutoPublishAliasAllProperties: true",
            "VersionDescription: !Ref SweepTask",
            &format!(
                "DeploymentPreference: {{ Alarms: [!Ref {}Errors] }}",
                id.strip_suffix("Function").unwrap()
            ),
        ] {
            assert!(declared.contains(line), "{id} lacks {line}");
        }
    }
}

#[test]
fn a_revision_that_a_job_began_with_stays_launchable() {
    let text = fs::read_to_string(Path::new(ROOT).join("template.yaml")).unwrap();
    let declared: Vec<&str> = text.split("Type: AWS::ECS::TaskDefinition\n").skip(1).collect();
    assert_eq!(declared.len(), 2);
    for declared in declared {
        let head = declared.split("    Properties:\n").next().unwrap();
        assert!(head.contains("UpdateReplacePolicy: Retain"), "{head}");
    }
}

#[test]
fn a_function_is_its_folder_and_its_crate() {
    for function in of_kind(&stack(), "AWS::Lambda::Function") {
        let folder = function.properties["Code"].as_str().unwrap();
        let name = folder.strip_prefix("functions/").unwrap();
        let manifest = fs::read_to_string(Path::new(ROOT).join(folder).join("Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{folder}");
        let resource = function.logical_id.strip_suffix("Function").unwrap();
        assert_eq!(resource.to_lowercase(), name);
        assert_eq!(function.properties["Handler"], "bootstrap");
        assert_eq!(function.properties["Runtime"], "provided.al2023");
    }
}
