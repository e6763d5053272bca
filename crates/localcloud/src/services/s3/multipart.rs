//! Uploads in parts. They live in memory until completed: a restart forgets them, as an abort would.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use s3s::{S3Request, S3Response, S3Result, checksum::ChecksumHasher, dto::*, s3_error};

use super::{
    S3,
    blob_store::Content,
    bucket::{Checksums, Upload, UploadedPart},
    headers::{request_id, timestamp, trailer},
    members::{claimed_checksums, given_headers, with_checksums},
    objects::Arrival,
    receive_body::{Claims, enable, receive},
    refuse,
    store::draw_id,
};

/// Every part but the last has at least this size.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

/// Parts are numbered up to this.
const MAX_PART_NUMBER: i32 = 10_000;

impl S3 {
    pub(super) async fn begin_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let headers = given_headers!(input)?;
        let algorithm =
            input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_ascii_lowercase());
        let asked_over_all =
            input.checksum_type.as_ref().is_some_and(|kind| kind.as_str() == ChecksumType::FULL_OBJECT);
        let over_all = asked_over_all || algorithm.as_deref() == Some("crc64nvme");
        let upload = Upload { key: input.key.clone(), headers, algorithm, over_all, parts: BTreeMap::new() };
        let id = draw_id(64);
        self.store.lock().bucket_mut(&input.bucket)?.uploads.insert(id.clone(), upload);
        let kind = if over_all { ChecksumType::FULL_OBJECT } else { ChecksumType::COMPOSITE };
        Ok(S3Response::new(CreateMultipartUploadOutput {
            checksum_type: input.checksum_algorithm.as_ref().map(|_| ChecksumType::from_static(kind)),
            checksum_algorithm: input.checksum_algorithm,
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    pub(super) async fn put_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let trailer = trailer(&req);
        let input = req.input;
        if !(1..=MAX_PART_NUMBER).contains(&input.part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
            ));
        }
        let checksums = claimed_checksums!(input);
        let algorithm = {
            let mut buckets = self.store.lock();
            let upload = find(&mut buckets.bucket_mut(&input.bucket)?.uploads, &input.upload_id, &input.key)?;
            let sent = checksums.named().into_iter().find_map(|(name, sum)| sum.map(|_| name.to_owned()));
            let trailed = || Some(trailer.as_deref()?.strip_prefix("x-amz-checksum-")?.to_owned());
            if let (Some(begun), Some(sent)) = (&upload.algorithm, sent.or_else(trailed))
                && *begun != sent
            {
                return Err(s3_error!(
                    InvalidRequest,
                    "Checksum Type mismatch occurred, expected checksum Type: {begun}, actual checksum Type: {sent}"
                ));
            }
            input.checksum_algorithm.or_else(|| Some(upload.algorithm.clone()?.to_ascii_uppercase().into()))
        };
        let claims = Claims {
            length: input.content_length,
            md5: input.content_md5,
            checksums,
            trailer,
            trailing: req.trailing_headers,
            algorithm,
        };
        let mut received = receive(self.store.blobs(), input.body, claims).await?;
        let etag = received.etag();
        let checksums = received.checksums.clone();
        let mut buckets = self.store.lock();
        // It may have been aborted while the part came in.
        let upload = find(&mut buckets.bucket_mut(&input.bucket)?.uploads, &input.upload_id, &input.key)?;
        let part = UploadedPart {
            md5: received.md5,
            size: received.size,
            modified: self.clock.now(),
            checksums: checksums.clone(),
            content: received.keep(),
        };
        if let Some(earlier) = upload.parts.insert(input.part_number, part) {
            earlier.content.discard();
        }
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(etag)),
            ..with_checksums!(UploadPartOutput, checksums)
        }))
    }

    pub(super) async fn complete_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let id = request_id(&req);
        let input = req.input;
        let listed = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let (parts, headers, algorithm, over_all) = {
            let mut buckets = self.store.lock();
            let upload = find(&mut buckets.bucket_mut(&input.bucket)?.uploads, &input.upload_id, &input.key)?;
            let parts = choose(upload, &listed)?;
            (parts, upload.headers.clone(), upload.algorithm.clone(), upload.over_all)
        };
        let size = parts.iter().map(|part| part.size).sum();
        if input.mpu_object_size.is_some_and(|expected| u64::try_from(expected) != Ok(size)) {
            return Err(s3_error!(
                InvalidRequest,
                "The provided 'x-amz-mp-object-size' header does not match."
            ));
        }
        let mut md5 = Md5::new();
        parts.iter().for_each(|part| md5.update(part.md5));
        let etag = format!("{}-{}", hex::encode(md5.finalize()), parts.len());
        // The object gets links of its own: the upload's end discards its parts.
        let joined = Content::join(parts.iter().map(|part| part.content.clone()));
        let checksums = match algorithm {
            None => Checksums::default(),
            Some(algorithm) if over_all => over_bytes(&joined, size, &algorithm).await?,
            Some(algorithm) => over_parts(&parts, &algorithm),
        };
        let content = self.store.blobs().copy(&joined).map_err(refuse::storage)?;
        let arrival = Arrival {
            bucket: &input.bucket,
            key: &input.key,
            request_id: &id,
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            etag: etag.clone(),
            size,
            headers,
            checksums: checksums.clone(),
            reason: "CompleteMultipartUpload",
        };
        let version = self.admit(arrival, content)?;
        self.store.lock().bucket_mut(&input.bucket)?.uploads.remove(&input.upload_id);
        let kind = checksums.kind();
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("http://cloud.local/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            version_id: version.id,
            checksum_type: kind,
            ..with_checksums!(CompleteMultipartUploadOutput, checksums)
        }))
    }

    pub(super) async fn abort_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        let mut buckets = self.store.lock();
        let uploads = &mut buckets.bucket_mut(&input.bucket)?.uploads;
        find(uploads, &input.upload_id, &input.key)?;
        uploads.remove(&input.upload_id);
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    pub(super) async fn parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let after: i32 = input.part_number_marker.unwrap_or_default();
        let limit = usize::try_from(input.max_parts.unwrap_or(1000))
            .map_err(|_| s3_error!(InvalidArgument, "Argument max-parts must be an integer of at least 0"))?
            .min(1000);
        let mut buckets = self.store.lock();
        let upload = find(&mut buckets.bucket_mut(&input.bucket)?.uploads, &input.upload_id, &input.key)?;
        let mut rest = upload.parts.range(after.saturating_add(1)..);
        let parts: Vec<Part> = rest
            .by_ref()
            .take(limit)
            .map(|(number, part)| Part {
                e_tag: Some(ETag::Strong(hex::encode(part.md5))),
                last_modified: Some(timestamp(part.modified)),
                part_number: Some(*number),
                size: i64::try_from(part.size).ok(),
                ..with_checksums!(Part, part.checksums.clone())
            })
            .collect();
        let truncated = rest.next().is_some();
        Ok(S3Response::new(ListPartsOutput {
            is_truncated: Some(truncated),
            next_part_number_marker: parts.last().and_then(|part| part.part_number),
            part_number_marker: Some(after),
            max_parts: i32::try_from(limit).ok(),
            parts: Some(parts),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            ..Default::default()
        }))
    }
}

