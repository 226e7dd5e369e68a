//! Finding the sources: background, PSF, detection, in two rounds.
//!
//! The first round knows nothing of the PSF: a coarse background, bright detections with a guessed
//! width, and the PSF from their stars. The second takes the background again with the sources
//! masked and detects with the PSF's own width.

use crate::config::ProcessConfig;
use crate::error::ProcessError;
use elqui_background as background;
use elqui_base::{FWHM_PER_SIGMA, percentile};
use elqui_detection as detection;
use elqui_image::{Exposure, Footprint, Image, MaskPlane, adaptive_moments};
use elqui_isr as isr;
use elqui_pipeline::Timing;
use elqui_psf as psf;

/// FWHM assumed before anything is known, pixels.
const BLIND_FWHM_PIXELS: f64 = 3.0;

/// Widths that a PSF can have, pixels.
const SANE_FWHM_PIXELS: std::ops::RangeInclusive<f64> = 0.5..=100.0;

/// What was found, beside what is now in the exposure.
pub struct Found {
    pub footprints: Vec<Footprint>,
    /// Positions of the stars that the PSF was fitted to, and of those kept from it.
    pub psf_used: Vec<[f64; 2]>,
    pub psf_reserved: Vec<[f64; 2]>,
    pub psf_size_residual: Option<f64>,
    pub psf_size_residual_rms: Option<f64>,
    pub psf_ellipticity_residual_rms: Option<f64>,
    /// FWHM of the Gaussian with the PSF's noise-equivalent area, pixels.
    pub psf_effective_fwhm: Option<f64>,
    pub sky_level: f64,
    pub sky_noise: f64,
    pub sky_level_err: f64,
    /// Satellite trails; `None` where they were not looked for.
    pub streaks: Option<Vec<detection::Streak>>,
    pub n_negative: Option<usize>,
    pub n_cosmic_rays: usize,
}

