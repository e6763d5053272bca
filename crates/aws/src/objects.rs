//! S3: reading one object version from end to end or by ranges, whatever the connection does, and writing rejected rows.

mod ranges;

use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        get_object::{GetObjectError, GetObjectOutput},
        head_object::HeadObjectError,
    },
    primitives::ByteStream,
    types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart},
};
use base64::Engine;
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};

use super::{CallError, Clients};

pub use self::ranges::Ranges;
use domain::{
    object::{Object, Sequencer, uri},
    retry,
};

/// S3, as the worker uses it.
#[derive(Debug, Clone)]
pub struct Objects {
    clients: Clients,
}

/// Why an object version cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The version is not there (any more).
    #[error("{0} does not exist any more")]
    SourceDeleted(String),
    /// The key holds other bytes than its event describes: a newer version took its place.
    #[error("{0} was replaced by newer bytes")]
    Changed(String),
    /// What arrived is not what S3 stored.
    #[error("{object} arrived damaged: its {what} differs from what S3 stored")]
    Damaged {
        /// The URI of the object.
        object: String,
        /// What was compared.
        what: &'static str,
    },
    /// The call failed. [`CallError::is_retryable`] says whether waiting helps.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl ReadError {
    /// Whether reading again later may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::SourceDeleted(_) | Self::Changed(_) => false,
            Self::Damaged { .. } => true,
            Self::Call(error) => error.is_retryable(),
        }
    }
}

impl Objects {
    /// S3 as these clients reach it. Its client is built with the first call: λ uploads makes none for most events.
    #[must_use]
    pub fn new(clients: &Clients) -> Self {
        Self { clients: clients.clone() }
    }

    pub(super) fn client(&self) -> &Client {
        self.clients.s3()
    }

    fn uploads(&self) -> &Client {
        self.clients.s3_uploads()
    }

    /// The version that a key has now, with its etag and its size; none if the key has no object.
    ///
    /// # Errors
    /// [`CallError`]
    pub async fn current(&self, bucket: &str, key: &str) -> Result<Option<Object>, CallError> {
        let answer = match self.client().head_object().bucket(bucket).key(key).send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {
                return Ok(None);
            }
            Err(error) => return Err(CallError::of(format!("look for {}", uri(bucket, key)), error)),
        };
        Ok(Some(Object {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: answer.version_id().map(str::to_owned),
            etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
            sequencer: Sequencer::default(),
            size_bytes: answer.content_length().and_then(|length| length.try_into().ok()),
        }))
    }

    /// Opens an object version: by its version id, else by its etag, so that other bytes are never read in its
    /// name.
    ///
    /// # Errors
    /// [`ReadError`]
    pub async fn open(&self, object: &Object) -> Result<Reading, ReadError> {
        let (found, answer) = self.find(object, None).await?;
        Ok(Reading::new(self.clone(), found, answer))
    }

    /// The first answer for an object version, and the object with the key under which it was found.
    async fn find(
        &self,
        object: &Object,
        range: Option<String>,
    ) -> Result<(Object, GetObjectOutput), ReadError> {
        let etag = object.etag.as_deref();
        match (self.get(object, range.clone(), etag).await, decoded(&object.key)) {
            // Whether EventBridge ever encodes keys is not documented. The etag proves that this is it.
            (Err(ReadError::SourceDeleted(_)), Some(key)) if etag.is_some() => {
                let object = Object { key, ..object.clone() };
                let answer = self.get(&object, range, etag).await?;
                Ok((object, answer))
            }
            (answer, _) => Ok((object.clone(), answer?)),
        }
    }

    /// Gets a version, or the `range` of it, which is as the header has it. The object's bytes have this `etag`.
    async fn get(
        &self,
        object: &Object,
        range: Option<String>,
        etag: Option<&str>,
    ) -> Result<GetObjectOutput, ReadError> {
        let answer = self
            .client()
            .get_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .set_if_match(etag.map(|etag| format!("\"{etag}\"")))
            .set_range(range)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        answer.map_err(|error| explain(object, error))
    }

    /// Writes a whole small object, or a large one in parts as they come: a part is 5 MiB at least, but the last.
    /// Nothing is there before [`Writing::finish`].
    #[must_use]
    pub fn create(&self, bucket: &str, key: &str) -> Writing {
        Writing {
            objects: self.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            buffer: Vec::new(),
            upload: None,
            parts: Vec::new(),
        }
    }
}

