//! Sums in circular apertures, with the exact overlap of circle and pixel.

use crate::image::Image;
use crate::mask::Mask;
use crate::wide::{asin, sum, widest};

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
    center: (f64, f64),
    r: f64,
) -> ApertureSum {
    aperture_sums(image, variance, mask, reject, center, [r])[0]
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
    let mut edges = [Edges::default(), Edges::default()];
    let planes = (image, variance, mask);
    let nothing = ApertureSum { flux: 0.0, variance: 0.0, area: 0.0, area_lost: 0.0 };
    let mut sums = [nothing; N];
    widest(
        #[inline(always)]
        || {
            // Mostly there is nothing to leave out, and nobody need look.
            let widest = radii.iter().fold(0.0, |a: f64, r| a.max(*r));
            let reject = if is_clean(mask, reject, center, widest) { 0 } else { reject };
            for (sum, r) in sums.iter_mut().zip(radii) {
                *sum = if reject == 0 {
                    sum_in::<true>(planes, 0, center, r, &mut edges)
                } else {
                    sum_in::<false>(planes, reject, center, r, &mut edges)
                };
            }
        },
    );
    sums
}

/// First and last pixel of an axis of `n` pixels that a circle touches; `None` when there is none.
#[inline(always)]
fn touched(center: f64, r: f64, n: usize) -> Option<(usize, usize)> {
    let (low, high) = ((center - r + 0.5).max(0.0), (center + r + 0.5).min(n as f64 - 0.5));
    (low <= high && high >= 0.0).then(|| (low as usize, high as usize))
}

#[inline(always)]
fn is_clean(mask: &Mask, reject: u32, (x, y): (f64, f64), r: f64) -> bool {
    let (Some((i0, i1)), Some((j0, j1))) =
        (touched(x, r, mask.width()), touched(y, r, mask.height()))
    else {
        return true;
    };
    let mut any = 0;
    for j in j0..=j1 {
        for bits in &mask.row(j)[i0..=i1] {
            any |= bits;
        }
    }
    any & reject == 0
}

/// `CLEAN`: no pixel has a bit of `reject`.
#[inline(always)]
fn sum_in<const CLEAN: bool>(
    (image, variance, mask): (&Image<f32>, &Image<f32>, &Mask),
    reject: u32,
    (x, y): (f64, f64),
    r: f64,
    [columns, rows]: &mut [Edges; 2],
) -> ApertureSum {
    if !(x.is_finite() && y.is_finite() && r > 0.0 && r.is_finite()) {
        return ApertureSum { flux: f64::NAN, variance: f64::NAN, area: 0.0, area_lost: f64::NAN };
    }
    let total = std::f64::consts::PI * r * r;
    let nothing = ApertureSum { flux: 0.0, variance: 0.0, area: 0.0, area_lost: total };
    let (Some((i0, i1)), Some((j0, j1))) =
        (touched(x, r, image.width()), touched(y, r, image.height()))
    else {
        return nothing;
    };
    columns.fill(i0, i1, x, r);
    rows.fill(j0, j1, y, r);
    let mut sums = [0.0f64; 3];
    for j in j0..=j1 {
        let (row, var, bits) = (image.row(j), variance.row(j), mask.row(j));
        // Half-lengths of the chords at the row's far and near border: pixels inside the first are
        // whole, pixels beyond the second are outside.
        let (low, high) = (&rows.0[j - j0], &rows.0[j - j0 + 1]);
        let far = low.chord.min(high.chord);
        let near = if low.sign < high.sign { r } else { low.chord.max(high.chord) };
        // Rounded down and up by conversion: the clamped values are not negative.
        let (first, end) = (i0 as i32, i1 as i32 + 1);
        let down = |v: f64| (v as i32).clamp(first, end);
        let (out0, out1) = (down(x - near + 0.5) as usize, down(x + near + 1.5) as usize);
        let left = x - far + 0.5;
        let whole = down(left);
        let mut in0 = (whole + i32::from(left > f64::from(whole))).min(end) as usize;
        let mut in1 = down(x + far + 0.5) as usize;
        if !(far > 0.0) || in1 <= in0 {
            (in0, in1) = (out1, out1);
        }
        for (from, to) in [(out0, in0), (in1, out1)] {
            if from >= to {
                continue;
            }
            // A pixel shares with the circle what the row does up to its right border less its left.
            let row_edges = [low, high];
            let mut left = up_to(&columns.0[from - i0], row_edges, r * r);
            for (i, column) in (from..to).zip(&columns.0[from + 1 - i0..]) {
                let right = up_to(column, row_edges, r * r);
                let w = (right - left).clamp(0.0, 1.0);
                left = right;
                if w > 0.0 && (CLEAN || bits[i] & reject == 0) {
                    sums[0] += w * f64::from(row[i]);
                    sums[1] += w * w * f64::from(var[i]);
                    sums[2] += w;
                }
            }
        }
        if CLEAN || bits[in0..in1].iter().fold(0, |a, b| a | b) & reject == 0 {
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

/// A pixel border of one axis, with what the circle's area needs of it: it is taken once a border,
/// so that a pixel's overlap is arithmetic only.
#[derive(Clone, Copy, Default)]
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
#[derive(Default)]
struct Edges(Vec<Edge>);

impl Edges {
    #[inline(always)]
    fn fill(&mut self, first: usize, last: usize, center: f64, r: f64) {
        let quarter = 0.25 * std::f64::consts::PI * r * r;
        let n = last + 2 - first;
        self.0.resize(n, Edge::default());
        for (k, edge) in self.0.iter_mut().enumerate() {
            let t = ((first + k) as f64 - 0.5 - center).clamp(-r, r);
            let at = t.abs();
            let chord = (r * r - at * at).max(0.0).sqrt();
            // Integral of the half-chord: (t sqrt(r^2 - t^2) + r^2 asin(t / r)) / 2.
            let arc = 0.5 * (at * chord + r * r * asin(at / r));
            // asin(c / r) = pi/2 - asin(t / r) spares the second arcsine.
            let arc_chord = at * chord + quarter - arc;
            *edge = Edge { at, sign: t.signum(), chord, arc, arc_chord };
        }
    }
}

/// Area that the circle has in the row between two borders, between the centre's column and
/// `column`, signed.
#[inline(always)]
fn up_to(column: &Edge, [low, high]: [&Edge; 2], r2: f64) -> f64 {
    corner(column, high, r2) - corner(column, low, r2)
}

/// Area between the centre and the crossing of two borders, signed.
#[inline(always)]
fn corner(column: &Edge, row: &Edge, r2: f64) -> f64 {
    let (x, y) = (column.at, row.at);
    let area = if x * x + y * y <= r2 { x * y } else { y * row.chord + column.arc - row.arc_chord };
    area * (column.sign * row.sign)
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
