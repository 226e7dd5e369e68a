//! An image as a grey picture that a page can show.
//!
//! - input: image (any unit), greatest size of the picture's longer side
//! - output: 8-bit grey, binned by a whole number; y grows upwards, so the picture's first row is the
//!   image's last
//! - the stretch is asinh between the sky less two of its sigmas and the 99.7th percentile, after
//!   Lupton et al. 2004, doi:10.1086/382245; NaN is black

use elqui_image::Image;

/// A grey picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    pub width: usize,
    pub height: usize,
    /// Pixels of the image in one of the picture, along a side.
    pub binning: usize,
    /// Rows from the top.
    pub grey: Vec<u8>,
}

impl Preview {
    pub fn png(&self) -> Vec<u8> {
        crate::grey_png(self.width, self.height, &self.grey)
    }
}

/// The whole number by which an image is binned to have no side longer than `size_max`.
pub fn binning(image: &Image<f32>, size_max: usize) -> usize {
    image.width().max(image.height()).div_ceil(size_max.max(1)).max(1)
}

/// Means of `step` x `step` pixels, of those that are finite; NaN where none is. Incomplete bins at
/// the far edges count.
pub fn binned(image: &Image<f32>, step: usize) -> Image<f32> {
    let (w, h) = (image.width(), image.height());
    let (width, height) = (w.div_ceil(step), h.div_ceil(step));
    let mut out = Image::filled(width, height, f32::NAN);
    for j in 0..height {
        for i in 0..width {
            let (mut sum, mut n) = (0.0f64, 0u32);
            for y in j * step..((j + 1) * step).min(h) {
                for &v in &image.row(y)[i * step..((i + 1) * step).min(w)] {
                    if v.is_finite() {
                        sum += f64::from(v);
                        n += 1;
                    }
                }
            }
            if n > 0 {
                out.set(i, j, (sum / f64::from(n)) as f32);
            }
        }
    }
    out
}

/// Bin and stretch an image.
pub fn preview(image: &Image<f32>, size_max: usize) -> Preview {
    let binning = binning(image, size_max);
    let small = binned(image, binning);
    let (width, height) = (small.width(), small.height());
    let means: Vec<f32> = (0..height).rev().flat_map(|y| small.row(y).iter().copied()).collect();
    let mut sorted: Vec<f32> = means.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f32::total_cmp);
    let quantile = |q: f64| match sorted.len() {
        0 => 0.0,
        n => f64::from(sorted[((n - 1) as f64 * q) as usize]),
    };
    let sky = quantile(0.5);
    // The 16th percentile of a Gaussian lies one sigma below its median.
    let sigma = ((sky - quantile(0.16)).max(0.0)).max(1e-6 * sky.abs()).max(1e-12);
    let low = sky - 2.0 * sigma;
    let high = quantile(0.997).max(sky + 10.0 * sigma);
    let soft = 3.0 * sigma;
    let top = ((high - low) / soft).asinh();
    let grey = means
        .iter()
        .map(|v| {
            let t = ((f64::from(*v) - low) / soft).asinh() / top;
            if t.is_nan() { 0 } else { (t.clamp(0.0, 1.0) * 255.0).round() as u8 }
        })
        .collect();
    Preview { width, height, binning, grey }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_is_up_and_nan_is_black() {
        let mut image = Image::filled(50, 30, 10.0f32);
        image.set(0, 29, 1000.0);
        image.set(10, 0, f32::NAN);
        let p = preview(&image, 50);
        assert_eq!((p.width, p.height, p.binning), (50, 30, 1));
        assert_eq!(p.grey[0], 255);
        assert_eq!(p.grey[29 * 50 + 10], 0);
        let p = preview(&image, 20);
        assert_eq!((p.width, p.height, p.binning), (17, 10, 3));
        let nothing = preview(&Image::filled(4, 4, f32::NAN), 10);
        assert!(nothing.grey.iter().all(|g| *g == 0));
    }
}
