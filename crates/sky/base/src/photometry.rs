//! Fluxes, AB magnitudes and raw counts, with the domains of sciSQL's functions.
//!
//! - flux: erg/s/cm2/Hz where no unit is named, nJy where it is; dn: counts, with the counts of an
//!   object of magnitude 0; sigma: standard deviations, propagated to first order
//! - `None` (NULL) where an argument is not finite, a flux or zero point is not positive where its
//!   logarithm or quotient is taken, or a standard deviation is negative
//! - source: the notes of sciSQL 0.3 on each function; AB magnitudes by Oke & Gunn (1983), zero points
//!   48.6 (CGS) and 31.4 (nJy)

use crate::units::{mag_ab_to_njy, njy_to_mag_ab};

/// Magnitudes of a relative error of 1: 2.5 / ln 10.
const MAG_PER_RELATIVE: f64 = 2.5 * std::f64::consts::LOG10_E;
const AB_ZERO_POINT_CGS: f64 = 48.6;

fn finite<const N: usize>(values: [f64; N]) -> Option<()> {
    values.iter().all(|v| v.is_finite()).then_some(())
}

fn positive(value: f64) -> Option<()> {
    (value > 0.0).then_some(())
}

fn sigmas<const N: usize>(values: [f64; N]) -> Option<()> {
    values.iter().all(|v| *v >= 0.0).then_some(())
}

/// `scisql_fluxToAbMag(flux)`.
pub fn flux_to_ab_mag(flux: f64) -> Option<f64> {
    finite([flux])?;
    positive(flux)?;
    Some(-2.5 * flux.log10() - AB_ZERO_POINT_CGS)
}

/// `scisql_fluxToAbMagSigma(flux, fluxSigma)`; the unit of the flux does not matter.
pub fn flux_to_ab_mag_sigma(flux: f64, sigma: f64) -> Option<f64> {
    finite([flux, sigma])?;
    positive(flux)?;
    sigmas([sigma])?;
    Some(MAG_PER_RELATIVE * sigma / flux)
}

/// `scisql_nanojanskyToAbMag(flux)`.
pub fn nanojansky_to_ab_mag(flux_njy: f64) -> Option<f64> {
    finite([flux_njy])?;
    positive(flux_njy)?;
    Some(njy_to_mag_ab(flux_njy))
}

/// `scisql_nanojanskyToAbMagSigma(flux, fluxSigma)`.
pub fn nanojansky_to_ab_mag_sigma(flux_njy: f64, sigma_njy: f64) -> Option<f64> {
    flux_to_ab_mag_sigma(flux_njy, sigma_njy)
}

/// `scisql_abMagToFlux(mag)`.
pub fn ab_mag_to_flux(mag: f64) -> Option<f64> {
    finite([mag])?;
    Some(10f64.powf(-0.4 * (mag + AB_ZERO_POINT_CGS)))
}

/// `scisql_abMagToFluxSigma(mag, magSigma)`.
pub fn ab_mag_to_flux_sigma(mag: f64, sigma: f64) -> Option<f64> {
    finite([sigma])?;
    sigmas([sigma])?;
    Some(sigma / MAG_PER_RELATIVE * ab_mag_to_flux(mag)?)
}

/// `scisql_abMagToNanojansky(mag)`.
pub fn ab_mag_to_nanojansky(mag: f64) -> Option<f64> {
    finite([mag])?;
    Some(mag_ab_to_njy(mag))
}

/// `scisql_abMagToNanojanskySigma(mag, magSigma)`.
pub fn ab_mag_to_nanojansky_sigma(mag: f64, sigma: f64) -> Option<f64> {
    finite([sigma])?;
    sigmas([sigma])?;
    Some(sigma / MAG_PER_RELATIVE * ab_mag_to_nanojansky(mag)?)
}

/// `scisql_dnToFlux(dn, fluxMag0)`.
pub fn dn_to_flux(dn: f64, flux_mag0: f64) -> Option<f64> {
    finite([dn, flux_mag0])?;
    positive(flux_mag0)?;
    Some(dn / flux_mag0 * ab_mag_to_flux(0.0)?)
}

/// `scisql_dnToFluxSigma(dn, dnSigma, fluxMag0, fluxMag0Sigma)`.
pub fn dn_to_flux_sigma(
    dn: f64,
    dn_sigma: f64,
    flux_mag0: f64,
    flux_mag0_sigma: f64,
) -> Option<f64> {
    finite([dn, dn_sigma, flux_mag0, flux_mag0_sigma])?;
    positive(flux_mag0)?;
    sigmas([dn_sigma, flux_mag0_sigma])?;
    let counts = (dn * flux_mag0_sigma).hypot(dn_sigma * flux_mag0);
    Some(counts / (flux_mag0 * flux_mag0) * ab_mag_to_flux(0.0)?)
}

/// `scisql_dnToAbMag(dn, fluxMag0)`.
pub fn dn_to_ab_mag(dn: f64, flux_mag0: f64) -> Option<f64> {
    finite([dn])?;
    positive(dn)?;
    flux_to_ab_mag(dn_to_flux(dn, flux_mag0)?)
}

/// `scisql_dnToAbMagSigma(dn, dnSigma, fluxMag0, fluxMag0Sigma)`.
pub fn dn_to_ab_mag_sigma(
    dn: f64,
    dn_sigma: f64,
    flux_mag0: f64,
    flux_mag0_sigma: f64,
) -> Option<f64> {
    let sigma = dn_to_flux_sigma(dn, dn_sigma, flux_mag0, flux_mag0_sigma)?;
    flux_to_ab_mag_sigma(dn_to_flux(dn, flux_mag0)?, sigma)
}

