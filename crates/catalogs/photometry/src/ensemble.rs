//! Relative light curve of a target against an ensemble of comparison stars of the same frames.
//!
//! - input: `fluxes[frame][star]`, the target's column; NaN (or a flux not positive) is a miss
//! - output: per frame the target's flux over the ensemble's, median 1 over the series, with errors
//! - method: each frame's transparency is the weighted mean, over the comparison stars, of flux over the
//!   star's own mean; stars and frames are solved in turns in magnitudes, stars that scatter more
//!   than their errors and their fellows are dropped one by one; what the target's column holds
//!   never enters the ensemble
//! - source: Broeg, Fernandez & Neuhaeuser 2005 (doi:10.1002/asna.200410350) for the weights by
//!   scatter; Honeycutt 1992 (doi:10.1086/133015) for the inhomogeneous ensemble
//! - differs from Broeg et al.: a frame's transparency may come from whichever stars it has

use crate::error::PhotometryError;
use elqui_base::{least_squares, mad_sigma, median};
use serde::{Deserialize, Serialize};

/// A flux and its error, in one unit over the whole series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flux {
    pub flux: f64,
    pub err: f64,
}

impl Flux {
    pub const MISSING: Self = Self { flux: f64::NAN, err: f64::NAN };

    fn usable(&self) -> bool {
        self.flux > 0.0 && self.flux.is_finite() && self.err > 0.0 && self.err.is_finite()
    }
}

impl From<(f64, f64)> for Flux {
    fn from((flux, err): (f64, f64)) -> Self {
        Self { flux, err }
    }
}

/// What the light curve may be decorrelated against.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FrameState {
    pub airmass: f64,
    /// The target's place on the detector, pixels.
    pub x: f64,
    pub y: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Comparison stars must be in at least this share of the frames.
    pub coverage_min: f64,
    /// A comparison star that scatters this many times what its errors (and the ensemble's typical
    /// excess) allow is dropped.
    pub scatter_max: f64,
    pub comparisons_min: usize,
    /// Points this far from the running median are flagged.
    pub clip_sigma: f64,
    /// Divide out a linear term in airmass.
    pub decorrelate_airmass: bool,
    /// Divide out linear terms in x and y.
    pub decorrelate_position: bool,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self {
            coverage_min: 0.8,
            scatter_max: 2.5,
            comparisons_min: 1,
            clip_sigma: 5.0,
            decorrelate_airmass: false,
            decorrelate_position: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    /// Target over ensemble, median 1; NaN where either is missing.
    pub relative_flux: Vec<f64>,
    pub relative_flux_err: Vec<f64>,
    /// The point lies far off its neighbours.
    pub outlier: Vec<bool>,
    /// Each frame's transparency relative to the series, magnitudes (positive is fainter), and its error.
    pub frame_mag: Vec<f64>,
    pub frame_mag_err: Vec<f64>,
    /// Columns of the comparison stars used, and of those dropped as variable or ill measured.
    pub used: Vec<usize>,
    pub rejected: Vec<usize>,
    /// Scatter of each used comparison star about the ensemble, magnitudes.
    pub comparison_scatter_mag: Vec<f64>,
}

/// Magnitudes of a flux ratio's relative error.
const MAG: f64 = 2.5 / std::f64::consts::LN_10;

