//! Fluxes to one scale (aperture corrections) and to nJy (zero point).

use crate::astrometry::Sky;
use crate::config::ProcessConfig;
use crate::frame::Reference;
use crate::quality::{Facts, Reason, Verdict, ZeroFacts, frame_reasons, zero_reasons};
use elqui_base::{BoundedField, mag_ab_to_njy};
use elqui_image::{ApCorrMap, Exposure, PhotoCalib};
use elqui_measurement as measurement;
use elqui_photometry::{self as photometry, CalibrationStars, Places, SpatialConfig, ZeroPoint};
use elqui_schema::SourceTable;

/// Fluxes of models, which are to be total fluxes on the scale of the calibration aperture.
const CORRECTED: [&str; 2] = ["psfFlux", "kronFlux"];

/// What the zero point rests on.
#[derive(Debug, Clone, Default)]
pub struct Zero {
    pub matches: usize,
    pub scatter_mag: Option<f64>,
    /// What was found, also where it is not believed; its error is the stars' alone.
    pub found: Option<ZeroPoint>,
    /// Why the frame, or the zero point, is less than good.
    pub reasons: Vec<Reason>,
    /// Error of the aperture correction of PSF fluxes at the detector's centre, relative.
    pub ap_corr_err: Option<f64>,
}

/// Bring PSF and Kron fluxes to the scale of the calibration aperture, as the PSF's stars tell.
pub fn correct_apertures(
    exposure: &mut Exposure,
    sources: &mut SourceTable,
    config: &ProcessConfig,
    warnings: &mut Vec<String>,
) {
    let stars = isolated_stars(sources);
    // The light beyond the aperture is the PSF model's to tell, where it reaches that far: the rings of
    // single stars are mostly sky.
    let step = &config.aperture_corrections;
    let beyond = if step.total { model_beyond(exposure, &stars) } else { None };
    let step = measurement::ApCorrConfig { total: step.total && beyond.is_none(), ..step.clone() };
    match measurement::aperture_corrections(exposure, sources, &stars, &step) {
        Ok(mut map) => {
            // Aperture fluxes stay what they say: the light within that radius.
            map.0.retain(|name, _| CORRECTED.contains(&name.as_str()));
            if let Some(beyond) = beyond {
                // Stray light and neighbours only add to either, so the smaller is the better one.
                let rings = measured_beyond(exposure, sources, &stars, &map, config);
                let less = rings.map_or(beyond, |r| r.min(beyond));
                let doubt = 0.3 * rings.map_or(0.0, |r| (r - beyond).abs());
                map.0.values_mut().for_each(|field| complete(field, less, doubt));
            }
            measurement::apply_aperture_corrections(sources, &map);
            exposure.ap_corr = map;
        }
        Err(reason) => warnings.push(format!("no aperture correction: {reason}")),
    }
    measurement::classify(sources);
}

/// Part of the aperture's light that lies beyond it, by the fitted PSF at the detector's centre.
fn model_beyond(exposure: &Exposure, stars: &[usize]) -> Option<f64> {
    let psf = exposure.psf.as_ref().filter(|_| !stars.is_empty())?;
    let (x, y) = (0.5 * exposure.width() as f64, 0.5 * exposure.height() as f64);
    measurement::model_light_beyond(psf, x, y)
}

/// The same by the rings of the stars; `None` where they give nothing.
fn measured_beyond(
    exposure: &Exposure,
    sources: &SourceTable,
    stars: &[usize],
    plain: &ApCorrMap,
    config: &ProcessConfig,
) -> Option<f64> {
    let step = &config.aperture_corrections;
    let total = measurement::aperture_corrections(exposure, sources, stars, step).ok()?;
    let (x, y) = (0.5 * exposure.width() as f64, 0.5 * exposure.height() as f64);
    let at = |map: &ApCorrMap| map.0.get("psfFlux").map(|f| f.eval(x, y));
    let beyond = at(&total)? / at(plain)? - 1.0;
    (beyond > 0.0).then_some(beyond)
}

