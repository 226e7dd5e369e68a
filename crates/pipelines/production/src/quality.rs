//! What a frame is worth: good, suspect or bad, and why.
//!
//! Pure rules on the numbers of [`Facts`] and [`ZeroFacts`] (gathered in `facts`); NaN and `None` mean
//! not known, and what is not known is not held against a frame. A reason that is `bad` withholds the
//! zero point: fluxes then stay in adu, because a flux in nJy that is wrong cannot be told from a
//! right one later.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    #[default]
    Good,
    /// To be used with care.
    Suspect,
    /// Not to be used for photometry.
    Bad,
}

/// Why; the words are stable, for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReasonCode {
    Saturated,
    Unusable,
    DeadAmplifier,
    NoSources,
    NoPsf,
    OutOfFocus,
    Trailed,
    ApertureLoss,
    UnevenSky,
    BrightSky,
    Noise,
    Streaks,
    NotSolved,
    WeakMatch,
    ZeroPointStars,
    ZeroPointError,
    ZeroPointScatter,
    ZeroPointOutliers,
    ZeroPointNominal,
    Cloud,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    pub code: ReasonCode,
    pub severity: Verdict,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Quality {
    /// The worst of the reasons'.
    pub verdict: Verdict,
    pub reasons: Vec<Reason>,
}

impl Quality {
    pub fn of(mut reasons: Vec<Reason>) -> Self {
        reasons.sort_by_key(|r| (std::cmp::Reverse(r.severity), r.code));
        let verdict = reasons.iter().map(|r| r.severity).max().unwrap_or_default();
        Self { verdict, reasons }
    }

    pub fn has(&self, code: ReasonCode) -> bool {
        self.reasons.iter().any(|r| r.code == code)
    }
}

/// Two limits of one number: beyond the first a frame is suspect, beyond the second bad.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub suspect: f64,
    pub bad: f64,
}

const fn limits(suspect: f64, bad: f64) -> Limits {
    Limits { suspect, bad }
}

impl Limits {
    fn judge(self, value: f64) -> Option<Verdict> {
        if value > self.bad {
            Some(Verdict::Bad)
        } else {
            (value > self.suspect).then_some(Verdict::Suspect)
        }
    }
}

/// What is known of an instrument's zero point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NominalZeroPoint {
    /// AB magnitude that gives 1 electron a second in clear air.
    pub mag_1e_s: f64,
    /// More light than this beyond it is impossible, magnitudes.
    pub excess_max_mag: f64,
    /// Extinction up to which a frame is good, suspect beyond, and bad.
    pub extinction_mag: Limits,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QualityConfig {
    /// Part of the pixels.
    pub saturated: Limits,
    pub unusable: Limits,
    /// Ellipticity (a^2 - b^2) / (a^2 + b^2) that the stars have in common.
    pub ellipticity: Limits,
    /// How much of its highest value the middle of the PSF lacks.
    pub hollow: Limits,
    /// Part of a star's light between 12 and 17 pixels.
    pub aperture_loss: Limits,
    /// Range of the sky over the detector, as a part of it.
    pub uneven_sky: f64,
    /// Part of the range below saturation that the sky takes.
    pub sky_of_saturation: f64,
    /// Magnitude a square arcsecond.
    pub sky_mag_arcsec2: f64,
    /// Measured variance of the sky over the expected one: from this to its inverse is good.
    pub noise_ratio: f64,
    /// Part of the pixels under satellite trails.
    pub streaks: Limits,
    /// Part of the stars on the frame (in the reference, or bright in the image, whichever are fewer)
    /// that the solution matches: below the first it is suspect, below the second not believed.
    pub matched: [f64; 2],
    /// Fewer stars than this in the zero point make it suspect; than the second, bad.
    pub zero_point_stars: [usize; 2],
    /// Scatter of the zero point's stars beyond their errors, magnitudes.
    pub zero_point_scatter_mag: Limits,
    /// Error of the zero point, with the aperture correction's, magnitudes.
    pub zero_point_err_mag: Limits,
    /// Part of the stars that do not fit.
    pub zero_point_outliers: Limits,
    /// Variation of the zero point over the detector that is called cloud, magnitudes rms.
    pub cloud_mag: f64,
    pub nominal_zero_point: Option<NominalZeroPoint>,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self {
            saturated: limits(0.02, 0.3),
            unusable: limits(0.1, 0.6),
            ellipticity: limits(0.2, 0.45),
            hollow: limits(0.1, 0.25),
            aperture_loss: limits(0.1, 0.2),
            uneven_sky: 0.25,
            sky_of_saturation: 0.25,
            sky_mag_arcsec2: 17.5,
            noise_ratio: 1.4,
            streaks: limits(0.01, 0.5),
            matched: [0.3, 0.15],
            zero_point_stars: [6, 3],
            zero_point_scatter_mag: limits(0.05, 0.2),
            zero_point_err_mag: limits(0.03, 0.1),
            zero_point_outliers: limits(0.35, 0.6),
            cloud_mag: 0.02,
            nominal_zero_point: None,
        }
    }
}

