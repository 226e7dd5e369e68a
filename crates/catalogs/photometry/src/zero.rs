//! Zero point of an image: the AB magnitude of 1 adu.
//!
//! m_ref = zp - 2.5 log10(flux) [+ slope (color - color0)] [zp varying over the detector]
//! - input: fluxes and errors (adu), reference magnitudes and errors; unusable rows are passed over
//! - output: the fit of `robust` to m_ref + 2.5 log10(flux), less the bias of a noisy flux's
//!   logarithm, (1.25 / ln 10) (err / flux)^2
//! - weights: measured errors and the intrinsic scatter in quadrature, so that a few very bright
//!   stars with optimistic errors do not carry the mean alone
//! - error: of the weights; it includes the intrinsic scatter, and the colour term's
//! - stars fainter than `snr_preferred` take part only where there are few others: near the threshold
//!   of detection the sample is of those that the noise made brighter

use crate::color::{COLOR_SPREAD_MIN_MAG, ColorMode, ColorTerm, ColorUse};
use crate::error::PhotometryError;
use crate::map::{Clip, MapStars, SpatialConfig, ZeroPointMap, fit_map};
use crate::robust::{Equations, RobustFit};
use elqui_base::{mad_sigma, median};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ZeroPointConfig {
    pub clip_sigma: f64,
    pub iterations_max: usize,
    /// Least signal-to-noise ratio of a star.
    pub snr_min: f64,
    /// ... and that which is asked for as long as `stars_enough` stars have it.
    pub snr_preferred: f64,
    pub stars_enough: usize,
    pub stars_min: usize,
    /// Error taken for a star whose catalogue gives none.
    pub default_mag_err: f64,
    pub color: ColorMode,
    /// A colour term is fitted to this many stars at least.
    pub color_stars_min: usize,
    /// Present: the zero point may vary over the detector.
    pub spatial: Option<SpatialConfig>,
}

impl Default for ZeroPointConfig {
    fn default() -> Self {
        Self {
            clip_sigma: 3.0,
            iterations_max: 20,
            snr_min: 5.0,
            snr_preferred: 20.0,
            stars_enough: 30,
            stars_min: 2,
            default_mag_err: 0.02,
            color: ColorMode::Fit,
            color_stars_min: 20,
            spatial: None,
        }
    }
}

/// Matched stars, column by column.
#[derive(Debug, Clone, Copy, Default)]
pub struct CalibrationStars<'a> {
    /// adu.
    pub flux: &'a [f64],
    pub flux_err: &'a [f64],
    /// AB magnitudes of the reference.
    pub mag: &'a [f64],
    pub mag_err: &'a [f64],
    /// NaN where unknown.
    pub color: Option<&'a [f64]>,
    /// Needed for a zero point that varies over the detector.
    pub place: Option<Places<'a>>,
}

/// Where stars are on a detector of this size, pixels.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    pub x: &'a [f64],
    pub y: &'a [f64],
    pub width: f64,
    pub height: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ZeroPoint {
    /// AB magnitude of 1 adu over the exposure; the mean over the detector where there is a map.
    pub mag: f64,
    pub err_mag: f64,
    /// Scatter of single stars about it, root mean square.
    pub scatter_mag: f64,
    /// The part of it that the stars' errors do not explain.
    pub intrinsic_mag: f64,
    /// Rows used.
    pub used: Vec<usize>,
    /// Rows that could have been used; the others of them were clipped.
    pub candidates: usize,
    pub color_term: Option<ColorTerm>,
    pub color_use: ColorUse,
    /// Where it was asked for and the stars show it.
    pub map: Option<ZeroPointMap>,
}

impl ZeroPoint {
    /// Zero point and its error at a pixel.
    pub fn at(&self, x: f64, y: f64) -> (f64, f64) {
        self.map.as_ref().map_or((self.mag, self.err_mag), |m| m.at(x, y))
    }
}

/// Zero point without a colour term.
pub fn zero_point(
    inst_flux: &[f64],
    inst_flux_err: &[f64],
    ref_mag: &[f64],
    ref_mag_err: &[f64],
    config: &ZeroPointConfig,
) -> Result<ZeroPoint, PhotometryError> {
    let (flux, flux_err, mag, mag_err) = (inst_flux, inst_flux_err, ref_mag, ref_mag_err);
    calibrate(&CalibrationStars { flux, flux_err, mag, mag_err, ..Default::default() }, config)
}

