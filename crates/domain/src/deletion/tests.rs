use jiff::Timestamp;

use super::*;
use crate::{
    job::{Job, JobId, Removal},
    object::Object,
    pipelines::Pipelines,
};

fn manifest(version_id: Option<&str>, sequencer: &str, key: &str) -> Manifest {
    let text = format!("version = 1\n[[pipeline]]\nname = \"p\"\n{key}");
    let pipeline = Pipelines::parse(&text, "p.toml").unwrap().get("p").unwrap().clone();
    let object = Object {
        bucket: "b".into(),
        key: "k".into(),
        version_id: version_id.map(Into::into),
        etag: None,
        sequencer: sequencer.to_owned().into(),
        size_bytes: None,
    };
    Manifest::of(&Job::new(object, pipeline, Timestamp::UNIX_EPOCH), 3, 7, Timestamp::UNIX_EPOCH)
}

fn deletion(version: DeletedVersion, sequencer: &str) -> S3Deleted {
    S3Deleted {
        bucket: "b".into(),
        key: "k".into(),
        version,
        sequencer: sequencer.to_owned().into(),
        reason: Some("DeleteObject".into()),
        at: None,
        event_id: Some("e".into()),
    }
}

fn hidden(sequencer: &str) -> S3Deleted {
    deletion(DeletedVersion::Hidden(Some("marker".into())), sequencer)
}

fn version(id: &str, sequencer: &str) -> S3Deleted {
    deletion(DeletedVersion::Version(id.into()), sequencer)
}

fn from(sequencer: &str) -> Effect {
    Effect::Hide(sequencer.to_owned().into())
}

#[test]
fn a_delete_marker_hides_what_is_older_and_keeps_late_versions_from_showing() {
    let visible = manifest(Some("v1"), "02", "");
    assert_eq!(effect(&hidden("03"), Some(&visible), false), from("03"));
    assert_eq!(
        effect(&hidden("03"), None, false),
        from("03"),
        "the job of the version may still be under way"
    );
    assert_eq!(effect(&hidden("01"), Some(&visible), false), Effect::None(Unaffected::Overtaken));
}

#[test]
fn a_deletion_before_an_empty_version_keeps_the_older_records_from_its_place() {
    let empty =
        Manifest { records: 0, yields_above: Some("01".to_owned().into()), ..manifest(Some("v2"), "03", "") };
    let unversioned = |sequencer| deletion(DeletedVersion::Unversioned, sequencer);
    assert_eq!(effect(&hidden("02"), Some(&empty), false), from("02"));
    assert_eq!(effect(&unversioned("02"), Some(&empty), true), from("02"), "the object is the empty one");
    assert_eq!(effect(&version("v1", "02"), Some(&empty), false), Effect::None(Unaffected::Overtaken));
    let meant = Manifest { yields_above: None, ..empty.clone() };
    assert_eq!(effect(&hidden("02"), Some(&meant), false), Effect::None(Unaffected::Overtaken));
    assert_eq!(
        effect(&hidden("01"), Some(&empty), false),
        Effect::None(Unaffected::Overtaken),
        "it yields to none there"
    );
}

#[test]
fn only_the_visible_version_takes_its_records_with_it() {
    let visible = manifest(Some("v2"), "02", "");
    let unaffected = Effect::None(Unaffected::OtherVersion);
    assert_eq!(effect(&version("v1", "05"), Some(&visible), false), unaffected, "an old version expires");
    assert_eq!(effect(&version("marker", "05"), None, false), unaffected);
    // From its own place on: v3, put before v2 was deleted, is under way.
    assert_eq!(effect(&version("v2", "05"), Some(&visible), false), from("02"));
}

#[test]
fn a_bucket_without_versions_has_one_object_or_none() {
    let deleted = deletion(DeletedVersion::Unversioned, "05");
    let unversioned = manifest(None, "02", "");
    assert_eq!(effect(&deleted, Some(&unversioned), false), from("05"));
    assert_eq!(effect(&deleted, None, false), from("05"));
    assert_eq!(effect(&deleted, Some(&unversioned), true), Effect::None(Unaffected::Present));
    // The version `null` of a bucket that has versions now.
    let versioned = manifest(Some("v2"), "02", "");
    assert_eq!(effect(&deleted, Some(&versioned), true), Effect::None(Unaffected::OtherVersion));
}

#[test]
fn a_repeat_is_known_and_a_later_deletion_moves_the_place() {
    let visible = manifest(Some("v1"), "02", "");
    let first =
        Manifest::deleted(Some(&visible), &hidden("03"), "03".to_owned().into(), Timestamp::UNIX_EPOCH);
    assert_eq!(effect(&hidden("03"), Some(&first), false), Effect::None(Unaffected::Repeated));
    assert_eq!(
        effect(&hidden("05"), Some(&first), false),
        from("05"),
        "a version put at 04 may be under way"
    );
    assert_eq!(effect(&version("marker", "05"), Some(&first), false), Effect::None(Unaffected::OtherVersion));
    let unversioned = deletion(DeletedVersion::Unversioned, "05");
    assert_eq!(effect(&unversioned, Some(&first), false), from("05"));
}

#[test]
fn records_under_natural_keys_stay() {
    let visible = manifest(Some("v1"), "02", "key = \"{id}\"");
    assert_eq!(effect(&hidden("03"), Some(&visible), false), Effect::None(Unaffected::NaturalKeys));
    assert_eq!(visible.replaceable_job(), None);
}

const SHOP: &str = "table = \"shop\"";

