//! A grey picture of 8 bits as PNG.
//!
//! - source: PNG specification (ISO/IEC 15948), filter type 1 (sub)
//! - differs from general encoders: grey of 8 bits only, one IDAT chunk

use flate2::Compression;
use flate2::Crc;
use flate2::write::ZlibEncoder;
use std::io::Write;

/// Encode `pixels` (rows from the top, `width * height` of them). Missing pixels are black.
pub fn grey_png(width: usize, height: usize, pixels: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity((width + 1) * height);
    for y in 0..height {
        lines.push(1);
        let mut left = 0u8;
        for x in 0..width {
            let value = pixels.get(y * width + x).copied().unwrap_or(0);
            lines.push(value.wrapping_sub(left));
            left = value;
        }
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(6));
    // Writing to memory does not fail.
    let _ = encoder.write_all(&lines);
    let data = encoder.finish().unwrap_or_default();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    chunk(&mut out, b"IHDR", &header);
    chunk(&mut out, b"IDAT", &data);
    chunk(&mut out, b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    out.extend(kind);
    out.extend(data);
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    out.extend(crc.sum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_its_chunks() {
        let png = grey_png(3, 2, &[0, 1, 2, 253, 254, 255]);
        assert!(png.starts_with(b"\x89PNG"));
        assert_eq!(&png[16..24], &[0, 0, 0, 3, 0, 0, 0, 2]);
        // The checksum of an empty IEND is fixed by the standard.
        assert!(png.ends_with(&[0xae, 0x42, 0x60, 0x82]));
    }
}
