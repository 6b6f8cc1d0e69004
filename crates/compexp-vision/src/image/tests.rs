//! Images of every format: whole, cut off, absurdly large, and turned.

use image::ImageEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, Frame, RgbaImage};

use super::*;
use crate::photo::Photo;

fn png(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![1, 2, 3, 40, 50, 60]);
    }
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

fn decode(bytes: &[u8]) -> Result<Image> {
    Image::decode(bytes, Path::new("photo"))
}

#[test]
fn every_kind_of_png_becomes_rgb() {
    use png::{BitDepth::*, ColorType::*};
    let cases: [(&str, Vec<u8>, &[u8]); 7] = [
        ("rgb", png(2, 1, Rgb, Eight, &[1, 2, 3, 4, 5, 6]), &[1, 2, 3, 4, 5, 6]),
        ("rgba", png(2, 1, Rgba, Eight, &[1, 2, 3, 0, 4, 5, 6, 255]), &[1, 2, 3, 4, 5, 6]),
        ("grey", png(2, 1, Grayscale, Eight, &[7, 9]), &[7, 7, 7, 9, 9, 9]),
        ("grey and alpha", png(2, 1, GrayscaleAlpha, Eight, &[7, 0, 9, 255]), &[7, 7, 7, 9, 9, 9]),
        ("one bit", png(2, 1, Grayscale, One, &[0b0100_0000]), &[0, 0, 0, 255, 255, 255]),
        ("palette", png(2, 1, Indexed, Eight, &[1, 0]), &[40, 50, 60, 1, 2, 3]),
        ("16 bits", png(1, 1, Rgb, Sixteen, &[1, 255, 2, 255, 3, 0]), &[1, 2, 3]),
    ];
    for (name, bytes, expected) in cases {
        let image = decode(&bytes).unwrap();
        assert_eq!(image.rgb, expected, "{name}");
        assert_eq!(image.width * image.height * 3, expected.len(), "{name}");
    }
}

#[test]
fn absurd_sizes_are_refused_from_the_header() {
    let mut bytes = png(1, 1, png::ColorType::Grayscale, png::BitDepth::Eight, &[0]);
    bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]); // 65536 x 65536
    let crc = crc(&bytes[12..29]).to_be_bytes();
    bytes[29..33].copy_from_slice(&crc);
    let message = decode(&bytes).unwrap_err().to_string();
    assert!(message.starts_with("`photo`: image size: found 65536 x 65536, expected 1 to 16384"), "{message}");

    bytes[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]); // 8192 x 8192
    let crc = self::crc(&bytes[12..29]).to_be_bytes();
    bytes[29..33].copy_from_slice(&crc);
    let message = decode(&bytes).unwrap_err().to_string();
    assert!(message.contains("found 8192 x 8192, expected 1 to 16384 pixels a side and at most 25165824"), "{message}");

    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 0xff, 0xff, 0xff, 0xff, 3];
    jpeg.extend([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    jpeg.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0, 0xff, 0xd9]);
    let message = decode(&jpeg).unwrap_err().to_string();
    assert!(message.contains("image size: found 65535 x 65535"), "{message}");
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}

#[test]
fn what_is_no_image_is_named() {
    for bytes in [&b""[..], b"GIF89a", &[0xff, 0xd8], &[0xff, 0xd8, 0xff], b"\x89PNG\r\n\x1a\n"] {
        let error = decode(bytes).unwrap_err();
        assert!(matches!(&error, Error::File(compexp_files::Error::Format { .. })), "{error}");
        assert!(error.to_string().starts_with("`photo`: "), "{error}");
    }
    let whole = png(64, 64, png::ColorType::Rgb, png::BitDepth::Eight, &[5; 64 * 64 * 3]);
    for end in [20, whole.len() / 2, whole.len() - 16] {
        assert!(matches!(decode(&whole[..end]), Err(Error::File(compexp_files::Error::Format { .. }))), "cut at {end}");
    }
    for kind in [false, true] {
        let mut jpeg = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
        encoder.set_progressive(kind);
        encoder.set_restart_interval(if kind { 0 } else { 4 });
        let pixels: Vec<u8> = (0..64 * 64 * 3_u32).map(|i| (i * i % 251) as u8).collect();
        encoder.encode(&pixels, 64, 64, jpeg_encoder::ColorType::Rgb).unwrap();
        decode(&jpeg).unwrap();
        for end in [jpeg.len() / 3, jpeg.len() / 2, jpeg.len() - 2, jpeg.len() - 1] {
            let e = decode(&jpeg[..end]).unwrap_err().to_string();
            assert!(e.starts_with("`photo`: JPEG: found "), "cut at {end}: {e}");
        }
        // What stands behind the end is not looked at.
        decode(&[&jpeg[..], b"more"].concat()).unwrap();
    }
    assert!(matches!(
        Image::read(Path::new("no such file")),
        Err(Error::File(compexp_files::Error::Io { op: "open", .. }))
    ));
}

