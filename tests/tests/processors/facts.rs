//! Pipelines that note facts of objects and read nothing in them.

use localcloud::faults::Call;
use tests::{Contents, JobAsserts, TestEnv, call};

const FACTS: &str = r#"
version = 1

[[pipeline]]
name = "facts"
match = { prefix = "uploads/" }
format = "object"
"#;

/// The beginning of a PNG of 1,024 by 768 pixels.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\0\0\0\x03\0\x08\x02\0\0\0";

#[test]
fn every_object_is_one_record_whatever_is_in_it() {
    TestEnv::plan(671).pipelines(FACTS).run(async |env| {
        env.put("uploads/a.png", PNG).await;
        env.put("uploads/empty", "").await;
        env.put("uploads/broken.json", "{\"a\": [1, 2").await;
        env.put("uploads/large.bin", vec![0; 9_000_000]).await;
        env.settle().await;
        for job in env.jobs().await {
            job.assert_done().assert_attempt(1).assert_records(1);
            assert_eq!(job.format(), Some("object"));
        }
        let png = "{\"content_type\":\"image/png\",\"height\":768,\"image_format\":\"png\",\
                   \"sha256\":\"6af9f9e2014bc195fbcb82859064b7c8a6335b230239a2342b56332d8c4248ea\",\"size\":29,\"width\":1024}";
        assert_eq!(env.visible("uploads/a.png").await, [png]);
        let empty = "{\"content_type\":\"application/octet-stream\",\
                     \"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0}";
        assert_eq!(env.visible("uploads/empty").await, [empty]);
        let large = &env.visible("uploads/large.bin").await[0];
        assert!(large.contains("177ffe9ef4bc54e6880afccabfbdb0273a15b89c0e663eabeeb8e9cda211f21f") && large.contains("\"size\":9000000"), "{large}");
        assert!(env.visible("uploads/broken.json").await[0].contains("\"content_type\":\"text/plain\""));
    });
}

#[test]
fn a_newer_version_has_facts_of_its_own_and_the_older_ones_are_out_of_sight() {
    TestEnv::plan(672).pipelines(FACTS).dedicated_tasks().run(async |env| {
        env.put("uploads/a", PNG).await;
        env.settle().await;
        env.put("uploads/a", "now text").await;
        env.settle().await;
        let visible = env.visible("uploads/a").await;
        assert_eq!(visible.len(), 1);
        assert!(visible[0].contains("\"size\":8"), "{visible:?}");
        assert_eq!(env.manifest("uploads/a").await.unwrap().write_epoch, 0, "facts are always the same");
    });
}

#[test]
fn equal_objects_are_one_record_under_their_hash() {
    let by_hash = format!("{FACTS}key = \"{{sha256}}\"\n");
    TestEnv::plan(673).pipelines(&by_hash).run(async |env| {
        for (key, bytes) in [("uploads/a", "one"), ("uploads/b", "one"), ("uploads/c", "two")] {
            env.put(key, bytes).await;
        }
        env.settle().await;
        assert_eq!(env.contents(), Contents { rows: 0, natural: 2, manifests: 3 });
    });
}

#[test]
fn metadata_that_a_key_needs_and_an_object_lacks_is_named() {
    let by_camera = format!("{FACTS}key = \"{{camera}}\"\n");
    TestEnv::plan(674).pipelines(&by_camera).run(async |env| {
        env.put("uploads/a", PNG).await;
        env.settle().await;
        let job = env.job("uploads/a").await;
        let reason = job.reason().unwrap();
        job.assert_failed().assert_reason("bad_key");
        assert!(reason.message.contains("`camera`"), "{}", reason.message);
    });
}

#[test]
fn broken_connections_change_no_fact() {
    TestEnv::plan(675).pipelines(FACTS).run(async |env| {
        env.on(call::read_object().meets(Call::Throttle).chance(0.3));
        env.on(call::write_rows().meets(Call::LoseAnswer).chance(0.3));
        for n in 0..20 {
            env.put(&format!("uploads/{n}"), vec![7; 1_000]).await;
        }
        env.settle().await;
        let first = env.visible("uploads/0").await;
        for n in 0..20 {
            assert_eq!(env.visible(&format!("uploads/{n}")).await, first);
        }
    });
}