/// What is known of a frame before it is calibrated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    pub saturated_fraction: f64,
    /// BAD, SAT or NO_DATA.
    pub unusable_fraction: f64,
    /// Amplifiers that failed, in words.
    pub dead_amplifiers: Vec<String>,
    pub sources: usize,
    /// The PSF is a guess: too few stars, or none that fit.
    pub psf_guessed: bool,
    /// 1 - middle of the PSF / its highest value.
    pub hollow: f64,
    /// Of bright sources, as vectors: shapes without a common direction cancel.
    pub ellipticity: f64,
    pub aperture_loss: f64,
    /// Sky: level, noise, and range over the detector (5 to 95 per cent), adu.
    pub sky_level: f64,
    pub sky_noise: f64,
    pub sky_range: f64,
    pub saturation_adu: f64,
    /// Variance that gain and read noise give the sky, adu^2; and what its photons alone give.
    pub expected_variance: f64,
    pub photon_variance: f64,
    pub streak_fraction: f64,
}

/// What is known of its calibration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ZeroFacts {
    pub not_solved: bool,
    /// Stars that the solution matches, and could match.
    pub matches: usize,
    pub matchable: usize,
    /// A zero point was looked for.
    pub attempted: bool,
    pub used: usize,
    pub candidates: usize,
    pub err_mag: f64,
    pub intrinsic_mag: f64,
    /// Variation over the detector that the stars show.
    pub cloud_rms_mag: f64,
    /// The zero point follows that variation.
    pub mapped: bool,
    /// AB magnitude that gave 1 electron a second.
    pub mag_1e_s: f64,
    pub sky_mag_arcsec2: f64,
}

/// Reasons that are known before the frame is calibrated.
pub fn frame_reasons(f: &Facts, config: &QualityConfig) -> Vec<Reason> {
    use ReasonCode as C;
    let mut out = Vec::new();
    let percent = |v: f64| 100.0 * v;
    let mut tell = |code, severity: Option<Verdict>, text: String| {
        out.extend(severity.map(|severity| Reason { code, severity, text }));
    };
    let suspect_if = |condition: bool| condition.then_some(Verdict::Suspect);
    let bad_if = |condition: bool| condition.then_some(Verdict::Bad);
    let text = format!("{:.1}% of the pixels are saturated", percent(f.saturated_fraction));
    tell(C::Saturated, config.saturated.judge(f.saturated_fraction), text);
    let text = format!("{:.1}% of the pixels cannot be used", percent(f.unusable_fraction));
    tell(C::Unusable, config.unusable.judge(f.unusable_fraction), text);
    for amplifier in &f.dead_amplifiers {
        tell(C::DeadAmplifier, Some(Verdict::Suspect), amplifier.clone());
    }
    tell(C::NoSources, bad_if(f.sources == 0), "no source was detected".into());
    let text = "no PSF could be made from the stars: a guessed Gaussian is used".to_string();
    tell(C::NoPsf, bad_if(f.psf_guessed && f.sources > 0), text);
    let text = format!("the PSF is {:.0}% lower in its middle: out of focus", percent(f.hollow));
    tell(C::OutOfFocus, config.hollow.judge(f.hollow), text);
    let text = format!("sources share an ellipticity of {:.2}: trailed", f.ellipticity);
    tell(C::Trailed, config.ellipticity.judge(f.ellipticity), text);
    let text = format!(
        "{:.1}% of a star's light lies between 12 and 17 pixels: out of focus, or apertures too small",
        percent(f.aperture_loss)
    );
    tell(C::ApertureLoss, config.aperture_loss.judge(f.aperture_loss), text);
    // Where the sky was subtracted before, its range says nothing.
    let uneven = f.sky_range / f.sky_level;
    let has_sky = f.sky_level > 3.0 * f.sky_noise;
    let text = format!("the sky varies by {:.0}% over the detector", percent(uneven));
    tell(C::UnevenSky, suspect_if(has_sky && uneven > config.uneven_sky), text);
    let filled = f.sky_level / f.saturation_adu;
    let text = format!("the sky takes {:.0}% of the range below saturation", percent(filled));
    tell(C::BrightSky, suspect_if(filled > config.sky_of_saturation), text);
    let variance = f.sky_noise * f.sky_noise;
    let high = variance / f.expected_variance;
    let low = variance / f.photon_variance;
    let text = format!("the sky's noise is {:.2} of what gain and read noise give", high.sqrt());
    tell(C::Noise, suspect_if(has_sky && high > config.noise_ratio), text);
    let text = format!("the sky's noise is {:.2} of what its photons alone give", low.sqrt());
    tell(C::Noise, suspect_if(has_sky && low < 1.0 / config.noise_ratio), text);
    let text =
        format!("{:.1}% of the pixels are under satellite trails", percent(f.streak_fraction));
    tell(C::Streaks, config.streaks.judge(f.streak_fraction), text);
    out
}

