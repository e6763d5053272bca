//! What a host gets of a container's definition, and why a container may not start.

use std::sync::Mutex;

use super::*;
use crate::host::Confinement;

#[tokio::test(start_paused = true)]
async fn a_host_is_told_what_the_definition_and_the_overrides_say() {
    let launches: Arc<Mutex<Vec<Launch>>> = Arc::default();
    let seen = launches.clone();
    let ecs = ecs(Arc::new(move |launch| {
        seen.lock().unwrap().push(launch);
        Box::pin(async { Exit::Code(0) })
    }));
    let mut definition = definition();
    let confined = json!({
        "User": "10001:10001", "ReadonlyRootFilesystem": true, "EntryPoint": ["/worker"],
        "LinuxParameters": { "Capabilities": { "Drop": ["ALL"] } },
        "MountPoints": [{ "SourceVolume": "scratch", "ContainerPath": "/scratch" }],
    });
    definition["ContainerDefinitions"][0]
        .as_object_mut()
        .unwrap()
        .extend(confined.as_object().unwrap().clone());
    definition["Volumes"] = json!([{ "Name": "scratch" }]);
    ecs.register_task_definition(definition).unwrap();
    call(&ecs, "RunTask", run_with(json!({ "overrides": { "cpu": "512", "memory": "1024" } })))
        .await
        .unwrap();
    ecs.quiet().await;
    let launch = launches.lock().unwrap().pop().unwrap();
    assert_eq!(launch.memory_bytes, Some(1 << 30));
    let expected = Confinement {
        image: "worker:1".to_owned(),
        entry_point: vec!["/worker".to_owned()],
        user: Some("10001:10001".to_owned()),
        cpu_units: 512,
        read_only: true,
        dropped_capabilities: vec!["ALL".to_owned()],
        scratch: vec!["/scratch".to_owned()],
    };
    assert_eq!(launch.container, Some(expected));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_takes_its_time_to_fail_has_failed_to_start_it() {
    let ecs = ecs(Arc::new(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Exit::NotStarted("no such file".to_owned())
        })
    }));
    let task = launch(&ecs).await;
    ecs.quiet().await;
    let shown = describe(&ecs, &task).await["tasks"][0].clone();
    assert_eq!(shown["stopCode"], "TaskFailedToStart");
    assert_eq!(shown["stoppedReason"], "CannotStartContainerError: no such file");
    assert_eq!(shown["containers"][0].get("exitCode"), None);
}
