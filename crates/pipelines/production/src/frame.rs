//! The one order of a frame's steps.

use crate::astrometry::{self, Sky};
use crate::calibrate;
use crate::config::ProcessConfig;
use crate::detect::{self, Found};
use crate::error::ProcessError;
use crate::facts::{self, Stated};
use crate::quality::Quality;
use crate::signature::{PostIsr, remove_signature};
use crate::summary::FrameSummary;
use elqui_astrometry::{BlindIndex, RefStar};
use elqui_base::{DetectorId, SourceId, VisitId};
use elqui_deblend::deblend_all;
use elqui_image::{Exposure, Footprint, MaskPlane, PsfModel, RawFrame};
use elqui_isr::{CalibSet, CorrectedInput};
use elqui_measurement::{self as measurement, Parent};
use elqui_pipeline::Timing;
use elqui_schema::SourceTable;

/// What a frame is made of.
pub enum FrameInput {
    /// A raw frame and its calibrations (what is absent is not applied).
    Raw(Box<RawFrame>, Box<CalibSet>),
    /// An image that is already corrected.
    Corrected(Box<CorrectedInput>),
}

/// Stars of a reference catalogue in the band of the frame.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    pub stars: &'a [RefStar],
    /// The catalogue's magnitudes are of this band and can set a zero point.
    pub photometric: bool,
    /// Index of the whole catalogue, for frames whose pointing is not known or wrong.
    pub index: Option<&'a BlindIndex>,
}

/// Everything that came out of a frame.
#[derive(Debug, Clone)]
pub struct ProcessOutput {
    pub exposure: Exposure,
    pub sources: SourceTable,
    pub summary: FrameSummary,
}

/// Process one detector's frame: instrument signature, background, PSF, detection, deblending,
/// measurement, aperture corrections, astrometry and zero point.
///
/// Without a reference catalogue the header's WCS is kept, positions are NaN where there is none,
/// and fluxes stay in adu. Cosmic rays are looked for in raw frames.
pub fn process_frame(
    input: FrameInput,
    reference: Option<Reference<'_>>,
    config: &ProcessConfig,
    timing: &mut Timing,
) -> Result<ProcessOutput, ProcessError> {
    let image = timing.step("isr", || remove_signature(input, &config.isr))?;
    calibrate_image(image, reference, config, timing)
}

/// The second half of [`process_frame`]: all but the instrument's signature.
pub fn calibrate_image(
    image: PostIsr,
    reference: Option<Reference<'_>>,
    config: &ProcessConfig,
    timing: &mut Timing,
) -> Result<ProcessOutput, ProcessError> {
    let stated = Stated::from(&image);
    let PostIsr { mut exposure, is_raw, dead_amplifiers: dead, mut warnings, .. } = image;
    let mut found = detect::find_sources(&mut exposure, config, is_raw, timing, &mut warnings)?;
    let psf = exposure.psf.clone().unwrap_or_else(|| elqui_psf::gaussian(3.0));
    let parents = timing.step("deblending", || {
        split(&exposure, std::mem::take(&mut found.footprints), &psf, config)
    });
    let mut sources = timing
        .step("measurement", || measurement::measure(&exposure, &parents, &config.measurement));
    drop(parents);
    name_sources(&mut sources, &exposure);
    mark_psf_stars(&mut sources, &found);

    timing.step("apertureCorrection", || {
        calibrate::correct_apertures(&mut exposure, &mut sources, config, &mut warnings);
    });
    let sky = timing.step("astrometry", || {
        astrometry::fit(&mut exposure, &mut sources, reference, config, &mut warnings)
    })?;
    let facts = facts::gather(&exposure, &sources, &found, &stated, dead);
    let zero = timing.step("photometry", || {
        let (e, s, w) = (&mut exposure, &mut sources, &mut warnings);
        calibrate::zero_point(e, s, reference, &sky, &facts, config, w)
    });
    if sources.is_empty() {
        warnings.push("no source was detected".into());
    }
    let summary = summarise(&exposure, &sources, &found, &sky, zero, warnings);
    Ok(ProcessOutput { exposure, sources, summary })
}

fn split(
    exposure: &Exposure,
    footprints: Vec<Footprint>,
    psf: &PsfModel,
    config: &ProcessConfig,
) -> Vec<Parent> {
    let blends = deblend_all(&exposure.image, &exposure.mask, &footprints, psf, &config.deblend);
    footprints
        .into_iter()
        .zip(blends)
        .map(|(footprint, blend)| Parent {
            footprint,
            children: blend.children,
            simplified: blend.simplified,
            n_peaks: blend.n_peaks,
            blendedness: blend.blendedness,
        })
        .collect()
}

/// Give every source its id (unique over the survey) and the visit's facts.
fn name_sources(sources: &mut SourceTable, exposure: &Exposure) {
    let (visit, detector) = (VisitId(exposure.info.visit), DetectorId(exposure.info.detector));
    let pack = |counter: i64| match u32::try_from(counter) {
        Ok(c) if c > 0 => SourceId::pack(visit, detector, c).0,
        _ => 0,
    };
    for row in 0..sources.len() {
        sources.source_id[row] = pack(sources.source_id[row]);
        sources.parent_source_id[row] = pack(sources.parent_source_id[row]);
        sources.visit[row] = visit.0 as i64;
        sources.detector[row] = detector.0 as i32;
        let mjd = exposure.info.mid_mjd_tai.0;
        sources.mid_mjd_tai[row] = if mjd > 0.0 { mjd } else { f64::NAN };
    }
}