/// Reasons that its calibration gives.
pub fn zero_reasons(z: &ZeroFacts, config: &QualityConfig) -> Vec<Reason> {
    use ReasonCode as C;
    let mut out = Vec::new();
    let mut tell = |code, severity: Option<Verdict>, text: String| {
        out.extend(severity.map(|severity| Reason { code, severity, text }));
    };
    let text = "the frame was not matched to the reference catalogue".to_string();
    tell(C::NotSolved, z.not_solved.then_some(Verdict::Bad), text);
    let part = z.matches as f64 / z.matchable as f64;
    let [weak, wrong] = config.matched;
    let severity = if part < wrong { Verdict::Bad } else { Verdict::Suspect };
    let text = format!(
        "only {} of {} stars are matched to the reference catalogue: is it of this field?",
        z.matches, z.matchable
    );
    tell(C::WeakMatch, (!z.not_solved && part < weak).then_some(severity), text);
    if !z.attempted {
        return out;
    }
    let [few, too_few] = config.zero_point_stars;
    let stars = match z.used {
        n if n < too_few => Some(Verdict::Bad),
        n => (n < few).then_some(Verdict::Suspect),
    };
    tell(C::ZeroPointStars, stars, format!("the zero point rests on {} stars", z.used));
    let text = format!("the zero point has an error of {:.3} mag", z.err_mag);
    tell(C::ZeroPointError, config.zero_point_err_mag.judge(z.err_mag), text);
    let scatter = config.zero_point_scatter_mag.judge(z.intrinsic_mag);
    let text = format!(
        "stars scatter by {:.3} mag about the zero point, beyond their errors: cloud, or a reference of another band",
        z.intrinsic_mag
    );
    tell(C::ZeroPointScatter, scatter, text);
    let outliers = 1.0 - z.used as f64 / z.candidates.max(1) as f64;
    // Of a handful, one or two are no statistics.
    let judged = config.zero_point_outliers.judge(outliers).filter(|_| z.candidates >= 8);
    let text = format!("{:.0}% of the stars do not fit the zero point", 100.0 * outliers);
    tell(C::ZeroPointOutliers, judged, text);
    let remedy = if z.mapped { "" } else { " (photometry.spatial lets it follow)" };
    let text =
        format!("the zero point varies by {:.3} mag over the detector{remedy}", z.cloud_rms_mag);
    tell(C::Cloud, (z.cloud_rms_mag > config.cloud_mag).then_some(Verdict::Suspect), text);
    if let Some(nominal) = &config.nominal_zero_point {
        let lost = nominal.mag_1e_s - z.mag_1e_s;
        let judged = if -lost > nominal.excess_max_mag {
            Some(Verdict::Bad)
        } else {
            nominal.extinction_mag.judge(lost)
        };
        let text = format!("the zero point is {lost:.2} mag fainter than the instrument's nominal");
        tell(C::ZeroPointNominal, judged, text);
    }
    let text = format!("the sky is of {:.2} mag/arcsec2", z.sky_mag_arcsec2);
    let bright = z.sky_mag_arcsec2 < config.sky_mag_arcsec2;
    tell(C::BrightSky, bright.then_some(Verdict::Suspect), text);
    out
}

#[cfg(test)]
#[path = "quality_tests.rs"]
mod tests;