/// `states` may be empty when nothing is decorrelated.
pub fn ensemble(
    fluxes: &[Vec<Flux>],
    target: usize,
    states: &[FrameState],
    config: &EnsembleConfig,
) -> Result<Ensemble, PhotometryError> {
    let frames = fluxes.len();
    let stars = fluxes.first().map_or(0, Vec::len);
    if let Some(frame) = fluxes.iter().position(|f| f.len() != stars) {
        return Err(PhotometryError::Ragged { frame, got: fluxes[frame].len(), expected: stars });
    }
    if target >= stars || !fluxes.iter().any(|f| f[target].usable()) {
        return Err(PhotometryError::NoTarget { frames });
    }
    let coverage = |s: usize| fluxes.iter().filter(|f| f[s].usable()).count();
    let needed_frames = ((config.coverage_min * frames as f64).ceil() as usize).max(1);
    let (mut used, mut rejected): (Vec<usize>, Vec<usize>) =
        (0..stars).filter(|&s| s != target).partition(|&s| coverage(s) >= needed_frames);
    let least = config.comparisons_min.max(1);
    let mut curve = loop {
        if used.len() < least {
            let count = used.len();
            return Err(PhotometryError::FewComparisons { count, frames, needed: least });
        }
        let curve = transparency(fluxes, &used);
        match worst(&curve, config.scatter_max) {
            // Of two stars one cannot tell which varies.
            Some(k) if used.len() > least.max(2) => rejected.push(used.remove(k)),
            _ => break curve,
        }
    };
    rejected.sort_unstable();

    let mut mags: Vec<f64> = Vec::with_capacity(frames);
    let mut errors: Vec<f64> = Vec::with_capacity(frames);
    for (f, frame) in fluxes.iter().enumerate() {
        let t = frame[target];
        if t.usable() && curve.mag[f].is_finite() {
            mags.push(-2.5 * t.flux.log10() - curve.mag[f]);
            errors.push((MAG * t.err / t.flux).hypot(curve.err[f]));
        } else {
            mags.push(f64::NAN);
            errors.push(f64::NAN);
        }
    }
    decorrelate(&mut mags, &errors, states, config);
    let mut finite: Vec<f64> = mags.iter().copied().filter(|m| m.is_finite()).collect();
    if finite.is_empty() {
        return Err(PhotometryError::NoTarget { frames });
    }
    let middle = median(&mut finite);
    let relative_flux: Vec<f64> = mags.iter().map(|m| 10f64.powf(-0.4 * (m - middle))).collect();
    let relative_flux_err = relative_flux.iter().zip(&errors).map(|(f, e)| f * e / MAG).collect();
    // The zero of the transparencies is arbitrary: their median.
    let mut all: Vec<f64> = curve.mag.iter().copied().filter(|m| m.is_finite()).collect();
    let zero = median(&mut all);
    curve.mag.iter_mut().for_each(|m| *m -= zero);
    Ok(Ensemble {
        outlier: outliers(&mags, &errors, config.clip_sigma),
        relative_flux,
        relative_flux_err,
        frame_mag: curve.mag,
        frame_mag_err: curve.err,
        used,
        rejected,
        comparison_scatter_mag: curve.scatter,
    })
}

struct Curve {
    mag: Vec<f64>,
    err: Vec<f64>,
    /// Per comparison star: its scatter, and that over what its errors allow.
    scatter: Vec<f64>,
    excess: Vec<f64>,
}

/// Frames and stars in turns: m[f][s] = frame[f] + star[s].
fn transparency(fluxes: &[Vec<Flux>], used: &[usize]) -> Curve {
    let (frames, n) = (fluxes.len(), used.len());
    let cell = |f: usize, k: usize| {
        let v = fluxes[f][used[k]];
        v.usable().then(|| (-2.5 * v.flux.log10(), MAG * v.err / v.flux))
    };
    let data: Vec<Vec<Option<(f64, f64)>>> =
        (0..frames).map(|f| (0..n).map(|k| cell(f, k)).collect()).collect();
    let mut star: Vec<f64> = (0..n)
        .map(|k| median(&mut data.iter().filter_map(|row| row[k].map(|m| m.0)).collect::<Vec<_>>()))
        .collect();
    let mut extra = vec![0.0; n];
    let (mut mag, mut err) = (vec![f64::NAN; frames], vec![f64::NAN; frames]);
    let (mut scatter, mut excess) = (vec![0.0; n], vec![0.0; n]);
    for _ in 0..30 {
        let mut moved = 0.0f64;
        for f in 0..frames {
            let (mut sum, mut weight) = (0.0, 0.0);
            for k in 0..n {
                if let Some((m, e)) = data[f][k] {
                    let w = 1.0 / (e * e + extra[k] * extra[k]);
                    sum += w * (m - star[k]);
                    weight += w;
                }
            }
            let (new, new_err) = if weight > 0.0 {
                (sum / weight, weight.sqrt().recip())
            } else {
                (f64::NAN, f64::NAN)
            };
            if mag[f].is_finite() {
                moved = moved.max((new - mag[f]).abs());
            } else {
                moved = 1.0;
            }
            (mag[f], err[f]) = (new, new_err);
        }
        for k in 0..n {
            let offsets: Vec<(f64, f64)> = (0..frames)
                .filter_map(|f| {
                    data[f][k].filter(|_| mag[f].is_finite()).map(|m| (m.0 - mag[f], m.1))
                })
                .collect();
            let mut values: Vec<f64> = offsets.iter().map(|o| o.0).collect();
            let mut errors: Vec<f64> = offsets.iter().map(|o| o.1).collect();
            star[k] = median(&mut values.clone());
            let (_, sigma) = mad_sigma(&mut values);
            let own = median(&mut errors);
            // A star that carries the ensemble looks quieter than it is: its share is undone.
            let share = if n == 1 { 0.0 } else { (1.0 / n as f64).min(0.5) };
            scatter[k] = sigma / (1.0 - share).sqrt();
            excess[k] = scatter[k] / own.max(1e-6);
            extra[k] = (scatter[k] * scatter[k] - own * own).max(0.0).sqrt();
        }
        if moved < 1e-9 {
            break;
        }
    }
    Curve { mag, err, scatter, excess }
}