/// How well the model's wings are believed.
const BEYOND_ERROR: f64 = 0.05;

/// A correction to an aperture, made one to all of the light; `doubt` is an error common to the field.
fn complete(field: &mut BoundedField, beyond: f64, doubt: f64) {
    let factor = 1.0 + beyond;
    field.polynomial.coefficients.iter_mut().for_each(|c| *c *= factor);
    field.covariance.iter_mut().for_each(|c| *c *= factor * factor);
    if let Some(constant) = field.covariance.first_mut() {
        *constant += (BEYOND_ERROR * beyond).hypot(doubt).powi(2);
    }
}

/// How far a neighbour's light reaches into a star's apertures, pixels.
const REACH_PIXELS: f64 = 24.0;
/// Light of its neighbours, over its own, that an isolated star may have.
const NEIGHBOURS_MAX: f64 = 0.002;
/// Aperture corrections want this many stars, isolated or not.
const STARS_WANTED: usize = 12;

/// The PSF's stars that have no neighbour worth mentioning; the least disturbed where those are few.
fn isolated_stars(s: &SourceTable) -> Vec<usize> {
    let mut by_row: Vec<usize> = (0..s.len())
        .filter(|&r| s.detect_is_primary[r] && s.y[r].is_finite() && s.psf_flux[r] > 0.0)
        .collect();
    by_row.sort_by(|&a, &b| s.y[a].total_cmp(&s.y[b]));
    let disturbance = |r: usize| -> f64 {
        let from = by_row.partition_point(|&k| s.y[k] < s.y[r] - REACH_PIXELS);
        let light: f64 = by_row[from..]
            .iter()
            .take_while(|&&k| s.y[k] <= s.y[r] + REACH_PIXELS)
            .filter(|&&k| k != r && (s.x[k] - s.x[r]).hypot(s.y[k] - s.y[r]) < REACH_PIXELS)
            .map(|&k| s.psf_flux[k])
            .sum();
        light / s.psf_flux[r]
    };
    let mut stars: Vec<(usize, f64)> = (0..s.len())
        .filter(|&r| s.calib_psf_used[r] || s.calib_psf_reserved[r])
        .map(|r| (r, disturbance(r)))
        .collect();
    stars.sort_by(|a, b| a.1.total_cmp(&b.1));
    let clean = stars.iter().filter(|s| s.1 < NEIGHBOURS_MAX).count();
    stars.truncate(clean.max(STARS_WANTED));
    let mut rows: Vec<usize> = stars.into_iter().map(|s| s.0).collect();
    rows.sort_unstable();
    rows
}

/// Zero point from the stars that the astrometry matched; scales all fluxes to nJy. It is withheld where
/// a reason is `bad`.
pub fn zero_point(
    exposure: &mut Exposure,
    sources: &mut SourceTable,
    reference: Option<Reference<'_>>,
    sky: &Sky,
    facts: &Facts,
    config: &ProcessConfig,
    warnings: &mut Vec<String>,
) -> Zero {
    let mut zero = Zero {
        reasons: frame_reasons(facts, &config.quality),
        ap_corr_err: aperture_error(exposure),
        ..Zero::default()
    };
    let mut checks = ZeroFacts {
        not_solved: reference.is_some() && sky.rms_mas.is_none(),
        intrinsic_mag: f64::NAN,
        cloud_rms_mag: f64::NAN,
        mag_1e_s: f64::NAN,
        sky_mag_arcsec2: f64::NAN,
        ..ZeroFacts::default()
    };
    let mut pairs = Vec::new();
    if let Some(reference) = reference {
        checks.matches = sky.matches.len();
        checks.matchable = matchable(exposure, sources, reference, config.astrometry.min_snr);
        if reference.photometric {
            pairs = usable_pairs(sources, reference, sky);
            let columns = Columns::of(sources, reference, &pairs);
            let size = (exposure.width() as f64, exposure.height() as f64);
            match photometry::calibrate(&columns.view(size), &config.photometry) {
                Ok(found) => {
                    checks.attempted = true;
                    judge(&mut checks, &found, &columns, exposure, facts, config);
                    checks.err_mag = total_error(&found, zero.ap_corr_err);
                    zero.matches = found.used.len();
                    zero.scatter_mag = Some(found.scatter_mag);
                    zero.found = Some(found);
                }
                Err(reason) => {
                    warnings.push(format!("no zero point, fluxes stay in adu: {reason}"));
                    zero.matches = pairs.len();
                }
            }
        } else {
            warnings.push(
                "the reference catalogue has no magnitude for this band: fluxes stay in adu".into(),
            );
        }
    }
    zero.reasons.extend(zero_reasons(&checks, &config.quality));
    let Some(found) = &zero.found else { return zero };
    let bad: Vec<&str> = zero
        .reasons
        .iter()
        .filter(|r| r.severity == Verdict::Bad)
        .map(|r| r.text.as_str())
        .collect();
    if !bad.is_empty() {
        let mag = found.mag;
        warnings.push(format!(
            "zero point withheld ({mag:.3} mag would have been it), fluxes stay in adu: {}",
            bad.join("; ")
        ));
        return zero;
    }
    for &k in &found.used {
        sources.calib_photometry_used[pairs[k].0] = true;
    }
    apply(exposure, sources, found, total_error(found, zero.ap_corr_err));
    zero
}

