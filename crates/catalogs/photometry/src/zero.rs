//! Zero point of an image: the AB magnitude of 1 adu.
//!
//! m_ref = zp - 2.5 log10(flux) [+ c (color - color0)]
//! - input: fluxes and errors (adu), reference magnitudes and errors; unusable rows are passed over
//! - output: weighted mean of m_ref + 2.5 log10(flux) over the rows that survive clipping
//! - weights: measured errors and an intrinsic scatter in quadrature, so that a few very bright stars
//!   with optimistic errors do not carry the mean alone
//! - error: that of the weighted mean, or scatter / sqrt(n) where the data scatter more

use crate::error::PhotometryError;
use elqui_base::{least_squares, mad_sigma};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZeroPointConfig {
    pub clip_sigma: f64,
    pub iterations_max: usize,
    /// Least signal-to-noise ratio of a star.
    pub snr_min: f64,
    pub stars_min: usize,
    /// Error taken for a star whose catalogue gives none.
    pub default_mag_err: f64,
}

impl Default for ZeroPointConfig {
    fn default() -> Self {
        Self {
            clip_sigma: 3.0,
            iterations_max: 10,
            snr_min: 5.0,
            stars_min: 2,
            default_mag_err: 0.02,
        }
    }
}

/// Slope of the zero point with colour.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ColorTerm {
    pub slope: f64,
    pub slope_err: f64,
    /// The colour at which the zero point holds.
    pub reference_color: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ZeroPoint {
    /// AB magnitude of 1 adu over the exposure.
    pub mag: f64,
    pub err_mag: f64,
    /// Scatter of single stars about it.
    pub scatter_mag: f64,
    /// Rows used.
    pub used: Vec<usize>,
    pub color_term: Option<ColorTerm>,
}

/// Zero point without a colour term.
pub fn zero_point(
    inst_flux: &[f64],
    inst_flux_err: &[f64],
    ref_mag: &[f64],
    ref_mag_err: &[f64],
    config: &ZeroPointConfig,
) -> Result<ZeroPoint, PhotometryError> {
    fit(inst_flux, inst_flux_err, ref_mag, ref_mag_err, None, config)
}

/// Zero point with a term linear in colour; rows without a colour are left out.
pub fn zero_point_with_color(
    inst_flux: &[f64],
    inst_flux_err: &[f64],
    ref_mag: &[f64],
    ref_mag_err: &[f64],
    color: &[f64],
    config: &ZeroPointConfig,
) -> Result<ZeroPoint, PhotometryError> {
    fit(inst_flux, inst_flux_err, ref_mag, ref_mag_err, Some(color), config)
}

fn fit(
    flux: &[f64],
    flux_err: &[f64],
    mag: &[f64],
    mag_err: &[f64],
    color: Option<&[f64]>,
    config: &ZeroPointConfig,
) -> Result<ZeroPoint, PhotometryError> {
    let mut lengths = vec![flux.len(), flux_err.len(), mag.len(), mag_err.len()];
    lengths.extend(color.map(<[f64]>::len));
    if lengths.iter().any(|&n| n != flux.len()) {
        return Err(PhotometryError::Lengths { lengths });
    }
    let usable = |r: &usize| {
        let snr_ok = !flux_err[*r].is_finite() || flux[*r] >= config.snr_min * flux_err[*r];
        flux[*r] > 0.0
            && flux[*r].is_finite()
            && mag[*r].is_finite()
            && snr_ok
            && color.is_none_or(|c| c[*r].is_finite())
    };
    let mut used: Vec<usize> = (0..flux.len()).filter(usable).collect();
    let unknowns = if color.is_some() { 2 } else { 1 };
    let needed = config.stars_min.max(unknowns);
    let few = |count| PhotometryError::FewStars { count, needed };
    if used.len() < needed {
        return Err(few(used.len()));
    }
    let value: Vec<f64> = (0..flux.len()).map(|r| mag[r] + 2.5 * flux[r].log10()).collect();
    let known = |e: f64| if e.is_finite() && e > 0.0 { Some(e) } else { None };
    let sigma: Vec<f64> = (0..flux.len())
        .map(|r| {
            let own =
                known(flux_err[r]).map_or(0.0, |e| 2.5 / std::f64::consts::LN_10 * e / flux[r]);
            own.hypot(known(mag_err[r]).unwrap_or(config.default_mag_err))
        })
        .collect();
    let color0 = color.map(|c| {
        let mut all: Vec<f64> = used.iter().map(|&r| c[r]).collect();
        elqui_base::median(&mut all)
    });
    let row = |r: usize| match (color, color0) {
        (Some(c), Some(c0)) => vec![1.0, c[r] - c0],
        _ => vec![1.0],
    };
    // The median is the start: it bears nearly half of the stars being wrong.
    let mut start: Vec<f64> = used.iter().map(|&r| value[r]).collect();
    let mut model = vec![elqui_base::median(&mut start); 1];
    model.resize(unknowns, 0.0);
    let mut covariance = vec![0.0; unknowns * unknowns];
    let all = used.clone();
    for _ in 0..config.iterations_max.max(1) {
        let residual =
            |r: usize| value[r] - row(r).iter().zip(&model).map(|(a, b)| a * b).sum::<f64>();
        let mut now: Vec<f64> = used.iter().map(|&r| residual(r)).collect();
        let (center, scatter) = mad_sigma(&mut now);
        let mut errors: Vec<f64> = used.iter().map(|&r| sigma[r]).collect();
        let typical = elqui_base::median(&mut errors);
        let intrinsic = (scatter * scatter - typical * typical).max(0.0).sqrt();
        let total = |r: usize| sigma[r].hypot(intrinsic);
        let next: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&r| (residual(r) - center).abs() <= config.clip_sigma * total(r).max(1e-6))
            .collect();
        if next.len() < needed {
            break;
        }
        let design: Vec<f64> = next.iter().flat_map(|&r| row(r)).collect();
        let values: Vec<f64> = next.iter().map(|&r| value[r]).collect();
        let sigmas: Vec<f64> = next.iter().map(|&r| total(r)).collect();
        let Ok((solution, cov)) = least_squares(&design, &values, &sigmas, unknowns) else {
            return Err(few(next.len()));
        };
        let settled =
            next == used && solution.iter().zip(&model).all(|(a, b)| (a - b).abs() < 1e-9);
        (used, model, covariance) = (next, solution, cov);
        if settled {
            break;
        }
    }
    let residuals: Vec<f64> = used
        .iter()
        .map(|&r| value[r] - row(r).iter().zip(&model).map(|(a, b)| a * b).sum::<f64>())
        .collect();
    let degrees = (used.len() - unknowns).max(1) as f64;
    let scatter = (residuals.iter().map(|v| v * v).sum::<f64>() / degrees).sqrt();
    let by_scatter = scatter / (used.len() as f64).sqrt();
    Ok(ZeroPoint {
        mag: model[0],
        err_mag: covariance[0].sqrt().max(by_scatter),
        scatter_mag: scatter,
        used,
        color_term: color0.map(|reference_color| ColorTerm {
            slope: model[1],
            slope_err: covariance[3].sqrt(),
            reference_color,
        }),
    })
}
