//! The numbers that a frame is judged by, gathered from what its steps left.

use crate::detect::Found;
use crate::error::ProcessError;
use crate::quality::Facts;
use elqui_base::percentile;
use elqui_image::{Bbox, Exposure, MaskPlane};
use elqui_isr::{DeadKind, DeadReport, find_dead_regions, mask_dead_regions};
use elqui_schema::SourceTable;

/// What the input says of itself, before it becomes an exposure.
#[derive(Debug, Clone, PartialEq)]
pub struct Stated {
    pub amplifiers: Vec<Bbox>,
    /// Electrons.
    pub read_noise_e: f64,
    /// Above the sky's zero, adu.
    pub saturation_adu: f64,
}

impl From<&crate::signature::PostIsr> for Stated {
    fn from(image: &crate::signature::PostIsr) -> Self {
        let (read_noise_e, saturation_adu) = (image.read_noise_e, image.saturation_adu);
        Self { amplifiers: Vec::new(), read_noise_e, saturation_adu }
    }
}

impl Stated {
    pub fn of(input: &crate::frame::FrameInput) -> Self {
        match input {
            crate::frame::FrameInput::Raw(raw, _) => {
                let amps = &raw.detector.amplifiers;
                let mean = |f: &dyn Fn(&elqui_image::Amplifier) -> f64| {
                    amps.iter().map(f).sum::<f64>() / amps.len() as f64
                };
                Self {
                    amplifiers: amps.iter().map(|a| a.bbox).collect(),
                    read_noise_e: mean(&|a| a.read_noise),
                    saturation_adu: mean(&|a| a.saturation_adu),
                }
            }
            crate::frame::FrameInput::Corrected(input) => Self {
                amplifiers: Vec::new(),
                read_noise_e: input.read_noise_e,
                saturation_adu: input.saturation_adu
                    - if input.soft_bias_adu.is_finite() { input.soft_bias_adu } else { 0.0 },
            },
        }
    }
}

/// Part of the pixels from which a saturated frame has nothing left to measure.
const HOPELESS: f64 = 0.95;

/// Refuse a detector that saw nothing; mask amplifiers that failed and say so.
pub fn check_detector(
    exposure: &mut Exposure,
    stated: &Stated,
    warnings: &mut Vec<String>,
) -> Result<Vec<String>, ProcessError> {
    let refuse = |what: String| {
        Err(ProcessError::Frame(format!(
            "{what}: nothing can be measured; check the read-out, or leave this detector out"
        )))
    };
    let report: DeadReport = find_dead_regions(&exposure.image, &exposure.mask, &stated.amplifiers);
    if report.whole {
        return refuse("the detector is dead: all of its pixels have the same value".into());
    }
    if report.fraction > HOPELESS {
        return refuse("every amplifier of the detector failed".into());
    }
    let part = |bits: u32| fraction(exposure, bits);
    if part(MaskPlane::Sat.bit()) > HOPELESS {
        return refuse("the detector is saturated all over".into());
    }
    if part(MaskPlane::NoData.bit()) > HOPELESS {
        return refuse("the detector has next to no pixels with data".into());
    }
    let words: Vec<String> = report
        .regions
        .iter()
        .map(|r| {
            let b = r.bbox;
            let what = match r.kind {
                DeadKind::Constant => "hold one value",
                DeadKind::Quiet => "have no light",
                DeadKind::Noisy => "have absurd noise",
            };
            format!(
                "an amplifier failed: pixels {}..{}, {}..{} {what} and are masked",
                b.x0,
                b.x1(),
                b.y0,
                b.y1()
            )
        })
        .collect();
    mask_dead_regions(exposure, &report);
    warnings.extend(words.iter().cloned());
    Ok(words)
}

/// Part of the pixels with any of these bits.
fn fraction(exposure: &Exposure, bits: u32) -> f64 {
    let mask = exposure.mask.data();
    mask.iter().filter(|&&m| m & bits != 0).count() as f64 / mask.len().max(1) as f64
}