/// Relative error of the PSF fluxes' aperture correction at the detector's centre.
fn aperture_error(exposure: &Exposure) -> Option<f64> {
    let field = exposure.ap_corr.0.get("psfFlux")?;
    let (x, y) = (0.5 * exposure.width() as f64, 0.5 * exposure.height() as f64);
    let error = field.error(x, y) / field.eval(x, y);
    error.is_finite().then_some(error.abs())
}

/// How many stars a right solution could match: those of the reference that are on the frame, or the
/// image's clear sources, whichever are fewer.
fn matchable(
    exposure: &Exposure,
    sources: &SourceTable,
    reference: Reference<'_>,
    min_snr: f64,
) -> usize {
    let Some(wcs) = &exposure.wcs else { return 0 };
    let (w, h) = (exposure.width() as f64, exposure.height() as f64);
    let on_frame = |x: f64, y: f64| x > 0.0 && y > 0.0 && x < w - 1.0 && y < h - 1.0;
    let stars = reference
        .stars
        .iter()
        .filter(|s| wcs.sky_to_pixel(s.ra, s.dec).is_some_and(|(x, y)| on_frame(x, y)))
        .count();
    let clear = |&r: &usize| {
        sources.detect_is_primary[r]
            && !sources.centroid_flag[r]
            && sources.psf_flux[r] > min_snr * sources.psf_flux_err[r]
    };
    stars.min((0..sources.len()).filter(clear).count())
}

/// Matched sources that can set the zero point, stars only where enough look like stars.
fn usable_pairs(sources: &SourceTable, reference: Reference<'_>, sky: &Sky) -> Vec<(usize, usize)> {
    let usable = |&(r, s): &(usize, usize)| {
        reference.stars[s].mag.is_finite()
            && sources.psf_flux[r] > 0.0
            && !sources.pixel_flags_saturated[r]
            && !sources.pixel_flags_bad[r]
            && !sources.pixel_flags_streak_center[r]
            && !sources.psf_flux_flag[r]
    };
    let pairs: Vec<(usize, usize)> = sky.matches.iter().copied().filter(usable).collect();
    let stars: Vec<(usize, usize)> =
        pairs.iter().copied().filter(|&(r, _)| sources.extendedness[r] == 0.0).collect();
    if stars.len() >= 10 { stars } else { pairs }
}

/// The columns of the matched stars.
struct Columns([Vec<f64>; 7]);

