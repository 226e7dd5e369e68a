//! Aperture corrections: every flux on the scale of one aperture.
//!
//! - input: a table and the rows of its bright isolated stars
//! - output: for each flux column, the ratio of the reference aperture to it, a polynomial over the
//!   detector fitted to clipped stars, each weighted by its photon noise and a scatter that is common
//!   to all; the covariance is scaled to the stars' own scatter. A column that no star gives a ratio
//!   for is absent from the map and stays as it is
//! - the reference aperture's flux is completed by the light beyond it (`growth`), so that corrected
//!   fluxes mean the total light; the aperture fluxes themselves stay sums
//! - differs from the LSST pipelines: the degree follows from the number of stars

use crate::config::ApCorrConfig;
use crate::error::MeasurementError;
use crate::growth::light_beyond;
use elqui_base::{BoundedField, LinalgError, Polynomial2d, mad_sigma, term_count};
use elqui_image::{ApCorrMap, Exposure};
use elqui_schema::SourceTable;

type Columns<'a> = (&'static str, &'a mut Vec<f64>, &'a mut Vec<f64>);

fn columns_mut(t: &mut SourceTable) -> [Columns<'_>; 7] {
    [
        ("psfFlux", &mut t.psf_flux, &mut t.psf_flux_err),
        ("ap03Flux", &mut t.ap03_flux, &mut t.ap03_flux_err),
        ("ap06Flux", &mut t.ap06_flux, &mut t.ap06_flux_err),
        ("ap09Flux", &mut t.ap09_flux, &mut t.ap09_flux_err),
        ("ap12Flux", &mut t.ap12_flux, &mut t.ap12_flux_err),
        ("ap17Flux", &mut t.ap17_flux, &mut t.ap17_flux_err),
        ("kronFlux", &mut t.kron_flux, &mut t.kron_flux_err),
    ]
}

fn columns(t: &SourceTable) -> [(&'static str, &[f64], &[f64]); 7] {
    [
        ("psfFlux", &t.psf_flux, &t.psf_flux_err),
        ("ap03Flux", &t.ap03_flux, &t.ap03_flux_err),
        ("ap06Flux", &t.ap06_flux, &t.ap06_flux_err),
        ("ap09Flux", &t.ap09_flux, &t.ap09_flux_err),
        ("ap12Flux", &t.ap12_flux, &t.ap12_flux_err),
        ("ap17Flux", &t.ap17_flux, &t.ap17_flux_err),
        ("kronFlux", &t.kron_flux, &t.kron_flux_err),
    ]
}

/// The corrections from the stars at `stars_rows`. A column without a usable ratio is absent; no
/// usable star at all is an error.
pub fn aperture_corrections(
    exposure: &Exposure,
    table: &SourceTable,
    stars_rows: &[usize],
    config: &ApCorrConfig,
) -> Result<ApCorrMap, MeasurementError> {
    let all = columns(table);
    let (_, reference, reference_err) = all
        .iter()
        .find(|(name, ..)| *name == config.reference)
        .ok_or_else(|| MeasurementError::UnknownFlux { column: config.reference.clone() })?;
    let usable: Vec<usize> = stars_rows
        .iter()
        .copied()
        .filter(|&r| {
            r < table.len()
                && reference[r] > config.snr_min * reference_err[r]
                && !table.ap_flux_flag[r]
                && !table.pixel_flags_saturated[r]
                && !table.pixel_flags_bad[r]
                && table.x[r].is_finite()
                && table.y[r].is_finite()
        })
        .collect();
    if usable.is_empty() {
        let flux = config.reference.clone();
        return Err(MeasurementError::NoStars { flux, given: stars_rows.len() });
    }
    // An error of the light beyond is one factor on every flux, stars of the zero point included: it
    // is the zero point's, and in no source's error.
    let beyond = if config.total { light_beyond(table, &usable).0 } else { 0.0 };
    let mut map = ApCorrMap::default();
    let size = (exposure.width() as f64, exposure.height() as f64);
    for (name, flux, flux_err) in &all {
        let field = if *name == config.reference {
            BoundedField::constant(1.0, 0.0)
        } else {
            let mut stars = Vec::new();
            for &r in &usable {
                let ratio = reference[r] / flux[r];
                if ratio > 1.0 / config.ratio_limit && ratio < config.ratio_limit {
                    // Both fluxes share pixels: what the larger aperture has beyond the smaller makes
                    // the ratio's noise.
                    let (a, b) = (reference_err[r].powi(2), (ratio * flux_err[r]).powi(2));
                    let noise = (a - b).abs().max(0.1 * a) / reference[r].powi(2);
                    stars.push(Star {
                        at: [table.x[r], table.y[r]],
                        ratio,
                        variance: ratio * ratio * noise,
                    });
                }
            }
            if stars.is_empty() {
                continue;
            }
            // The stars may lie such that a polynomial is undetermined (in a line): a lower one then.
            let fit = (0..=config.degree_max)
                .rev()
                .find_map(|d| fit_clipped(stars.clone(), size, d, config).ok());
            let Some(fit) = fit else { continue };
            scaled(fit, 1.0 + beyond)
        };
        map.0.insert((*name).to_string(), field);
    }
    Ok(map)
}

/// A correction times a factor.
fn scaled(mut field: BoundedField, factor: f64) -> BoundedField {
    field.polynomial.coefficients.iter_mut().for_each(|c| *c *= factor);
    field.covariance.iter_mut().for_each(|c| *c *= factor * factor);
    field
}

/// One star's ratio and the variance that photons give it.
#[derive(Debug, Clone, Copy)]
struct Star {
    at: [f64; 2],
    ratio: f64,
    variance: f64,
}

/// Scatter that stars have beyond their photons: what makes chi squared one a degree of freedom.
fn common_scatter(residuals: &[f64], stars: &[Star], freedom: f64) -> f64 {
    let excess = |s2: f64| {
        residuals.iter().zip(stars).map(|(r, s)| r * r / (s.variance + s2)).sum::<f64>() - freedom
    };
    let (mut low, mut high) = (0.0, residuals.iter().map(|r| r * r).fold(0.0, f64::max));
    if excess(low) <= 0.0 {
        return 0.0;
    }
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if excess(middle) > 0.0 { low = middle } else { high = middle }
    }
    high.sqrt()
}

