//! Sums in circular apertures, with the exact overlap of circle and pixel.

use crate::image::Image;
use crate::mask::Mask;

/// Area that the circle of radius `r` about the origin shares with the unit pixel centred at (dx, dy).
///
/// Exact: the integral of the circle over a quadrant's rectangle, signed over the pixel's corners.
pub fn circle_overlap(dx: f64, dy: f64, r: f64) -> f64 {
    let d2 = dx * dx + dy * dy;
    // Quick answers when the pixel's far or near corner decides.
    let half_diagonal = std::f64::consts::FRAC_1_SQRT_2;
    if r > half_diagonal && d2 <= (r - half_diagonal) * (r - half_diagonal) {
        return 1.0;
    }
    if d2 >= (r + half_diagonal) * (r + half_diagonal) {
        return 0.0;
    }
    let (x1, x2, y1, y2) = (dx - 0.5, dx + 0.5, dy - 0.5, dy + 0.5);
    let f = |x: f64, y: f64| quadrant(x.abs(), y.abs(), r) * x.signum() * y.signum();
    (f(x2, y2) - f(x1, y2) - f(x2, y1) + f(x1, y1)).clamp(0.0, 1.0)
}

/// Area of the circle inside `[0, x] x [0, y]`.
fn quadrant(x: f64, y: f64, r: f64) -> f64 {
    let (x, y) = (x.min(r), y.min(r));
    let flat = (r * r - y * y).max(0.0).sqrt();
    if flat >= x {
        return x * y;
    }
    let arc =
        |t: f64| 0.5 * (t * (r * r - t * t).max(0.0).sqrt() + r * r * (t / r).min(1.0).asin());
    y * flat + arc(x) - arc(flat)
}

/// A sum over an aperture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApertureSum {
    /// Sum of image, adu (of the usable pixels).
    pub flux: f64,
    /// Variance of the sum, adu^2.
    pub variance: f64,
    /// Usable area, pixels.
    pub area: f64,
    /// Part of the aperture's area that is outside the image or masked, pixels.
    pub area_lost: f64,
}

/// Sum of `image` and `variance` in the circle of radius `r` pixels about (x, y). Pixels whose mask
/// has a bit of `reject` are left out and counted in `area_lost`.
pub fn aperture_sum(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    reject: u32,
    (x, y): (f64, f64),
    r: f64,
) -> ApertureSum {
    let mut out = ApertureSum { flux: 0.0, variance: 0.0, area: 0.0, area_lost: 0.0 };
    if !(x.is_finite() && y.is_finite() && r > 0.0 && r.is_finite()) {
        return ApertureSum { flux: f64::NAN, variance: f64::NAN, area: 0.0, area_lost: f64::NAN };
    }
    let total = std::f64::consts::PI * r * r;
    let y_range = ((y - r).round().max(0.0), (y + r).round().min(image.height() as f64 - 1.0));
    let x_range = ((x - r).round().max(0.0), (x + r).round().min(image.width() as f64 - 1.0));
    if y_range.0 > y_range.1 || x_range.0 > x_range.1 {
        return ApertureSum { area_lost: total, ..out };
    }
    for j in y_range.0 as usize..=y_range.1 as usize {
        let (row, var, bits) = (image.row(j), variance.row(j), mask.row(j));
        for i in x_range.0 as usize..=x_range.1 as usize {
            let w = circle_overlap(i as f64 - x, j as f64 - y, r);
            if w > 0.0 && bits[i] & reject == 0 {
                out.flux += w * f64::from(row[i]);
                out.variance += w * w * f64::from(var[i]);
                out.area += w;
            }
        }
    }
    out.area_lost = (total - out.area).max(0.0);
    if out.area_lost < 1e-9 * total {
        out.area_lost = 0.0;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_exact() {
        for (x, y, r) in
            [(20.0, 20.0, 0.3), (20.3, 19.8, 1.0), (20.5, 20.5, 6.0), (19.9, 20.1, 12.7)]
        {
            let ones = Image::filled(41, 41, 1.0f32);
            let s = aperture_sum(&ones, &ones, &Image::filled(41, 41, 0), 0, (x, y), r);
            let area = std::f64::consts::PI * r * r;
            assert!((s.area - area).abs() < 1e-9 && s.area_lost == 0.0, "{r}: {} {area}", s.area);
        }
    }

    #[test]
    fn what_is_masked_or_outside_is_counted() {
        let ones = Image::filled(41, 41, 1.0f32);
        let mut mask = Image::filled(41, 41, 0u32);
        mask.set(20, 20, 1);
        let s = aperture_sum(&ones, &ones, &mask, 1, (20.0, 20.0), 5.0);
        assert!((s.area_lost - 1.0).abs() < 1e-9);
        let off = aperture_sum(&ones, &ones, &mask, 1, (-100.0, 5.0), 5.0);
        assert!(off.area == 0.0 && off.area_lost > 78.0);
    }
}