/// Gather what is known before the frame is calibrated.
pub fn gather(
    exposure: &Exposure,
    sources: &SourceTable,
    found: &Found,
    stated: &Stated,
    dead_amplifiers: Vec<String>,
) -> Facts {
    let planes = [MaskPlane::Bad, MaskPlane::Sat, MaskPlane::NoData];
    let stars = bright_stars(sources);
    let photon_variance = found.sky_level / exposure.gain;
    let read = stated.read_noise_e / exposure.gain;
    Facts {
        saturated_fraction: fraction(exposure, MaskPlane::Sat.bit()),
        unusable_fraction: fraction(exposure, planes.iter().map(|p| p.bit()).sum()),
        dead_amplifiers,
        sources: sources.len(),
        psf_guessed: found.psf_used.is_empty(),
        hollow: if found.psf_used.is_empty() { 0.0 } else { hollow(exposure) },
        ellipticity: common_ellipticity(sources, &stars),
        aperture_loss: aperture_loss(sources, &stars),
        sky_level: found.sky_level,
        sky_noise: found.sky_noise,
        sky_range: sky_range(exposure),
        saturation_adu: stated.saturation_adu,
        expected_variance: photon_variance + read * read,
        photon_variance,
        streak_fraction: fraction(exposure, MaskPlane::Streak.bit()),
    }
}

/// Bright, clean, single sources: those of the PSF where there are enough of them.
fn bright_stars(s: &SourceTable) -> Vec<usize> {
    let clean = |&r: &usize| {
        s.detect_is_primary[r]
            && s.deblend_n_peaks[r] <= 1
            && !s.pixel_flags_saturated[r]
            && !s.pixel_flags_bad[r]
            && !s.pixel_flags_edge[r]
    };
    let all = || (0..s.len()).filter(clean);
    let psf: Vec<usize> =
        all().filter(|&r| s.calib_psf_used[r] || s.calib_psf_reserved[r]).collect();
    if psf.len() >= 8 {
        return psf;
    }
    all().filter(|&r| s.ap12_flux[r] > 50.0 * s.ap12_flux_err[r]).collect()
}

/// Fewer than this say nothing of the frame.
const STARS_MIN: usize = 5;

/// Length of the mean ellipticity vector.
fn common_ellipticity(s: &SourceTable, stars: &[usize]) -> f64 {
    let mut parts: [Vec<f64>; 2] = Default::default();
    for &r in stars {
        let (xx, yy, xy) = (f64::from(s.ixx[r]), f64::from(s.iyy[r]), f64::from(s.ixy[r]));
        let size = xx + yy;
        if size > 0.0 && !s.shape_flag[r] {
            parts[0].push((xx - yy) / size);
            parts[1].push(2.0 * xy / size);
        }
    }
    if parts[0].len() < STARS_MIN {
        return f64::NAN;
    }
    let [mut a, mut b] = parts;
    percentile(&mut a, 0.5).hypot(percentile(&mut b, 0.5))
}

/// Median part of the light between 12 and 17 pixels.
fn aperture_loss(s: &SourceTable, stars: &[usize]) -> f64 {
    let mut losses: Vec<f64> = stars
        .iter()
        .filter(|&&r| s.ap12_flux[r] > 50.0 * s.ap12_flux_err[r])
        .map(|&r| s.ap17_flux[r] / s.ap12_flux[r] - 1.0)
        .filter(|v| v.is_finite())
        .collect();
    if losses.len() < STARS_MIN { f64::NAN } else { percentile(&mut losses, 0.5) }
}

/// 1 - the PSF's middle over its highest value, at the centre of the detector.
fn hollow(exposure: &Exposure) -> f64 {
    let Some(psf) = &exposure.psf else { return f64::NAN };
    let samples = psf.samples_at(0.5 * exposure.width() as f64, 0.5 * exposure.height() as f64);
    let highest = samples.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let middle = (psf.grid / 2) * psf.grid + psf.grid / 2;
    samples.get(middle).map_or(f64::NAN, |m| f64::from(1.0 - m / highest))
}

/// Range of the subtracted background, 5 to 95 per cent of its mesh.
fn sky_range(exposure: &Exposure) -> f64 {
    let Some(model) = &exposure.background else { return f64::NAN };
    let mut levels: Vec<f64> =
        model.level.data().iter().map(|v| f64::from(*v)).filter(|v| v.is_finite()).collect();
    percentile(&mut levels, 0.95) - percentile(&mut levels, 0.05)
}
