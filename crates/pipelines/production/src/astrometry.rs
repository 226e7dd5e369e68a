//! The frame's place on the sky: solution against the reference, then positions of all sources.
//!
//! A frame without a pointing, or whose pointing leads to nothing, is looked for blind: in an index of the
//! reference catalogue that the caller has, or in one made on the spot where the catalogue is small.

use crate::config::ProcessConfig;
use crate::error::ProcessError;
use crate::frame::Reference;
use elqui_astrometry::{
    AstrometryError, BlindConfig, BlindIndex, Detected, Solution, SolveHint, find_pointing, solve,
};
use elqui_image::Exposure;
use elqui_schema::SourceTable;

/// What the solution gave.
#[derive(Debug, Clone, Default)]
pub struct Sky {
    /// Source row and index of its reference star.
    pub matches: Vec<(usize, usize)>,
    /// Residual per axis (east, north), mas.
    pub rms_mas: Option<[f64; 2]>,
    /// Error of the map per axis, as the stars' errors have it, mas.
    pub wcs_err_mas: Option<f64>,
    /// Error per axis that the stars' own errors do not explain, mas.
    pub floor_mas: Option<f64>,
    pub chi2_dof: Option<f64>,
    /// Matches that were rejected.
    pub clipped: usize,
    /// The frame was found without its pointing.
    pub blind: bool,
}

/// Catalogues up to this size get an index on the spot, a second's work.
const INDEX_STARS_MAX: usize = 200_000;

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
    let known = hint(exposure, config);
    let mut blind = false;
    let (solution, rows) = match better(exposure, sources, reference, config, &known) {
        Err(reason) if config.astrometry.fit.blind && may_be_elsewhere(&reason) => {
            blind = true;
            let found = look_everywhere(exposure, sources, reference, config, &known)
                .map_err(|other| deeper(reason, other))?;
            warnings.push("found without its pointing".into());
            better(exposure, sources, reference, config, &found)?
        }
        other => other?,
    };
    warnings.extend(solution.warnings);
    let matches: Vec<(usize, usize)> =
        solution.matches.iter().map(|&(d, s)| (rows[d], s)).collect();
    matches.iter().for_each(|&(r, _)| sources.calib_astrometry_used[r] = true);
    exposure.wcs = Some(solution.wcs);
    let finite = |v: f64| v.is_finite().then_some(v);
    Ok(Sky {
        matches,
        rms_mas: Some(solution.rms_mas),
        wcs_err_mas: finite(solution.wcs_err_mas),
        floor_mas: finite(solution.floor_mas),
        chi2_dof: finite(solution.chi2_dof),
        clipped: solution.clipped,
        blind,
    })
}

/// What the frame and its instrument say beforehand.
fn hint(exposure: &Exposure, config: &ProcessConfig) -> SolveHint {
    let (info, step) = (&exposure.info, &config.astrometry);
    SolveHint {
        ra: info.boresight_ra,
        dec: info.boresight_dec,
        radius_deg: step.search_radius_deg,
        scale_arcsec: (info.pixel_scale_arcsec > 0.0).then_some(info.pixel_scale_arcsec),
        scale_tolerance: step.scale_tolerance,
        wcs: exposure.wcs.clone(),
        parity: step.fit.parity,
        distortion: step.fit.distortion.clone(),
    }
}

/// The failure is one that another pointing could mend.
fn may_be_elsewhere(reason: &AstrometryError) -> bool {
    !matches!(reason, AstrometryError::FewDetections { .. })
}

/// Of two failures the one to tell: where there was no pointing, that of the blind search.
fn deeper(known: AstrometryError, blind: AstrometryError) -> AstrometryError {
    match known {
        AstrometryError::NoPosition | AstrometryError::NoScale => blind,
        _ => known,
    }
}

/// A hint with a place that was found in an index.
fn look_everywhere(
    exposure: &Exposure,
    sources: &SourceTable,
    reference: Reference<'_>,
    config: &ProcessConfig,
    known: &SolveHint,
) -> Result<SolveHint, AstrometryError> {
    let own;
    let index = match reference.index {
        Some(index) => index,
        None if reference.stars.len() > INDEX_STARS_MAX => return Err(AstrometryError::NoPosition),
        None => {
            own = BlindIndex::build(reference.stars, &BlindConfig::default())?;
            &own
        }
    };
    // The brightest stars tell most, saturated or not.
    let (detected, _) = detections(sources, config, true);
    let (width, height) = (exposure.width(), exposure.height());
    let found = find_pointing(&detected, index, width, height, known, &config.astrometry.fit)?;
    Ok(SolveHint {
        ra: f64::NAN,
        dec: f64::NAN,
        scale_arcsec: None,
        wcs: Some(found.wcs),
        parity: Some(found.parity),
        ..known.clone()
    })
}

/// The solution with the saturated stars or without, whichever has more to go on.
fn better(
    exposure: &Exposure,
    sources: &SourceTable,
    reference: Reference<'_>,
    config: &ProcessConfig,
    hint: &SolveHint,
) -> Result<(Solution, Vec<usize>), AstrometryError> {
    let clean = attempt(exposure, sources, reference, config, hint, false);
    if clean.as_ref().is_ok_and(|(s, _)| s.matches.len() >= FEW_MATCHES) {
        return clean;
    }
    match (clean, attempt(exposure, sources, reference, config, hint, true)) {
        (Ok(a), Ok(b)) => Ok(if b.0.matches.len() > a.0.matches.len() { b } else { a }),
        (Ok(a), Err(_)) => Ok(a),
        (Err(_), other) => other,
    }
}

/// Solve with the sources that can be trusted, `saturated` ones among them or not; the solution and
/// the source rows of its detections.
fn attempt(
    exposure: &Exposure,
    sources: &SourceTable,
    reference: Reference<'_>,
    config: &ProcessConfig,
    hint: &SolveHint,
    saturated: bool,
) -> Result<(Solution, Vec<usize>), AstrometryError> {
    let (detected, rows) = detections(sources, config, saturated);
    let (width, height) = (exposure.width(), exposure.height());
    solve(&detected, reference.stars, width, height, hint, &config.astrometry.fit)
        .map(|solution| (solution, rows))
}

/// The sources that take part, and their rows.
fn detections(
    sources: &SourceTable,
    config: &ProcessConfig,
    saturated: bool,
) -> (Vec<Detected>, Vec<usize>) {
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
    let detected = rows
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
    (detected, rows)
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
