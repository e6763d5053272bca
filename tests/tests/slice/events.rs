//! Every captured event shape is what it should be.

use std::{collections::BTreeSet, fs, path::Path};

use domain::events::{Classified, S3Change, classify};

/// What each file of `fixtures/events` is.
const EXPECTED: [(&str, &str); 26] = [
    ("ecs-failed-to-start", "task change"),
    ("ecs-image-pull-failure", "task change"),
    ("ecs-init-error", "task change"),
    ("ecs-only-task-arn", "task change"),
    ("ecs-out-of-memory", "task change"),
    ("ecs-running", "task change"),
    ("ecs-spot-interrupted", "task change"),
    ("ecs-spot-warning", "task change"),
    ("ecs-stopped-success", "task change"),
    ("ecs-strange-fields", "task change"),
    ("ecs-user-initiated", "task change"),
    ("foreign-ebs-volume", "foreign"),
    ("foreign-ecs-service-action", "foreign"),
    ("malformed-ecs-without-task-arn", "malformed"),
    ("malformed-no-envelope", "malformed"),
    ("malformed-no-json", "malformed"),
    ("malformed-s3-without-key", "malformed"),
    ("s3-classic-notification", "created"),
    ("s3-complete-multipart-upload", "created"),
    ("s3-copy-object", "created"),
    ("s3-lifecycle-expiration", "deleted"),
    ("s3-object-deleted", "deleted"),
    ("s3-only-bucket-and-key", "created"),
    ("s3-put-object", "created"),
    ("s3-strange-fields", "created"),
    ("s3-without-version", "created"),
];

/// S3's own test message, from the classic kind of notifications.
const TEST_EVENT: (&str, &str) = ("s3-test-event", "test");

#[test]
fn every_fixture_is_classified_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let expected: BTreeSet<_> = EXPECTED.iter().chain([&TEST_EVENT]).copied().collect();
    let mut found = BTreeSet::new();
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        names.push((name, fs::read_to_string(&path).unwrap()));
    }
    for (name, body) in &names {
        let kind = match classify(body) {
            Classified::S3(changes) => match &changes.changes[..] {
                [S3Change::Created(_)] => "created",
                [S3Change::Deleted(_)] => "deleted",
                other => panic!("{name}: {other:?}"),
            },
            Classified::S3Test { .. } => "test",
            Classified::TaskStateChange(_) => "task change",
            Classified::Foreign { .. } => "foreign",
            Classified::Malformed { .. } => "malformed",
        };
        found.insert((name.as_str(), kind));
    }
    assert_eq!(found, expected);
}
