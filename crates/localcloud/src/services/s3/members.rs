//! Members that many of the protocol's inputs and outputs have alike, without a type in common: each list of them is
//! written once, here, and is a macro for that reason.

/// The checksums that an input claims.
macro_rules! claimed_checksums {
    ($input:ident) => {
        $crate::services::s3::bucket::Checksums {
            crc32: $input.checksum_crc32,
            crc32c: $input.checksum_crc32c,
            crc64nvme: $input.checksum_crc64nvme,
            sha1: $input.checksum_sha1,
            sha256: $input.checksum_sha256,
            composite: false,
        }
    };
}

/// The headers that an input gives its object, as a result: metadata may be too large.
macro_rules! given_headers {
    ($input:ident) => {
        $crate::services::s3::headers::metadata($input.metadata).map(|metadata| {
            $crate::services::s3::bucket::Headers {
                content_type: $input.content_type,
                content_encoding: $crate::services::s3::headers::without_aws_chunked($input.content_encoding),
                content_disposition: $input.content_disposition,
                content_language: $input.content_language,
                cache_control: $input.cache_control,
                metadata,
            }
        })
    };
}

/// An output with these checksums and nothing else, to take the rest of an output from.
macro_rules! with_checksums {
    ($output:ident, $checksums:expr) => {{
        let checksums: $crate::services::s3::bucket::Checksums = $checksums;
        $output {
            checksum_crc32: checksums.crc32,
            checksum_crc32c: checksums.crc32c,
            checksum_crc64nvme: checksums.crc64nvme,
            checksum_sha1: checksums.sha1,
            checksum_sha256: checksums.sha256,
            ..Default::default()
        }
    }};
}

pub(super) use {claimed_checksums, given_headers, with_checksums};