/// `scisql_fluxToDn(flux, fluxMag0)`.
pub fn flux_to_dn(flux: f64, flux_mag0: f64) -> Option<f64> {
    finite([flux, flux_mag0])?;
    positive(flux_mag0)?;
    Some(flux * flux_mag0 / ab_mag_to_flux(0.0)?)
}

/// `scisql_fluxToDnSigma(flux, fluxSigma, fluxMag0, fluxMag0Sigma)`.
pub fn flux_to_dn_sigma(
    flux: f64,
    flux_sigma: f64,
    flux_mag0: f64,
    flux_mag0_sigma: f64,
) -> Option<f64> {
    finite([flux, flux_sigma, flux_mag0, flux_mag0_sigma])?;
    positive(flux_mag0)?;
    sigmas([flux_sigma, flux_mag0_sigma])?;
    Some((flux * flux_mag0_sigma).hypot(flux_mag0 * flux_sigma) / ab_mag_to_flux(0.0)?)
}

/// `scisql_abMagToDn(mag, fluxMag0)`.
pub fn ab_mag_to_dn(mag: f64, flux_mag0: f64) -> Option<f64> {
    flux_to_dn(ab_mag_to_flux(mag)?, flux_mag0)
}

/// `scisql_abMagToDnSigma(mag, magSigma, fluxMag0, fluxMag0Sigma)`.
pub fn ab_mag_to_dn_sigma(
    mag: f64,
    mag_sigma: f64,
    flux_mag0: f64,
    flux_mag0_sigma: f64,
) -> Option<f64> {
    let sigma = ab_mag_to_flux_sigma(mag, mag_sigma)?;
    flux_to_dn_sigma(ab_mag_to_flux(mag)?, sigma, flux_mag0, flux_mag0_sigma)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: Option<f64>, b: f64) {
        let a = a.expect("a number");
        assert!((a / b - 1.0).abs() < 1e-12, "{a} is not {b}");
    }

    #[test]
    fn known_values_and_round_trips() {
        // 1 uJy has 23.9 mag; a zero magnitude is 3630.78 Jy (Oke & Gunn 1983).
        near(nanojansky_to_ab_mag(1000.0), 23.9);
        near(ab_mag_to_nanojansky(0.0), 3.630780547701013e12);
        near(ab_mag_to_flux(0.0), 3.630780547701013e-20);
        near(flux_to_ab_mag(1e-29), 23.9);
        // One per cent is 0.0108573620475813 mag.
        near(nanojansky_to_ab_mag_sigma(500.0, 5.0), 0.010857362047581294);
        for mag in [-1.5, 14.0, 20.5, 31.0] {
            near(flux_to_ab_mag(ab_mag_to_flux(mag).unwrap()), mag);
            near(nanojansky_to_ab_mag(ab_mag_to_nanojansky(mag).unwrap()), mag);
            near(dn_to_ab_mag(ab_mag_to_dn(mag, 3e12).unwrap(), 3e12), mag);
            let flux = ab_mag_to_nanojansky(mag).unwrap();
            let sigma = ab_mag_to_nanojansky_sigma(mag, 0.01).unwrap();
            near(nanojansky_to_ab_mag_sigma(flux, sigma), 0.01);
            let (dn, sigma) = (
                ab_mag_to_dn(mag, 3e12).unwrap(),
                ab_mag_to_dn_sigma(mag, 0.01, 3e12, 0.0).unwrap(),
            );
            near(dn_to_ab_mag_sigma(dn, sigma, 3e12, 0.0), 0.01);
        }
        near(dn_to_flux(3e12, 3e12), 3.630780547701013e-20);
        // Both errors of one per cent: the root of two of them.
        let both = dn_to_ab_mag_sigma(100.0, 1.0, 1e6, 1e4);
        near(both, 0.010857362047581294 * 2f64.sqrt());
        near(flux_to_dn_sigma(3.630780547701013e-20, 0.0, 1e6, 10.0), 10.0);
    }

    #[test]
    fn domains() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(nanojansky_to_ab_mag(bad), None);
            assert_eq!(flux_to_ab_mag(bad), None);
            assert_eq!(ab_mag_to_flux(bad), None);
            assert_eq!(ab_mag_to_nanojansky(bad), None);
            assert_eq!(nanojansky_to_ab_mag_sigma(1.0, bad), None);
            assert_eq!(ab_mag_to_flux_sigma(bad, 0.1), None);
            assert_eq!(dn_to_flux(bad, 1.0), None);
            assert_eq!(flux_to_dn(1.0, bad), None);
        }
        for flux in [0.0, -3.0] {
            assert_eq!(nanojansky_to_ab_mag(flux), None);
            assert_eq!(nanojansky_to_ab_mag_sigma(flux, 1.0), None);
            assert_eq!(dn_to_ab_mag(flux, 1e6), None);
            assert_eq!(dn_to_ab_mag(1.0, flux), None);
            assert_eq!(flux_to_dn(1.0, flux), None);
        }
        // Fluxes below the sky are fluxes.
        assert!(dn_to_flux(-3.0, 1e6).unwrap() < 0.0);
        assert_eq!(nanojansky_to_ab_mag_sigma(1.0, -0.1), None);
        assert_eq!(ab_mag_to_nanojansky_sigma(20.0, -0.1), None);
        assert_eq!(dn_to_flux_sigma(1.0, -1.0, 1.0, 1.0), None);
        assert_eq!(nanojansky_to_ab_mag_sigma(1.0, 0.0), Some(0.0));
    }
}
