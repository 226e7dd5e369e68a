//! Configuration of the frame's steps.

use crate::quality::QualityConfig;
use elqui_astrometry::AstrometryConfig;
use elqui_background::BackgroundConfig;
use elqui_deblend::DeblendConfig;
use elqui_detection::{DetectionConfig, StreakConfig};
use elqui_isr::{CosmicRayConfig, IsrConfig};
use elqui_measurement::{ApCorrConfig, MeasurementConfig};
use elqui_photometry::ZeroPointConfig;
use elqui_psf::{PsfConfig, SelectionConfig};
use serde::{Deserialize, Serialize};

/// One struct a step; a file of `--config` names only what it changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    pub isr: IsrConfig,
    /// Absent: cosmic rays are not looked for.
    pub cosmic_rays: Option<CosmicRayConfig>,
    pub background: BackgroundConfig,
    /// Which detections are stars to model the PSF with.
    pub stars: SelectionConfig,
    pub psf: PsfConfig,
    /// S/N threshold of the first detection, from which the PSF's stars are chosen.
    pub psf_detection_snr: f64,
    /// Absent: satellite trails are not looked for.
    pub streaks: Option<StreakConfig>,
    pub detection: DetectionConfig,
    pub deblend: DeblendConfig,
    pub measurement: MeasurementConfig,
    pub aperture_corrections: ApCorrConfig,
    pub photometry: ZeroPointConfig,
    pub astrometry: AstrometryStep,
    /// From where a frame is called suspect or bad.
    pub quality: QualityConfig,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            isr: IsrConfig::default(),
            cosmic_rays: Some(CosmicRayConfig::default()),
            background: BackgroundConfig::default(),
            stars: SelectionConfig::default(),
            psf: PsfConfig::default(),
            psf_detection_snr: 20.0,
            streaks: Some(StreakConfig::default()),
            detection: DetectionConfig::default(),
            deblend: DeblendConfig::default(),
            measurement: MeasurementConfig::default(),
            aperture_corrections: ApCorrConfig::default(),
            photometry: ZeroPointConfig::default(),
            astrometry: AstrometryStep::default(),
            quality: QualityConfig::default(),
        }
    }
}

/// How the sky is found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AstrometryStep {
    /// Only sources above this S/N take part.
    pub min_snr: f64,
    /// How far the true centre may be from the header's pointing, degrees.
    pub search_radius_deg: f64,
    /// Fractional uncertainty of the nominal pixel scale.
    pub scale_tolerance: f64,
    /// A frame that cannot be matched to the reference catalogue is an error (else a warning).
    pub required: bool,
    pub fit: AstrometryConfig,
}

impl Default for AstrometryStep {
    fn default() -> Self {
        Self {
            min_snr: 10.0,
            search_radius_deg: 0.5,
            scale_tolerance: 0.03,
            required: true,
            fit: AstrometryConfig::default(),
        }
    }
}