/// The rows and columns of the picture that the tests turn. No turn of it equals another.
const SIZE: (usize, usize) = (2, 3);

/// Its pixels.
fn pixels() -> Vec<u8> {
    (0..18).map(|i| 13 * i + 5).collect()
}

/// An Exif block with an orientation tag, in either order of bytes.
pub(crate) fn exif(orientation: u16, little: bool) -> Vec<u8> {
    let two = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
    let four = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
    let mut bytes = if little { b"II".to_vec() } else { b"MM".to_vec() };
    bytes.extend(two(42));
    bytes.extend(four(8));
    bytes.extend(two(1)); // one entry
    bytes.extend([two(0x0112), two(3)].concat());
    bytes.extend(four(1));
    bytes.extend([two(orientation), two(0)].concat());
    bytes.extend(four(0)); // no other directory
    bytes
}

/// A PNG of these pixels with an Exif block.
pub(crate) fn tagged_png((height, width): (usize, usize), rgb: &[u8], exif: Vec<u8>) -> Vec<u8> {
    let mut info = png::Info::with_size(width as u32, height as u32);
    info.color_type = png::ColorType::Rgb;
    info.exif_metadata = Some(exif.into());
    let mut bytes = Vec::new();
    let encoder = png::Encoder::with_info(&mut bytes, info).unwrap();
    encoder.write_header().unwrap().write_image_data(rgb).unwrap();
    bytes
}

/// A JPEG of these pixels with an Exif block.
pub(crate) fn tagged_jpeg((height, width): (usize, usize), rgb: &[u8], exif: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let encoder = jpeg_encoder::Encoder::new(&mut plain, 100);
    encoder.encode(rgb, width as u16, height as u16, jpeg_encoder::ColorType::Rgb).unwrap();
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend((exif.len() as u16 + 8).to_be_bytes());
    bytes.extend(b"Exif\0\0");
    bytes.extend(exif);
    bytes.extend(&plain[2..]);
    bytes
}

fn tagged_webp((height, width): (usize, usize), rgb: &[u8], exif: Vec<u8>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.write_image(rgb, width as u32, height as u32, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A TIFF of these pixels, written by hand: header, directory, depths of samples, pixels.
fn tiff((height, width): (u32, u32), rgb: &[u8], orientation: u32) -> Vec<u8> {
    let entries: [(u16, u16, u32, u32); 10] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, 134), // 8 bits each
        (259, 3, 1, 1),   // not compressed
        (262, 3, 1, 2),   // RGB
        (273, 4, 1, 140),
        (274, 3, 1, orientation),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 1, rgb.len() as u32),
    ];
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, n, value) in entries {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([n.to_le_bytes(), value.to_le_bytes()].concat());
    }
    bytes.extend(0_u32.to_le_bytes());
    assert_eq!(bytes.len(), 134);
    bytes.extend([8, 0, 8, 0, 8, 0]);
    bytes.extend(rgb);
    bytes
}

/// A BMP of these pixels, written by hand: rows from the bottom, blue first, each of a multiple of four bytes.
fn bmp((height, width): (usize, usize), rgb: &[u8]) -> Vec<u8> {
    let row = (3 * width).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    for value in [54 + row * height, 0, 54, 40, width, height] {
        bytes.extend((value as u32).to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    for value in [0, row * height, 2835, 2835, 0, 0] {
        bytes.extend((value as u32).to_le_bytes());
    }
    for line in rgb.chunks_exact(3 * width).rev() {
        bytes.extend(line.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]]));
        bytes.resize(bytes.len() + row - 3 * width, 0);
    }
    bytes
}

/// A GIF of these frames.
fn gif((height, width): (usize, usize), frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for rgb in frames {
        let rgba = rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
        encoder.encode_frame(Frame::new(RgbaImage::from_raw(width as u32, height as u32, rgba).unwrap())).unwrap();
    }
    drop(encoder);
    bytes
}

/// Where the pixel at a row and a column of the upright picture is stored, as the Exif standard says where the first row and the
/// first column are seen.
fn stored_at(orientation: u16, (y, x): (usize, usize), (height, width): (usize, usize)) -> (usize, usize) {
    let (bottom, right) = (height - 1, width - 1);
    match orientation {
        1 => (y, x),
        2 => (y, right - x),
        3 => (bottom - y, right - x),
        4 => (bottom - y, x),
        5 => (x, y),
        6 => (bottom - x, y),
        7 => (bottom - x, right - y),
        8 => (x, right - y),
        _ => panic!(),
    }
}

