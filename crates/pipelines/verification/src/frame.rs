//! What is said of a frame as a whole: WCS, zero point, PSF model, background.

use crate::collect::Limit;
use crate::detections::Detections;
use crate::moments::stamp_moments;
use crate::samples::FrameSample;
use crate::truth::Truth;
use elqui_base::{UnitVector, median};
use elqui_image::{Exposure, Image};
use elqui_measurement::{MeasurementConfig, forced_psf};
use elqui_schema::SourceTable;
use elqui_wcs::{Distortion, Wcs};
use rayon::prelude::*;

/// Points of a grid over the frame, a side.
const WCS_GRID: usize = 40;
const PSF_GRID: usize = 20;
const ZERO_GRID: usize = 16;
const STAMP_HALF: usize = 25;

pub(crate) fn frame_sample(
    truth: &Truth<'_>,
    exposure: &Exposure,
    limits: &[Limit],
    config: &MeasurementConfig,
) -> FrameSample {
    let mut out = FrameSample { wcs_rms_mas: [f64::NAN; 2], ..FrameSample::default() };
    if let Some(wcs) = &exposure.wcs {
        out.wcs_rms_mas = wcs_rms_mas(truth, wcs, exposure.width(), exposure.height());
        let reach = 0.5 * (exposure.width() as f64).hypot(exposure.height() as f64);
        out.wcs_parameters = parameters(wcs, reach);
    }
    let information: f64 = truth
        .sources
        .iter()
        .zip(limits)
        .filter(|(s, l)| s.is_star && !s.saturated && s.reference_err_mas >= 0.0 && l.snr > 5.0)
        .map(|(s, l)| {
            let place = 0.5 * (l.bound_x.powi(2) + l.bound_y.powi(2));
            let mas = 1e3 * truth.facts.pixel_scale_arcsec;
            (place * mas * mas + s.reference_err_mas.powi(2)).recip()
        })
        .sum();
    out.wcs_bound_mas = (out.wcs_parameters / information).sqrt();

    let total = truth.facts.zero_point_adu();
    let (zero, err) = exposure
        .photo_calib
        .as_ref()
        .map_or((f64::NAN, f64::NAN), |c| (c.zero_point_mag, c.zero_point_err_mag));
    let needed = total + 2.5 * own_scale(truth, exposure, config).log10();
    (out.zero_point, out.zero_point_total, out.zero_point_err) = (zero - needed, zero - total, err);

    psf_residuals(truth, exposure, &mut out);

    let noise = truth.facts.sky_noise_e() / truth.facts.gain;
    let sky = truth.facts.sky_e / truth.facts.gain;
    let (mut n, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (raw, left) in truth.image.data().iter().zip(exposure.image.data()) {
        let d = (f64::from(*raw) - f64::from(*left) - sky) / noise;
        if d.is_finite() {
            (n, sum, squares) = (n + 1.0, sum + d, squares + d * d);
        }
    }
    out.background_mean = sum / n;
    out.background_rms = (squares / n - out.background_mean.powi(2)).max(0.0).sqrt();
    out
}

/// Free parameters of the fit for each axis, as the map itself shows them: a polynomial has all its
/// terms; a cubic that is purely radial (to 1e-5 pixel at `reach`) has one number besides the linear
/// terms of both axes.
fn parameters(wcs: &Wcs, reach: f64) -> f64 {
    let all = |order: usize| elqui_base::term_count(order) as f64;
    match &wcs.parts().distortion {
        Distortion::Sip(sip) => {
            let k = sip.a.iter().filter(|t| t.0 == (3, 0)).map(|t| t.1).sum::<f64>();
            let like = |terms: &[elqui_wcs::Term], radial: [(usize, usize); 2]| {
                let off = |t: &elqui_wcs::Term| {
                    let expected = if radial.contains(&t.0) { k } else { 0.0 };
                    (t.1 - expected).abs() * reach.powi((t.0.0 + t.0.1) as i32)
                };
                radial.iter().all(|r| terms.iter().any(|t| t.0 == *r))
                    && terms.iter().map(off).sum::<f64>() < 1e-5
            };
            let radial = like(&sip.a, [(3, 0), (1, 2)]) && like(&sip.b, [(2, 1), (0, 3)]);
            if k != 0.0 && radial { 3.5 } else { all(sip.order.max(1)) }
        }
        Distortion::PixelPolynomial { xi, .. } => all(xi.degree),
        _ => all(1),
    }
}

/// Centres of `n` by `n` equal cells of the frame.
fn grid(n: usize, width: usize, height: usize) -> Vec<(f64, f64)> {
    let at = |k: usize, size: usize| (k as f64 + 0.5) * size as f64 / n as f64 - 0.5;
    (0..n * n).map(|k| (at(k % n, width), at(k / n, height))).collect()
}

fn wcs_rms_mas(truth: &Truth<'_>, wcs: &Wcs, width: usize, height: usize) -> [f64; 2] {
    let mas = 180.0 * 3600.0 * 1e3 / std::f64::consts::PI;
    let mut sums = [0.0; 2];
    for &(x, y) in &grid(WCS_GRID, width, height) {
        let place = |w: &Wcs| {
            let (ra, dec) = w.pixel_to_sky(x, y);
            UnitVector::from_ra_dec_deg(ra, dec)
        };
        let (east, north) =
            place(wcs).to_tangent(place(&truth.facts.wcs)).unwrap_or((f64::NAN, f64::NAN));
        sums = [sums[0] + (east * mas).powi(2), sums[1] + (north * mas).powi(2)];
    }
    sums.map(|s| (s / (WCS_GRID * WCS_GRID) as f64).sqrt())
}

/// What the frame's PSF photometry with its aperture correction makes of the light of a noiseless star,
/// as a part of all of it: 1 when it means total fluxes.
fn own_scale(truth: &Truth<'_>, exposure: &Exposure, config: &MeasurementConfig) -> f64 {
    let (width, height) = (exposure.width(), exposure.height());
    let mut image = Image::filled(width, height, 0.0f32);
    let mut positions = Vec::new();
    let n = ZERO_GRID.min(width / (2 * STAMP_HALF + 1)).min(height / (2 * STAMP_HALF + 1));
    const FLUX: f64 = 1e4;
    for (k, (x, y)) in grid(n, width, height).into_iter().enumerate() {
        let (x, y) = (x + offset(k, 0), y + offset(k, 1));
        let middle = [x.round() as i32, y.round() as i32];
        let stamp = truth.light.psf(middle, x, y, STAMP_HALF).map(|v| v * FLUX as f32);
        image.paste(&stamp, middle[0] - STAMP_HALF as i32, middle[1] - STAMP_HALF as i32);
        positions.push((x, y));
    }
    let noise = truth.facts.sky_noise_e() / truth.facts.gain;
    let empty = Exposure {
        image,
        mask: Image::filled(width, height, 0),
        variance: Image::filled(width, height, (noise * noise) as f32),
        ..exposure.clone()
    };
    let scales = Detections::new(truth, exposure, &SourceTable::default());
    let mut ratios: Vec<f64> = forced_psf(&empty, &positions, config)
        .iter()
        .zip(&positions)
        .map(|(f, &(x, y))| f.flux * scales.scale_forced(x, y) / (truth.facts.gain * FLUX))
        .filter(|r| r.is_finite())
        .collect();
    median(&mut ratios)
}

/// Spread over the pixel without a pattern: multiples of irrational numbers.
fn offset(k: usize, axis: usize) -> f64 {
    let step = [0.754_877_666, 0.569_840_291][axis];
    (step * (k as f64 + 1.0)).fract() - 0.5
}

fn psf_residuals(truth: &Truth<'_>, exposure: &Exposure, out: &mut FrameSample) {
    let Some(psf) = &exposure.psf else { return };
    let half = psf.half_width();
    let residuals: Vec<[f64; 4]> = grid(PSF_GRID, exposure.width(), exposure.height())
        .into_par_iter()
        .enumerate()
        .filter_map(|(k, (x, y))| {
            let (x, y) = (x + offset(k, 0), y + offset(k, 1));
            let middle = [x.round() as i32, y.round() as i32];
            let model = stamp_moments(&psf.render(x, y))?;
            let true_psf = stamp_moments(&truth.light.psf(middle, x, y, half))?;
            let shift = (model.dx - true_psf.dx).hypot(model.dy - true_psf.dy);
            Some([
                model.t / true_psf.t - 1.0,
                model.e1 - true_psf.e1,
                model.e2 - true_psf.e2,
                shift,
            ])
        })
        .collect();
    let column = |k: usize| residuals.iter().map(|r| r[k]).collect();
    out.psf_size = column(0);
    out.psf_e1 = column(1);
    out.psf_e2 = column(2);
    out.psf_shift = column(3);
}
