//! What is simulated: sky, telescope, camera and the plan of visits. All of it has defaults.

use crate::error::SimulateError;
use serde::{Deserialize, Serialize};

/// One band of the survey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BandConfig {
    pub name: String,
    /// AB magnitude that gives 1 electron a second above the atmosphere.
    pub zero_point_mag: f64,
    pub sky_mag_arcsec2: f64,
    /// Median seeing (FWHM).
    pub seeing_arcsec: f64,
    /// Extinction at the zenith; each visit scatters about it by `extinction_scatter_mag`.
    pub extinction_mag: f64,
    pub extinction_scatter_mag: f64,
    /// Mean level of a flat frame.
    pub flat_level_e: f64,
}

impl Default for BandConfig {
    fn default() -> Self {
        Self {
            name: "r".into(),
            zero_point_mag: 28.36,
            sky_mag_arcsec2: 21.2,
            seeing_arcsec: 0.8,
            extinction_mag: 0.10,
            extinction_scatter_mag: 0.02,
            flat_level_e: 40_000.0,
        }
    }
}

/// Where the telescope points, when, and how well it knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PointingConfig {
    pub ra_deg: f64,
    pub dec_deg: f64,
    pub visits_per_band: usize,
    pub exposure_s: f64,
    pub dark_exposure_s: f64,
    pub flat_exposure_s: f64,
    /// Start of the first visit, MJD UTC, and the time between visits.
    pub first_mjd_utc: f64,
    pub cadence_days: f64,
    /// Largest offset of a visit on each axis.
    pub dither_arcsec: f64,
    /// Largest rotation from north up, either way. Every second visit is turned by 180 degrees more
    /// when `flip` is set.
    pub rotation_deg: f64,
    pub flip: bool,
    /// Largest error of the header's position (a circle) and rotation.
    pub pointing_error_arcsec: f64,
    pub rotation_error_deg: f64,
    /// Space between neighbouring detectors.
    pub detector_gap_px: f64,
    /// Distortion at the corner of the focal plane.
    pub distortion_px: f64,
}

impl Default for PointingConfig {
    fn default() -> Self {
        Self {
            ra_deg: 72.5,
            dec_deg: -30.2,
            visits_per_band: 6,
            exposure_s: 30.0,
            dark_exposure_s: 120.0,
            flat_exposure_s: 5.0,
            first_mjd_utc: 61_366.1,
            cadence_days: 0.137,
            dither_arcsec: 25.0,
            rotation_deg: 3.0,
            flip: true,
            pointing_error_arcsec: 30.0,
            rotation_error_deg: 0.3,
            detector_gap_px: 40.0,
            distortion_px: 2.0,
        }
    }
}

/// The point spread function: an elliptical Moffat profile that varies over the field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PsfConfig {
    /// Relative growth of the FWHM from the centre of the focal plane to its corner.
    pub fwhm_growth: f64,
    /// Largest ellipticity, (a - b) / (a + b), at the corner; a third of it is common to the field.
    pub ellipticity: f64,
    /// Relative scatter of the seeing from visit to visit.
    pub seeing_scatter: f64,
}

impl Default for PsfConfig {
    fn default() -> Self {
        Self { fwhm_growth: 0.08, ellipticity: 0.03, seeing_scatter: 0.1 }
    }
}

/// What is on the sky.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SkyConfig {
    pub stars_per_arcmin2: f64,
    /// d log10 N(<m) / dm of stars and of galaxies.
    pub star_slope: f64,
    pub star_bright_mag: f64,
    pub star_faint_mag: f64,
    pub galaxies_per_arcmin2: f64,
    pub galaxy_slope: f64,
    pub galaxy_bright_mag: f64,
    pub galaxy_faint_mag: f64,
    /// Variable stars (every second one a sawtooth of RR Lyrae kind, the others sinusoids).
    pub variables: usize,
    pub variable_mag: [f64; 2],
    pub transients: usize,
    pub transient_peak_mag: f64,
    /// Scatter of proper motions on each axis.
    pub proper_motion_mas_yr: f64,
    /// Change of the sky's level over the focal plane, as a fraction.
    pub gradient: f64,
    /// Faintest star of the reference catalogue.
    pub reference_faint_mag: f64,
}

impl Default for SkyConfig {
    fn default() -> Self {
        Self {
            stars_per_arcmin2: 10.0,
            star_slope: 0.2,
            star_bright_mag: 13.0,
            star_faint_mag: 24.5,
            galaxies_per_arcmin2: 16.0,
            galaxy_slope: 0.35,
            galaxy_bright_mag: 17.5,
            galaxy_faint_mag: 24.5,
            variables: 24,
            variable_mag: [17.5, 20.5],
            transients: 3,
            transient_peak_mag: 19.0,
            proper_motion_mas_yr: 6.0,
            gradient: 0.04,
            reference_faint_mag: 21.0,
        }
    }
}

