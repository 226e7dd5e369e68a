//! Aperture corrections: every flux on the scale of one aperture.
//!
//! - input: a table and the rows of its bright isolated stars
//! - output: for each flux column, the ratio of the reference aperture to it, a polynomial over the
//!   detector fitted to clipped stars; its covariance comes from the stars' scatter. A column
//!   that no star gives a ratio for is absent from the map and stays as it is
//! - differs from the LSST pipelines: the degree follows from the number of stars

use crate::config::ApCorrConfig;
use crate::error::MeasurementError;
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
    let mut map = ApCorrMap::default();
    let size = (exposure.width() as f64, exposure.height() as f64);
    for (name, flux, _) in &all {
        let field = if *name == config.reference {
            BoundedField::constant(1.0, 0.0)
        } else {
            let mut points = Vec::new();
            let mut ratios = Vec::new();
            for &r in &usable {
                let ratio = reference[r] / flux[r];
                if ratio > 1.0 / config.ratio_limit && ratio < config.ratio_limit {
                    points.push([table.x[r], table.y[r]]);
                    ratios.push(ratio);
                }
            }
            if ratios.is_empty() {
                continue;
            }
            // The stars may lie such that a polynomial is undetermined (in a line): a lower one then.
            let fit = (0..=config.degree_max)
                .rev()
                .find_map(|d| fit_clipped(points.clone(), ratios.clone(), size, d, config).ok());
            let Some(fit) = fit else { continue };
            fit
        };
        map.0.insert((*name).to_string(), field);
    }
    Ok(map)
}

/// A polynomial through the ratios; stars that stand out are clipped, three rounds. Equal weights:
/// at the brightness of these stars the scatter is of the PSF model, not of the photons.
fn fit_clipped(
    mut points: Vec<[f64; 2]>,
    mut ratios: Vec<f64>,
    (width, height): (f64, f64),
    degree_max: usize,
    config: &ApCorrConfig,
) -> Result<BoundedField, LinalgError> {
    let scaling = Polynomial2d::scaling(width, height);
    // The first round clips about the median, so that one outlier cannot bend the polynomial.
    let mut degree = 0;
    let (start, _) = mad_sigma(&mut ratios.clone());
    let mut polynomial = Polynomial2d::constant(start);
    let mut covariance = Vec::new();
    for round in 0..4 {
        let mut residuals: Vec<f64> =
            points.iter().zip(&ratios).map(|(p, r)| r - polynomial.eval(p[0], p[1])).collect();
        let (_, sigma) = mad_sigma(&mut residuals.clone());
        // A real gradient over the detector must survive the first clipping.
        let limit = config.clip_sigma * if round == 0 { 2.0 * sigma } else { sigma };
        if sigma > 0.0 {
            let keep: Vec<bool> = residuals.iter().map(|r| r.abs() <= limit).collect();
            let mut k = keep.iter();
            points.retain(|_| *k.next().unwrap_or(&true));
            let mut k = keep.iter();
            ratios.retain(|_| *k.next().unwrap_or(&true));
        }
        degree = (0..=degree_max)
            .rev()
            .find(|&d| ratios.len() >= config.stars_per_term * term_count(d))
            .unwrap_or(0);
        let (fit, _) =
            Polynomial2d::fit(degree, scaling, &points, &ratios, &vec![1.0; ratios.len()])?;
        polynomial = fit;
        residuals =
            points.iter().zip(&ratios).map(|(p, r)| r - polynomial.eval(p[0], p[1])).collect();
        let freedom = ratios.len().saturating_sub(term_count(degree)).max(1) as f64;
        let scatter = (residuals.iter().map(|r| r * r).sum::<f64>() / freedom).sqrt().max(1e-9);
        let (fit, c) =
            Polynomial2d::fit(degree, scaling, &points, &ratios, &vec![scatter; ratios.len()])?;
        (polynomial, covariance) = (fit, c);
    }
    debug_assert_eq!(covariance.len(), term_count(degree) * term_count(degree));
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
}
