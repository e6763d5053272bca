//! The guide's examples, operator by operator, and what it refuses.

use serde_json::{Value, json};

use super::*;

/// Panics unless each event matches `pattern` exactly when it is said to.
fn table(pattern: Value, cases: &[(Value, bool)]) {
    let parsed = Pattern::parse(&pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    for (event, expected) in cases {
        assert_eq!(parsed.matches(event), *expected, "{pattern} on {event}");
    }
}

/// The same for the field `f`.
fn leaf(matchers: Value, yes: &[Value], no: &[Value]) {
    let event = |value: &Value| json!({ "f": value });
    let cases: Vec<(Value, bool)> =
        yes.iter().map(|v| (event(v), true)).chain(no.iter().map(|v| (event(v), false))).collect();
    table(json!({ "f": matchers }), &cases);
}

#[test]
fn exact_values_match_by_type_and_value() {
    leaf(json!(["a", "b"]), &[json!("a"), json!("b")], &[json!("A"), json!("ab"), json!(null), json!({})]);
    leaf(json!([""]), &[json!("")], &[json!(null), json!([])]);
    leaf(json!([null]), &[json!(null)], &[json!(""), json!(0), json!(false)]);
    leaf(json!([true]), &[json!(true)], &[json!("true"), json!(1), json!(false)]);
    leaf(json!([0]), &[json!(0), json!(-0.0)], &[json!("0"), json!(false)]);
}

#[test]
fn a_number_is_the_same_however_it_is_written() {
    let spelt: Vec<Value> =
        ["300", "300.0", "3.0e2"].iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    for pattern in &spelt {
        leaf(json!([pattern]), &spelt, &[json!("300"), json!(300.1), json!(301)]);
    }
    leaf(
        json!([9_007_199_254_740_993_i64]),
        &[json!(9_007_199_254_740_993_i64)],
        &[json!(9_007_199_254_740_992_i64)],
    );
}

#[test]
fn prefixes_and_suffixes_match_strings() {
    leaf(
        json!([{ "prefix": "2017-10-02" }]),
        &[json!("2017-10-02T18:43:48Z")],
        &[json!("2017-10-03"), json!(2017)],
    );
    leaf(json!([{ "suffix": ".png" }]), &[json!("a.png"), json!(".png")], &[json!("a.PNG"), json!("png")]);
    leaf(json!([{ "prefix": "" }]), &[json!("anything"), json!("")], &[json!(1)]);
    leaf(
        json!([{ "prefix": { "equals-ignore-case": "EventB" } }]),
        &[json!("eventbridge")],
        &[json!("event")],
    );
    leaf(
        json!([{ "suffix": { "equals-ignore-case": ".png" } }]),
        &[json!("a.PNG"), json!("b.pnG")],
        &[json!("png")],
    );
    leaf(json!([{ "equals-ignore-case": "alice" }]), &[json!("ALICE"), json!("Alice")], &[json!("alices")]);
}

#[test]
fn anything_but_matches_what_is_there_and_different() {
    leaf(
        json!([{ "anything-but": "a" }]),
        &[json!("b"), json!(null), json!(1), json!("")],
        &[json!("a"), json!({})],
    );
    leaf(json!([{ "anything-but": ["a", "b"] }]), &[json!("c")], &[json!("a"), json!("b")]);
    leaf(json!([{ "anything-but": [100, 200] }]), &[json!(1), json!("100")], &[json!(100), json!(200.0)]);
    leaf(
        json!([{ "anything-but": { "prefix": "init" } }]),
        &[json!("done"), json!(7)],
        &[json!("initializing")],
    );
    leaf(json!([{ "anything-but": { "prefix": ["a", "b"] } }]), &[json!("c")], &[json!("ax"), json!("bx")]);
    leaf(json!([{ "anything-but": { "suffix": ".txt" } }]), &[json!("a.csv")], &[json!("a.txt")]);
    leaf(json!([{ "anything-but": { "suffix": [".txt", ".rtf"] } }]), &[json!("a.csv")], &[json!("a.rtf")]);
    leaf(json!([{ "anything-but": { "wildcard": "*/lib/*" } }]), &[json!("/bin/x")], &[json!("/lib/x")]);
    leaf(
        json!([{ "anything-but": { "wildcard": ["*/lib/*", "*/bin/*"] } }]),
        &[json!("/x")],
        &[json!("/bin/x")],
    );
    leaf(
        json!([{ "anything-but": { "equals-ignore-case": ["A", "b"] } }]),
        &[json!("c")],
        &[json!("a"), json!("B")],
    );
    // Of a list, one other element is enough.
    leaf(json!([{ "anything-but": "a" }]), &[json!(["a", "b"])], &[json!(["a"]), json!([])]);
    table(json!({ "f": [{ "anything-but": "a" }] }), &[(json!({}), false)]);
}

#[test]
fn numbers_match_in_ranges() {
    leaf(
        json!([{ "numeric": [">", 0, "<=", 5] }]),
        &[json!(0.1), json!(5), json!(5.0)],
        &[json!(0), json!(5.01), json!("3"), json!(null)],
    );
    leaf(json!([{ "numeric": ["=", 3.018e2] }]), &[json!(301.8)], &[json!(301.81)]);
    leaf(json!([{ "numeric": ["<", 10] }]), &[json!(-1), json!(9.99)], &[json!(10)]);
    leaf(json!([{ "numeric": ["<=", 10] }]), &[json!(10)], &[json!(10.5)]);
    leaf(json!([{ "numeric": [">=", -5] }]), &[json!(-5), json!(0)], &[json!(-5.1)]);
    leaf(json!([{ "numeric": [">", 3] }]), &[json!([1, 4])], &[json!([1, 2])]);
}

#[test]
fn exists_asks_about_leaves() {
    let there = json!({ "detail": { "state": [{ "exists": true }] } });
    let absent = json!({ "detail": { "state": [{ "exists": false }] } });
    for (event, exists) in [
        (json!({ "detail": { "state": "x" } }), true),
        (json!({ "detail": { "state": null } }), true),
        (json!({ "detail": { "state": "" } }), true),
        (json!({ "detail": { "state": ["x"] } }), true),
        (json!({ "detail": { "other": 1 } }), false),
        (json!({ "detail": {} }), false),
        (json!({}), false),
        // Not on intermediate nodes.
        (json!({ "detail": { "state": { "code": 1 } } }), false),
        (json!({ "detail": { "state": [] } }), false),
        (json!({ "detail": "text" }), false),
    ] {
        table(there.clone(), &[(event.clone(), exists)]);
        table(absent.clone(), &[(event, !exists)]);
    }
    // Absent anywhere: another element that has it counts.
    table(
        json!({ "list": { "a": [1], "b": [{ "exists": false }] } }),
        &[
            (json!({ "list": [{ "a": 1 }, { "a": 2 }] }), true),
            (json!({ "list": [{ "a": 1 }, { "a": 2, "b": 0 }] }), false),
        ],
    );
    leaf(json!(["x", { "exists": false }]), &[json!("x")], &[json!("y")]);
    table(json!({ "f": ["x", { "exists": false }] }), &[(json!({}), true)]);
}

#[test]
fn addresses_match_in_blocks() {
    leaf(
        json!([{ "cidr": "10.0.0.0/24" }]),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("10.0.0"), json!("::1"), json!(10)],
    );
    leaf(json!([{ "cidr": "0.0.0.0/0" }]), &[json!("255.1.2.3")], &[json!("::1")]);
    leaf(json!([{ "cidr": "10.0.0.7/32" }]), &[json!("10.0.0.7")], &[json!("10.0.0.6")]);
    leaf(json!([{ "cidr": "2001:db8::/32" }]), &[json!("2001:db8::1")], &[json!("2001:db9::1")]);
}

