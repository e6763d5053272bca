//! The functions of a template: what they give, and what they refuse.

use serde_json::{Value, json};

use super::{TemplateError, resolve};

/// The resolved properties of a queue named `Q` whose only property is `QueueName: <value>`, with room for more.
fn value_of(expression: &str) -> Result<Value, TemplateError> {
    let text = format!(
        "Parameters:\n  Text: {{Type: String, Default: hello}}\n  Texts: {{Type: CommaDelimitedList, Default: 'a, b'}}\n\
         Mappings: {{Zones: {{us-east-1: {{Short: use1}}}}}}\n\
         Conditions:\n  Yes: !Equals [!Ref Text, hello]\n  No: !Not [!Condition Yes]\n\
         Resources:\n  Other: {{Type: AWS::SQS::Queue}}\n  Off: {{Type: AWS::SQS::Queue, Condition: No}}\n  \
         Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      Value: {expression}\n"
    );
    Ok(resolve(&text, &[])?.resources["Q"].properties["Value"].clone())
}

#[test]
fn functions_give_what_cloudformation_gives() {
    for (expression, expected) in [
        ("!Ref Text", json!("hello")),
        ("!Ref Texts", json!(["a", "b"])),
        ("{Ref: AWS::Region}", json!("us-east-1")),
        ("!Sub '${Text}-${AWS::AccountId}-${!Text}-$x'", json!("hello-123456789012-${Text}-$x")),
        ("!Sub ['${a}/${Text}', {a: !Ref AWS::Partition}]", json!("aws/hello")),
        ("!Join ['-', [a, 1, true, !Ref Text]]", json!("a-1-true-hello")),
        ("!Join [',', !Ref Texts]", json!("a,b")),
        ("!Select [1, !Ref Texts]", json!("b")),
        ("!Select ['0', !GetAZs '']", json!("us-east-1a")),
        ("!Split ['|', 'a|b|']", json!(["a", "b", ""])),
        ("!If [Yes, 1, 2]", json!(1)),
        ("!If [No, 1, !Ref AWS::NoValue]", Value::Null),
        ("[a, !If [No, b, !Ref AWS::NoValue], c]", json!(["a", "c"])),
        ("!FindInMap [Zones, !Ref AWS::Region, Short]", json!("use1")),
        ("!Select [1, !Cidr [10.0.0.0/16, 2, 8]]", json!("10.0.1.0/24")),
        ("!Base64 hi", json!("aGk=")),
        ("{Fn::GetAtt: Other.Arn}", json!("arn:aws:sqs:us-east-1:123456789012:tide-Other-11ec1e0eefe5")),
        ("2012-10-17", json!("2012-10-17")),
        ("012345678901", json!("012345678901")),
        ("'5'", json!("5")),
    ] {
        let found = value_of(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(found, expected, "{expression}");
    }
}

#[test]
fn what_cannot_be_computed_is_refused_with_file_line_and_path() {
    for (expression, expected) in [
        ("!Ref Nobody", "there is no parameter or resource `Nobody`"),
        ("!Ref Off", "the resource `Off` is not created here, since its condition `No` is false"),
        (
            "!GetAtt Other.Colour",
            "AWS::SQS::Queue has no attribute `Colour`; it has Arn, QueueName, QueueUrl",
        ),
        ("!Sub '${Texts}'", "text is needed here"),
        ("!ImportValue x", "there is nothing to import"),
        ("!Transform x", "no function !Transform"),
        ("{Fn::Length: []}", "no function Fn::Length"),
        ("!Select [7, !Ref Texts]", "no item 7 in 2 items"),
        ("!Join [a]", "this must be a delimiter and a list, and is a list"),
        ("!If [Maybe, 1, 2]", "there is no condition `Maybe` in this template; there are No, Yes"),
        (
            "!FindInMap [Zones, mars, Short]",
            "there is no mapping entry `mars` in this template; there are us-east-1",
        ),
        ("!GetAtt Q.Arn", "these need each other first: Q -> Q"),
        ("&anchor x", "CloudFormation refuses this YAML: anchors"),
        ("{a: 1, a: 2}", "the key `a` is here twice"),
        ("[", "not valid YAML"),
    ] {
        let error = value_of(expression).expect_err(expression).to_string();
        assert!(error.contains(expected), "{expression}: {error}");
        assert!(error.starts_with("t.yaml:"), "{expression}: {error}");
    }
    let error = value_of("!Ref Nobody").unwrap_err().to_string();
    assert!(error.starts_with("t.yaml:14: Resources.Q.Properties.Value.Ref: "), "{error}");
}
