//! Light of a star beyond the calibration's aperture.
//!
//! - input: aperture fluxes of bright stars within 9, 12 and 17 pixels; output: the part of the light
//!   within 12 pixels that lies beyond it, and its error
//! - 12 to 17 pixels is measured; beyond 17 the profile goes on as the Moffat profile that has the
//!   two rings' light (Moffat 1969, A&A 3, 455), or else as the power of the radius that they give
//! - each ring's part is a slope over the stars' fluxes, with a constant for what is left of the sky
//! - rings that do not fall off, or are noisier than what they tell, give nothing: (0, 0)
//! - differs from the LSST pipelines, whose fluxes mean the light within their calibration aperture

use elqui_base::mad_sigma;
use elqui_image::{Image, PsfModel, aperture_sums};
use elqui_schema::SourceTable;

/// Radii of the rings, pixels.
const RADII: [f64; 3] = [9.0, 12.0, 17.0];
/// Powers of the radius that the enclosed light's complement is believed to have.
const POWER: (f64, f64) = (2.0, 8.0);
/// Errors of the outer ring's part that are worth a correction, and parts that are believed.
const ERROR_MAX: f64 = 2e-3;
const PART_MAX: f64 = 0.06;
const STARS_MIN: usize = 8;
/// What lies beyond the outermost ring is believed up to this part of what the ring holds: wings that
/// fall off more slowly have no total that these rings could tell.
const TAIL_MAX: f64 = 0.5;

/// Part of the 12 pixel flux that lies beyond, and its error, from the stars in these rows.
pub fn light_beyond(table: &SourceTable, stars: &[usize]) -> (f64, f64) {
    let ring = |inner: &[f64], outer: &[f64], inner_err: &[f64], outer_err: &[f64]| {
        let rows: Vec<RingLight> = stars
            .iter()
            .map(|&r| RingLight {
                star: table.ap12_flux[r],
                ring: outer[r] - inner[r],
                err: (outer_err[r].powi(2) - inner_err[r].powi(2)).max(0.0).sqrt(),
            })
            .filter(|r| r.star > 0.0 && r.ring.is_finite() && r.err > 0.0)
            .collect();
        part_in_ring(rows)
    };
    let t = table;
    let near = ring(&t.ap09_flux, &t.ap12_flux, &t.ap09_flux_err, &t.ap12_flux_err);
    let far = ring(&t.ap12_flux, &t.ap17_flux, &t.ap12_flux_err, &t.ap17_flux_err);
    let (Some((near, _)), Some((far, err))) = (near, far) else { return (0.0, 0.0) };
    if !(far > 0.0 && near > far && far < PART_MAX && err < ERROR_MAX) {
        return (0.0, 0.0);
    }
    let tail = tail(near, far);
    (far + tail, err.hypot(0.3 * tail))
}

/// The same from the PSF's model at (x, y): its rings have no noise and no neighbours, and its wings are
/// those that all stars together have. `None` where the model does not reach 17 pixels, or does not
/// fall off.
pub fn model_light_beyond(psf: &PsfModel, x: f64, y: f64) -> Option<f64> {
    if (psf.half_width() as f64) < RADII[2] {
        return None;
    }
    let stamp = psf.render(x.round(), y.round());
    let middle = psf.half_width() as f64;
    let (one, clear) = (stamp.map(|_| 1.0), Image::filled(stamp.width(), stamp.height(), 0));
    let [a, b, c] =
        aperture_sums(&stamp, &one, &clear, 0, (middle, middle), RADII).map(|sum| sum.flux);
    let (near, far) = ((b - a) / b, (c - b) / b);
    (far > 0.0 && near > far).then(|| far + tail(near, far))
}

/// Light beyond the outermost radius as a part of what the middle one holds, when the rings inside
/// and outside of that hold `near` and `far` of it.
///
/// A Moffat profile has two shape parameters, which the two rings determine; where no profile of that
/// family has such rings (a halo about a narrow core), the power of the radius that they give.
fn tail(near: f64, far: f64) -> f64 {
    extrapolated(near, far).min(TAIL_MAX * far)
}

fn extrapolated(near: f64, far: f64) -> f64 {
    let ratio = near / far;
    // For each exponent the width that gives the rings' ratio, then the exponent that gives the
    // outer ring; a larger exponent takes a wider profile, which leaves more light outside.
    let at = |beta: f64| moffat_of_ratio(beta, ratio).map(|g| ((g[1] - g[2]) / (1.0 - g[1]), g));
    let (mut low, mut high) = (1.0 + 0.5 * POWER.0, 1.0 + 0.5 * POWER.1);
    while low < high && at(low).is_none() {
        low += 0.05;
    }
    let bracketed = at(low).is_some_and(|f| f.0 <= far) && at(high).is_some_and(|f| f.0 >= far);
    if !bracketed {
        return power_tail(ratio) * far;
    }
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if at(middle).is_some_and(|f| f.0 < far) { low = middle } else { high = middle }
    }
    at(high).map_or(0.0, |(_, g)| g[2] / (1.0 - g[1]))
}

/// Light beyond each of the radii for a Moffat profile of this exponent whose rings have this ratio.
fn moffat_of_ratio(beta: f64, ratio: f64) -> Option<[f64; 3]> {
    let outside = |alpha: f64| RADII.map(|r| (1.0 + (r / alpha).powi(2)).powf(1.0 - beta));
    let of = |alpha: f64| {
        let [a, b, c] = outside(alpha);
        (a - b) / (b - c)
    };
    let (mut low, mut high) = (0.05f64, 30.0f64);
    if of(low) < ratio || of(high) > ratio {
        return None;
    }
    for _ in 0..40 {
        let middle = (low * high).sqrt();
        if of(middle) > ratio { low = middle } else { high = middle }
    }
    Some(outside(low))
}

