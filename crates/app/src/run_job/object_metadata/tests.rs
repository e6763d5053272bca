//! The pictures are built here byte by byte.

use domain::record::Value;

use super::*;

async fn metadata(bytes: &[u8]) -> Vec<(String, String)> {
    let record = ObjectMetadata::read(bytes).await.unwrap().record();
    let shown = |value: Value| match value {
        Value::Text(text) | Value::Number(text) => text,
        other => panic!("{other:?}"),
    };
    record.into_iter().map(|(name, value)| (name.to_string(), shown(value))).collect()
}

async fn fields(bytes: &[u8]) -> Vec<String> {
    let metadata = metadata(bytes).await.into_iter().filter(|(name, _)| name != "sha256");
    metadata.map(|(name, value)| format!("{name}={value}")).collect()
}

/// One entry of a TIFF directory: tag, type, values as bytes.
type Entry = (u16, u16, Vec<u8>);

fn ascii(tag: u16, text: &str) -> Entry {
    (tag, 2, format!("{text}\0").into_bytes())
}

fn rationals(tag: u16, values: &[(u32, u32)]) -> Entry {
    (tag, 5, values.iter().flat_map(|(n, d)| [n.to_be_bytes(), d.to_be_bytes()].concat()).collect())
}

/// A directory at this offset; values longer than four bytes follow it.
fn directory(at: usize, entries: &[Entry]) -> Vec<u8> {
    let mut table = u16::try_from(entries.len()).unwrap().to_be_bytes().to_vec();
    let (mut values, values_at) = (Vec::<u8>::new(), at + 2 + entries.len() * 12 + 4);
    for (tag, kind, bytes) in entries {
        let size = [1, 1, 1, 2, 4, 8][usize::from(*kind)];
        table.extend(tag.to_be_bytes());
        table.extend(kind.to_be_bytes());
        table.extend(u32::try_from(bytes.len() / size).unwrap().to_be_bytes());
        if bytes.len() <= 4 {
            let mut inline = bytes.clone();
            inline.resize(4, 0);
            table.extend(inline);
        } else {
            table.extend(u32::try_from(values_at + values.len()).unwrap().to_be_bytes());
            values.extend(bytes);
        }
    }
    table.extend([0; 4]);
    table.extend(values);
    table
}

/// A TIFF block as EXIF has it: the main directory, which leads to those of the camera and of the place.
fn exif(main: Vec<Entry>, camera: &[Entry], place: &[Entry]) -> Vec<u8> {
    let with = |at: usize, to: usize| {
        let pointer = |tag, to: usize| (tag, 4, u32::try_from(to).unwrap().to_be_bytes().to_vec());
        let mut main = main.clone();
        main.extend([pointer(0x8769, at), pointer(0x8825, to)]);
        directory(8, &main)
    };
    let camera_at = 8 + with(0, 0).len();
    let camera = directory(camera_at, camera);
    let place_at = camera_at + camera.len();
    let mut block = b"MM\0*\0\0\0\x08".to_vec();
    block.extend(with(camera_at, place_at));
    block.extend(camera);
    block.extend(directory(place_at, place));
    block
}

/// A JPEG with this EXIF block, 640 by 480.
fn jpeg(block: &[u8]) -> Vec<u8> {
    let segment = |marker: u8, bytes: &[u8]| {
        let length = u16::try_from(bytes.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], bytes].concat()
    };
    let frame = [8, 0x01, 0xe0, 0x02, 0x80, 1, 1, 0x11, 0];
    let application = segment(0xe1, &[b"Exif\0\0", block].concat());
    [&[0xff, 0xd8][..], &application, &segment(0xc0, &frame), &[0xff, 0xd9]].concat()
}