fn explain(object: &Object, error: SdkError<GetObjectError>) -> ReadError {
    let status = error.raw_response().map(|raw| raw.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
    match (status, code.as_deref()) {
        // 416: it is shorter than it was.
        (Some(412 | 416), _) => ReadError::Changed(object.to_string()),
        // 405: this version is a delete marker.
        (Some(404 | 405), Some("NoSuchKey" | "NoSuchVersion" | "MethodNotAllowed")) => {
            ReadError::SourceDeleted(object.to_string())
        }
        _ => ReadError::Call(CallError::of(format!("read {object}"), error)),
    }
}

/// The key as it would be if the event had URL-encoded it; none when it would be the same.
fn decoded(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    (decoded != key).then(|| decoded.into_owned())
}

/// An object version being read. A connection that breaks is resumed where it broke, by Range and If-Match;
/// the end is only reported after length and stored checksum were compared.
#[derive(Debug)]
pub struct Reading {
    objects: Objects,
    object: Object,
    etag: Option<String>,
    length: u64,
    offset: u64,
    body: ByteStream,
    checksum: Option<(Digest, CrcAlgorithm, String)>,
}

impl Reading {
    fn new(objects: Objects, object: Object, answer: GetObjectOutput) -> Self {
        Self {
            objects,
            object,
            etag: answer.e_tag().map(|etag| etag.trim_matches('"').to_owned()),
            length: answer.content_length().and_then(|length| length.try_into().ok()).unwrap_or_default(),
            offset: 0,
            checksum: stored_checksum(&answer),
            body: answer.body,
        }
    }

    /// The object's length in bytes, as S3 has it.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next bytes; none after the last, once everything was compared.
    ///
    /// # Errors
    /// [`ReadError`]: the bytes so far must not be used.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let mut failures = 0;
        loop {
            let broken = match self.body.next().await {
                Some(Ok(bytes)) if bytes.is_empty() => continue,
                Some(Ok(bytes)) => {
                    self.offset += bytes.len() as u64;
                    if let Some((digest, ..)) = &mut self.checksum {
                        digest.update(&bytes);
                    }
                    return Ok(Some(bytes));
                }
                None if self.offset == self.length => return self.compare().map(|()| None),
                None => "the body ended early".to_owned(),
                // Everything arrived and the SDK's own comparison refuses it.
                Some(Err(_)) if self.offset >= self.length => return Err(self.damaged("checksum")),
                Some(Err(error)) => error.to_string(),
            };
            if failures + 1 == retry::RESUME_READ.attempts {
                let attempt = format!("read {} beyond byte {}", self.object, self.offset);
                return Err(CallError::retries_exhausted(attempt, broken).into());
            }
            tokio::time::sleep(retry::RESUME_READ.delay(failures, fastrand::f64())).await;
            failures += 1;
            let etag = self.etag.as_deref();
            let rest = Some(format!("bytes={}-", self.offset));
            match self.objects.get(&self.object, rest, etag).await {
                Ok(answer) => self.body = answer.body,
                Err(error @ (ReadError::SourceDeleted(_) | ReadError::Changed(_))) => return Err(error),
                Err(error) if !error.is_retryable() => return Err(error),
                // The next round finds this stream at its end too early, and tries again.
                Err(_) => self.body = ByteStream::from_static(b""),
            }
        }
    }

    fn compare(&mut self) -> Result<(), ReadError> {
        let Some((digest, algorithm, stored)) = self.checksum.take() else { return Ok(()) };
        let sum = digest.finalize().to_be_bytes();
        let width = if matches!(algorithm, CrcAlgorithm::Crc64Nvme) { 8 } else { 4 };
        let ours = base64::engine::general_purpose::STANDARD.encode(&sum[8 - width..]);
        if ours == stored { Ok(()) } else { Err(self.damaged("checksum")) }
    }

    fn damaged(&self, what: &'static str) -> ReadError {
        ReadError::Damaged { object: self.object.to_string(), what }
    }
}