#[test]
fn all_orientations_move_every_pixel_where_the_standard_says() {
    let rgb = pixels();
    for orientation in 1..=8_u16 {
        for (name, bytes) in [
            ("PNG", tagged_png(SIZE, &rgb, exif(orientation, true))),
            ("PNG, big-endian", tagged_png(SIZE, &rgb, exif(orientation, false))),
            ("JPEG", tagged_jpeg(SIZE, &rgb, &exif(orientation, true))),
            ("JPEG, big-endian", tagged_jpeg(SIZE, &rgb, &exif(orientation, false))),
            ("WebP", tagged_webp(SIZE, &rgb, exif(orientation, true))),
            ("TIFF", tiff((2, 3), &rgb, orientation.into())),
        ] {
            let name = format!("{name}, orientation {orientation}");
            let stored = Photo::stored("photo").decode(&bytes).unwrap();
            assert_eq!((stored.height, stored.width), SIZE, "{name}");
            assert!(name.starts_with("JPEG") || stored.rgb == rgb, "{name}: {:?}", stored.rgb);
            let upright = Photo::upright("photo").decode(&bytes).unwrap();
            let header = Header::decode(&bytes, Path::new("photo")).unwrap();
            assert_eq!(header.stored(), SIZE, "{name}");
            let size = if orientation > 4 { (3, 2) } else { (2, 3) };
            assert_eq!(((upright.height, upright.width), header.upright()), (size, size), "{name}");
            for (at, pixel) in upright.rgb.chunks_exact(3).enumerate() {
                let (y, x) = stored_at(orientation, (at / size.1, at % size.1), SIZE);
                assert_eq!(pixel, &stored.rgb[3 * (y * SIZE.1 + x)..][..3], "{name}: pixel {at}");
            }
        }
    }
}

#[test]
fn a_damaged_orientation_tag_is_as_none() {
    let good = exif(6, true);
    let mut far = good.clone();
    far[4..8].copy_from_slice(&9999_u32.to_le_bytes());
    let mut text = good.clone();
    text[12] = 2; // a text, no number
    let blocks = [
        ("empty", vec![]),
        ("cut off in the header", good[..7].to_vec()),
        ("cut off in the entry", good[..15].to_vec()),
        ("of another kind", [b"XX".to_vec(), good[2..].to_vec()].concat()),
        ("a directory elsewhere", far),
        ("orientation 0", exif(0, true)),
        ("orientation 9", exif(9, false)),
        ("orientation 65535", exif(65535, true)),
        ("a text", text),
    ];
    for (name, block) in blocks {
        for bytes in [tagged_png(SIZE, &pixels(), block.clone()), tagged_jpeg(SIZE, &pixels(), &block)] {
            let upright = Photo::upright("photo").decode(&bytes).unwrap();
            assert_eq!(upright, Photo::stored("photo").decode(&bytes).unwrap(), "{name}");
        }
    }
    let upright = Photo::upright("photo").decode(&tiff((2, 3), &pixels(), 9)).unwrap();
    assert_eq!(upright.rgb, pixels());
}

#[test]
fn the_stated_size_says_whether_a_photograph_is_turned() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    let of = |orientation: u16, stored: (usize, usize), stated: (usize, usize)| {
        let rgb = vec![7; 3 * stored.0 * stored.1];
        std::fs::write(&path, tagged_png(stored, &rgb, exif(orientation, true))).unwrap();
        Photo::of_size(&path, stated, "as stated").map(|photo| photo.upright).map_err(|e| e.to_string())
    };
    for orientation in 1..=8 {
        assert_eq!(of(orientation, (2, 3), (2, 3)), Ok(false), "the stored size, {orientation}");
        assert_eq!(of(orientation, (3, 3), (3, 3)), Ok(false), "a square, {orientation}");
        let turned = of(orientation, (2, 3), (3, 2));
        match orientation {
            5.. => assert_eq!(turned, Ok(true), "{orientation}"),
            _ => assert!(turned.unwrap_err().contains("a.png`: size: found 2 x 3"), "{orientation}"),
        }
        assert!(of(orientation, (2, 3), (4, 6)).unwrap_err().contains("expected 4 x 6, as stated"), "{orientation}");
    }
}

