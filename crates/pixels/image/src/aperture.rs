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
    if !(x.is_finite() && y.is_finite() && r > 0.0 && r.is_finite()) {
        return ApertureSum { flux: f64::NAN, variance: f64::NAN, area: 0.0, area_lost: f64::NAN };
    }
    let total = std::f64::consts::PI * r * r;
    let nothing = ApertureSum { flux: 0.0, variance: 0.0, area: 0.0, area_lost: total };
    let y_range = ((y - r).round().max(0.0), (y + r).round().min(image.height() as f64 - 1.0));
    let x_range = ((x - r).round().max(0.0), (x + r).round().min(image.width() as f64 - 1.0));
    if y_range.0 > y_range.1 || x_range.0 > x_range.1 {
        return nothing;
    }
    let (i0, i1) = (x_range.0 as usize, x_range.1 as usize);
    let (j0, j1) = (y_range.0 as usize, y_range.1 as usize);
    let columns = Edges::new(i0, i1, x, r);
    let rows = Edges::new(j0, j1, y, r);
    let mut sums = [0.0f64; 3];
    for j in j0..=j1 {
        let (row, var, bits) = (image.row(j), variance.row(j), mask.row(j));
        // Half-lengths of the chords at the row's far and near border: pixels inside the first are
        // whole, pixels beyond the second are outside.
        let dy = (j as f64 - y).abs();
        let far = (r * r - (dy + 0.5) * (dy + 0.5)).max(0.0).sqrt();
        let near_dy = (dy - 0.5).max(0.0);
        let near = (r * r - near_dy * near_dy).max(0.0).sqrt();
        // Rounded down and up by conversion: the clamped values are not negative.
        let clamp = |v: f64| v.clamp(i0 as f64, i1 as f64 + 1.0);
        let down = |v: f64| clamp(v) as usize;
        let up = |v: f64| down(v) + usize::from(clamp(v) > down(v) as f64);
        let (out0, out1) = (down(x - near + 0.5), down(x + near + 1.5));
        let (mut in0, mut in1) = (up(x - far + 0.5), down(x + far + 0.5));
        if !(far > 0.0) || in1 <= in0 {
            (in0, in1) = (out1, out1);
        }
        let mut partial = |from: usize, to: usize| {
            if from >= to {
                return;
            }
            // A pixel shares with the circle what the row does up to its right border less its left.
            let mut left = rows.up_to(&columns.0[from - i0], j - j0, r * r);
            for i in from..to {
                let right = rows.up_to(&columns.0[i + 1 - i0], j - j0, r * r);
                let w = (right - left).clamp(0.0, 1.0);
                left = right;
                if w > 0.0 && bits[i] & reject == 0 {
                    sums[0] += w * f64::from(row[i]);
                    sums[1] += w * w * f64::from(var[i]);
                    sums[2] += w;
                }
            }
        };
        partial(out0, in0);
        partial(in1, out1);
        if bits[in0..in1].iter().fold(0, |a, b| a | b) & reject == 0 {
            sums[0] += sum(&row[in0..in1]);
            sums[1] += sum(&var[in0..in1]);
            sums[2] += (in1 - in0) as f64;
        } else {
            for i in (in0..in1).filter(|&i| bits[i] & reject == 0) {
                sums[0] += f64::from(row[i]);
                sums[1] += f64::from(var[i]);
                sums[2] += 1.0;
            }
        }
    }
    let [flux, variance, area] = sums;
    let lost = (total - area).max(0.0);
    ApertureSum { flux, variance, area, area_lost: if lost < 1e-9 * total { 0.0 } else { lost } }
}

/// Sum in four lanes: one running sum would wait for each addition.
fn sum(values: &[f32]) -> f64 {
    let mut lanes = [0.0f64; 4];
    let chunks = values.chunks_exact(4);
    let rest: f64 = chunks.remainder().iter().map(|&v| f64::from(v)).sum();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(v);
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}

/// [`aperture_sum`] for several radii about one place.
pub fn aperture_sums<const N: usize>(
    image: &Image<f32>,
    variance: &Image<f32>,
    mask: &Mask,
    reject: u32,
    center: (f64, f64),
    radii: [f64; N],
) -> [ApertureSum; N] {
    radii.map(|r| aperture_sum(image, variance, mask, reject, center, r))
}

/// A pixel border of one axis, with what the circle's area needs of it: it is taken once a border,
/// so that a pixel's overlap is arithmetic only.
struct Edge {
    /// Distance from the centre, at most r, and its sign.
    at: f64,
    sign: f64,
    /// Half-chord there, the arc integral from 0 to `at`, and that from 0 to the half-chord.
    chord: f64,
    arc: f64,
    arc_chord: f64,
}

/// The borders of the pixels `first` to `last`: border k is the low side of pixel `first + k`.
struct Edges(Vec<Edge>);

impl Edges {
    fn new(first: usize, last: usize, center: f64, r: f64) -> Self {
        let quarter = 0.25 * std::f64::consts::PI * r * r;
        let edge = |k: usize| {
            let t = (k as f64 - 0.5 - center).clamp(-r, r);
            let at = t.abs();
            let chord = (r * r - at * at).max(0.0).sqrt();
            // Integral of the half-chord: (t sqrt(r^2 - t^2) + r^2 asin(t / r)) / 2.
            let arc = 0.5 * (at * chord + r * r * (at / r).min(1.0).asin());
            // asin(c / r) = pi/2 - asin(t / r) spares the second arcsine.
            Edge { at, sign: t.signum(), chord, arc, arc_chord: at * chord + quarter - arc }
        };
        Self((first..=last + 1).map(edge).collect())
    }

    /// Area that the circle has in row `j` (`self` holds the rows) between the centre's column and
    /// `column`, signed.
    fn up_to(&self, column: &Edge, j: usize, r2: f64) -> f64 {
        let corner = |row: &Edge| {
            let (x, y) = (column.at, row.at);
            let area = if x * x + y * y <= r2 {
                x * y
            } else {
                y * row.chord + column.arc - row.arc_chord
            };
            area * (column.sign * row.sign)
        };
        corner(&self.0[j + 1]) - corner(&self.0[j])
    }
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

    #[test]
    fn rows_agree_with_the_pixel_by_pixel_overlap() {
        let image = Image::from_fn(45, 40, |i, j| ((i * 7 + j * 13) % 11) as f32);
        let none = Image::filled(45, 40, 0u32);
        for (x, y, r) in [
            (20.3, 19.8, 3.0),
            (22.0, 20.5, 17.0),
            (2.2, 38.9, 9.0),
            (20.49, 20.51, 0.4),
            (20.0, 20.0, 0.5),
        ] {
            let s = aperture_sum(&image, &image, &none, 1, (x, y), r);
            let (mut flux, mut var) = (0.0, 0.0);
            for j in 0..40 {
                for i in 0..45 {
                    let w = circle_overlap(i as f64 - x, j as f64 - y, r);
                    flux += w * f64::from(image.at(i, j));
                    var += w * w * f64::from(image.at(i, j));
                }
            }
            assert!(
                (s.flux - flux).abs() < 1e-8 && (s.variance - var).abs() < 1e-8,
                "{x} {y} {r}: {s:?} {flux}"
            );
        }
    }
}
