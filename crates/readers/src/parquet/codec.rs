//! Decompression of pages, never beyond the size that was accepted before.

use std::io::Read;

use ::parquet::basic::Compression;

/// The bytes of a page that are `size` when decompressed, or what is wrong with them.
pub(super) fn decompress(codec: Compression, bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    let out = match codec {
        Compression::UNCOMPRESSED => bytes.to_vec(),
        Compression::SNAPPY => {
            let claimed = snap::raw::decompress_len(bytes).map_err(|error| error.to_string())?;
            if claimed != size {
                return Err(format!("it claims to hold {claimed} bytes, and its page {size}"));
            }
            snap::raw::Decoder::new().decompress_vec(bytes).map_err(|error| error.to_string())?
        }
        Compression::GZIP(_) => read(flate2::read::MultiGzDecoder::new(bytes), size)?,
        Compression::BROTLI(_) => read(brotli_decompressor::Decompressor::new(bytes, 4_096), size)?,
        Compression::ZSTD(_) => zstd::bulk::decompress(bytes, size).map_err(|error| error.to_string())?,
        Compression::LZ4_RAW => lz4_block(bytes, size)?,
        Compression::LZ4 => lz4(bytes, size)?,
        other => return Err(format!("the compression {other} is not read")),
    };
    if out.len() == size {
        return Ok(out);
    }
    Err(format!("it holds {} bytes, and its page should have {size}", out.len()))
}

/// Everything that `from` gives, but not more than one byte too many.
fn read(from: impl Read, size: usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(size);
    from.take(size as u64 + 1).read_to_end(&mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

fn lz4_block(bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    lz4_flex::block::decompress(bytes, size).map_err(|error| error.to_string())
}

/// The old LZ4 was never specified. Most writers put blocks into Hadoop's frame: the size of what follows, decompressed
/// and compressed, as four bytes each, high byte first. Others wrote frames of LZ4, or bare blocks.
fn lz4(bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
    if let Some(out) = hadoop(bytes, size) {
        return Ok(out);
    }
    if bytes.starts_with(&[0x04, 0x22, 0x4d, 0x18]) {
        return read(lz4_flex::frame::FrameDecoder::new(bytes), size);
    }
    lz4_block(bytes, size)
}

fn hadoop(mut bytes: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(size);
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(8)?;
        let number = |at: usize| {
            let four = head.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_be_bytes(four)).ok()
        };
        let (decompressed, compressed) = (number(0)?, number(4)?);
        if out.len().checked_add(decompressed)? > size {
            return None;
        }
        let (block, rest) = rest.split_at_checked(compressed)?;
        let block = lz4_flex::block::decompress(block, decompressed).ok()?;
        (block.len() == decompressed).then_some(())?;
        out.extend_from_slice(&block);
        bytes = rest;
    }
    (out.len() == size).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_lz4_is_read_in_each_of_its_forms() {
        let bytes = b"north north north south".repeat(9);
        let block = lz4_flex::block::compress(&bytes);
        let mut hadoop = (bytes.len() as u32).to_be_bytes().to_vec();
        hadoop.extend((block.len() as u32).to_be_bytes());
        hadoop.extend(&block);
        let twice = [hadoop.clone(), hadoop.clone()].concat();
        for form in [&block, &hadoop] {
            assert_eq!(decompress(Compression::LZ4, form, bytes.len()).unwrap(), bytes);
        }
        assert_eq!(decompress(Compression::LZ4, &twice, 2 * bytes.len()).unwrap(), bytes.repeat(2));
        assert_eq!(decompress(Compression::LZ4_RAW, &block, bytes.len()).unwrap(), bytes);
        assert!(decompress(Compression::LZ4_RAW, &block, bytes.len() - 1).is_err());
        assert!(decompress(Compression::LZO, &block, bytes.len()).is_err());
    }
}
