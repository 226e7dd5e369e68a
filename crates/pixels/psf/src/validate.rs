//! How well the model does on stars that it has not seen.
//!
//! Adaptive moments of each star and of the model drawn at its place, on the same pixels.
//! - size: `dT/T = T_star / T_model - 1` with `T = ixx + iyy`; shape: differences of the distortions
//! - means are weighted by the errors that the stars' S/N gives (and the least that is seen), and are
//!   clipped; scatters are those about zero, the stars' own noise included

use crate::stamp::Stamp;
use crate::star_fit::Residuals;
use elqui_base::{mad_sigma, weighted_mean};
use elqui_image::{Image, Moments, PsfModel, adaptive_moments};
use rayon::prelude::*;

/// Error of dT/T and of a distortion, times the star's S/N.
const SIZE_NOISE: f64 = 1.6;
const SHAPE_NOISE: f64 = 1.2;
const CLIP_SIGMA: f64 = 4.0;

/// Residuals of the stars kept out of a fit; NaN where there were none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PsfValidation {
    /// Stars that could be measured.
    pub stars: usize,
    /// dT/T: weighted mean, its error, root mean square.
    pub size: f64,
    pub size_err: f64,
    pub size_rms: f64,
    /// Distortion, both components: weighted means, the error of each, root mean square of each.
    pub e1: f64,
    pub e2: f64,
    pub e_err: f64,
    pub e_rms: f64,
}

pub(crate) fn validate(model: &PsfModel, stars: &[(&Stamp, &Residuals)]) -> PsfValidation {
    let measured: Vec<[f64; 4]> = stars
        .par_iter()
        .filter_map(|(stamp, residuals)| {
            measure(model, stamp).map(|[t, e1, e2]| [t, e1, e2, residuals.information.sqrt()])
        })
        .collect();
    let column = |k: usize, noise: f64| {
        let values: Vec<f64> = measured.iter().map(|m| m[k]).collect();
        let errors: Vec<f64> = measured.iter().map(|m| noise / m[3]).collect();
        summary(&values, &errors)
    };
    let (size, e1, e2) = (column(0, SIZE_NOISE), column(1, SHAPE_NOISE), column(2, SHAPE_NOISE));
    PsfValidation {
        stars: measured.len(),
        size: size[0],
        size_err: size[1],
        size_rms: size[2],
        e1: e1[0],
        e2: e2[0],
        e_err: (0.5 * (e1[1] * e1[1] + e2[1] * e2[1])).sqrt(),
        e_rms: (0.5 * (e1[2] * e1[2] + e2[2] * e2[2])).sqrt(),
    }
}

/// dT/T and differences of the distortions of one star.
fn measure(model: &PsfModel, stamp: &Stamp) -> Option<[f64; 3]> {
    let (x, y) = stamp.position();
    let side = stamp.side();
    let drawn = model.render_samples(&model.samples_at(x, y), stamp.dx, stamp.dy);
    let margin = model.half_width().checked_sub(stamp.half)?;
    let model_light = Image::from_fn(side, side, |i, j| drawn.at(i + margin, j + margin));
    // What the star hides is filled with the model, in both alike.
    let mut data = model_light.map(|v| stamp.flux as f32 * v);
    for (at, k) in stamp.at[..stamp.own].iter().zip(0..) {
        if stamp.keep[k] > 0.0 {
            data.data_mut()[*at] = stamp.data[k] - stamp.sky as f32;
        }
    }
    let clear = Image::filled(side, side, 0u32);
    let half = stamp.half as f64;
    let at = (half + stamp.dx, half + stamp.dy);
    let sigma = 0.9 * stamp.shape.half_width;
    let moments = |image: &Image<f32>| {
        let m = adaptive_moments(image, &clear, 0, at, sigma, 2.0, half);
        (!m.failed).then_some(m)
    };
    let (star, psf) = (moments(&data)?, moments(&model_light)?);
    let t = |m: &Moments| m.ixx + m.iyy;
    let e1 = |m: &Moments| (m.ixx - m.iyy) / t(m);
    let e2 = |m: &Moments| 2.0 * m.ixy / t(m);
    Some([t(&star) / t(&psf) - 1.0, e1(&star) - e1(&psf), e2(&star) - e2(&psf)])
}

/// Weighted mean, its error, and root mean square, of what is not far off.
fn summary(values: &[f64], errors: &[f64]) -> [f64; 3] {
    if values.is_empty() {
        return [f64::NAN; 3];
    }
    let (middle, sigma) = mad_sigma(&mut values.to_vec());
    // What the errors do not explain is added to them: no star decides alone.
    let typical = elqui_base::median(&mut errors.to_vec());
    let extra = (sigma * sigma - typical * typical).max(0.0).sqrt();
    let all: Vec<f64> = errors.iter().map(|e| e.hypot(extra)).collect();
    let kept: Vec<usize> = (0..values.len())
        .filter(|&k| {
            values.len() < 5 || (values[k] - middle).abs() < CLIP_SIGMA * all[k].max(sigma)
        })
        .collect();
    let pick = |from: &[f64]| kept.iter().map(|&k| from[k]).collect::<Vec<f64>>();
    let (mean, error) = weighted_mean(&pick(values), &pick(&all));
    let squares: f64 = kept.iter().map(|&k| values[k] * values[k]).sum();
    [mean, error, (squares / kept.len() as f64).sqrt()]
}
