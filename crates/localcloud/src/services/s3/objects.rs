//! Writing and deleting objects.

use jiff::Timestamp;
use s3s::{S3Error, S3Request, S3Response, S3Result, dto::*, s3_error};

use super::{
    S3,
    blob_store::Content,
    bucket::{Bucket, Checksums, Headers, Object, Version, Versioning},
    classic::Record,
    destinations::Destination,
    headers::{holds, request_id, timestamp, trailer},
    journal::Change,
    members::{claimed_checksums, given_headers, with_checksums},
    notification::{Deletion, Notification},
    reading::{check_version_id, find},
    receive_body::{Claims, receive},
    refuse,
    store::Buckets,
};

/// A version about to be written.
pub(super) struct Arrival<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) request_id: &'a str,
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) etag: String,
    pub(super) size: u64,
    pub(super) headers: Headers,
    pub(super) checksums: Checksums,
    pub(super) reason: &'a str,
}

impl S3 {
    pub(super) async fn put(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let id = request_id(&req);
        let trailer = trailer(&req);
        let input = req.input;
        self.store.lock().bucket(&input.bucket)?;
        let claims = Claims {
            length: input.content_length,
            md5: input.content_md5,
            checksums: claimed_checksums!(input),
            trailer,
            trailing: req.trailing_headers,
            algorithm: input.checksum_algorithm,
        };
        let headers = given_headers!(input)?;
        let mut received = receive(self.store.blobs(), input.body, claims).await?;
        let arrival = Arrival {
            bucket: &input.bucket,
            key: &input.key,
            request_id: &id,
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            etag: received.etag(),
            size: received.size,
            headers,
            checksums: received.checksums.clone(),
            reason: "PutObject",
        };
        let version = self.admit(arrival, received.keep())?;
        let version_id = version.id;
        let Some(object) = version.object else { return Err(s3_error!(InternalError)) };
        let kind = object.checksums.kind();
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(object.etag)),
            version_id,
            checksum_type: kind,
            ..with_checksums!(PutObjectOutput, object.checksums)
        }))
    }

    /// Makes a stored content a version, if its conditions hold at this moment, and notifies those who want to know. A content
    /// that is refused is discarded.
    pub(super) fn admit(&self, arrival: Arrival<'_>, content: Content) -> S3Result<Version> {
        let now = self.clock.now();
        let mut buckets = self.store.lock();
        let admitted = check(&buckets, &arrival).and_then(|(versioning, told)| {
            let object = Object {
                etag: arrival.etag.clone(),
                size: arrival.size,
                sequencer: buckets.draw_sequencer(now),
                headers: arrival.headers.clone(),
                checksums: arrival.checksums.clone(),
                content: content.clone(),
            };
            let id = Buckets::draw_version_id(versioning);
            let version = Version { id, modified: now, object: Some(object) };
            buckets.put(arrival.bucket, arrival.key, version.clone())?;
            Ok((version, told))
        });
        drop(buckets);
        let (version, told) = admitted.inspect_err(|_| content.discard())?;
        if let Some(object) = &version.object {
            let notification = arrival.notification(now);
            if told.eventbridge {
                self.events.emit(notification.created(&version, object, arrival.reason));
            }
            let record = Record::created(&version, object, arrival.reason);
            self.announce(&told.destinations, &notification, &record);
        }
        Ok(version)
    }

    pub(super) async fn copy(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let id = request_id(&req);
        let input = req.input;
        let CopySource::Bucket { bucket: from, key: from_key, version_id: from_version } = &input.copy_source
        else {
            return Err(s3_error!(NotImplemented, "The local cloud has no access points to copy from."));
        };
        let source = {
            let buckets = self.store.lock();
            buckets.bucket(&input.bucket)?;
            find(buckets.bucket(from)?, from_key, from_version.as_deref())?.clone()
        };
        let source_id = source.id.clone();
        let Some(object) = source.object else { return Err(refuse::no_such_key()) };
        let matches = |condition: &ETagCondition| holds(condition, &object.etag);
        if input.copy_source_if_match.as_ref().is_some_and(|condition| !matches(condition))
            || input.copy_source_if_none_match.as_ref().is_some_and(matches)
        {
            return Err(refuse::precondition_failed());
        }
        let replaces =
            input.metadata_directive.as_ref().is_some_and(|directive| directive.as_str() == "REPLACE");
        if !replaces && **from == *input.bucket && **from_key == *input.key && from_version.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        let headers = if replaces { given_headers!(input)? } else { object.headers.clone() };
        let content = self.store.blobs().copy(&object.content).map_err(refuse::storage)?;
        let arrival = Arrival {
            bucket: &input.bucket,
            key: &input.key,
            request_id: &id,
            if_match: None,
            if_none_match: None,
            // A copy is one piece: its ETag would be an MD5 at S3 even where the source's is not. Reading it all
            // again for that is not worth it here; nobody may rely on either.
            etag: object.etag,
            size: object.size,
            headers,
            checksums: object.checksums,
            reason: "CopyObject",
        };
        let version = self.admit(arrival, content)?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: version.object.map(|object| ETag::Strong(object.etag)),
                last_modified: Some(timestamp(version.modified)),
                ..Default::default()
            }),
            copy_source_version_id: source_id,
            version_id: version.id,
            ..Default::default()
        }))
    }

    pub(super) async fn delete(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let id = request_id(&req);
        let input = req.input;
        let deleted = self.take_away(&input.bucket, &input.key, input.version_id.as_deref(), &id)?;
        Ok(S3Response::new(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version_id,
            ..Default::default()
        }))
    }

    pub(super) async fn delete_many(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let id = request_id(&req);
        let input = req.input;
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        self.store.lock().bucket(&input.bucket)?;
        let quiet = input.delete.quiet.unwrap_or_default();
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        // Each on its own: some may go while others are refused.
        for object in input.delete.objects {
            match self.take_away(&input.bucket, &object.key, object.version_id.as_deref(), &id) {
                Ok(gone) if !quiet => deleted.push(DeletedObject {
                    key: Some(object.key),
                    delete_marker: gone.marker.then_some(true),
                    delete_marker_version_id: gone.version_id.filter(|_| gone.marker),
                    version_id: object.version_id,
                }),
                Ok(_) => {}
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: object.version_id,
                }),
            }
        }
        let some = |errors: Vec<Error>| (!errors.is_empty()).then_some(errors);
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: some(errors),
            ..Default::default()
        }))
    }

    /// Deletes a version, or hides the key behind a delete marker where versions are kept. What is not there is
    /// deleted already.
    fn take_away(
        &self,
        bucket: &str,
        key: &str,
        version_id: Option<&str>,
        request_id: &str,
    ) -> S3Result<Gone> {
        let now = self.clock.now();
        let mut buckets = self.store.lock();
        let found = buckets.bucket(bucket)?;
        let (versioning, told) = (found.versioning, Told::by(found));
        let notification = Notification { bucket, key, request_id, at: now };
        let (gone, happened) = match version_id {
            None if versioning != Versioning::Off => {
                let sequencer = buckets.draw_sequencer(now);
                let id = Buckets::draw_version_id(versioning);
                let marker = Version { id: id.clone(), modified: now, object: None };
                let name = marker.name().to_owned();
                buckets.put(bucket, key, marker)?;
                // The guide's example has the MD5 of nothing as a marker's etag.
                let etag = Some("d41d8cd98f00b204e9800998ecf8427e");
                let event = notification.deleted(id.as_deref(), etag, &sequencer, Deletion::Marked);
                let record = Record::removed(id.as_deref(), &sequencer, Deletion::Marked);
                (Gone { marker: true, version_id: Some(name) }, Some((event, record)))
            }
            version_id => {
                let id = check_version_id(version_id)?;
                let versions = found.keys.get(key).map(Vec::as_slice).unwrap_or_default();
                let version = versions.iter().find(|version| version.id.as_deref() == id);
                let marker = version.is_some_and(|version| version.object.is_none());
                let etag =
                    version.and_then(|version| version.object.as_ref()).map(|object| object.etag.clone());
                let exists = version.is_some();
                if exists {
                    let sequencer = buckets.draw_sequencer(now);
                    let change = Change::Remove {
                        bucket: bucket.to_owned(),
                        key: key.to_owned(),
                        id: id.map(str::to_owned),
                    };
                    buckets.commit(change).map_err(refuse::storage)?;
                    let event = notification.deleted(id, etag.as_deref(), &sequencer, Deletion::Permanent);
                    let record = Record::removed(id, &sequencer, Deletion::Permanent);
                    (Gone { marker, version_id: version_id.map(str::to_owned) }, Some((event, record)))
                } else {
                    (Gone { marker: false, version_id: version_id.map(str::to_owned) }, None)
                }
            }
        };
        drop(buckets);
        if let Some((event, record)) = happened {
            if told.eventbridge {
                self.events.emit(event);
            }
            self.announce(&told.destinations, &notification, &record);
        }
        Ok(gone)
    }
}

