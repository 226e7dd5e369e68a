//! What may be chosen, and what can go wrong.

use elqui_image::MaskPlane;
use serde::{Deserialize, Serialize};

/// Choices of [`detect`](crate::detect).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetectionConfig {
    /// Threshold on the filtered image's signal-to-noise ratio.
    pub threshold_sigma: f64,
    /// Footprints grow by this many PSF sigma in all directions; 0 leaves them.
    pub grow_sigma: f64,
    /// Components with fewer pixels above the threshold are dropped.
    pub min_area_pixels: usize,
    /// A peak stands this many sigma above the saddle to any brighter one ...
    pub peak_contrast_sigma: f64,
    /// ... plus this part of the saddle's own signal-to-noise ratio.
    pub peak_contrast_fraction: f64,
    /// Neighbours on the flanks of sources above this signal-to-noise ratio are looked for; 0: not.
    pub second_look_snr: f64,
    /// Divide by the empirical scatter of the filtered image (for inputs with correlated noise).
    pub rescale_noise: bool,
    /// Look for what is as far below the sky, too.
    pub negative: bool,
    /// Bits of pixels that are left out altogether.
    pub exclude: u32,
}

impl Default for DetectionConfig {
    fn default() -> Self {
        Self {
            threshold_sigma: 5.0,
            grow_sigma: 2.4,
            min_area_pixels: 1,
            peak_contrast_sigma: 1.5,
            peak_contrast_fraction: 0.01,
            second_look_snr: 40.0,
            rescale_noise: false,
            negative: true,
            exclude: MaskPlane::Bad.bit() | MaskPlane::NoData.bit() | MaskPlane::Streak.bit(),
        }
    }
}

/// Why nothing could be detected.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DetectionError {
    #[error("cannot detect sources in an image without pixels ({width} x {height})")]
    Empty { width: usize, height: usize },
    #[error("cannot detect sources: {what} is {got:?} pixels where the image is {image:?}")]
    Shape { what: &'static str, got: (usize, usize), image: (usize, usize) },
    #[error(
        "cannot detect sources: the kernel's sigma of {sigma_pixels} pixels is not between 0.1 and 50"
    )]
    Kernel { sigma_pixels: f64 },
    #[error("cannot detect sources: the threshold of {threshold} sigma is not positive")]
    Threshold { threshold: f64 },
    #[error("cannot detect sources: no pixel has a finite value and a positive variance")]
    NothingUsable,
}