/// Subtract the sky, model the PSF and detect. The exposure gains background, PSF, variance (when it
/// had none), and the CR, DETECTED and EDGE planes.
pub fn find_sources(
    exposure: &mut Exposure,
    config: &ProcessConfig,
    look_for_cosmic_rays: bool,
    timing: &mut Timing,
    warnings: &mut Vec<String>,
) -> Result<Found, ProcessError> {
    let unusable = MaskPlane::unusable();
    let (sky, first) = timing.step("background", || {
        let sky =
            background::Sky::new(&exposure.image, &exposure.mask, unusable, &config.background)?;
        let first = sky.estimate()?;
        Ok::<_, ProcessError>((sky, first))
    })?;
    if exposure.variance.data().iter().all(|v| !v.is_finite()) {
        isr::fill_variance_from_sky(exposure, &background::evaluate_rms(&first));
        warnings.push("gain unknown: the variance is that of the sky alone".into());
    }
    timing.step("background", || background::subtract(&mut exposure.image, &first));

    // Trails first: a trail's pixels would become a thousand sources.
    let streaks = config.streaks.as_ref().map(|step| {
        timing.step("streaks", || {
            let found =
                detection::find_streaks(&exposure.image, &exposure.variance, &exposure.mask, step);
            detection::mask_streaks(&mut exposure.mask, &found);
            found
        })
    });

    let bright_only = detection::DetectionConfig {
        threshold_sigma: config.psf_detection_snr,
        negative: false,
        second_look_snr: 0.0,
        ..config.detection.clone()
    };
    let (bright, guessed_fwhm) = timing.step("psf", || {
        let found = detection::detect(
            &exposure.image,
            &exposure.variance,
            &exposure.mask,
            BLIND_FWHM_PIXELS / FWHM_PER_SIGMA,
            &bright_only,
        )?;
        let fwhm =
            psf::guess_fwhm(&exposure.image, &exposure.variance, &exposure.mask, &found.footprints);
        Ok::<_, ProcessError>((found.footprints, fwhm))
    })?;

    let mut n_cosmic_rays = 0;
    if let (true, Some(cosmic)) = (look_for_cosmic_rays, &config.cosmic_rays) {
        n_cosmic_rays = timing.step("cosmicRays", || {
            // The image is sky-subtracted: what is left of the sky is zero.
            let sky = Image::filled(exposure.width(), exposure.height(), 0.0);
            let fwhm = guessed_fwhm.unwrap_or(BLIND_FWHM_PIXELS);
            let fwhm = narrow_width(exposure, &bright).map_or(fwhm, |narrow| narrow.min(fwhm));
            isr::find_cosmic_rays(exposure, &sky, fwhm, cosmic)
        });
    }

    let fit = timing.step("psf", || {
        let stars = psf::select_stars(
            &exposure.image,
            &exposure.variance,
            &exposure.mask,
            &bright,
            &config.stars,
        );
        psf::fit_psf(&exposure.image, &exposure.variance, &exposure.mask, &stars, &config.psf)
            .map(|fit| (fit, stars))
    });
    let mut psf_used = Vec::new();
    let mut psf_reserved = Vec::new();
    let mut psf_size_residual = None;
    let mut psf_size_residual_rms = None;
    let mut psf_ellipticity_residual_rms = None;
    let mut psf_effective_fwhm = None;
    match fit {
        Ok((fit, stars)) if SANE_FWHM_PIXELS.contains(&fit.model.fwhm_pixels) => {
            let place = |&k: &usize| [stars[k].x, stars[k].y];
            psf_used = fit.used.iter().map(place).collect();
            psf_reserved = fit.reserved.iter().map(place).collect();
            let checked = &fit.validation;
            let finite = |v: f64| (checked.stars > 0 && v.is_finite()).then_some(v);
            psf_size_residual = finite(checked.size);
            psf_size_residual_rms = finite(checked.size_rms);
            psf_ellipticity_residual_rms = finite(checked.e_rms);
            psf_effective_fwhm = Some(fit.effective_fwhm_pixels);
            exposure.psf = Some(fit.model);
        }
        failed => {
            let reason = match failed {
                Ok(_) => "the model's width makes no sense".to_string(),
                Err(reason) => reason.to_string(),
            };
            let fwhm = guessed_fwhm.unwrap_or(BLIND_FWHM_PIXELS);
            warnings.push(format!("PSF: {reason}; a Gaussian of {fwhm:.2} pixels is used"));
            exposure.psf = Some(psf::gaussian(fwhm));
        }
    }

    // Second round: the sky without the sources that the first one found.
    timing.step("background", || {
        let model = sky.refine(&first, &bright).unwrap_or_else(|_| first.clone());
        background::exchange(&mut exposure.image, &first, &model);
        exposure.background = Some(model);
    });
    let found = timing.step("detection", || {
        let (image, variance, mask) = (&exposure.image, &exposure.variance, &exposure.mask);
        let found = match &exposure.psf {
            Some(psf) => detection::detect_with_psf(image, variance, mask, psf, &config.detection)?,
            None => {
                let sigma = BLIND_FWHM_PIXELS / FWHM_PER_SIGMA;
                detection::detect(image, variance, mask, sigma, &config.detection)?
            }
        };
        detection::mark(&mut exposure.mask, &found.footprints, MaskPlane::Detected);
        detection::mark(&mut exposure.mask, &found.negative, MaskPlane::DetectedNegative);
        detection::mark_edge(&mut exposure.mask, found.edge_pixels);
        Ok::<_, ProcessError>(found)
    })?;
    let (sky_level, sky_noise, sky_level_err) = match exposure.background.as_ref() {
        Some(m) => (background::mean_level(m), background::mean_rms(m), background::mean_error(m)),
        None => (f64::NAN, f64::NAN, f64::NAN),
    };
    let n_negative = config.detection.negative.then_some(found.negative.len());
    Ok(Found {
        footprints: found.footprints,
        psf_used,
        psf_reserved,
        psf_size_residual,
        psf_size_residual_rms,
        psf_ellipticity_residual_rms,
        psf_effective_fwhm,
        sky_level,
        sky_noise,
        sky_level_err,
        streaks,
        n_negative,
        n_cosmic_rays,
    })
}

/// FWHM of the stars across their narrower axis, pixels: what a ray has to be sharper than. A frame
/// that trailed or a telescope with coma has stars that are much sharper one way than the other.
/// `None` where too few sources can be measured.
fn narrow_width(exposure: &Exposure, bright: &[Footprint]) -> Option<f64> {
    let reject = MaskPlane::unusable();
    let mut widths: Vec<f64> = bright
        .iter()
        .filter(|f| f.peaks.len() == 1 && f.peaks[0].snr > 50.0)
        .filter_map(|f| {
            let at = (f64::from(f.peaks[0].x), f64::from(f.peaks[0].y));
            let m = adaptive_moments(&exposure.image, &exposure.mask, reject, at, 1.5, 2.0, 8.0);
            let half = 0.5 * (m.ixx + m.iyy);
            let narrow = half - (0.5 * (m.ixx - m.iyy)).hypot(m.ixy);
            // Anything of less than this is a single hot pixel.
            (!m.failed && narrow > 0.25).then(|| narrow.sqrt() * FWHM_PER_SIGMA)
        })
        .take(400)
        .collect();
    (widths.len() >= 5).then(|| percentile(&mut widths, 0.25))
}
