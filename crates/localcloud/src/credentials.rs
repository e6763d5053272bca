//! Which access keys there are, and which role each stands for.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use s3s::{
    S3Result,
    auth::{S3Auth, SecretKey},
    s3_error,
};
use sha2::{Digest, Sha256};

use crate::wire::{Caller, OWNER_KEY, SECRET, TEST_KEY};

/// The access keys. The host of a function or a task registers one for its role. Clones share the table.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<Mutex<BTreeMap<String, Option<String>>>>);

impl Default for Credentials {
    /// Knows the account's owner only, by both keys.
    fn default() -> Self {
        Self(Arc::new(Mutex::new([OWNER_KEY, TEST_KEY].map(|key| (key.to_owned(), None)).into())))
    }
}

impl Credentials {
    /// Lets `access_key` act as `role`; a repeat changes the role.
    pub fn register(&self, access_key: impl Into<String>, role: impl Into<String>) {
        self.lock().insert(access_key.into(), Some(role.into()));
    }

    /// Ends an access key, as when the task it was made for has stopped.
    pub fn forget(&self, access_key: &str) {
        if ![OWNER_KEY, TEST_KEY].contains(&access_key) {
            self.lock().remove(access_key);
        }
    }

    /// Who acts by this key, if there is such a key.
    #[must_use]
    pub fn find(&self, access_key: &str) -> Option<Caller> {
        let role = self.lock().get(access_key)?.clone();
        Some(Caller { access_key: access_key.to_owned(), role, partial: None })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Option<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait::async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        match self.find(access_key) {
            Some(_) if access_key == TEST_KEY => Ok(SecretKey::from(TEST_KEY)),
            Some(_) => Ok(SecretKey::from(SECRET)),
            None => Err(s3_error!(
                InvalidAccessKeyId,
                "The AWS Access Key Id you provided does not exist in our records."
            )),
        }
    }
}

/// The environment in which an AWS SDK signs as a role.
pub(crate) fn role_environment(role_arn: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("AWS_ACCESS_KEY_ID".to_owned(), access_key(role_arn)),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned()),
    ])
}

/// The access key of a role: the same in every run, and shaped like one of STS.
pub(crate) fn access_key(role_arn: &str) -> String {
    format!("ASIA{}", hex::encode_upper(&Sha256::digest(role_arn)[..8]))
}