#[test]
fn wildcards_match_any_characters() {
    leaf(
        json!([{ "wildcard": "dir/*.png" }]),
        &[json!("dir/a.png"), json!("dir/a/b.png"), json!("dir/.png")],
        &[json!("dir/a.png2"), json!("xdir/a.png")],
    );
    leaf(json!([{ "wildcard": "*a*b*" }]), &[json!("ab"), json!("xaabby")], &[json!("ba"), json!("")]);
    leaf(json!([{ "wildcard": "a\\*b\\\\*" }]), &[json!("a*b\\"), json!("a*b\\c")], &[json!("axb\\")]);
    leaf(json!([{ "wildcard": "*" }]), &[json!(""), json!("é😀")], &[json!(1)]);
    leaf(json!([{ "wildcard": "é*😀" }]), &[json!("é😀"), json!("éx😀")], &[json!("é")]);
    // No exponential time.
    leaf(json!([{ "wildcard": "a*".repeat(200) + "b" }]), &[], &[json!("a".repeat(20_000))]);
}

#[test]
fn or_matches_one_of_its_branches() {
    table(
        json!({
            "source": ["aws.cloudwatch"],
            "$or": [{ "metricName": ["CPUUtilization", "ReadLatency"] }, { "detail": { "value": [{ "numeric": [">", 5] }] } }],
        }),
        &[
            (json!({ "source": "aws.cloudwatch", "metricName": "ReadLatency" }), true),
            (json!({ "source": "aws.cloudwatch", "detail": { "value": 6 } }), true),
            (json!({ "source": "aws.cloudwatch", "detail": { "value": 5 } }), false),
            (json!({ "source": "aws.other", "metricName": "ReadLatency" }), false),
        ],
    );
    // Nested, and beside the same field: both must hold, of the same element.
    table(
        json!({ "list": { "a": [1], "$or": [{ "b": [1] }, { "b": [2], "$or": [{ "c": [3] }, { "c": [4] }] }] } }),
        &[
            (json!({ "list": [{ "a": 1, "b": 2, "c": 4 }] }), true),
            (json!({ "list": [{ "a": 1 }, { "b": 1 }] }), false),
            (json!({ "list": { "a": 1, "b": 2, "c": 5 } }), false),
        ],
    );
    table(
        json!({ "list": { "a": [1] }, "$or": [{ "list": { "b": [2] } }, { "x": [1] }] }),
        &[
            (json!({ "list": [{ "a": 1, "b": 2 }] }), true),
            (json!({ "list": [{ "a": 1 }, { "b": 2 }] }), false),
            (json!({ "list": [{ "a": 1 }], "x": 1 }), true),
        ],
    );
    // With fewer than two objects it is a field like any other.
    table(json!({ "$or": ["a"] }), &[(json!({ "$or": "a" }), true), (json!({}), false)]);
}