/// The electronics. Gains, read noise and saturation are those of the detector's amplifiers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CameraConfig {
    pub bias_level_adu: f64,
    /// Difference of levels between amplifiers.
    pub bias_scatter_adu: f64,
    /// Fixed pattern of the bias: columns, and a glow towards the first column read.
    pub bias_pattern_adu: f64,
    /// Slow drift of the level along the rows, which the overscan shows.
    pub bias_drift_adu: f64,
    pub dark_e_s: f64,
    pub hot_pixel_fraction: f64,
    pub hot_pixel_e_s: f64,
    /// Loss of light at the corner of the focal plane.
    pub vignetting: f64,
    /// Pixel-to-pixel scatter of the response.
    pub pixel_response: f64,
    /// True gains differ from the stated ones by this fraction.
    pub gain_scatter: f64,
    /// Cosmic rays a detector a second.
    pub cosmic_rays_s: f64,
    pub cosmic_ray_e: f64,
}

impl Default for CameraConfig {
    fn default() -> Self {
        Self {
            bias_level_adu: 1000.0,
            bias_scatter_adu: 40.0,
            bias_pattern_adu: 2.0,
            bias_drift_adu: 3.0,
            dark_e_s: 0.02,
            hot_pixel_fraction: 2e-5,
            hot_pixel_e_s: 40.0,
            vignetting: 0.12,
            pixel_response: 0.01,
            gain_scatter: 0.01,
            cosmic_rays_s: 1.5,
            cosmic_ray_e: 6000.0,
        }
    }
}

/// A whole survey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SurveyConfig {
    pub instrument: String,
    pub bands: Vec<BandConfig>,
    pub pointing: PointingConfig,
    pub psf: PsfConfig,
    pub sky: SkyConfig,
    pub camera: CameraConfig,
    pub bias_frames: usize,
    pub dark_frames: usize,
    /// Flats of each band.
    pub flat_frames: usize,
}

impl Default for SurveyConfig {
    fn default() -> Self {
        let g = BandConfig {
            name: "g".into(),
            zero_point_mag: 28.50,
            sky_mag_arcsec2: 22.2,
            seeing_arcsec: 0.85,
            extinction_mag: 0.18,
            ..BandConfig::default()
        };
        Self {
            instrument: "SIMCAM".into(),
            bands: vec![g, BandConfig::default()],
            pointing: PointingConfig::default(),
            psf: PsfConfig::default(),
            sky: SkyConfig::default(),
            camera: CameraConfig::default(),
            bias_frames: 10,
            dark_frames: 5,
            flat_frames: 5,
        }
    }
}

impl SurveyConfig {
    /// Refuse what cannot be simulated.
    pub fn check(&self) -> Result<(), SimulateError> {
        if self.bands.is_empty() {
            return Err(SimulateError::Missing { what: "bands" });
        }
        if self.pointing.visits_per_band == 0 {
            return Err(SimulateError::Missing { what: "visits" });
        }
        let positive = [
            ("pointing.exposure_s", self.pointing.exposure_s),
            ("pointing.cadence_days", self.pointing.cadence_days),
            ("sky.star_slope", self.sky.star_slope),
            ("sky.galaxy_slope", self.sky.galaxy_slope),
        ];
        let not_negative = [
            ("sky.stars_per_arcmin2", self.sky.stars_per_arcmin2),
            ("sky.galaxies_per_arcmin2", self.sky.galaxies_per_arcmin2),
            ("camera.pixel_response", self.camera.pixel_response),
            ("camera.dark_e_s", self.camera.dark_e_s),
            ("camera.cosmic_rays_s", self.camera.cosmic_rays_s),
            ("pointing.dither_arcsec", self.pointing.dither_arcsec),
        ];
        for (field, value) in positive {
            if !(value > 0.0 && value.is_finite()) {
                return Err(bad(field, value, "it must be above zero"));
            }
        }
        for (field, value) in not_negative {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(bad(field, value, "it must not be negative"));
            }
        }
        if !(self.pointing.dec_deg.abs() < 89.0) {
            return Err(bad(
                "pointing.dec_deg",
                self.pointing.dec_deg,
                "stay a degree off the poles",
            ));
        }
        for band in &self.bands {
            if !(band.seeing_arcsec > 0.0) {
                return Err(bad(
                    "bands.seeing_arcsec",
                    band.seeing_arcsec,
                    "it must be above zero",
                ));
            }
        }
        Ok(())
    }
}

fn bad(field: &'static str, value: f64, why: &'static str) -> SimulateError {
    SimulateError::BadValue { field, value: value.to_string(), why }
}
