//! The version of a pipeline as jobs store it.

use serde::{Deserialize, Serialize};

/// The version of the stored form. A newer one may mean what this reader does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub(super) struct Version(u32);

impl Version {
    pub(super) const OLD: Self = Self(1);
    /// With more than the first version had on delimited text and its encoding.
    pub(super) const DELIMITED: Self = Self(2);
    /// With a table of the user's own.
    pub(super) const DESTINATION: Self = Self(3);
}

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if (Self::OLD.0..=Self::DESTINATION.0).contains(&version) {
            Ok(Self(version))
        } else {
            Err(format!("pipeline format version {version} is not known here; known: 1 to 3"))
        }
    }
}

impl From<Version> for u32 {
    fn from(version: Version) -> Self {
        version.0
    }
}
