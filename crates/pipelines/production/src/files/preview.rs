//! A quick look at a frame: a picture, a binned image with a WCS for sky viewers, and what they show.

use elqui_image::{Exposure, Header, Image};
use elqui_wcs::Wcs;
use serde::{Deserialize, Serialize};

/// Side of the preview, pixels at most.
const SIDE: usize = 1024;

/// What a preview shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct PreviewFacts {
    pub visit: i64,
    pub detector: i32,
    pub band: String,
    pub mid_mjd_tai: f64,
    pub width: u32,
    pub height: u32,
    pub preview_width: u32,
    pub preview_height: u32,
    pub binning: u32,
}

/// See the module.
pub struct FramePreview {
    pub png: Vec<u8>,
    pub facts: PreviewFacts,
    binned: Image<f32>,
    wcs: Option<Wcs>,
}

impl FramePreview {
    pub fn of(exposure: &Exposure) -> Self {
        let picture = elqui_render::preview(&exposure.image, SIDE);
        let binning = picture.binning;
        let binned = elqui_render::binned(&exposure.image, binning);
        let wcs = exposure.wcs.as_ref().map(|w| binned_wcs(w, &binned, binning));
        let facts = PreviewFacts {
            visit: exposure.info.visit as i64,
            detector: exposure.info.detector as i32,
            band: exposure.info.band.clone(),
            // JSON has no NaN; 0 is "unknown" in a visit's facts.
            mid_mjd_tai: Some(exposure.info.mid_mjd_tai.0).filter(|t| t.is_finite()).unwrap_or(0.0),
            width: exposure.width() as u32,
            height: exposure.height() as u32,
            preview_width: binned.width() as u32,
            preview_height: binned.height() as u32,
            binning: binning as u32,
        };
        Self { png: picture.png(), facts, binned, wcs }
    }

    /// The binned image as a FITS file; `None` where there is no WCS for sky viewers to use.
    pub fn fits(&self) -> Option<Vec<u8>> {
        let wcs = self.wcs.as_ref()?;
        let mut header = Header::default();
        elqui_fits::add_wcs(&mut header, wcs);
        Some(elqui_fits::image_to_bytes(&self.binned, &header))
    }
}

/// The linear part of a WCS about the middle of the image, for its binned copy.
fn binned_wcs(wcs: &Wcs, binned: &Image<f32>, binning: usize) -> Wcs {
    let b = binning as f64;
    let middle = |n: usize| 0.5 * (n as f64 - 1.0);
    let (bx, by) = (middle(binned.width()), middle(binned.height()));
    let (x, y) = (b * bx + 0.5 * (b - 1.0), b * by + 0.5 * (b - 1.0));
    let (ra, dec) = wcs.pixel_to_sky(x, y);
    let cd = wcs.jacobian(x, y).map(|row| row.map(|v| v * b / 3600.0));
    Wcs::tan([ra, dec], [bx, by], cd)
}
