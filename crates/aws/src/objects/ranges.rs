//! One object version, read by ranges.

use std::sync::OnceLock;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::{Bytes, BytesMut};
use domain::{object::Object, retry};

use super::{CallError, Objects, ReadError};

/// An object version of which any range can be read. Each range is a call of its own, by version id or etag, so all ranges
/// are of the same bytes. Unlike a [`Reading`](super::Reading), nothing compares them with a checksum: S3 has none of a
/// range.
#[derive(Debug)]
pub struct Ranges {
    objects: Objects,
    object: Object,
    found: OnceLock<Found>,
}

/// What the first answer says about the version.
#[derive(Debug)]
struct Found {
    object: Object,
    etag: Option<String>,
    length: u64,
}

impl Objects {
    /// The ranges of an object version. Makes no call.
    #[must_use]
    pub fn ranges(&self, object: &Object) -> Ranges {
        Ranges { objects: self.clone(), object: object.clone(), found: OnceLock::new() }
    }
}

impl Ranges {
    /// The object's length in bytes: as its event has it, else as S3 has it.
    ///
    /// # Errors
    /// [`ReadError`]
    pub async fn length(&self) -> Result<u64, ReadError> {
        if let Some(length) = self.object.size_bytes {
            return Ok(length);
        }
        if self.found.get().is_none() {
            // S3 has nothing to say about the ranges of an empty object, so this asks for the whole and leaves the body.
            let (object, answer) = self.objects.find(&self.object, None).await?;
            let length = answer.content_length().and_then(|length| length.try_into().ok());
            self.note(object, &answer, length.unwrap_or_default());
        }
        Ok(self.found.get().map_or(0, |found| found.length))
    }

    /// The `length` bytes from `offset` on. A connection that breaks is resumed where it broke.
    ///
    /// # Errors
    /// [`ReadError`]. A range beyond the end is [`ReadError::Changed`]: the object is not the one of its event.
    pub async fn read(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        let mut bytes = BytesMut::with_capacity(length);
        let mut failures = 0;
        while bytes.len() < length {
            let before = bytes.len();
            let broken = match self.get(offset + before as u64, offset + length as u64).await {
                Ok(answer) => match self.receive(answer, length, &mut bytes).await? {
                    Some(broken) => broken,
                    None => break,
                },
                Err(error) if error.is_retryable() => error.to_string(),
                Err(error) => return Err(error),
            };
            // Every byte gained is a new start.
            failures = if bytes.len() > before { 0 } else { failures };
            if failures + 1 == retry::RESUME_READ.attempts {
                let attempt = format!("read {} beyond byte {}", self.object, offset + bytes.len() as u64);
                return Err(CallError::retries_exhausted(attempt, broken).into());
            }
            tokio::time::sleep(retry::RESUME_READ.delay(failures, fastrand::f64())).await;
            failures += 1;
        }
        Ok(bytes.freeze())
    }

    /// Asks for the bytes from `start` up to `end`, which is none of them.
    async fn get(&self, start: u64, end: u64) -> Result<GetObjectOutput, ReadError> {
        let range = Some(format!("bytes={start}-{}", end - 1));
        let answer = match self.found.get() {
            Some(found) => self.objects.get(&found.object, range, found.etag.as_deref()).await?,
            None => {
                let (object, answer) = self.objects.find(&self.object, range).await?;
                let length = total(&answer).ok_or_else(|| self.damaged())?;
                self.note(object, &answer, length);
                answer
            }
        };
        let expected = self.found.get().map_or(0, |found| found.length);
        if answer.content_range() != Some(format!("bytes {start}-{}/{expected}", end - 1).as_str()) {
            return Err(self.damaged());
        }
        Ok(answer)
    }

    /// Adds the body of an answer to `bytes`, up to `length` of them: why it ended before, if it did.
    async fn receive(
        &self,
        answer: GetObjectOutput,
        length: usize,
        bytes: &mut BytesMut,
    ) -> Result<Option<String>, ReadError> {
        let mut body = answer.body;
        loop {
            match body.next().await {
                Some(Ok(piece)) if bytes.len() + piece.len() > length => return Err(self.damaged()),
                Some(Ok(piece)) => bytes.extend_from_slice(&piece),
                None if bytes.len() == length => return Ok(None),
                None => return Ok(Some("the body ended early".to_owned())),
                Some(Err(error)) => return Ok(Some(error.to_string())),
            }
        }
    }

    fn note(&self, object: Object, answer: &GetObjectOutput, length: u64) {
        let etag = answer.e_tag().map(|etag| etag.trim_matches('"').to_owned());
        // If another call was first, it found the same.
        drop(self.found.set(Found { object, etag, length }));
    }

    fn damaged(&self) -> ReadError {
        ReadError::Damaged { object: self.object.to_string(), what: "range" }
    }
}

/// The length of the whole object, as the answer to a range says it.
fn total(answer: &GetObjectOutput) -> Option<u64> {
    answer.content_range()?.rsplit_once('/')?.1.parse().ok()
}
