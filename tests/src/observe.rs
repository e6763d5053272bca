//! The state of an environment: jobs, records, mails, dead letters.

use std::time::Duration;

use aws::{ledger::Ledger, records::Records};
use domain::{
    job::{Job, JobId},
    manifest::Manifest,
    object,
    record::{self, Record},
};
use localcloud::{mailbox::Mail, sqs::AttributeValue, wire::Caller};
use serde_json::{Value, json};

use crate::{TestEnv, dead_letter::DeadLetter, scan::scan};

/// What the records table holds, visible or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// Rows under the job that wrote them.
    pub rows: usize,
    /// Records under natural keys.
    pub natural: usize,
    /// Manifests.
    pub manifests: usize,
}

/// Whether CloudWatch wrote it: its subjects begin with the alarm's state.
fn is_of_an_alarm(mail: &Mail) -> bool {
    mail.subject.starts_with("ALARM: ")
}

impl TestEnv {
    fn scan(&self, output: &str) -> Vec<Value> {
        scan(&self.cloud.services().dynamodb, &self.cloud.outputs()[output])
    }

    /// The ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The records table.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// All jobs of the ledger, by key and then in the order of their versions.
    ///
    /// # Panics
    /// When an item is no job.
    pub async fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for item in self.scan("LedgerTable") {
            let id = item["job"]["S"].as_str().and_then(JobId::parse).expect("a job id");
            jobs.push(self.ledger.read(&id).await.expect("the ledger").expect("a job that was just there"));
        }
        jobs.sort_by(|a, b| (&a.object.key, &a.object.sequencer).cmp(&(&b.object.key, &b.object.sequencer)));
        jobs
    }

    /// The only job of this key.
    ///
    /// # Panics
    /// When there are none or several.
    pub async fn job(&self, key: &str) -> Job {
        let mut jobs: Vec<_> = self.jobs().await.into_iter().filter(|job| job.object.key == key).collect();
        assert_eq!(jobs.len(), 1, "jobs of {key}: {jobs:#?}");
        jobs.remove(0)
    }

    /// The job of this version.
    ///
    /// # Panics
    /// When there is none.
    pub async fn job_of(&self, version: &str) -> Job {
        let jobs = self.jobs().await;
        let found = jobs.into_iter().find(|job| job.object.version_id.as_deref() == Some(version));
        found.expect("a job of this version")
    }

    /// The manifest of a key.
    ///
    /// # Panics
    /// When the table does not answer.
    pub async fn manifest(&self, key: &str) -> Option<Manifest> {
        self.manifest_in(self.bucket(), key).await
    }

    /// The manifest of a key of any bucket.
    ///
    /// # Panics
    /// When the table does not answer.
    pub async fn manifest_in(&self, bucket: &str, key: &str) -> Option<Manifest> {
        self.records.manifest(bucket, key).await.expect("the records table")
    }

    /// The records of a key that are visible, in row order, each as a line of JSON: through the manifest only.
    ///
    /// # Panics
    /// When the table does not answer.
    pub async fn visible(&self, key: &str) -> Vec<String> {
        self.visible_in(self.bucket(), key).await
    }

    /// The same of a key of any bucket.
    ///
    /// # Panics
    /// When the table does not answer.
    pub async fn visible_in(&self, bucket: &str, key: &str) -> Vec<String> {
        let Some(manifest) = self.manifest_in(bucket, key).await else { return Vec::new() };
        let mut rows = Vec::new();
        if manifest.natural_key.is_some() {
            let (uri, mut page) = (object::uri(bucket, key), None);
            loop {
                let (found, next) = self.records.natural(&manifest, &uri, page).await.expect("a page");
                rows.extend(found);
                match next {
                    Some(next) => page = Some(next),
                    None => break,
                }
            }
        } else {
            for partition in 0..manifest.shards {
                let mut after = None;
                loop {
                    let page = self.records.rows(&manifest, partition, after).await.expect("a page");
                    let Some((last, _)) = page.last() else { break };
                    after = Some(*last);
                    rows.extend(page);
                }
            }
        }
        rows.sort_by_key(|(row, _)| *row);
        rows.iter().map(|(_, record)| line(record)).collect()
    }

    /// What a table of the user's own holds.
    #[must_use]
    pub fn items(&self, table: &str) -> Vec<Value> {
        scan(&self.cloud.services().dynamodb, table)
    }

    /// Puts an item into a table, as an application does.
    ///
    /// # Panics
    /// When DynamoDB refuses.
    pub async fn put_item(&self, table: &str, item: Value) {
        let input = json!({ "TableName": table, "Item": item });
        self.cloud.services().dynamodb.call("PutItem", input, &Caller::owner()).await.expect("a put");
    }

    /// What the records table holds.
    #[must_use]
    pub fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        for item in self.scan("RecordsTable") {
            match item["_part"]["S"].as_str().and_then(|part| part.split_once(':')) {
                Some(("rows", _)) => contents.rows += 1,
                Some(("key", _)) => contents.natural += 1,
                Some(("object", _)) => contents.manifests += 1,
                _ => panic!("an item of no kind: {item}"),
            }
        }
        contents
    }

    /// The mails that were sent about jobs. What the template's alarms say is in [`Self::alarms`].
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.cloud.services().sns.mails().into_iter().filter(|mail| !is_of_an_alarm(mail)).collect()
    }

    /// The subjects of the mails that alarms sent, each of which names its alarm.
    #[must_use]
    pub fn alarms(&self) -> Vec<String> {
        let mails = self.cloud.services().sns.mails().into_iter();
        mails.filter(is_of_an_alarm).map(|mail| mail.subject).collect()
    }

    /// The subjects of the mails that were sent.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        self.mails().into_iter().map(|mail| mail.subject).collect()
    }

    /// Every message that has entered the dead-letter queues so far.
    ///
    /// # Panics
    /// When the queue does not answer.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        for queue in ["DeadLetterQueue", "FailedJobsQueue"] {
            self.take_dead_letters(&self.arn(queue)).await;
        }
        self.dead_letters.lock().expect("no panic").clone()
    }

    async fn take_dead_letters(&self, queue: &str) {
        let sqs = &self.cloud.services().sqs;
        loop {
            let received = sqs.receive(queue, 10, Some(Duration::ZERO), None).await.expect("the queue");
            if received.is_empty() {
                return;
            }
            for message in received {
                sqs.delete(queue, &message.receipt).expect("a delete");
                let said = |name: &str| match &message.attributes.get(name)?.value {
                    AttributeValue::Text(text) => Some(text.clone()),
                    AttributeValue::Binary(_) => None,
                };
                let (reason, detail) = (said("reason"), said("detail"));
                let letter = DeadLetter { body: message.body, reason, detail };
                self.dead_letters.lock().expect("no panic").push(letter);
            }
        }
    }

    /// The keys of all objects in the bucket, whatever their prefix.
    ///
    /// # Panics
    /// When S3 does not answer.
    pub async fn keys(&self) -> Vec<String> {
        let list = self.s3.list_objects_v2().bucket(self.bucket()).send().await.expect("a list");
        list.contents().iter().filter_map(|object| object.key.clone()).collect()
    }

    /// An object as text.
    ///
    /// # Panics
    /// When it is not there, or not text.
    pub async fn text(&self, key: &str) -> String {
        let object = self.s3.get_object().bucket(self.bucket()).key(key).send().await.expect("an object");
        let bytes = object.body.collect().await.expect("its bytes").into_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }
}

fn line(record: &Record) -> String {
    let mut line = Vec::new();
    record::write_record_json(record, &mut line).expect("memory takes it");
    String::from_utf8(line).expect("JSON is text")
}