/// A version in a table of the user's own in the place of another.
fn in_shop(version: &str, sequencer: &str, keys: &str, before: Option<&Manifest>) -> Manifest {
    manifest(Some(version), sequencer, keys).in_place_of(before)
}

#[test]
fn a_manifest_counts_the_versions_that_may_have_items() {
    let first = in_shop("v1", "01", SHOP, None);
    let second = in_shop("v2", "02", SHOP, Some(&first));
    assert_eq!([&first, &second].map(Manifest::versions), [Some(1), Some(2)]);
    assert_eq!(in_shop("v2", "02", SHOP, Some(&second)).versions(), Some(2), "a replay is no version");
    let replace = "table = \"shop\"\nwrite = \"replace\"";
    assert_eq!(in_shop("v3", "03", replace, Some(&second)).versions(), Some(1));
    let deleted =
        Manifest::deleted(Some(&second), &hidden("03"), "03".to_owned().into(), Timestamp::UNIX_EPOCH);
    assert_eq!(deleted.versions(), Some(2), "those that a repeated message asks for");
    assert_eq!(in_shop("v4", "04", SHOP, Some(&deleted)).versions(), Some(1));
    let elsewhere = manifest(Some("v1"), "01", "");
    assert_eq!(elsewhere.versions(), None);
    assert_eq!(in_shop("v2", "02", SHOP, Some(&elsewhere)).versions(), None, "what was before is not known");
}

/// What the deletion removes where this is visible.
fn removed(deletion: &S3Deleted, visible: Option<&Manifest>, is_present: bool) -> Option<(String, Removal)> {
    let effect = effect(deletion, visible, is_present);
    let (place, removal) = removal(deletion, visible, &effect)?;
    Some((place.padded().trim_end_matches('0').to_owned(), removal))
}

#[test]
fn items_are_removed_up_to_the_place_of_the_deletion() {
    let up_to = |place: &str, versions| Some((place.to_owned(), Removal::UpTo { versions }));
    let first = in_shop("v1", "02", SHOP, None);
    let second = in_shop("v2", "04", SHOP, Some(&first));
    assert_eq!(removed(&hidden("05"), Some(&second), false), up_to("05", Some(2)));
    assert_eq!(removed(&hidden("05"), None, false), up_to("05", Some(0)), "a failed job may have left some");
    // A newer version is visible: what it did not write again goes all the same.
    assert_eq!(removed(&hidden("03"), Some(&second), false), up_to("03", None));
    let replaced = in_shop("v2", "04", "table = \"shop\"\nwrite = \"replace\"", Some(&first));
    assert_eq!(removed(&hidden("03"), Some(&replaced), false), up_to("03", Some(0)), "it has removed them");
    let deleted =
        Manifest::deleted(Some(&second), &hidden("05"), "05".to_owned().into(), Timestamp::UNIX_EPOCH);
    assert_eq!(removed(&hidden("05"), Some(&deleted), false), up_to("05", Some(2)), "a repeat");
    assert_eq!(removed(&hidden("06"), Some(&deleted), false), up_to("06", Some(0)), "those before are gone");
    assert_eq!(removed(&hidden("03"), Some(&deleted), false), None, "the later deletion removes them");
}

#[test]
fn without_the_bytes_nobody_counts_on_versions() {
    let up_to = |place: &str| Some((place.to_owned(), Removal::UpTo { versions: None }));
    let visible = in_shop("v2", "04", SHOP, None);
    assert_eq!(removed(&version("v2", "06"), Some(&visible), false), up_to("04"));
    assert_eq!(removed(&version("v1", "06"), Some(&visible), false), None, "an old version expires");
    let visible = manifest(None, "04", SHOP).in_place_of(None);
    let unversioned = |sequencer| deletion(DeletedVersion::Unversioned, sequencer);
    assert_eq!(removed(&unversioned("06"), Some(&visible), false), up_to("06"));
    assert_eq!(
        removed(&unversioned("06"), Some(&visible), true),
        up_to("04"),
        "the next version keeps its own"
    );
    assert_eq!(removed(&unversioned("03"), Some(&visible), true), up_to("03"));
}

#[test]
fn the_manifest_of_a_deletion_names_no_rows_and_remembers_whose_went() {
    let visible = manifest(Some("v1"), "02", "");
    let deletion = hidden("03");
    let first = Manifest::deleted(Some(&visible), &deletion, "03".to_owned().into(), Timestamp::UNIX_EPOCH);
    assert_eq!((first.records, first.shards, first.version_id.as_deref()), (0, 1, Some("marker")));
    assert_ne!(first.job, visible.job);
    assert_eq!(first.job, JobId::of_deletion(&deletion));
    assert_eq!(first.replaceable_job(), Some(&visible.job));
    assert_eq!(first.visible_pipeline(), Some("p"));
    let second =
        Manifest::deleted(Some(&first), &hidden("05"), "05".to_owned().into(), Timestamp::UNIX_EPOCH);
    assert_eq!(second.replaceable_job(), Some(&visible.job), "its rows are still to be collected");
    let alone = Manifest::deleted(None, &deletion, "03".to_owned().into(), Timestamp::UNIX_EPOCH);
    assert_eq!((alone.replaceable_job(), alone.visible_pipeline()), (None, None));
    // What an older release wrote has no such field, and what it reads of this one has no rows.
    let stored = serde_json::to_value(&visible).unwrap();
    assert!(stored.get("deleted").is_none());
    assert_eq!(serde_json::from_value::<Manifest>(stored).unwrap(), visible);
    let stored = serde_json::to_value(&first).unwrap();
    assert_eq!(serde_json::from_value::<Manifest>(stored).unwrap(), first);
}