#[test]
fn lists_in_the_event_match_by_element() {
    leaf(json!(["a", "z"]), &[json!(["z", "y"]), json!([["a"]])], &[json!(["b"]), json!([])]);
    let ecs = json!({
        "source": ["aws.ecs"],
        "detail": { "lastStatus": ["STOPPED"], "containers": { "name": ["worker"], "exitCode": [{ "anything-but": 0 }] } },
    });
    let stopped = |containers: Value| json!({ "source": "aws.ecs", "detail": { "lastStatus": "STOPPED", "containers": containers } });
    table(
        ecs,
        &[
            (stopped(json!([{ "name": "worker", "exitCode": 1 }])), true),
            (stopped(json!([{ "name": "log", "exitCode": 0 }, { "name": "worker", "exitCode": 137 }])), true),
            // The failure must be the worker's own.
            (stopped(json!([{ "name": "log", "exitCode": 1 }, { "name": "worker", "exitCode": 0 }])), false),
            (stopped(json!([{ "name": "worker" }])), false),
            (stopped(json!([])), false),
        ],
    );
}

#[test]
fn the_upload_rule_takes_watched_objects_only() {
    table(
        json!({
            "source": ["aws.s3"], "detail-type": ["Object Created"],
            "detail": { "bucket": { "name": ["b"] }, "object": { "key": [{ "prefix": "uploads/" }] } },
        }),
        &[
            (
                json!({ "version": "0", "source": "aws.s3", "detail-type": "Object Created",
                    "detail": { "bucket": { "name": "b" }, "object": { "key": "uploads/a b+c.csv", "size": 5 } } }),
                true,
            ),
            (
                json!({ "source": "aws.s3", "detail-type": "Object Created",
                    "detail": { "bucket": { "name": "b" }, "object": { "key": "rejects/a.csv" } } }),
                false,
            ),
            (
                json!({ "source": "aws.s3", "detail-type": "Object Deleted",
                    "detail": { "bucket": { "name": "b" }, "object": { "key": "uploads/a.csv" } } }),
                false,
            ),
        ],
    );
}