/// The star that scatters most beyond its errors, when it does so beyond its fellows too.
fn worst(curve: &Curve, limit: f64) -> Option<usize> {
    let mut all = curve.excess.clone();
    let typical = median(&mut all).max(1.0);
    (0..curve.excess.len())
        .max_by(|&a, &b| curve.excess[a].total_cmp(&curve.excess[b]).then(b.cmp(&a)))
        .filter(|&k| curve.excess[k] > limit * typical)
}

fn decorrelate(mags: &mut [f64], errors: &[f64], states: &[FrameState], config: &EnsembleConfig) {
    if states.len() != mags.len() || !(config.decorrelate_airmass || config.decorrelate_position) {
        return;
    }
    let terms = |s: &FrameState| {
        let mut row = Vec::new();
        if config.decorrelate_airmass {
            row.push(s.airmass);
        }
        if config.decorrelate_position {
            row.extend([s.x, s.y]);
        }
        row
    };
    let good: Vec<usize> = (0..mags.len())
        .filter(|&f| mags[f].is_finite() && terms(&states[f]).iter().all(|v| v.is_finite()))
        .collect();
    let count = terms(&states[0]).len();
    if good.len() < 3 * (count + 1) {
        return;
    }
    let means: Vec<f64> = (0..count)
        .map(|k| good.iter().map(|&f| terms(&states[f])[k]).sum::<f64>() / good.len() as f64)
        .collect();
    let row = |f: usize| -> Vec<f64> {
        terms(&states[f]).iter().zip(&means).map(|(v, m)| v - m).collect()
    };
    let design: Vec<f64> =
        good.iter().flat_map(|&f| std::iter::once(1.0).chain(row(f)).collect::<Vec<_>>()).collect();
    let values: Vec<f64> = good.iter().map(|&f| mags[f]).collect();
    let sigmas: Vec<f64> = good.iter().map(|&f| errors[f]).collect();
    // A state that never changes makes the system singular: then nothing is divided out.
    if let Ok((c, _)) = least_squares(&design, &values, &sigmas, count + 1) {
        for &f in &good {
            mags[f] -= row(f).iter().zip(&c[1..]).map(|(v, k)| v * k).sum::<f64>();
        }
    }
}

/// Points far from the median of their neighbours (5 on either side).
fn outliers(mags: &[f64], errors: &[f64], n_sigma: f64) -> Vec<bool> {
    let local = |f: usize| {
        let range = f.saturating_sub(5)..(f + 6).min(mags.len());
        let mut near: Vec<f64> =
            range.filter(|&k| k != f && mags[k].is_finite()).map(|k| mags[k]).collect();
        median(&mut near)
    };
    let off: Vec<f64> = (0..mags.len()).map(|f| mags[f] - local(f)).collect();
    let mut finite: Vec<f64> = off.iter().copied().filter(|v| v.is_finite()).collect();
    let (_, sigma) = mad_sigma(&mut finite);
    off.iter().zip(errors).map(|(o, e)| o.abs() > n_sigma * sigma.max(*e)).collect()
}
