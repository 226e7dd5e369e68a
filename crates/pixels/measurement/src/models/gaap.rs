//! Gaussian-aperture fluxes that do not depend on the PSF: for colours.
//!
//! - source: Kuijken 2008, A&A 482, 1053; Kuijken et al. 2015, MNRAS 454, 3500, appendix A
//! - an image whose PSF is made a Gaussian of sigma g, summed under a Gaussian of sigma a, is the image summed
//!   with one weight W, where W seen through the PSF is the Gaussian of p^2 = a^2 + g^2: of the light before
//!   the PSF it is always the same part. W is found in Fourier space, W = G_p / P, for the PSF at the source
//! - output: flux scaled so that a point source's is its total; error from each pixel's variance under W^2,
//!   so all covariance that the matching makes is in it
//! - differs from the reference: no convolved image is made, so nothing is correlated

use super::fit::Scratch;
use super::modes::Grid;
use super::patch::View;
use super::psf_modes::ModelPsf;

/// Flux and error of one aperture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaap {
    pub flux: f64,
    pub flux_err: f64,
    /// Too narrow for this PSF, or too many of its pixels are missing.
    pub flag: bool,
}

impl Gaap {
    pub const FAILED: Self = Self { flux: f64::NAN, flux_err: f64::NAN, flag: true };
}

/// Part of the sum of W^2 that may fall on missing pixels.
const LOST_MAX: f64 = 0.05;
/// Half-width of the patch, sigma of the widest aperture.
const REACH_SIGMA: f64 = 5.5;
/// Powers of the PSF below this are not divided by.
const POWER_FLOOR: f64 = 3e-4;
/// G_p must have fallen to this at the last mode: the part of a star's weight that is missing.
const EDGE_MAX: f64 = 3e-3;

/// Sigma of p for an aperture of `factor` PSF sigmas over an image whose PSF is made that sigma.
pub fn total_sigma(psf_sigma: f64, factor: f64) -> f64 {
    psf_sigma * (1.0 + factor * factor).sqrt()
}

/// Half-width of the view that is used, pixels.
pub fn reach(sigmas: &[f64]) -> f64 {
    REACH_SIGMA * sigmas.iter().copied().fold(0.0, f64::max)
}

/// Fluxes at (x, y) for the total sigmas p, pixels.
pub fn gaap<const N: usize>(
    view: &View<'_>,
    psf: &ModelPsf,
    (x, y): (f64, f64),
    sigmas: [f64; N],
    scratch: &mut Scratch,
) -> [Gaap; N] {
    let failed = [Gaap::FAILED; N];
    if !(x.abs() < 1e9 && y.abs() < 1e9) {
        return failed;
    }
    let size = Grid::holding(reach(&sigmas));
    let modes = &psf.sized(size).modes;
    if !scratch.patch.cut(view, (x, y), Grid::ALL[size]) || !scratch.set_psf(psf, size, x, y) {
        return failed;
    }
    modes.waves(x - scratch.patch.x, y - scratch.patch.y, &mut scratch.waves);
    // The cells' sums are of bin^2 pixels each: the weight is that of the cell.
    let bin = Grid::ALL[size].bin as f64;
    let k_last = modes.kx.iter().copied().fold(0.0f32, f32::max);
    sigmas.map(|p| {
        if !(p > 0.0 && p.is_finite()) {
            return Gaap::FAILED;
        }
        let norm = std::f64::consts::TAU * p * p / (bin * bin);
        let half = (-0.5 * p * p) as f32;
        let floor = (POWER_FLOOR * POWER_FLOOR) as f32;
        let weights: Vec<f32> = (0..modes.len())
            .map(|k| {
                let kk = modes.kk[0][k] + modes.kk[2][k];
                let power = scratch.power[k];
                norm as f32 * (half * kk).exp() * power / (power * power + floor)
            })
            .collect();
        let edge = (half * k_last * k_last).exp();
        scratch.draw(modes, &weights);
        let patch = &scratch.patch;
        let (mut flux, mut variance, mut all) = (0.0f64, 0.0f64, 0.0f64);
        for ((w, d), v) in scratch.image.iter().zip(&patch.data).zip(&patch.variance) {
            let w = f64::from(*w);
            flux += w * f64::from(*d);
            variance += w * w * f64::from(*v);
            all += w * w;
        }
        let lost: f64 =
            patch.missing.iter().map(|&k| f64::from(scratch.image[k as usize]).powi(2)).sum();
        Gaap {
            flux,
            flux_err: variance.sqrt(),
            flag: !(flux.is_finite() && variance > 0.0)
                || f64::from(edge) > EDGE_MAX
                || lost > LOST_MAX * all,
        }
    })
}