/// The CRC of the whole object, where S3 stored one. It holds across resumed connections, which the SDK's own
/// check of a single answer does not; that one covers the other kinds.
fn stored_checksum(answer: &GetObjectOutput) -> Option<(Digest, CrcAlgorithm, String)> {
    if answer.checksum_type() == Some(&ChecksumType::Composite) {
        return None;
    }
    let kinds = [
        (CrcAlgorithm::Crc64Nvme, answer.checksum_crc64_nvme()),
        (CrcAlgorithm::Crc32IsoHdlc, answer.checksum_crc32()),
        (CrcAlgorithm::Crc32Iscsi, answer.checksum_crc32_c()),
    ];
    let (algorithm, stored) = kinds.into_iter().find_map(|(kind, sum)| Some((kind, sum?)))?;
    // "-n" marks a checksum of part checksums.
    (!stored.contains('-')).then(|| (Digest::new(algorithm), algorithm, stored.to_owned()))
}

/// An object being written.
#[derive(Debug)]
pub struct Writing {
    objects: Objects,
    bucket: String,
    key: String,
    buffer: Vec<u8>,
    upload: Option<String>,
    parts: Vec<CompletedPart>,
}

/// S3's smallest part of a multipart upload, but for the last.
const PART_BYTES: usize = 5 << 20;

impl Writing {
    /// Adds bytes.
    ///
    /// # Errors
    /// [`CallError`]: the object will not be there.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART_BYTES { self.send_part().await } else { Ok(()) }
    }

    /// Makes the object visible. Durable on return; a repeat with the same bytes changes nothing that is read.
    ///
    /// # Errors
    /// [`CallError`]: it may be there.
    pub async fn finish(mut self) -> Result<(), CallError> {
        if self.upload.is_none() {
            let put = self.objects.uploads().put_object().bucket(&self.bucket).key(&self.key);
            let body = ByteStream::from(std::mem::take(&mut self.buffer));
            return put.body(body).send().await.map(drop).map_err(|e| CallError::of(self.attempt(), e));
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        let parts =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.parts))).build();
        let complete = self.objects.uploads().complete_multipart_upload().bucket(&self.bucket).key(&self.key);
        let complete = complete.set_upload_id(self.upload.clone()).multipart_upload(parts);
        complete.send().await.map(drop).map_err(|e| CallError::of(self.attempt(), e))
    }

    async fn send_part(&mut self) -> Result<(), CallError> {
        if self.upload.is_none() {
            let create = self.objects.uploads().create_multipart_upload().bucket(&self.bucket).key(&self.key);
            // S3 accepts checksums of parts only of the kind named here; the SDK names none.
            let answer = create
                .checksum_algorithm(ChecksumAlgorithm::Crc32)
                .send()
                .await
                .map_err(|e| CallError::of(self.attempt(), e))?;
            self.upload = answer.upload_id;
        }
        // S3 takes 10,000 parts at most: 50 GiB.
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let upload =
            self.objects.uploads().upload_part().bucket(&self.bucket).key(&self.key).part_number(number);
        let body = ByteStream::from(std::mem::take(&mut self.buffer));
        let upload = upload.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let answer = upload.set_upload_id(self.upload.clone()).body(body).send().await;
        let answer = answer.map_err(|e| CallError::of(self.attempt(), e))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag);
        self.parts.push(part.set_checksum_crc32(answer.checksum_crc32).build());
        Ok(())
    }

    fn attempt(&self) -> String {
        format!("write s3://{}/{}", self.bucket, self.key)
    }
}
