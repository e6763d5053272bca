//! The interpreter, on small templates and on the one that is deployed.

mod deployed;
mod intrinsics;
mod serverless;

use std::{collections::BTreeMap, path::Path};

use super::{ParameterProblem, Stack, Template, TemplateError};

const ENDPOINT: &str = "http://cloud.local";

fn given(parameters: &[(&str, &str)]) -> BTreeMap<String, String> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn resolve(text: &str, parameters: &[(&str, &str)]) -> Result<Stack, TemplateError> {
    Template::parse(text, Path::new("t.yaml"), crate::resource_types())?.resolve(
        &given(parameters),
        "tide",
        ENDPOINT,
    )
}

#[test]
fn resources_that_need_each_other_are_named() {
    let text = "Resources:\n  A: {Type: AWS::SNS::Topic, DependsOn: B}\n  \
                B: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Sub '${C.TopicName}'}}\n  \
                C: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref A}}\n";
    let error = resolve(text, &[]).unwrap_err().to_string();
    assert!(error.contains("these need each other first: A -> B -> C -> A"), "{error}");
}

#[test]
fn a_condition_that_needs_itself_is_an_error() {
    let text = "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n\
                Resources:\n  Q: {Type: AWS::SQS::Queue, Condition: A}\n";
    assert!(resolve(text, &[]).unwrap_err().to_string().contains("these need each other first: A -> B"));
}

#[test]
fn an_unknown_type_is_named_with_what_there_is() {
    let error = resolve("Resources:\n  Db:\n    Type: AWS::RDS::DBInstance\n", &[]).unwrap_err().to_string();
    assert!(
        error
            .starts_with("t.yaml:2: Resources.Db: the local cloud has no AWS::RDS::DBInstance; it has AWS::")
    );
    assert!(error.contains("AWS::Serverless::Function"), "{error}");
}

#[test]
fn a_misspelt_key_is_not_passed_over() {
    let error = resolve("Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Propertys: {}\n", &[]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("t.yaml:4: Resources.Q: `Propertys` is not known here; known are Type,")
    );
}

#[test]
fn a_missing_file_is_said_plainly() {
    let error = Template::load(Path::new("/nowhere/template.yaml"), crate::resource_types()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no template at /nowhere/template.yaml: name the template.yaml to run"
    );
}

#[test]
fn parameters_are_checked_all_at_once() {
    let text = "Parameters:\n  Mail: {Type: String, Description: Who is told.}\n  \
                Mode: {Type: String, AllowedValues: [all, some], Default: all}\n  \
                Days: {Type: Number, MinValue: 1, MaxValue: 9, Default: 3}\n  \
                Code: {Type: String, AllowedPattern: '[a-z]+', NoEcho: true, MaxLength: 3, Default: abc}\n\
                Resources:\n  Q: {Type: AWS::SQS::Queue}\n";
    let problems = |parameters: &[(&str, &str)]| match resolve(text, parameters) {
        Err(TemplateError::Parameters { problems, .. }) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(problems(&[]), ["the parameter Mail needs a value: Who is told."]);
    assert_eq!(
        problems(&[("Mail", "x"), ("Mode", "none"), ("Days", "12"), ("Code", "s3cret"), ("Colour", "red")]),
        [
            "the parameter Mode must be one of all, some; it is \"none\"",
            "the parameter Days must be at most 9; it is \"12\"",
            "the parameter Code must match the pattern [a-z]+; it is ****",
            "there is no parameter Colour; there are Mail, Mode, Days, Code",
        ]
    );
    assert_eq!(
        problems(&[("Mail", "x"), ("Days", "many")]),
        ["the parameter Days must be a number; it is \"many\""]
    );
    assert!(matches!(
        resolve(text, &[("Mail", "x"), ("Code", "abcd")]),
        Err(TemplateError::Parameters { problems, .. })
            if matches!(&problems[..], [ParameterProblem::Refused { must, .. }] if must == "must have at most 3 characters")
    ));
    assert!(resolve(text, &[("Mail", "x")]).is_ok());
}

#[test]
fn made_up_names_fit_their_type_and_stay_the_same() {
    let bucket =
        "Resources:\n  AnExtremelyLongLogicalIdThatWouldNotFitIntoABucketsNameAtAll: {Type: AWS::S3::Bucket}";
    let template = Template::parse(bucket, Path::new("t.yaml"), crate::resource_types()).unwrap();
    let name = |stack: &str| {
        let stack = template.resolve(&BTreeMap::new(), stack, ENDPOINT).unwrap();
        stack.resources.into_values().next().unwrap().physical_id
    };
    let long = name(&"Stack".repeat(20));
    assert!(
        long.len() <= 63
            && long.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
    );
    assert_eq!(long, name(&"Stack".repeat(20)));
    assert_ne!(name("a"), name("b"));
    assert!(matches!(
        template.resolve(&BTreeMap::new(), "no spaces", ENDPOINT),
        Err(TemplateError::StackName { .. })
    ));
}