struct Gone {
    /// A delete marker came or went.
    marker: bool,
    version_id: Option<String>,
}

impl<'a> Arrival<'a> {
    fn notification(&self, at: Timestamp) -> Notification<'a> {
        Notification { bucket: self.bucket, key: self.key, request_id: self.request_id, at }
    }
}

/// Whom a bucket notifies.
struct Told {
    eventbridge: bool,
    destinations: Vec<Destination>,
}

impl Told {
    fn by(bucket: &Bucket) -> Self {
        Self { eventbridge: bucket.eventbridge, destinations: bucket.destinations.clone() }
    }
}

/// The conditions of a write, against what the key shows now.
fn check(buckets: &Buckets, arrival: &Arrival<'_>) -> Result<(Versioning, Told), S3Error> {
    let bucket: &Bucket = buckets.bucket(arrival.bucket)?;
    let current = bucket.current(arrival.key);
    if let Some(condition) = &arrival.if_none_match
        && current.is_some_and(|object| holds(condition, &object.etag))
    {
        return Err(refuse::precondition_failed());
    }
    if let Some(condition) = &arrival.if_match {
        let object = current.ok_or_else(refuse::no_such_key)?;
        if !holds(condition, &object.etag) {
            return Err(refuse::precondition_failed());
        }
    }
    Ok((bucket.versioning, Told::by(bucket)))
}
