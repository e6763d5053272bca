//! Taking in a body: storing and hashing it in one pass, and holding it against what the client said of it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::StreamExt as _;
use http::HeaderMap;
use md5::{Digest as _, Md5};
use s3s::{
    S3Error, S3Result, TrailingHeaders,
    checksum::ChecksumHasher,
    dto::{self, ChecksumAlgorithm, StreamingBlob},
    s3_error,
};

use super::{
    blob_store::{BlobStore, Content},
    bucket::Checksums,
    refuse,
};

/// What the client says of a body.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) length: Option<i64>,
    pub(super) md5: Option<String>,
    pub(super) checksums: Checksums,
    /// The header that names the checksums which follow the body.
    pub(super) trailer: Option<String>,
    pub(super) trailing: Option<TrailingHeaders>,
    /// The checksum wanted where none is sent.
    pub(super) algorithm: Option<ChecksumAlgorithm>,
}

/// A body taken in. Dropped without [`Received::keep`], it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Received {
    content: Option<Content>,
    pub(super) size: u64,
    pub(super) md5: [u8; 16],
    pub(super) checksums: Checksums,
}

impl Received {
    /// Its bytes, which the caller now answers for.
    pub(super) fn keep(&mut self) -> Content {
        self.content.take().unwrap_or_default()
    }

    pub(super) fn etag(&self) -> String {
        hex::encode(self.md5)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(content) = &self.content {
            content.discard();
        }
    }
}

/// Stores `body` in `blobs`, whole and as claimed, or refuses it.
pub(super) async fn receive(
    blobs: &BlobStore,
    body: Option<StreamingBlob>,
    claims: Claims,
) -> S3Result<Received> {
    let expected_md5 = claims.md5.as_deref().map(parse_md5).transpose()?;
    let mut hasher = hasher(&claims);
    let mut md5 = Md5::new();
    let mut writer = blobs.writer();
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(broke_off)?;
            md5.update(&piece);
            hasher.update(&piece);
            writer.write(&piece).map_err(refuse::storage)?;
            // A body that is always ready must not keep everything else waiting.
            tokio::task::consume_budget().await;
        }
    }
    let size = writer.size();
    match claims.length {
        None if size > 0 => {
            return Err(s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header."));
        }
        Some(length) if u64::try_from(length) != Ok(size) => {
            return Err(s3_error!(
                IncompleteBody,
                "You did not provide the number of bytes specified by the Content-Length HTTP header."
            ));
        }
        _ => {}
    }
    let md5: [u8; 16] = md5.finalize().into();
    if expected_md5.is_some_and(|expected| expected != md5) {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let computed = Checksums::from(hasher.finalize());
    let mut claimed = claims.checksums;
    if let Some(trailers) = claims.trailing.and_then(|trailing| trailing.take()) {
        claimed.add_headers(&trailers);
    }
    for ((name, claim), (_, own)) in claimed.named().into_iter().zip(computed.named()) {
        if claim.is_some() && claim != own {
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    let content = writer.finish().map_err(refuse::storage)?;
    Ok(Received { content: Some(content), size, md5, checksums: computed })
}

fn broke_off(error: s3s::StdError) -> S3Error {
    let mut api_error = s3_error!(IncompleteBody, "The request's body could not be read to its end: {error}");
    api_error.set_source(error);
    api_error
}

fn parse_md5(text: &str) -> S3Result<[u8; 16]> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
    bytes.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))
}

/// Hashes what the client sends or asks for; like S3, CRC-64/NVME where it does neither.
fn hasher(claims: &Claims) -> ChecksumHasher {
    let mut hasher = ChecksumHasher::default();
    let trailer = claims.trailer.as_deref().unwrap_or_default().to_ascii_lowercase();
    let algorithm = claims.algorithm.as_ref().map(ChecksumAlgorithm::as_str).unwrap_or_default();
    let wants = |name: &str, claim: &Option<String>| {
        let trails =
            trailer.split(',').any(|header| header.trim().strip_prefix("x-amz-checksum-") == Some(name));
        trails || claim.is_some() || algorithm.eq_ignore_ascii_case(name)
    };
    let claimed = &claims.checksums;
    let mut any = false;
    for (name, claim) in [
        ("crc32", &claimed.crc32),
        ("crc32c", &claimed.crc32c),
        ("crc64nvme", &claimed.crc64nvme),
        ("sha1", &claimed.sha1),
        ("sha256", &claimed.sha256),
    ] {
        if wants(name, claim) {
            any = true;
            enable(&mut hasher, name);
        }
    }
    if !any {
        enable(&mut hasher, "crc64nvme");
    }
    hasher
}

/// Adds an algorithm, by its name in headers, to a hasher.
pub(super) fn enable(hasher: &mut ChecksumHasher, name: &str) {
    match name {
        "crc32" => hasher.crc32 = Some(s3s::crypto::Crc32::default()),
        "crc32c" => hasher.crc32c = Some(s3s::crypto::Crc32c::default()),
        "crc64nvme" => hasher.crc64nvme = Some(s3s::crypto::Crc64Nvme::default()),
        "sha1" => hasher.sha1 = Some(s3s::crypto::Checksum::new()),
        "sha256" => hasher.sha256 = Some(s3s::crypto::Checksum::new()),
        _ => {}
    }
}

impl From<dto::Checksum> for Checksums {
    fn from(checksum: dto::Checksum) -> Self {
        Self {
            crc32: checksum.checksum_crc32,
            crc32c: checksum.checksum_crc32c,
            crc64nvme: checksum.checksum_crc64nvme,
            sha1: checksum.checksum_sha1,
            sha256: checksum.checksum_sha256,
            composite: false,
        }
    }
}

impl Checksums {
    /// Each with its name in headers.
    pub(super) fn named(&self) -> [(&'static str, Option<&str>); 5] {
        [
            ("crc32", self.crc32.as_deref()),
            ("crc32c", self.crc32c.as_deref()),
            ("crc64nvme", self.crc64nvme.as_deref()),
            ("sha1", self.sha1.as_deref()),
            ("sha256", self.sha256.as_deref()),
        ]
    }

    /// How answers call the way they were made.
    pub(super) fn kind(&self) -> Option<dto::ChecksumType> {
        let any = self.named().iter().any(|(_, value)| value.is_some());
        let kind = if self.composite { dto::ChecksumType::COMPOSITE } else { dto::ChecksumType::FULL_OBJECT };
        any.then(|| dto::ChecksumType::from_static(kind))
    }

    fn add_headers(&mut self, headers: &HeaderMap) {
        let get = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.crc32 = get("x-amz-checksum-crc32").or_else(|| self.crc32.take());
        self.crc32c = get("x-amz-checksum-crc32c").or_else(|| self.crc32c.take());
        self.crc64nvme = get("x-amz-checksum-crc64nvme").or_else(|| self.crc64nvme.take());
        self.sha1 = get("x-amz-checksum-sha1").or_else(|| self.sha1.take());
        self.sha256 = get("x-amz-checksum-sha256").or_else(|| self.sha256.take());
    }
}