/// A polynomial through the ratios; stars that stand out are clipped, four rounds.
fn fit_clipped(
    mut stars: Vec<Star>,
    (width, height): (f64, f64),
    degree_max: usize,
    config: &ApCorrConfig,
) -> Result<BoundedField, LinalgError> {
    let scaling = Polynomial2d::scaling(width, height);
    // The first round clips about the median, so that one outlier cannot bend the polynomial.
    let mut ratios: Vec<f64> = stars.iter().map(|s| s.ratio).collect();
    let (start, mut scatter) = mad_sigma(&mut ratios);
    let mut polynomial = Polynomial2d::constant(start);
    let mut covariance = Vec::new();
    for round in 0..4 {
        let pull = |s: &Star, p: &Polynomial2d, scatter: f64| {
            (s.ratio - p.eval(s.at[0], s.at[1])) / (s.variance.sqrt().hypot(scatter)).max(1e-12)
        };
        let mut pulls: Vec<f64> = stars.iter().map(|s| pull(s, &polynomial, scatter)).collect();
        let (_, sigma) = mad_sigma(&mut pulls);
        // A real gradient over the detector must survive the first clipping.
        let limit = config.clip_sigma * if round == 0 { 2.0 * sigma } else { sigma };
        if sigma > 0.0 {
            stars.retain(|s| pull(s, &polynomial, scatter).abs() <= limit);
        }
        let degree = (0..=degree_max)
            .rev()
            .find(|&d| stars.len() >= config.stars_per_term * term_count(d))
            .unwrap_or(0);
        let points: Vec<[f64; 2]> = stars.iter().map(|s| s.at).collect();
        let ratios: Vec<f64> = stars.iter().map(|s| s.ratio).collect();
        let errors = |scatter: f64| -> Vec<f64> {
            stars.iter().map(|s| s.variance.sqrt().hypot(scatter).max(1e-9)).collect()
        };
        let (fit, _) = Polynomial2d::fit(degree, scaling, &points, &ratios, &errors(scatter))?;
        let residuals: Vec<f64> =
            stars.iter().map(|s| s.ratio - fit.eval(s.at[0], s.at[1])).collect();
        let freedom = stars.len().saturating_sub(term_count(degree)).max(1) as f64;
        scatter = common_scatter(&residuals, &stars, freedom);
        (polynomial, covariance) =
            Polynomial2d::fit(degree, scaling, &points, &ratios, &errors(scatter))?;
    }
    Ok(BoundedField { polynomial, covariance })
}

/// Multiply each flux of the map by its correction at the source's place; the correction's own
/// error is added in quadrature.
pub fn apply_aperture_corrections(table: &mut SourceTable, map: &ApCorrMap) {
    let (x, y) = (table.x.clone(), table.y.clone());
    for (name, flux, err) in columns_mut(table) {
        let Some(field) = map.0.get(name) else { continue };
        for k in 0..flux.len() {
            let (c, c_err) = (field.polynomial.eval(x[k], y[k]), field.error(x[k], y[k]));
            err[k] = (c * err[k]).hypot(flux[k] * c_err);
            flux[k] *= c;
        }
    }
    let Some(field) = map.0.get("psfFlux") else { return };
    for k in 0..table.len() {
        let (c, c_err) = (field.polynomial.eval(x[k], y[k]), field.error(x[k], y[k]));
        table.psf_flux_ap_corr[k] = c as f32;
        table.psf_flux_ap_corr_err[k] = c_err as f32;
        // Models made with the PSF model have its scale.
        for (flux, err) in [
            (&mut table.cmodel_flux, &mut table.cmodel_flux_err),
            (&mut table.gaap1p0_flux, &mut table.gaap1p0_flux_err),
            (&mut table.gaap1p5_flux, &mut table.gaap1p5_flux_err),
            (&mut table.gaap2p5_flux, &mut table.gaap2p5_flux_err),
            (&mut table.trail_flux, &mut table.trail_flux_err),
        ] {
            err[k] = (c * err[k]).hypot(flux[k] * c_err);
            flux[k] *= c;
        }
    }
}
