//! Policies that cannot be enforced are said so when a cloud is built, and not met later.

use super::*;

fn role(statement: &str) -> String {
    format!(
        "
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: {{ Effect: Allow, Principal: {{ Service: lambda.amazonaws.com }}, Action: sts:AssumeRole }}
      Policies: [{{ PolicyName: p, PolicyDocument: {{ Statement: [{statement}] }} }}]
"
    )
}

fn error(text: &str) -> String {
    Iam::default().load(&stack(text), &[]).unwrap_err().to_string()
}

#[test]
fn a_statement_that_is_wrong_is_named_with_its_line() {
    for (statement, expected) in [
        ("{ Sid: S, Effect: Allow, Resource: '*' }", "statement S: a statement needs Action"),
        ("{ Effect: Allow, Action: 'a:B' }", "a statement needs Resource"),
        ("{ Effect: Allow, Action: nothing, Resource: '*' }", "nothing is no action"),
        ("{ Effect: Allow, Action: 'a:B', Resource: bucket }", "bucket is no resource"),
        ("{ Effect: Allow, Action: 'a:B', Resource: [] }", "Resource is an empty list"),
        (
            "{ Effect: Allow, Action: 'a:B', Resource: '*', Resuorce: x }",
            "Resuorce is no member of a statement",
        ),
        ("{ Effect: Perhaps, Action: 'a:B', Resource: '*' }", "the statement cannot be read"),
        (
            "{ Effect: Allow, Principal: '*', Action: 'a:B', Resource: '*' }",
            "a role's policy has no Principal",
        ),
        (
            "{ Effect: Allow, Action: 'a:B', Resource: '*', Condition: { StringEquals: { aws:PrincipalTag/x: y } } }",
            "the local cloud's requests have no aws:PrincipalTag/x, so it cannot heed a condition on it",
        ),
        (
            "{ Effect: Allow, Action: 'a:B', Resource: '*', Condition: { StringLooksLike: { s3:prefix: y } } }",
            "the statement cannot be read",
        ),
    ] {
        let error = error(&role(statement));
        assert!(error.starts_with("line 3: R: its policy cannot be enforced: "), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_managed_policy_that_nobody_knows_is_said() {
    let text = "
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess']
";
    let error = error(text);
    assert!(
        error.contains("does not know the managed policy arn:aws:iam::aws:policy/AdministratorAccess"),
        "{error}"
    );
}

#[test]
fn what_is_excluded_is_not_granted_and_all_else_is() {
    let text = role(
        "{ Effect: Allow, NotAction: ['s3:DeleteObject'], NotResource: ['arn:aws:s3:::bucket/keep/*'] }",
    );
    let stack = stack(&text);
    let iam = Iam::default();
    iam.load(&stack, &[]).unwrap();
    let who = Who::role(&stack.resources["R"].name, "x");
    let may = |action: &str, key: &str| {
        iam.authorize(&who, &[RequiredAction::new(action, format!("arn:aws:s3:::bucket/{key}"))]).is_ok()
    };
    assert!(may("s3:GetObject", "a"));
    assert!(!may("s3:GetObject", "keep/a"));
    assert!(!may("s3:DeleteObject", "a"));
}

#[test]
fn policies_beside_their_roles_are_theirs() {
    let text = "
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      RoleName: r
      AssumeRolePolicyDocument:
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
      ManagedPolicyArns: [!Ref Managed]
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties: { PolicyDocument: { Statement: { Effect: Allow, Action: 'sqs:ListQueues', Resource: '*' } } }
  Beside:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: beside
      Roles: [!Ref R]
      PolicyDocument: { Statement: { Effect: Allow, Action: 'sns:ListTopics', Resource: '*' } }
";
    let iam = Iam::default();
    iam.load(&stack(text), &[]).unwrap();
    let may = |action: &str| iam.authorize(&Who::role("r", "x"), &[RequiredAction::new(action, "*")]).is_ok();
    assert!(may("sqs:ListQueues") && may("sns:ListTopics") && !may("ecs:ListTasks"));
}

#[test]
fn a_permissions_boundary_grants_nothing_and_limits_what_is_granted() {
    let text = "
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      RoleName: r
      AssumeRolePolicyDocument:
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
      PermissionsBoundary: !Ref Boundary
      Policies:
        - PolicyName: own
          PolicyDocument: { Statement: { Effect: Allow, Action: ['sqs:*', 'sns:ListTopics'], Resource: '*' } }
  Boundary:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Statement:
          - { Effect: Allow, Action: ['sqs:*', 'ecs:ListTasks'], Resource: '*' }
          - { Effect: Deny, Action: 'sqs:ListQueues', Resource: '*' }
";
    let iam = Iam::default();
    iam.load(&stack(text), &[]).unwrap();
    let ask = |action: &str| iam.authorize(&Who::role("r", "x"), &[RequiredAction::new(action, "*")]);
    let refused = |action: &str| ask(action).unwrap_err().to_string();
    assert!(ask("sqs:SendMessage").is_ok());
    assert!(refused("sns:ListTopics").ends_with("no permissions boundary allows the sns:ListTopics action"));
    assert!(refused("sqs:ListQueues").ends_with("with an explicit deny in a permissions boundary"));
    assert!(refused("ecs:ListTasks").ends_with("no identity-based policy allows the ecs:ListTasks action"));
}
