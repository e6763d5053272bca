//! Deleting what there is of an object, for the person who has to: it reads whole tables, which an index would make faster and
//! every other write dearer.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    CallError,
    attributes::{Item, number, text},
    delete_rows::RowDeleter,
    ledger::{Ledger, UnreadableJob},
    objects::Objects,
    records::Records,
};
use domain::{
    job::{Job, JobId, State},
    manifest::{self, Manifest},
    object,
};

impl Ledger {
    /// All jobs of an object, of whichever version and pipeline. Reads the whole table.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn jobs_of_object(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Vec<Result<Job, UnreadableJob>>, CallError> {
        let attempt = || format!("find the jobs of {}", object::uri(bucket, key));
        let (mut ids, mut from) = (Vec::new(), None);
        loop {
            let scan = self.client().scan().table_name(self.table()).consistent_read(true);
            let scan = scan
                .filter_expression("#object.#bucket = :bucket AND #object.#key = :key")
                .projection_expression("job")
                .expression_attribute_names("#object", "object")
                .expression_attribute_names("#bucket", "bucket")
                .expression_attribute_names("#key", "key")
                .expression_attribute_values(":bucket", text(bucket))
                .expression_attribute_values(":key", text(key))
                .set_exclusive_start_key(from);
            let page = scan.send().await.map_err(|e| CallError::of(attempt(), e))?;
            let id = |item: Item| item.get("job")?.as_s().ok().and_then(|id| JobId::parse(id));
            ids.extend(page.items.unwrap_or_default().into_iter().filter_map(id));
            match page.last_evaluated_key {
                Some(next) => from = Some(next),
                None => return self.read_all(&ids).await,
            }
        }
    }

    /// Deletes the item of a job that has settled. Durable on return; `false` if the job has not settled. A repeat finds no
    /// item.
    ///
    /// # Errors
    /// [`CallError`]: it may be deleted.
    pub async fn erase(&self, id: &JobId) -> Result<bool, CallError> {
        let open = State::ALL.into_iter().filter(|state| !state.is_settled());
        let open: HashMap<String, AttributeValue> =
            open.map(|state| (format!(":{}", state.as_str()), text(state.as_str()))).collect();
        let names = open.keys().cloned().collect::<Vec<_>>().join(", ");
        let delete = self.client().delete_item().table_name(self.table()).key("job", text(id));
        let deleted = delete
            .condition_expression(format!("attribute_not_exists(job) OR NOT #state IN ({names})"))
            .expression_attribute_names("#state", "state")
            .set_expression_attribute_values(Some(open))
            .send()
            .await;
        let Err(error) = deleted else { return Ok(true) };
        match error.as_service_error() {
            Some(refused) if refused.is_conditional_check_failed_exception() => Ok(false),
            _ => Err(CallError::of(format!("delete job {id}"), error)),
        }
    }
}

impl Records {
    /// Deletes the manifest of a key. Durable on return; a repeat finds none.
    ///
    /// # Errors
    /// [`CallError`]: it may be deleted.
    pub async fn erase_manifest(&self, bucket: &str, key: &str) -> Result<(), CallError> {
        let delete = self.client().delete_item().table_name(&self.table);
        let delete = delete.key(manifest::PART, text(Manifest::partition(bucket, key)));
        let deleted = delete.key(manifest::ROW, number(0)).send().await;
        let attempt = || format!("delete the manifest of {}", object::uri(bucket, key));
        deleted.map(drop).map_err(|e| CallError::of(attempt(), e))
    }
}

impl RowDeleter {
    /// Deletes all records under natural keys that this object wrote and no other object has replaced, and returns how many
    /// there were. Reads the whole table. A repeat deletes what is left.
    ///
    /// # Errors
    /// [`CallError`]: some may be deleted.
    pub async fn delete_natural(&self, uri: &str) -> Result<u64, CallError> {
        let attempt = || format!("delete the records of {uri}");
        let (mut deleted, mut from) = (0, None);
        loop {
            let scan = self.records().client().scan().table_name(&self.records().table);
            let scan = scan
                .consistent_read(true)
                .filter_expression("#object = :object")
                .projection_expression("#part, #row")
                .expression_attribute_names("#object", manifest::OBJECT)
                .expression_attribute_names("#part", manifest::PART)
                .expression_attribute_names("#row", manifest::ROW)
                .expression_attribute_values(":object", text(uri))
                .set_exclusive_start_key(from);
            let page = scan.send().await.map_err(|e| CallError::of(attempt(), e))?;
            let keys = page.items.unwrap_or_default();
            deleted += keys.len() as u64;
            self.delete_keys(keys, &attempt).await?;
            match page.last_evaluated_key {
                Some(next) => from = Some(next),
                None => return Ok(deleted),
            }
        }
    }
}

impl Objects {
    /// Deletes all versions and delete markers of a key, but for the newest one if `keep_newest`; returns how many. A repeat
    /// deletes what is left.
    ///
    /// # Errors
    /// [`CallError`]: some may be deleted.
    pub async fn erase_versions(&self, bucket: &str, key: &str, keep_newest: bool) -> Result<u64, CallError> {
        let found = self.versions_of(bucket, key).await?;
        let versions = found.versions.into_iter().skip(usize::from(keep_newest)).map(|it| it.version_id);
        let mut deleted = 0;
        for version in versions.chain(found.markers.into_iter().map(|marker| marker.version_id)) {
            let delete = self.client().delete_object().bucket(bucket).key(key).version_id(&version);
            let attempt = || format!("delete version {version} of {}", object::uri(bucket, key));
            delete.send().await.map_err(|e| CallError::of(attempt(), e))?;
            deleted += 1;
        }
        Ok(deleted)
    }
}