impl Columns {
    fn of(s: &SourceTable, reference: Reference<'_>, pairs: &[(usize, usize)]) -> Self {
        let column = |f: &dyn Fn(usize, usize) -> f64| {
            pairs.iter().map(|&(r, k)| f(r, k)).collect::<Vec<f64>>()
        };
        let stars = reference.stars;
        Self([
            column(&|r, _| s.psf_flux[r]),
            column(&|r, _| s.psf_flux_err[r]),
            column(&|_, k| stars[k].mag),
            column(&|_, k| stars[k].mag_err),
            column(&|_, k| stars[k].color),
            column(&|r, _| s.x[r]),
            column(&|r, _| s.y[r]),
        ])
    }

    fn view(&self, (width, height): (f64, f64)) -> CalibrationStars<'_> {
        let [flux, flux_err, mag, mag_err, color, x, y] = &self.0;
        let place = Some(Places { x, y, width, height });
        CalibrationStars { flux, flux_err, mag, mag_err, color: Some(color), place }
    }
}

/// Structure is looked for up to this degree where the zero point does not follow it.
const CLOUD_DEGREE: usize = 3;

/// What the zero point says of the frame.
fn judge(
    checks: &mut ZeroFacts,
    found: &ZeroPoint,
    columns: &Columns,
    exposure: &Exposure,
    facts: &Facts,
    config: &ProcessConfig,
) {
    checks.used = found.used.len();
    checks.candidates = found.candidates;
    checks.intrinsic_mag = found.intrinsic_mag;
    checks.mapped = found.map.is_some();
    let with_map = photometry::ZeroPointConfig {
        spatial: Some(SpatialConfig { degree: CLOUD_DEGREE, stars_per_term: 2 }),
        ..config.photometry.clone()
    };
    let size = (exposure.width() as f64, exposure.height() as f64);
    let cloud = match &found.map {
        Some(map) => Some(map.rms_mag),
        None => photometry::calibrate(&columns.view(size), &with_map)
            .ok()
            .and_then(|z| z.map.map(|m| m.rms_mag)),
    };
    checks.cloud_rms_mag = cloud.unwrap_or(0.0);
    let e_s_per_adu = exposure.gain / exposure.info.exposure_s;
    checks.mag_1e_s = found.mag + 2.5 * e_s_per_adu.log10();
    let (x, y) = (0.5 * size.0, 0.5 * size.1);
    let scale = exposure.wcs.as_ref().map_or(f64::NAN, |w| w.pixel_scale_arcsec(x, y));
    if facts.sky_level > 3.0 * facts.sky_noise {
        checks.sky_mag_arcsec2 = found.mag - 2.5 * (facts.sky_level / (scale * scale)).log10();
    }
}

/// Relative change of a flux for a magnitude.
const PER_MAG: f64 = 0.4 * std::f64::consts::LN_10;

/// Error of the zero point with the aperture correction's: fluxes of stars do not suffer from that,
/// the magnitude of 1 adu of light does.
fn total_error(found: &ZeroPoint, ap_corr_err: Option<f64>) -> f64 {
    found.err_mag.hypot(ap_corr_err.unwrap_or(0.0) / PER_MAG)
}

/// Fluxes to nJy, and the calibration into the exposure.
fn apply(exposure: &mut Exposure, sources: &mut SourceTable, found: &ZeroPoint, err_mag: f64) {
    let njy_per_adu = mag_ab_to_njy(found.mag);
    if found.map.is_some() {
        let factors: Vec<f64> = (0..sources.len())
            .map(|r| {
                let (x, y) = (sources.x[r], sources.y[r]);
                let inside = x.is_finite() && y.is_finite();
                if inside { mag_ab_to_njy(found.at(x, y).0) } else { njy_per_adu }
            })
            .collect();
        sources.scale_fluxes_by(|row| factors[row], "nJy");
    } else {
        sources.scale_fluxes(njy_per_adu, "nJy");
    }
    exposure.photo_calib = Some(PhotoCalib {
        njy_per_adu,
        njy_per_adu_err: njy_per_adu * err_mag * PER_MAG,
        zero_point_mag: found.mag,
        zero_point_err_mag: err_mag,
        zero_point_map: found.map.as_ref().map(|m| m.field.clone()),
    });
}