/// Flag the sources that the PSF was made of (nearest primary source within 1.5 pixels).
fn mark_psf_stars(sources: &mut SourceTable, found: &Found) {
    let mut order: Vec<usize> = (0..sources.len()).filter(|&r| sources.y[r].is_finite()).collect();
    order.sort_by(|&a, &b| sources.y[a].total_cmp(&sources.y[b]));
    let nearest = |[x, y]: [f64; 2]| {
        let from = order.partition_point(|&r| sources.y[r] < y - 1.5);
        order[from..]
            .iter()
            .take_while(|&&r| sources.y[r] <= y + 1.5)
            .map(|&r| (r, (sources.x[r] - x).hypot(sources.y[r] - y)))
            .filter(|&(r, d)| d <= 1.5 && sources.detect_is_primary[r])
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(r, _)| r)
    };
    let used: Vec<usize> = found.psf_used.iter().filter_map(|&p| nearest(p)).collect();
    let reserved: Vec<usize> = found.psf_reserved.iter().filter_map(|&p| nearest(p)).collect();
    used.iter().for_each(|&r| sources.calib_psf_used[r] = true);
    reserved.iter().for_each(|&r| sources.calib_psf_reserved[r] = true);
}

fn summarise(
    exposure: &Exposure,
    sources: &SourceTable,
    found: &Found,
    sky: &Sky,
    zero: calibrate::Zero,
    warnings: Vec<String>,
) -> FrameSummary {
    let info = &exposure.info;
    let fwhm = found.psf_effective_fwhm.or(exposure.psf.as_ref().map(|p| p.fwhm_pixels));
    let (cx, cy) = (0.5 * (exposure.width() as f64 - 1.0), 0.5 * (exposure.height() as f64 - 1.0));
    let center =
        exposure.wcs.as_ref().map(|w| (w.pixel_to_sky(cx, cy), w.pixel_scale_arcsec(cx, cy)));
    let finite = |v: f64| v.is_finite().then_some(v);
    let saturated = MaskPlane::Sat.bit();
    let color = zero.found.as_ref().and_then(|z| z.color_term);
    FrameSummary {
        instrument: info.instrument.clone(),
        visit: info.visit,
        detector: info.detector,
        band: info.band.clone(),
        width_pixels: exposure.width(),
        height_pixels: exposure.height(),
        n_sources: sources.len(),
        n_psf_stars: found.psf_used.len(),
        psf_fwhm_pixels: fwhm,
        psf_half_maximum_pixels: exposure.psf.as_ref().map(|p| p.fwhm_pixels),
        psf_fwhm_arcsec: fwhm.zip(center).and_then(|(f, (_, scale))| finite(f * scale)),
        psf_size_residual: found.psf_size_residual,
        psf_size_residual_rms: found.psf_size_residual_rms,
        psf_ellipticity_residual_rms: found.psf_ellipticity_residual_rms,
        n_psf_reserved: Some(found.psf_reserved.len()),
        aperture_correction_err: zero.ap_corr_err,
        sky_level: found.sky_level,
        sky_noise: found.sky_noise,
        sky_level_err: finite(found.sky_level_err),
        n_cosmic_rays: found.n_cosmic_rays,
        n_streaks: found.streaks.as_ref().map(Vec::len),
        streaks: found.streaks.clone().unwrap_or_default(),
        n_negative: found.n_negative,
        n_saturated_pixels: exposure.mask.data().iter().filter(|&&m| m & saturated != 0).count(),
        flux_unit: sources.flux_unit.clone(),
        zero_point_mag: exposure.photo_calib.as_ref().map(|p| p.zero_point_mag),
        zero_point_err_mag: exposure.photo_calib.as_ref().map(|p| p.zero_point_err_mag),
        zero_point_scatter_mag: zero.scatter_mag,
        zero_point_intrinsic_mag: zero.found.as_ref().map(|z| z.intrinsic_mag),
        zero_point_color_term: color.map(|t| t.slope),
        zero_point_color_term_err: color.map(|t| t.slope_err),
        zero_point_color: color.map(|t| t.reference_color),
        color_use: zero.found.as_ref().map(|z| z.color_use),
        zero_point_map_rms_mag: zero.found.as_ref().and_then(|z| Some(z.map.as_ref()?.rms_mag)),
        n_photometry_matches: zero.matches,
        astrometry_rms_mas: sky.rms_mas.map(|[x, y]| (0.5 * (x * x + y * y)).sqrt()),
        astrometry_rms_x_mas: sky.rms_mas.map(|r| r[0]),
        astrometry_rms_y_mas: sky.rms_mas.map(|r| r[1]),
        n_astrometry_matches: sky.matches.len(),
        wcs_err_mas: sky.wcs_err_mas,
        astrometry_floor_mas: sky.floor_mas,
        astrometry_chi2_dof: sky.chi2_dof,
        n_astrometry_clipped: sky.clipped,
        found_blind: sky.blind,
        ra_center: center.and_then(|((ra, _), _)| finite(ra)),
        dec_center: center.and_then(|((_, dec), _)| finite(dec)),
        pixel_scale_arcsec: center.and_then(|(_, s)| finite(s)),
        quality: Quality::of(zero.reasons),
        warnings,
    }
}
