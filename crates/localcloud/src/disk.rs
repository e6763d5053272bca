//! A full disk. A service that cannot keep a change because of it answers with HTTP's status for that, 507, which no client
//! tries again; the frontend notices, so that the command that runs the cloud can say so at once.

use std::path::Path;

use crate::wire::ApiError;

/// What is left of a disk on which nothing more can be written: SQLite writes several pages at once.
const LEAST_BYTES: u64 = 64 * 1024;

/// Whether the disk of this folder is full. One that cannot be asked is not.
pub(crate) fn is_full(folder: &Path) -> bool {
    let left = rustix::fs::statvfs(folder).map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    left.is_ok_and(|left| left < LEAST_BYTES)
}

/// The answer of a service whose folder is on a full disk.
pub(crate) fn full(folder: &Path) -> ApiError {
    let message = format!("The disk that holds {} is full; nothing was stored.", folder.display());
    ApiError::client("InsufficientStorage", message).with_status(507)
}