/// Zero point with a term linear in colour, however few the stars; rows without a colour are left out.
pub fn zero_point_with_color(
    inst_flux: &[f64],
    inst_flux_err: &[f64],
    ref_mag: &[f64],
    ref_mag_err: &[f64],
    color: &[f64],
    config: &ZeroPointConfig,
) -> Result<ZeroPoint, PhotometryError> {
    let (flux, flux_err, mag, mag_err) = (inst_flux, inst_flux_err, ref_mag, ref_mag_err);
    let stars = CalibrationStars { flux, flux_err, mag, mag_err, color: Some(color), place: None };
    let config = ZeroPointConfig { color: ColorMode::Fit, color_stars_min: 2, ..config.clone() };
    calibrate(&stars, &config)
}

/// Zero point of matched stars (see the file's card).
pub fn calibrate(
    stars: &CalibrationStars<'_>,
    config: &ZeroPointConfig,
) -> Result<ZeroPoint, PhotometryError> {
    check_lengths(stars)?;
    let mut rows = candidates(stars, config);
    let color_use = choose_color(stars, &mut rows, config);
    let unknowns = if color_use == ColorUse::Fitted { 2 } else { 1 };
    let needed = config.stars_min.max(unknowns);
    let few = |count| PhotometryError::FewStars { count, needed };
    if rows.len() < needed {
        return Err(few(rows.len()));
    }
    let color = |r: usize| stars.color.map_or(f64::NAN, |c| c[r]);
    let fixed = match config.color {
        ColorMode::Fixed(term) if color_use == ColorUse::Fixed => Some(term),
        _ => None,
    };
    let color0 = median(&mut rows.iter().map(|&r| color(r)).collect::<Vec<_>>());
    let values: Vec<f64> = rows
        .iter()
        .map(|&r| {
            let known = fixed.map_or(0.0, |t| t.slope * (color(r) - t.reference_color));
            value(stars, r) - known
        })
        .collect();
    let sigmas: Vec<f64> = rows.iter().map(|&r| sigma(stars, r, config)).collect();
    let mut flat = Vec::with_capacity(rows.len() * unknowns);
    for &r in &rows {
        flat.push(1.0);
        if unknowns == 2 {
            flat.push(color(r) - color0);
        }
    }
    let priors = vec![f64::INFINITY; unknowns];
    let clip =
        Clip { sigma: config.clip_sigma, iterations_max: config.iterations_max, rows_min: needed };
    let plain = Equations { design: &flat, values: &values, sigmas: &sigmas, priors: &priors };
    let mut fit =
        plain.fit(clip.sigma, clip.iterations_max, clip.rows_min).map_err(|_| few(rows.len()))?;
    let mut map = None;
    if let (Some(spatial), Some(place)) = (&config.spatial, &stars.place) {
        let column = |c: &[f64]| rows.iter().map(|&r| c[r]).collect::<Vec<f64>>();
        let (x, y) = (column(place.x), column(place.y));
        let (width, height) = (place.width, place.height);
        let (v, s) = (&values, &sigmas);
        let input = MapStars {
            flat: &flat,
            flat_terms: unknowns,
            values: v,
            sigmas: s,
            x: &x,
            y: &y,
            width,
            height,
        };
        if let Ok(Some((found, refit))) = fit_map(&input, &fit, spatial, clip) {
            fit = refit;
            map = Some(found);
        }
    }
    let residuals = residuals(&flat, &values, &fit, unknowns, map.as_ref(), stars, &rows);
    let degrees = fit.used.len().saturating_sub(unknowns).max(1) as f64;
    let n = fit.model.len();
    let (mag, mut err_mag) =
        map.as_ref().map_or((fit.model[0], fit.covariance[0].sqrt()), ZeroPointMap::mean);
    if let Some(term) = fixed {
        let mean =
            fit.used.iter().map(|&k| color(rows[k])).sum::<f64>() / fit.used.len().max(1) as f64;
        err_mag = err_mag.hypot(term.slope_err * (mean - term.reference_color));
    }
    let fitted = || ColorTerm {
        slope: fit.model[1],
        slope_err: fit.covariance[n + 1].sqrt(),
        reference_color: color0,
    };
    Ok(ZeroPoint {
        mag,
        err_mag,
        scatter_mag: (residuals.iter().map(|v| v * v).sum::<f64>() / degrees).sqrt(),
        intrinsic_mag: fit.intrinsic,
        used: fit.used.iter().map(|&k| rows[k]).collect(),
        candidates: rows.len(),
        color_term: fixed.or_else(|| (unknowns == 2).then(fitted)),
        color_use,
        map,
    })
}

fn residuals(
    flat: &[f64],
    values: &[f64],
    fit: &RobustFit,
    unknowns: usize,
    map: Option<&ZeroPointMap>,
    stars: &CalibrationStars<'_>,
    rows: &[usize],
) -> Vec<f64> {
    let one = |&k: &usize| {
        let zero = match (map, &stars.place) {
            (Some(map), Some(p)) => map.at(p.x[rows[k]], p.y[rows[k]]).0,
            _ => fit.model[0],
        };
        let color = if unknowns == 2 { fit.model[1] * flat[2 * k + 1] } else { 0.0 };
        values[k] - zero - color
    };
    fit.used.iter().map(one).collect()
}