fn find<'u>(uploads: &'u mut BTreeMap<String, Upload>, id: &str, key: &str) -> S3Result<&'u mut Upload> {
    uploads.get_mut(id).filter(|upload| upload.key == key).ok_or_else(refuse::no_such_upload)
}

/// The parts an object is completed from, if the list is one that S3 takes.
fn choose(upload: &Upload, listed: &[CompletedPart]) -> S3Result<Vec<UploadedPart>> {
    if listed.is_empty() {
        return Err(s3_error!(
            MalformedXML,
            "The XML you provided was not well-formed or did not validate against our published schema"
        ));
    }
    if !listed.is_sorted_by(|one, next| one.part_number < next.part_number) {
        return Err(s3_error!(
            InvalidPartOrder,
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        ));
    }
    let mut chosen = Vec::new();
    for (index, item) in listed.iter().enumerate() {
        let number = item.part_number.unwrap_or_default();
        let part = upload.parts.get(&number).filter(|part| {
            let etag = hex::encode(part.md5);
            // A part has no checksum to name when the upload was begun without one, whatever the part came with.
            let named = |name: &str| upload.algorithm.as_deref() == Some(name);
            item.e_tag.as_ref().is_none_or(|claim| claim.value() == etag)
                && claims(item)
                    .into_iter()
                    .zip(part.checksums.named())
                    .all(|(claim, (name, own))| claim.is_none_or(|claim| named(name) && Some(claim) == own))
        });
        let part = part.ok_or_else(|| {
            s3_error!(
                InvalidPart,
                "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
                 specified entity tag may not match the part's entity tag."
            )
        })?;
        if part.size < MIN_PART_BYTES && index + 1 < listed.len() {
            return Err(s3_error!(
                EntityTooSmall,
                "Your proposed upload is smaller than the minimum allowed size"
            ));
        }
        chosen.push(part.clone());
    }
    Ok(chosen)
}

/// In the order of [`Checksums::named`].
fn claims(part: &CompletedPart) -> [Option<&str>; 5] {
    [
        part.checksum_crc32.as_deref(),
        part.checksum_crc32c.as_deref(),
        part.checksum_crc64nvme.as_deref(),
        part.checksum_sha1.as_deref(),
        part.checksum_sha256.as_deref(),
    ]
}

/// The checksum of the parts' checksums, and their number behind it.
fn over_parts(parts: &[UploadedPart], algorithm: &str) -> Checksums {
    let mut hasher = ChecksumHasher::default();
    enable(&mut hasher, algorithm);
    for part in parts {
        let own = part.checksums.named().into_iter().find(|(name, _)| *name == algorithm);
        let bytes = own.and_then(|(_, text)| STANDARD.decode(text?).ok()).unwrap_or_default();
        hasher.update(&bytes);
    }
    let number = |text: Option<String>| Some(format!("{}-{}", text?, parts.len()));
    let plain = Checksums::from(hasher.finalize());
    Checksums {
        crc32: number(plain.crc32),
        crc32c: number(plain.crc32c),
        crc64nvme: number(plain.crc64nvme),
        sha1: number(plain.sha1),
        sha256: number(plain.sha256),
        composite: true,
    }
}

/// The checksum of the whole, read once more.
async fn over_bytes(content: &Content, size: u64, algorithm: &str) -> S3Result<Checksums> {
    let mut hasher = ChecksumHasher::default();
    enable(&mut hasher, algorithm);
    for piece in content.read(0..size) {
        hasher.update(&piece.map_err(refuse::storage)?);
        tokio::task::consume_budget().await;
    }
    Ok(hasher.finalize().into())
}
