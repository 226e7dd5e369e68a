//! Stars from galaxies.
//!
//! - a source is extended (1) when it is larger than the PSF by more than its error allows, or when
//!   its Kron flux exceeds its PSF flux by more than theirs do; else a point (0)
//! - input: fluxes and moments of a table; run it again after the aperture corrections
//! - size: T = ixx + iyy against the PSF's; the error of T / T_psf is about 2 / snr for a matched
//!   Gaussian (the variance of adaptive moments under constant noise)
//! - the floors allow for what a PSF model gets wrong of bright stars

use elqui_schema::SourceTable;

/// Excess of size, relative, that a perfect measurement needs.
const SIZE_FLOOR: f64 = 0.08;
/// Excess of flux, relative, that a perfect measurement needs.
const FLUX_FLOOR: f64 = 0.08;
/// Standard deviations that noise is allowed.
const N_SIGMA: f64 = 3.0;

/// Fill `extendedness` (0, 1, or NaN with its flag).
pub fn classify(table: &mut SourceTable) {
    for k in 0..table.len() {
        let snr = table.psf_flux[k] / table.psf_flux_err[k];
        let size = (!table.shape_flag[k] && snr > 0.0).then(|| {
            let own = f64::from(table.ixx[k]) + f64::from(table.iyy[k]);
            let psf = f64::from(table.ixx_psf[k]) + f64::from(table.iyy_psf[k]);
            (own / psf - 1.0, (SIZE_FLOOR, N_SIGMA * 2.0 / snr))
        });
        let flux = (!table.kron_flux_flag[k] && !table.psf_flux_flag[k] && snr > 0.0).then(|| {
            let excess = table.kron_flux[k] / table.psf_flux[k] - 1.0;
            (excess, (FLUX_FLOOR, N_SIGMA * table.kron_flux_err[k] / table.psf_flux[k]))
        });
        let votes: Vec<bool> = [size, flux]
            .into_iter()
            .flatten()
            .filter(|(excess, _)| excess.is_finite())
            .map(|(excess, (floor, noise))| excess > floor + noise)
            .collect();
        table.extendedness_flag[k] = votes.is_empty();
        table.extendedness[k] = match votes.as_slice() {
            [] => f32::NAN,
            v => f32::from(u8::from(v.contains(&true))),
        };
    }
}
