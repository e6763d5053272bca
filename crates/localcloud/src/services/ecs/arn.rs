//! The names of ECS's things, and fresh ids for them. Ids are drawn from `fastrand`, so that a seeded run repeats.

use crate::wire::{ACCOUNT, REGION};

pub(super) fn cluster(name: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{name}")
}

pub(super) fn definition(family: &str, revision: usize) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/{family}:{revision}")
}

pub(super) fn task(cluster: &str, id: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:task/{cluster}/{id}")
}

pub(super) fn container(cluster: &str, task: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:container/{cluster}/{task}/{}", uuid())
}

/// 32 hexadecimal digits, as task ids are.
pub(super) fn id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// An id in the shape of a version-4 UUID.
pub(super) fn uuid() -> String {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid().to_string()
}