/// Light beyond the outermost radius over that of the outer ring, for a power of the radius.
fn power_tail(ratio: f64) -> f64 {
    let part = |p: f64| RADII.map(|r| (r / RADII[2]).powf(-p));
    let of = |p: f64| {
        let [a, b, c] = part(p);
        (a - b) / (b - c)
    };
    let (mut low, mut high) = POWER;
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if of(middle) < ratio { low = middle } else { high = middle }
    }
    let [_, b, c] = part(low);
    c / (b - c)
}

/// A star's light within 12 pixels, in a ring, and the error of the latter, adu.
#[derive(Debug, Clone, Copy)]
struct RingLight {
    star: f64,
    ring: f64,
    err: f64,
}

/// Scatter of rings beyond their photons, as a part of the star: neighbours and the PSF's variation.
const SCATTER: f64 = 2e-3;

/// Part of a star's light in the ring, and its error: the slope of ring = part x star + constant, clipped
/// at three sigma. The constant takes what a sky that is off by a little leaves in every ring alike.
fn part_in_ring(mut rows: Vec<RingLight>) -> Option<(f64, f64)> {
    let sigma = |r: &RingLight| r.err.hypot(SCATTER * r.star);
    let mut parts: Vec<f64> = rows.iter().map(|r| r.ring / r.star).collect();
    let (mut slope, _) = mad_sigma(&mut parts);
    let (mut constant, mut error) = (0.0, f64::NAN);
    for _ in 0..5 {
        let pull = |r: &RingLight| (r.ring - slope * r.star - constant) / sigma(r);
        let mut pulls: Vec<f64> = rows.iter().map(pull).collect();
        let (_, scale) = mad_sigma(&mut pulls);
        let limit = 3.0 * scale.max(1.0);
        rows.retain(|r| pull(r).abs() <= limit);
        if rows.len() < STARS_MIN {
            return None;
        }
        let mut sums = [0.0f64; 5];
        for r in &rows {
            let w = sigma(r).powi(-2);
            let terms = [w, w * r.star, w * r.star * r.star, w * r.ring, w * r.star * r.ring];
            sums.iter_mut().zip(terms).for_each(|(s, t)| *s += t);
        }
        let [n, x, xx, y, xy] = sums;
        let det = n * xx - x * x;
        if !(det > 1e-9 * n * xx) {
            return None;
        }
        slope = (n * xy - x * y) / det;
        constant = (xx * y - x * xy) / det;
        error = (n / det).sqrt() * scale.max(1.0);
    }
    Some((slope, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Stars of a Moffat profile with exponent 3 and this FWHM, without noise.
    fn stars(n: usize, fwhm: f64) -> SourceTable {
        let alpha = fwhm / (2.0 * (2f64.powf(1.0 / 3.0) - 1.0).sqrt());
        let inside = |r: f64| 1.0 - (1.0 + (r / alpha).powi(2)).powi(-2);
        let mut t = SourceTable::with_rows(n);
        for k in 0..n {
            let flux = 1e6 * (1.0 + k as f64);
            for (r, f, e) in [
                (9.0, &mut t.ap09_flux, &mut t.ap09_flux_err),
                (12.0, &mut t.ap12_flux, &mut t.ap12_flux_err),
                (17.0, &mut t.ap17_flux, &mut t.ap17_flux_err),
            ] {
                (f[k], e[k]) = (flux * inside(r), 50.0 * r);
            }
        }
        t
    }

    #[test]
    fn a_moffat_profile_is_completed() {
        for fwhm in [3.0, 4.0, 5.0] {
            let t = stars(20, fwhm);
            let rows: Vec<usize> = (0..20).collect();
            let (part, err) = light_beyond(&t, &rows);
            let total = t.ap12_flux[3] * (1.0 + part);
            let truth = 4e6;
            assert!((total / truth - 1.0).abs() < 2e-4, "{fwhm}: {}", total / truth);
            assert!(err < 2e-3);
        }
    }

    #[test]
    fn a_sky_that_is_off_does_not_count_as_light() {
        let mut t = stars(30, 4.0);
        let rows: Vec<usize> = (0..30).collect();
        let (clean, _) = light_beyond(&t, &rows);
        for k in 0..30 {
            for (r, f) in
                [(9.0, &mut t.ap09_flux), (12.0, &mut t.ap12_flux), (17.0, &mut t.ap17_flux)]
            {
                f[k] += 20.0 * std::f64::consts::PI * r * r;
            }
        }
        let (part, _) = light_beyond(&t, &rows);
        assert!((part - clean).abs() < 3e-4, "{part} for {clean}");
    }

    #[test]
    fn rings_that_tell_nothing_change_nothing() {
        let rows: Vec<usize> = (0..20).collect();
        // Too few stars; a ring that grows outwards; no values.
        assert_eq!(light_beyond(&stars(5, 4.0), &rows[..5]), (0.0, 0.0));
        let mut t = stars(20, 4.0);
        t.ap17_flux.iter_mut().for_each(|f| *f *= 1.2);
        assert_eq!(light_beyond(&t, &rows), (0.0, 0.0));
        assert_eq!(light_beyond(&SourceTable::with_rows(20), &rows), (0.0, 0.0));
    }
}
