//! Widths of a PSF model.

use elqui_base::FWHM_PER_SIGMA;
use elqui_image::PsfModel;

/// Full width at half maximum of the azimuthal mean profile at (x, y), pixels.
pub fn half_maximum_width(model: &PsfModel, x: f64, y: f64) -> f64 {
    let samples = model.samples_at(x, y);
    // The stamp's middle pixel for a centre shifted by (-dx, -dy) is the profile at (dx, dy).
    let half = model.half_width();
    let value = |dx: f64, dy: f64| -> f64 {
        let (g, tx, ty) = (model.grid, model.taps(-dx), model.taps(-dy));
        let ((fx, wx), (fy, wy)) = (tx.at(half, g), ty.at(half, g));
        wy.iter()
            .enumerate()
            .map(|(j, b)| {
                let row = &samples[(fy + j) * g + fx..];
                f64::from(*b) * wx.iter().zip(row).map(|(a, s)| f64::from(a * s)).sum::<f64>()
            })
            .sum()
    };
    let ring = |r: f64| -> f64 {
        (0..16)
            .map(|k| {
                let (s, c) = (std::f64::consts::TAU * f64::from(k) / 16.0).sin_cos();
                value(r * c, r * s)
            })
            .sum::<f64>()
            / 16.0
    };
    let top = value(0.0, 0.0);
    if !(top > 0.0) {
        return f64::NAN;
    }
    let dr = 0.1;
    let mut before = top;
    let mut r = dr;
    while r < half as f64 {
        let now = ring(r);
        if now <= 0.5 * top {
            let part = (before - 0.5 * top) / (before - now);
            return 2.0 * (r - dr + dr * part);
        }
        before = now;
        r += dr;
    }
    2.0 * half as f64
}

/// Full width at half maximum of the Gaussian with the same noise-equivalent area, at (x, y), pixels.
///
/// Only the light within twice the model's FWHM counts: the far wings add light but no information.
/// SDSS calls this (in arcsec, from two Gaussians that leave the wings out too) `psf_width`.
/// - source: King 1983, PASP 95, 163
pub fn effective_fwhm(model: &PsfModel, x: f64, y: f64) -> f64 {
    let stamp = model.render(x.round(), y.round());
    let (half, reach) = (model.half_width() as f64, 2.0 * model.fwhm_pixels.max(1.0));
    let (mut sum, mut squares) = (0.0, 0.0);
    for j in 0..stamp.height() {
        for i in 0..stamp.width() {
            if (i as f64 - half).hypot(j as f64 - half) <= reach {
                let v = f64::from(stamp.at(i, j));
                sum += v;
                squares += v * v;
            }
        }
    }
    FWHM_PER_SIGMA * (sum * sum / squares / (4.0 * std::f64::consts::PI)).sqrt()
}