#[test]
fn other_formats_have_the_same_pixels() {
    let rgb = pixels();
    let other: Vec<u8> = rgb.iter().map(|v| 255 - v).collect();
    let small = (1, 1);
    let mut sixteen = Cursor::new(Vec::new());
    let samples: Vec<u8> = [0x12ff_u16, 0x3400, 0x5680].into_iter().flat_map(u16::to_ne_bytes).collect();
    TiffEncoder::new(&mut sixteen).write_image(&samples, 1, 1, ExtendedColorType::Rgb16).unwrap();
    let mut grey = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut grey);
    encoder.write_image(&[1, 2, 3, 0, 4, 5, 6, 255], 2, 1, ExtendedColorType::Rgba8).unwrap();
    for (name, bytes, size, expected) in [
        ("BMP", bmp(SIZE, &rgb), SIZE, &rgb[..]),
        ("GIF", gif(SIZE, &[&rgb]), SIZE, &rgb),
        ("GIF of two frames", gif(SIZE, &[&rgb, &other]), SIZE, &rgb),
        ("TIFF", tiff((2, 3), &rgb, 1), SIZE, &rgb),
        ("TIFF of 16 bits", sixteen.into_inner(), small, &[0x12, 0x34, 0x56]),
        ("WebP", tagged_webp(SIZE, &rgb, exif(1, true)), SIZE, &rgb),
        ("WebP with alpha", grey, (1, 2), &[1, 2, 3, 4, 5, 6]),
    ] {
        let image = decode(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(((image.height, image.width), &image.rgb[..]), (size, expected), "{name}");
    }
    let mut floats = Cursor::new(Vec::new());
    let samples: Vec<u8> = [0.5_f32, f32::NAN, 1e30].into_iter().flat_map(f32::to_ne_bytes).collect();
    TiffEncoder::new(&mut floats).write_image(&samples, 1, 1, ExtendedColorType::Rgb32F).unwrap();
    let e = decode(&floats.into_inner()).unwrap_err().to_string();
    assert!(e.contains("`photo`: TIFF: found pixels of type Rgb32F, expected samples of at most 16 bits"), "{e}");
}

#[test]
fn files_of_other_formats_that_are_cut_off_are_refused() {
    let rgb: Vec<u8> = (0..40 * 50 * 3_u32).map(|i| (i * i % 17) as u8).collect();
    let size = (40, 50);
    let whole = gif(size, &[&rgb]);
    // Behind the first frame's pixels come the end of its blocks and that of the file.
    let last = whole.len() - 3;
    for (name, bytes, last) in [
        ("BMP", bmp(size, &rgb), usize::MAX),
        ("TIFF", tiff((40, 50), &rgb, 6), usize::MAX),
        ("WebP", tagged_webp(size, &rgb, exif(6, true)), usize::MAX),
        ("GIF", whole, last),
    ] {
        assert_eq!(decode(&bytes).unwrap().rgb.len(), rgb.len(), "{name}");
        for end in (0..bytes.len().min(last)).step_by(7).chain([bytes.len().min(last) - 1]) {
            let error = decode(&bytes[..end]).map(|_| ()).unwrap_err();
            assert!(matches!(&error, Error::File(compexp_files::Error::Format { .. })), "{name} cut at {end}: {error}");
            assert!(error.to_string().starts_with("`photo`: "), "{error}");
        }
    }
}

#[test]
fn absurd_sizes_of_other_formats_are_refused_from_the_header() {
    let huge = |mut bytes: Vec<u8>, at: usize, value: &[u8]| {
        bytes[at..at + value.len()].copy_from_slice(value);
        bytes
    };
    let size = [0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0];
    // Width and height less one in 14 bits each, behind the byte that begins a lossless picture.
    let webp = {
        let mut bytes = Vec::new();
        WebPEncoder::new_lossless(&mut bytes).write_image(&[0; 3], 1, 1, ExtendedColorType::Rgb8).unwrap();
        let at = 1 + bytes.iter().position(|b| *b == 0x2f).unwrap();
        huge(bytes, at, &[0xfe, 0xbf, 0xff, 0x0f])
    };
    for (name, bytes, found) in [
        ("BMP", huge(bmp((1, 1), &[0; 3]), 18, &size), "65535 x 65535"),
        ("GIF", huge(gif((1, 1), &[&[0; 3]]), 6, &[0xff, 0xff, 0xff, 0xff]), "65535 x 65535"),
        ("TIFF", tiff((1 << 30, 1 << 30), &[0; 3], 1), "1073741824 x 1073741824"),
        ("WebP", webp, "16383 x 16383"),
    ] {
        let e = decode(&bytes).unwrap_err().to_string();
        assert!(e.starts_with(&format!("`photo`: image size: found {found}, expected 1 to 16384")), "{name}: {e}");
    }
    // A frame far larger than the screen that it is shown on.
    let whole = gif((1, 1), &[&[0; 3]]);
    let at = whole.iter().position(|b| *b == b',').unwrap();
    let e = decode(&huge(whole, at + 5, &[0xff, 0xff, 0xff, 0xff])).unwrap_err().to_string();
    assert!(e.starts_with("`photo`: GIF: found "), "{e}");
}
