//! Zero points of a visit's detectors together.
//!
//! zp_d = visit + nominal_d + offset_d
//! - input: each detector's zero point with its error; what is known of its offset from the others
//! - output: the visit's zero point (robust weighted mean), the scatter from detector to detector that
//!   the errors do not explain, and each detector's offset with its error
//! - a detector whose offset is beyond `clip_sigma` total errors is an outlier: told, and not in the
//!   mean

use crate::error::PhotometryError;
use crate::robust::Equations;
use serde::{Deserialize, Serialize};

/// What is known of one detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DetectorZeroPoint {
    pub detector: u32,
    /// AB magnitude of 1 adu, its error and the scatter of single stars.
    pub mag: f64,
    pub err_mag: f64,
    pub scatter_mag: f64,
    pub stars: usize,
    /// Its known offset from the mean detector (its gain, its response).
    #[serde(default)]
    pub nominal_offset_mag: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DetectorOffset {
    pub detector: u32,
    /// Zero point less nominal offset less the visit's.
    pub offset_mag: f64,
    pub err_mag: f64,
    pub outlier: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisitZeroPoint {
    pub mag: f64,
    pub err_mag: f64,
    /// Scatter between detectors beyond their errors.
    pub detector_scatter_mag: f64,
    /// Typical scatter of single stars, root mean square weighted by their number.
    pub star_scatter_mag: f64,
    pub stars: usize,
    /// In the order given; detectors without a zero point have NaN.
    pub offsets: Vec<DetectorOffset>,
}

/// Combine the zero points of a visit's detectors; those that are not finite are passed over.
pub fn visit_zero_point(
    detectors: &[DetectorZeroPoint],
    clip_sigma: f64,
) -> Result<VisitZeroPoint, PhotometryError> {
    let usable = |d: &DetectorZeroPoint| {
        d.mag.is_finite()
            && d.err_mag > 0.0
            && d.err_mag.is_finite()
            && d.nominal_offset_mag.is_finite()
    };
    let good: Vec<usize> = (0..detectors.len()).filter(|&k| usable(&detectors[k])).collect();
    let none = PhotometryError::NoDetectors { given: detectors.len() };
    if good.is_empty() {
        return Err(none);
    }
    let values: Vec<f64> =
        good.iter().map(|&k| detectors[k].mag - detectors[k].nominal_offset_mag).collect();
    let sigmas: Vec<f64> = good.iter().map(|&k| detectors[k].err_mag).collect();
    let design = vec![1.0; good.len()];
    let equations =
        Equations { design: &design, values: &values, sigmas: &sigmas, priors: &[f64::INFINITY] };
    let fit = equations.fit(clip_sigma, 20, 1).map_err(|_| none)?;
    let weight = |k: usize| 1.0 / (sigmas[k].powi(2) + fit.intrinsic.powi(2));
    let total: f64 = fit.used.iter().map(|&k| weight(k)).sum();
    // What the detectors' own errors (not their scatter) make of the mean.
    let of_mean: f64 = fit.used.iter().map(|&k| (weight(k) / total * sigmas[k]).powi(2)).sum();
    let mut offsets: Vec<DetectorOffset> = detectors
        .iter()
        .map(|d| DetectorOffset {
            detector: d.detector,
            offset_mag: f64::NAN,
            err_mag: f64::NAN,
            outlier: false,
        })
        .collect();
    for (k, &d) in good.iter().enumerate() {
        let used = fit.used.contains(&k);
        let share = if used { weight(k) / total } else { 0.0 };
        offsets[d].offset_mag = values[k] - fit.model[0];
        offsets[d].err_mag = (sigmas[k].powi(2) * (1.0 - 2.0 * share) + of_mean).max(0.0).sqrt();
        offsets[d].outlier = !used;
    }
    let stars: usize = fit.used.iter().map(|&k| detectors[good[k]].stars).sum();
    let squares: f64 = fit
        .used
        .iter()
        .map(|&k| &detectors[good[k]])
        .map(|d| d.stars as f64 * d.scatter_mag.powi(2))
        .sum();
    Ok(VisitZeroPoint {
        mag: fit.model[0],
        err_mag: fit.covariance[0].sqrt(),
        detector_scatter_mag: fit.intrinsic,
        star_scatter_mag: (squares / stars.max(1) as f64).sqrt(),
        stars,
        offsets,
    })
}
