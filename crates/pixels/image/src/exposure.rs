//! The exposure and what travels with it.

use crate::detector::Detector;
use crate::header::Header;
use crate::image::Image;
use crate::mask::Mask;
use crate::psf_model::PsfModel;
use elqui_base::{BoundedField, MjdTai};
use elqui_wcs::Wcs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What can be wrong with an image as such.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
pub enum ImageError {
    #[error("{what} is {got:?} pixels where the image is {expected:?}")]
    Shape { what: &'static str, got: (usize, usize), expected: (usize, usize) },
    #[error("the image has no pixels ({width} x {height})")]
    Empty { width: usize, height: usize },
    #[error("no pixel of the image is usable: {reason}")]
    NothingUsable { reason: String },
}

/// Facts of the visit, translated from the header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct VisitInfo {
    pub instrument: String,
    pub visit: u64,
    pub detector: u32,
    pub detector_name: String,
    /// Band of the survey (`g`, `r`, ...); empty when unknown.
    pub band: String,
    pub physical_filter: String,
    /// `science`, `bias`, `dark`, `flat`, ...; empty when unknown.
    pub observation_type: String,
    pub exposure_s: f64,
    /// Mid-point of the exposure; 0 when unknown.
    pub mid_mjd_tai: MjdTai,
    /// Nominal pointing, ICRS degrees; NaN when unknown.
    pub boresight_ra: f64,
    pub boresight_dec: f64,
    /// Nominal pixel scale, arcsec; NaN when unknown.
    pub pixel_scale_arcsec: f64,
    pub airmass: f64,
    pub object: String,
}

/// Photometric calibration: nJy of one adu over the whole exposure (not per second).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhotoCalib {
    pub njy_per_adu: f64,
    pub njy_per_adu_err: f64,
    /// AB magnitude of 1 adu.
    pub zero_point_mag: f64,
    pub zero_point_err_mag: f64,
    /// Zero point at each pixel, mag, where it varies (cloud); `zero_point_mag` is then its mean.
    #[serde(default)]
    pub zero_point_map: Option<BoundedField>,
}

/// Aperture corrections: for each flux (`psfFlux`, `kronFlux`, ...) the factor that brings it to
/// the scale of the calibration's aperture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct ApCorrMap(pub BTreeMap<String, BoundedField>);

/// A background as values on a mesh, interpolated between mesh centres.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackgroundModel {
    /// Size of the image it belongs to.
    pub width: usize,
    pub height: usize,
    /// Side of a mesh cell, pixels.
    pub cell_width: usize,
    pub cell_height: usize,
    /// Level and scatter of the sky in each cell, adu.
    pub level: Image<f32>,
    pub rms: Image<f32>,
    /// Standard error of the level in each cell, adu; absent when whoever made the model did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Image<f32>>,
    /// When present, the level is this and not a spline through the cells: column i, row j is the
    /// coefficient (adu) of T_i(u) T_j(v), the Chebyshev polynomials, with u, v from -1 to 1 between the
    /// image's outer edges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chebyshev: Option<Image<f64>>,
}

/// A raw frame of one detector as it was read: the images of its HDUs (amplifiers), untouched.
#[derive(Debug, Clone, PartialEq)]
pub struct RawFrame {
    pub header: Header,
    pub info: VisitInfo,
    pub detector: Detector,
    /// Raw image of each HDU that an amplifier names, with the HDU's index.
    pub images: Vec<(usize, Image<f32>)>,
}

/// A detector's image in adu with all that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Exposure {
    pub image: Image<f32>,
    pub mask: Mask,
    /// Variance, adu^2; infinite where unknown.
    pub variance: Image<f32>,
    pub header: Header,
    pub info: VisitInfo,
    /// Mean gain, electrons per adu; NaN when unknown.
    pub gain: f64,
    pub wcs: Option<Wcs>,
    pub psf: Option<PsfModel>,
    pub photo_calib: Option<PhotoCalib>,
    pub ap_corr: ApCorrMap,
    /// What was subtracted from the image, when it was.
    pub background: Option<BackgroundModel>,
}

impl Exposure {
    /// An exposure of these planes, which must agree in size.
    pub fn new(
        image: Image<f32>,
        mask: Mask,
        variance: Image<f32>,
        header: Header,
        info: VisitInfo,
    ) -> Result<Self, ImageError> {
        let expected = (image.width(), image.height());
        if expected.0 == 0 || expected.1 == 0 {
            return Err(ImageError::Empty { width: expected.0, height: expected.1 });
        }
        for (what, got) in [
            ("the mask", (mask.width(), mask.height())),
            ("the variance", (variance.width(), variance.height())),
        ] {
            if got != expected {
                return Err(ImageError::Shape { what, got, expected });
            }
        }
        Ok(Self {
            image,
            mask,
            variance,
            header,
            info,
            gain: f64::NAN,
            wcs: None,
            psf: None,
            photo_calib: None,
            ap_corr: ApCorrMap::default(),
            background: None,
        })
    }

    pub const fn width(&self) -> usize {
        self.image.width()
    }
    pub const fn height(&self) -> usize {
        self.image.height()
    }
}