#[test]
fn a_bad_pattern_is_refused_with_its_place() {
    for (pattern, path) in [
        (json!([]), "$"),
        (json!({}), "$"),
        (json!({ "a": {} }), "a"),
        (json!({ "a": "text" }), "a"),
        (json!({ "a": { "b": 7 } }), "a.b"),
        (json!({ "a": [] }), "a"),
        (json!({ "a": ["x", ["y"]] }), "a[1]"),
        (json!({ "a": [{}] }), "a[0]"),
        (json!({ "a": [{ "prefix": "x", "suffix": "y" }] }), "a[0]"),
        (json!({ "a": [{ "begins": "x" }] }), "a[0]"),
        (json!({ "a": [{ "prefix": 7 }] }), "a[0].prefix"),
        (json!({ "a": [{ "prefix": { "wildcard": "x" } }] }), "a[0].prefix"),
        (json!({ "a": [{ "exists": "yes" }] }), "a[0].exists"),
        (json!({ "a": [{ "anything-but": [] }] }), "a[0].anything-but"),
        (json!({ "a": [{ "anything-but": ["x", 1] }] }), "a[0].anything-but"),
        (json!({ "a": [{ "anything-but": null }] }), "a[0].anything-but"),
        (json!({ "a": [{ "anything-but": { "prefix": "" } }] }), "a[0].anything-but.prefix"),
        (json!({ "a": [{ "anything-but": { "numeric": ["=", 1] } }] }), "a[0].anything-but.numeric"),
        (json!({ "a": [{ "numeric": [] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": ["~", 1] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": ["<"] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": ["<", "1"] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": ["<", 5, ">", 1] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": [">", 5, "<", 5] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": [">", 1, "=", 5] }] }), "a[0].numeric"),
        (json!({ "a": [{ "numeric": ["=", 5_000_000_001_i64] }] }), "a[0].numeric"),
        (json!({ "a": [{ "cidr": "10.0.0.0" }] }), "a[0].cidr"),
        (json!({ "a": [{ "cidr": "10.0.0.0/33" }] }), "a[0].cidr"),
        (json!({ "a": [{ "wildcard": "a**b" }] }), "a[0].wildcard"),
        (json!({ "a": [{ "wildcard": "a\\b" }] }), "a[0].wildcard"),
        (json!({ "$or": [{ "a": [1] }, { "b": "x" }] }), "$or[1].b"),
        (json!({ "$or": [{ "a": [1] }, {}] }), "$or[1]"),
    ] {
        let error = Pattern::parse(&pattern).expect_err(&pattern.to_string());
        assert_eq!(error.path, path, "{pattern}: {error}");
    }
}

#[test]
fn choices_may_not_multiply_without_end() {
    let ten: Vec<Value> = (0..10).map(|n| json!({ "a": [n] })).collect();
    let nested = |levels: usize| {
        (0..levels)
            .fold(json!({ "z": [1] }), |below, level| json!({ format!("l{level}"): below, "$or": ten }))
    };
    assert!(Pattern::parse(&nested(3)).is_ok());
    assert!(Pattern::parse(&nested(4)).unwrap_err().reason.contains("1000"));
}
