//! PSF fluxes at given places, whether or not something was detected there.
//!
//! - input: sky-subtracted exposure with its PSF; positions in pixels; output: adu

use crate::config::MeasurementConfig;
use crate::measure::fit_half;
use crate::psf_fit::{Scratch, flux_at};
use crate::stamp::{Scene, owners};
use elqui_image::{Exposure, PsfSampler};
use rayon::prelude::*;

/// A flux measured at a given position.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forced {
    /// adu; NaN when it failed.
    pub flux: f64,
    pub flux_err: f64,
    /// No flux could be measured, or part of the PSF's light fell on unusable pixels.
    pub flag: bool,
    /// Mask bits in the central 3 x 3 pixels.
    pub mask_bits: u32,
}

/// PSF flux at each position, in order. Neighbours are not removed.
pub fn forced_psf(
    exposure: &Exposure,
    positions: &[(f64, f64)],
    config: &MeasurementConfig,
) -> Vec<Forced> {
    let failed = Forced { flux: f64::NAN, flux_err: f64::NAN, flag: true, mask_bits: 0 };
    let Some(psf) = exposure.psf.as_ref() else { return vec![failed; positions.len()] };
    let half = fit_half(psf.fwhm_pixels, config);
    let sampler = PsfSampler::new(psf, half);
    let nobody = owners(exposure.width(), exposure.height(), std::iter::empty());
    let scene = Scene { exposure, owners: &nobody, reject: config.reject_bits() };
    positions
        .par_iter()
        .with_min_len(64)
        .map_init(Scratch::default, |scratch, &(x, y)| {
            if !(x.is_finite() && y.is_finite() && x.abs() < 1e6 && y.abs() < 1e6) {
                return failed;
            }
            let (i, j) = (x.round() as i32, y.round() as i32);
            let Some(stamp) = scene.stamp((i, j), half as i32 + 1, 0, None) else { return failed };
            let f = flux_at(&stamp, &sampler, (x, y), scratch);
            let mask_bits = (-1..=1)
                .flat_map(|dy| (-1..=1).map(move |dx| (i + dx, j + dy)))
                .fold(0, |bits, (i, j)| bits | exposure.mask.get(i, j).unwrap_or(0));
            let bad = !(f.flux.is_finite() && f.flux_err.is_finite()) || f.lost > 0.1;
            Forced { flux: f.flux, flux_err: f.flux_err, flag: bad, mask_bits }
        })
        .collect()
}
