//! Grey pictures as PNG.

/// A PNG of 8-bit grey, rows from the top (`grey.len() == width * height`); empty for no pixels.
pub fn grey_png(width: usize, height: usize, grey: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing to memory fails only for a picture without pixels or of another size.
    let done = encoder.write_header().and_then(|mut w| w.write_image_data(grey));
    if done.is_err() {
        out.clear();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_and_no_picture() {
        assert!(grey_png(2, 1, &[0, 255]).starts_with(b"\x89PNG"));
        assert!(grey_png(0, 0, &[]).is_empty());
        assert!(grey_png(2, 2, &[1]).is_empty());
    }
}