fn photograph() -> Vec<u8> {
    jpeg(&exif(
        vec![ascii(0x010f, "Acme"), ascii(0x0110, "Acme X100\x07"), (0x0112, 3, vec![0, 6])],
        &[ascii(0x9003, "2024:05:01 12:30:59"), ascii(0x9011, "+02:00")],
        &[
            ascii(1, "S"),
            rationals(2, &[(33, 1), (51, 1), (31_25, 100)]),
            ascii(3, "E"),
            rationals(4, &[(151, 1), (12, 1), (0, 1)]),
        ],
    ))
}

#[tokio::test]
async fn a_photograph_has_the_fields_of_its_camera() {
    let bytes = photograph();
    assert_eq!(
        fields(&bytes).await,
        [
            &format!("size={}", bytes.len()),
            "content_type=image/jpeg",
            "image_format=jpeg",
            "width=640",
            "height=480",
            "taken_at=2024-05-01T12:30:59+02:00",
            "camera=Acme X100",
            "orientation=6",
            "latitude=-33.858681",
            "longitude=151.200000",
        ]
    );
}

#[tokio::test]
async fn an_invalid_exif_field_is_left_out_and_hides_no_other() {
    let bytes = jpeg(&exif(
        vec![ascii(0x010f, "Acme"), ascii(0x0110, "X1"), (0x0112, 3, vec![0, 9])],
        &[ascii(0x9003, "0000:00:00 00:00:00"), ascii(0x9011, "+2")],
        &[
            ascii(1, "N"),
            rationals(2, &[(91, 1), (0, 1), (0, 1)]),
            ascii(3, "E"),
            rationals(4, &[(1, 0), (0, 1), (0, 1)]),
        ],
    ));
    let fields = fields(&bytes).await;
    assert_eq!(fields[3..], ["width=640", "height=480", "camera=Acme X1"]);
}

#[tokio::test]
async fn a_broken_picture_keeps_the_fields_that_can_be_read() {
    let whole = photograph();
    for cut in 0..whole.len() {
        let fields = fields(&whole[..cut]).await;
        assert_eq!(fields[0], format!("size={cut}"), "{fields:?}");
    }
    let mut generator = fastrand::Rng::with_seed(1);
    for _ in 0..2_000 {
        let mut broken = whole.clone();
        for _ in 0..generator.usize(1..20) {
            let at = generator.usize(3..broken.len());
            broken[at] = generator.u8(..);
        }
        assert_eq!(fields(&broken).await[1], "content_type=image/jpeg");
    }
}

#[tokio::test]
async fn the_content_type_is_detected_from_the_bytes() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\0\0\0\x03\0\x08\x02\0\0\0";
    assert_eq!(
        fields(png).await[1..],
        ["content_type=image/png", "image_format=png", "width=1024", "height=768"]
    );
    let of = async |bytes: &[u8]| fields(bytes).await[1].clone();
    assert_eq!(of(b"%PDF-1.7\n").await, "content_type=application/pdf");
    assert_eq!(of(b"\x1f\x8b\x08\0").await, "content_type=application/gzip");
    assert_eq!(of("a,b\n1,\u{e9}\n".as_bytes()).await, "content_type=text/plain");
    assert_eq!(of(b"a\0b").await, "content_type=application/octet-stream");
    assert_eq!(of(b"caf\xe9").await, "content_type=application/octet-stream");
    let cut = "\u{20ac}".repeat(HEADER_BYTES);
    assert_eq!(of(cut.as_bytes()).await, "content_type=text/plain", "the held bytes end within a character");
}

#[tokio::test]
async fn empty_objects_and_objects_larger_than_the_held_bytes_have_metadata() {
    assert_eq!(
        metadata(b"").await,
        [
            ("size", "0"),
            ("content_type", "application/octet-stream"),
            ("sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    let large = metadata(&vec![b'a'; 3_000_000]).await;
    assert_eq!(large[0].1, "3000000");
    // The output of head -c 3000000 /dev/zero | tr '\0' a | sha256sum
    assert_eq!(large[2].1, LARGE);
}

const LARGE: &str = "2a152c894398719c0570f83fac34ac03a0f6e8e474b995c2403aa5434f7b9dd4";
