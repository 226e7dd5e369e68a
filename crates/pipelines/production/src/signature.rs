//! The first half of a frame's way: from what the camera wrote to an image without its signature.

use crate::error::ProcessError;
use crate::facts::{self, Stated};
use crate::frame::FrameInput;
use elqui_astrometry::Parity;
use elqui_image::{Exposure, Header, RawFrame};
use elqui_isr::{IsrConfig, correct, from_corrected};
use elqui_wcs::Wcs;

/// What is known of a frame's place on the sky before a star is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Handedness of the camera's images, where its description says it.
    pub parity: Option<Parity>,
    /// Where the frame may point: the middle of its header's WCS, and its boresight; ICRS degrees.
    pub pointings: Vec<(f64, f64)>,
    /// NaN when its scale is not known.
    pub half_diagonal_deg: f64,
}

impl Default for Origin {
    fn default() -> Self {
        Self { parity: None, pointings: Vec::new(), half_diagonal_deg: f64::NAN }
    }
}

/// A detector's image without its instrument's signature, and what later steps must know of how it
/// came about.
#[derive(Debug, Clone, PartialEq)]
pub struct PostIsr {
    /// Its WCS is the header's, where that can be used.
    pub exposure: Exposure,
    /// From a raw frame: cosmic rays are still in it.
    pub is_raw: bool,
    /// Electrons, as stated; NaN when unknown.
    pub read_noise_e: f64,
    /// Above the sky's zero, adu; NaN when unknown.
    pub saturation_adu: f64,
    /// What is wrong with each amplifier that failed.
    pub dead_amplifiers: Vec<String>,
    pub warnings: Vec<String>,
    pub origin: Origin,
}

/// Remove the instrument's signature, and mask amplifiers that failed.
pub fn remove_signature(input: FrameInput, config: &IsrConfig) -> Result<PostIsr, ProcessError> {
    let mut warnings = Vec::new();
    let stated = Stated::of(&input);
    let (mut exposure, is_raw) = match input {
        FrameInput::Raw(raw, calib) => {
            let wcs = assembled_wcs(&raw, &mut warnings);
            if calib.bias.is_none() && calib.flat.is_none() {
                warnings.push("no calibration frames: only the overscan is removed".into());
            }
            let mut exposure = correct(&raw, &calib, config)?;
            exposure.header.cards.retain(|c| !RAW_GEOMETRY.contains(&c.key.as_str()));
            exposure.wcs = wcs;
            (exposure, true)
        }
        FrameInput::Corrected(input) => {
            let mut exposure = from_corrected(*input)?;
            exposure.wcs = header_wcs(&exposure.header, &mut warnings);
            (exposure, false)
        }
    };
    let dead_amplifiers = facts::check_detector(&mut exposure, &stated, &mut warnings)?;
    let (read_noise_e, saturation_adu) = (stated.read_noise_e, stated.saturation_adu);
    let origin = Origin::default();
    Ok(PostIsr {
        exposure,
        is_raw,
        read_noise_e,
        saturation_adu,
        dead_amplifiers,
        warnings,
        origin,
    })
}

/// Cards that describe the raw image and are wrong of the assembled one.
const RAW_GEOMETRY: [&str; 10] = [
    "DATASEC", "BIASSEC", "TRIMSEC", "DETSEC", "CCDSEC", "AMPSEC", "LTV1", "LTV2", "LTM1_1",
    "LTM2_2",
];

/// The raw header's WCS on the pixels of the assembled image. It is known of one amplifier that is
/// not flipped; of several there is none until the frame is solved.
fn assembled_wcs(raw: &RawFrame, warnings: &mut Vec<String>) -> Option<Wcs> {
    let wcs = header_wcs(&raw.header, warnings)?;
    match raw.detector.amplifiers.as_slice() {
        [amp] if !amp.flip_x && !amp.flip_y => {
            let x0 = f64::from(amp.raw_data.x0 - amp.bbox.x0);
            let y0 = f64::from(amp.raw_data.y0 - amp.bbox.y0);
            wcs.shifted(x0, y0).ok()
        }
        _ => {
            warnings.push("the raw header's WCS is of one amplifier and is not used".into());
            None
        }
    }
}

/// The header's WCS, where it has a usable one.
fn header_wcs(header: &Header, warnings: &mut Vec<String>) -> Option<Wcs> {
    header.get("CTYPE1")?;
    match Wcs::from_cards(header) {
        Ok(wcs) => Some(wcs),
        Err(reason) => {
            warnings.push(format!("the header's WCS is not used: {reason}"));
            None
        }
    }
}