fn check_lengths(stars: &CalibrationStars<'_>) -> Result<(), PhotometryError> {
    let mut lengths =
        vec![stars.flux.len(), stars.flux_err.len(), stars.mag.len(), stars.mag_err.len()];
    lengths.extend(stars.color.map(<[f64]>::len));
    lengths.extend(stars.place.iter().flat_map(|p| [p.x.len(), p.y.len()]));
    let same = lengths.iter().all(|&n| n == stars.flux.len());
    if same { Ok(()) } else { Err(PhotometryError::Lengths { lengths }) }
}

/// Rows with a flux and a magnitude; only the clearly detected ones where they are enough.
///
/// Clear is said by the weighted mean of both magnitudes, whose noise knows nothing of their
/// difference's: a cut in the measured flux alone would prefer stars that noise made brighter.
fn candidates(stars: &CalibrationStars<'_>, config: &ZeroPointConfig) -> Vec<usize> {
    let usable = |&r: &usize| {
        let (f, e) = (stars.flux[r], stars.flux_err[r]);
        let placed = stars.place.is_none_or(|p| p.x[r].is_finite() && p.y[r].is_finite());
        f > 0.0
            && f.is_finite()
            && stars.mag[r].is_finite()
            && (!e.is_finite() || f >= config.snr_min * e)
            && placed
    };
    let all: Vec<usize> = (0..stars.flux.len()).filter(usable).collect();
    let zero = median(&mut all.iter().map(|&r| value(stars, r)).collect::<Vec<_>>());
    let clear = |&r: &usize| {
        let Some(error) = known(stars.flux_err[r]) else { return true };
        let own = error / stars.flux[r] * MAG;
        let reference = known(stars.mag_err[r]).unwrap_or(config.default_mag_err);
        let (wf, wr) = (1.0 / (own * own), 1.0 / (reference * reference));
        let measured = zero - 2.5 * stars.flux[r].log10();
        let mean = (wf * measured + wr * stars.mag[r]) / (wf + wr);
        10f64.powf(0.4 * (zero - mean)) >= config.snr_preferred * error
    };
    let bright: Vec<usize> = all.iter().copied().filter(clear).collect();
    if bright.len() >= config.stars_enough { bright } else { all }
}

/// What can be done with the colours; leaves the rows that have one where they are needed.
fn choose_color(
    stars: &CalibrationStars<'_>,
    rows: &mut Vec<usize>,
    config: &ZeroPointConfig,
) -> ColorUse {
    if config.color == ColorMode::None {
        return ColorUse::NotAsked;
    }
    let Some(color) = stars.color else { return ColorUse::NoColors };
    let with: Vec<usize> = rows.iter().copied().filter(|&r| color[r].is_finite()).collect();
    if with.is_empty() {
        return ColorUse::NoColors;
    }
    if let ColorMode::Fixed(_) = config.color {
        if with.len() < config.stars_min {
            return ColorUse::TooFewColors;
        }
        *rows = with;
        return ColorUse::Fixed;
    }
    let (_, spread) = mad_sigma(&mut with.iter().map(|&r| color[r]).collect::<Vec<_>>());
    // Half of the stars must have one, or the others say more than the slope would.
    let enough = with.len() >= config.color_stars_min.max(2) && 2 * with.len() >= rows.len();
    if !enough || spread < COLOR_SPREAD_MIN_MAG {
        return ColorUse::TooFewColors;
    }
    *rows = with;
    ColorUse::Fitted
}

/// m_ref + 2.5 log10(flux), without the bias of the logarithm.
fn value(stars: &CalibrationStars<'_>, r: usize) -> f64 {
    let noise = known(stars.flux_err[r]).map_or(0.0, |e| e / stars.flux[r]);
    stars.mag[r] + 2.5 * stars.flux[r].log10() + 0.5 * MAG * noise * noise
}

/// Magnitudes of a flux ratio's relative error.
const MAG: f64 = 2.5 / std::f64::consts::LN_10;
/// Floor of a star's error, magnitudes: below it nothing is known of any detector.
const ERROR_FLOOR_MAG: f64 = 1e-4;

fn sigma(stars: &CalibrationStars<'_>, r: usize, config: &ZeroPointConfig) -> f64 {
    let own =
        known(stars.flux_err[r]).map_or(0.0, |e| 2.5 / std::f64::consts::LN_10 * e / stars.flux[r]);
    own.hypot(known(stars.mag_err[r]).unwrap_or(config.default_mag_err)).max(ERROR_FLOOR_MAG)
}

fn known(error: f64) -> Option<f64> {
    (error.is_finite() && error > 0.0).then_some(error)
}
