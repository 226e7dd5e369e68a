//! The frame's place on the sky: solution against the reference, then positions of all sources.

use crate::config::ProcessConfig;
use crate::error::ProcessError;
use crate::frame::Reference;
use elqui_astrometry::{AstrometryError, Detected, Solution, SolveHint, solve};
use elqui_image::Exposure;
use elqui_schema::SourceTable;

/// What the solution gave.
#[derive(Debug, Clone, Default)]
pub struct Sky {
    /// Source row and index of its reference star.
    pub matches: Vec<(usize, usize)>,
    /// Residual per axis (east, north), mas.
    pub rms_mas: Option<[f64; 2]>,
}

/// Solve the frame against the reference (where there is one) and fill ra, dec and their errors.
pub fn fit(
    exposure: &mut Exposure,
    sources: &mut SourceTable,
    reference: Option<Reference<'_>>,
    config: &ProcessConfig,
    warnings: &mut Vec<String>,
) -> Result<Sky, ProcessError> {
    let mut sky = Sky::default();
    if let Some(reference) = reference {
        match solve_frame(exposure, sources, reference, config, warnings) {
            Ok(found) => sky = found,
            Err(reason) if config.astrometry.required => return Err(reason),
            Err(reason) => warnings.push(format!("not solved: {reason}")),
        }
    }
    fill_positions(exposure, sources);
    Ok(sky)
}

/// With fewer matches than this the saturated stars are asked too: where the reference is as shallow
/// as the frame is deep, they are most of what both know.
const FEW_MATCHES: usize = 30;
/// Error of a saturated star's centroid, pixels.
const SATURATED_ERROR_PIXELS: f64 = 0.3;

fn solve_frame(
    exposure: &mut Exposure,
    sources: &mut SourceTable,
    reference: Reference<'_>,
    config: &ProcessConfig,
    warnings: &mut Vec<String>,
) -> Result<Sky, ProcessError> {
    let clean = attempt(exposure, sources, reference, config, false);
    let enough = clean.as_ref().is_ok_and(|(s, _)| s.matches.len() >= FEW_MATCHES);
    let (solution, rows) = if enough {
        clean?
    } else {
        match (clean, attempt(exposure, sources, reference, config, true)) {
            (Ok(a), Ok(b)) => {
                if b.0.matches.len() > a.0.matches.len() {
                    b
                } else {
                    a
                }
            }
            (Ok(a), Err(_)) => a,
            (Err(_), Ok(b)) => b,
            (Err(reason), Err(_)) => return Err(reason.into()),
        }
    };
    warnings.extend(solution.warnings);
    let matches: Vec<(usize, usize)> =
        solution.matches.iter().map(|&(d, s)| (rows[d], s)).collect();
    matches.iter().for_each(|&(r, _)| sources.calib_astrometry_used[r] = true);
    exposure.wcs = Some(solution.wcs);
    Ok(Sky { matches, rms_mas: Some(solution.rms_mas) })
}

/// Solve with the sources that can be trusted, `saturated` ones among them or not; the solution and
/// the source rows of its detections.
fn attempt(
    exposure: &Exposure,
    sources: &SourceTable,
    reference: Reference<'_>,
    config: &ProcessConfig,
    saturated: bool,
) -> Result<(Solution, Vec<usize>), AstrometryError> {
    let step = &config.astrometry;
    let usable = |r: usize| {
        if sources.pixel_flags_saturated_center[r] {
            return saturated && sources.x[r].is_finite();
        }
        !sources.centroid_flag[r] && sources.psf_flux[r] > step.min_snr * sources.psf_flux_err[r]
    };
    let rows: Vec<usize> = (0..sources.len())
        .filter(|&r| sources.detect_is_primary[r] && !sources.pixel_flags_edge[r] && usable(r))
        .collect();
    let detected: Vec<Detected> = rows
        .iter()
        .map(|&r| {
            let blown = sources.pixel_flags_saturated_center[r];
            let error = |e: f32| {
                if blown { SATURATED_ERROR_PIXELS } else { f64::from(e) }
            };
            // A saturated star's PSF flux is a fit to its wings; its aperture sums what is there.
            let flux = if blown { sources.ap12_flux[r] } else { sources.psf_flux[r] };
            Detected {
                x: sources.x[r],
                y: sources.y[r],
                flux,
                x_err: error(sources.x_err[r]),
                y_err: error(sources.y_err[r]),
            }
        })
        .collect();
    let info = &exposure.info;
    let hint = SolveHint {
        ra: info.boresight_ra,
        dec: info.boresight_dec,
        radius_deg: step.search_radius_deg,
        scale_arcsec: (info.pixel_scale_arcsec > 0.0).then_some(info.pixel_scale_arcsec),
        scale_tolerance: step.scale_tolerance,
        wcs: exposure.wcs.clone(),
        ..SolveHint::default()
    };
    let (width, height) = (exposure.width(), exposure.height());
    solve(&detected, reference.stars, width, height, &hint, &step.fit)
        .map(|solution| (solution, rows))
}

/// ra, dec and errors of every source from the WCS. The errors are those of the centroid; the
/// solution's own uncertainty is common to the frame and is in the summary.
fn fill_positions(exposure: &Exposure, sources: &mut SourceTable) {
    let Some(wcs) = &exposure.wcs else { return };
    for row in 0..sources.len() {
        let (x, y) = (sources.x[row], sources.y[row]);
        if !(x.is_finite() && y.is_finite()) {
            continue;
        }
        (sources.ra[row], sources.dec[row]) = wcs.pixel_to_sky(x, y);
        let j = wcs.jacobian(x, y);
        let (ex, ey) = (f64::from(sources.x_err[row]), f64::from(sources.y_err[row]));
        sources.ra_err[row] = ((j[0][0] * ex).hypot(j[0][1] * ey) / 3600.0) as f32;
        sources.dec_err[row] = ((j[1][0] * ex).hypot(j[1][1] * ey) / 3600.0) as f32;
    }
}
