//! Grants that nothing here can use, and why they are granted all the same. An entry that is used, or that is no
//! longer granted, fails the test.

/// The holder, the statement, the action, and why.
pub(crate) const EXPLAINED: [(&str, &str, &str, &str); 1] = [(
    "ReleaseRole",
    "trust",
    "sts:AssumeRole",
    "CodeDeploy moves aliases from version to version, and here is only one version",
)];
