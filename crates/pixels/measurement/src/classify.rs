//! Stars from galaxies, with a probability.
//!
//! - statistic: s = `spreadModel`, the excess of area by a linear fit; or where that failed the same by
//!   adaptive moments, T / T_psf - 1 (T = ixx + iyy). The moments follow a neighbour's light much farther
//! - point sources: s is Gaussian about 0 with sigma^2 = (k err)^2 + floor^2; some have unseen light beside
//!   them, which adds an excess to s, t in units of sigma, for what goes unseen is limited by the noise and
//!   not by the source's own light; its distribution is (1 + t / mean)^-3. A source that looks smaller than
//!   the PSF by more than sigma says no more than one that does so by sigma
//! - galaxies: s is their true excess r plus that noise; ln r is Gaussian about a line in ln S/N (faint
//!   galaxies are small)
//! - k, floor, how many have company and how much, the line and the width of ln r, and the part of
//!   galaxies as a function of S/N are learned from the frame itself (expectation maximisation; an
//!   empirical Bayes classifier). A short table keeps the starting values: no frame is needed to
//!   classify one source
//! - output: `sizeExtendedness`, the posterior probability of being extended; `extendedness` is 1 where
//!   that is above one half. A source without s is judged by its Kron flux's excess
//! - source: the mixture is Sebok 1979, AJ 84, 1526, in one dimension; differs from the LSST
//!   pipelines, which cut at a fixed ratio of fluxes or sizes, in that the cut follows the noise

mod populations;

use elqui_schema::SourceTable;
use populations::{EXCESS_MAX, LEARN_SNR, Populations, Sample};

/// Excess of Kron over PSF flux that a source without moments needs, relative, and in its errors.
const FLUX_FLOOR: f64 = 0.08;
const FLUX_SIGMA: f64 = 3.0;

/// Fill `sizeExtendedness` and `extendedness` (NaN with its flag where nothing can be said).
pub fn classify(table: &mut SourceTable) {
    let sample = |t: &SourceTable, k: usize| {
        let snr = t.psf_flux[k] / t.psf_flux_err[k];
        let (spread, err) = (f64::from(t.spread_model[k]), f64::from(t.spread_model_err[k]));
        let own = f64::from(t.ixx[k]) + f64::from(t.iyy[k]);
        let psf = f64::from(t.ixx_psf[k]) + f64::from(t.iyy_psf[k]);
        let excess = own / psf - 1.0;
        let s = if spread.is_finite() { spread } else { excess };
        (snr > 0.0 && err > 0.0 && s.is_finite()).then_some(Sample { s, err, snr })
    };
    let clean: Vec<Sample> = (0..table.len())
        .filter(|&k| {
            table.detect_is_primary[k]
                && !table.pixel_flags_saturated[k]
                && !table.pixel_flags_edge[k]
                && !table.centroid_flag[k]
        })
        .filter_map(|k| sample(table, k))
        .filter(|x| x.snr > LEARN_SNR && x.s < EXCESS_MAX)
        .collect();
    let known = Populations::learned(&clean);
    let fixed = known.fixed();
    for k in 0..table.len() {
        let probability = match sample(table, k) {
            Some(x) => known.probability(&x, &fixed),
            None => by_flux(table, k),
        };
        table.size_extendedness[k] = probability as f32;
        table.extendedness_flag[k] = probability.is_nan();
        table.extendedness[k] =
            if probability.is_nan() { f32::NAN } else { f32::from(u8::from(probability > 0.5)) };
    }
}

/// 0 or 1 by the excess of the Kron flux; NaN without fluxes.
fn by_flux(table: &SourceTable, k: usize) -> f64 {
    let excess = table.kron_flux[k] / table.psf_flux[k] - 1.0;
    let noise = FLUX_SIGMA * table.kron_flux_err[k] / table.psf_flux[k];
    let usable = !table.kron_flux_flag[k]
        && !table.psf_flux_flag[k]
        && table.psf_flux[k] > 0.0
        && excess.is_finite()
        && noise.is_finite();
    if usable { f64::from(u8::from(excess > FLUX_FLOOR + noise)) } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_measurement_nothing_is_said() {
        let mut t = SourceTable::with_rows(1);
        t.shape_flag[0] = true;
        classify(&mut t);
        assert!(t.extendedness[0].is_nan() && t.extendedness_flag[0]);
        assert!(t.size_extendedness[0].is_nan());
    }
}
