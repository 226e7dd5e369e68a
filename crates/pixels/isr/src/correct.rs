//! From a raw frame to an exposure.
//!
//! Order: overscan, crosstalk (both in the order of readout), gain match, assembly, bias, dark,
//! flat. The image is in adu of the detector's mean gain, so that the steps between amplifiers go
//! and one gain holds everywhere.
//! - pixels without data hold the image's median, so that nothing downstream steps down at them
//! - mask: SAT where the raw pixel reaches its amplifier's saturation (grown), NO_DATA where no
//!   amplifier is, BAD from the defects and where the flat is no calibration
//! - variance, adu^2: (max(signal, 0) / gain + (read noise / gain)^2) / flat^2, the signal being what
//!   the detector collected (bias off, dark and sky in). Without an overscan and a bias the pedestal is
//!   unknown and would count as signal: then noise^2 + max(level - sky, 0) / gain, with the sky's level and
//!   noise measured on the frame

use crate::amplifier::{assemble, data_section, subtract_overscan};
use crate::config::IsrConfig;
use crate::error::IsrError;
use crate::sky::{sky_and_noise, typical};
use elqui_image::{Detector, Exposure, Image, ImageError, Mask, MaskPlane, RawFrame};

/// Master frames; what is present is applied. All in the orientation and the adu of
/// [`correct`]'s image.
#[derive(Debug, Clone, Default)]
pub struct CalibSet {
    /// adu.
    pub bias: Option<Image<f32>>,
    /// adu per second.
    pub dark: Option<Image<f32>>,
    /// Median 1.
    pub flat: Option<Image<f32>>,
    /// Bits to set in the mask (usually BAD).
    pub defects: Option<Mask>,
}

impl CalibSet {
    fn check(&self, expected: (usize, usize)) -> Result<(), ImageError> {
        let images = [
            ("the master bias", &self.bias),
            ("the master dark", &self.dark),
            ("the master flat", &self.flat),
        ];
        let sizes = images
            .iter()
            .filter_map(|(what, image)| Some((*what, image.as_ref()?)))
            .map(|(what, image)| (what, (image.width(), image.height())));
        let defects = self.defects.iter().map(|m| ("the defect mask", (m.width(), m.height())));
        for (what, got) in sizes.chain(defects) {
            if got != expected {
                return Err(ImageError::Shape { what, got, expected });
            }
        }
        Ok(())
    }
}

/// Remove the instrument's signature (see the file's card).
pub fn correct(raw: &RawFrame, calib: &CalibSet, config: &IsrConfig) -> Result<Exposure, IsrError> {
    let detector = &raw.detector;
    if detector.amplifiers.is_empty() {
        return Err(IsrError::NoAmplifiers { detector: detector.name.clone() });
    }
    calib.check((detector.width, detector.height))?;
    let mut parts = Vec::with_capacity(detector.amplifiers.len());
    let mut masks = Vec::with_capacity(detector.amplifiers.len());
    for amp in &detector.amplifiers {
        let image = raw.images.iter().find(|(hdu, _)| *hdu == amp.raw_hdu).map(|(_, image)| image);
        let image = image.ok_or_else(|| IsrError::MissingHdu {
            amplifier: amp.name.clone(),
            hdu: amp.raw_hdu,
        })?;
        if !(amp.gain > 0.0 && amp.gain.is_finite()) {
            return Err(IsrError::BadGain { amplifier: amp.name.clone(), gain: amp.gain });
        }
        let saturation = amp.saturation_adu as f32;
        masks.push(data_section(image, amp)?.map(|v| {
            if !v.is_finite() {
                MaskPlane::NoData.bit()
            } else if v >= saturation {
                MaskPlane::Sat.bit()
            } else {
                0
            }
        }));
        parts.push(subtract_overscan(image, amp, &config.overscan)?);
    }
    remove_crosstalk(detector, &mut parts)?;
    let gain = mean_gain(detector);
    let mut floors = Vec::with_capacity(parts.len());
    for (amp, part) in detector.amplifiers.iter().zip(&mut parts) {
        let factor = (amp.gain / gain) as f32;
        if factor != 1.0 {
            part.data_mut().iter_mut().for_each(|v| *v *= factor);
        }
        let read = (amp.read_noise / gain) as f32;
        floors.push(Image::filled(part.width(), part.height(), read * read));
    }
    let mut image = assemble(detector, parts, 0.0)?;
    let mut mask = assemble(detector, masks, MaskPlane::NoData.bit())?;
    let mut variance = assemble(detector, floors, f32::INFINITY)?;
    if config.saturation_grow_pixels > 0 {
        grow(&mut mask, MaskPlane::Sat, config.saturation_grow_pixels);
    }

    subtract(&mut image, calib.bias.as_ref(), 1.0);
    let per_adu = (1.0 / gain) as f32;
    let level_known = calib.bias.is_some()
        || detector
            .amplifiers
            .iter()
            .all(|a| !a.raw_serial_overscan.is_empty() || !a.raw_parallel_overscan.is_empty());
    let sky = if level_known { None } else { sky_and_noise(&image, &mask) };
    for (v, i) in variance.data_mut().iter_mut().zip(image.data()) {
        match sky {
            Some((level, noise)) if v.is_finite() => {
                *v = noise * noise + (i - level).max(0.0) * per_adu
            }
            _ => *v += i.max(0.0) * per_adu,
        }
    }
    let exposure_s = raw.info.exposure_s;
    if calib.dark.is_some() && !(exposure_s.is_finite() && exposure_s >= 0.0) {
        return Err(IsrError::ExposureTime { exposure_s });
    }
    subtract(&mut image, calib.dark.as_ref(), exposure_s as f32);
    if let Some(flat) = &calib.flat {
        divide(&mut image, &mut variance, &mut mask, flat, config.flat_min);
    }
    if let Some(defects) = &calib.defects {
        mask.data_mut().iter_mut().zip(defects.data()).for_each(|(m, d)| *m |= d);
    }
    let filler = typical(&image, Some(&mask));
    for ((i, v), m) in image.data_mut().iter_mut().zip(variance.data_mut()).zip(mask.data_mut()) {
        if !i.is_finite() || *m & MaskPlane::NoData.bit() != 0 {
            *m |= MaskPlane::NoData.bit();
            (*i, *v) = (filler, f32::INFINITY);
        }
    }
    let mut exposure = Exposure::new(image, mask, variance, raw.header.clone(), raw.info.clone())?;
    exposure.gain = gain;
    Ok(exposure)
}

/// Mean of the amplifiers' gains, electrons per adu.
fn mean_gain(detector: &Detector) -> f64 {
    detector.amplifiers.iter().map(|a| a.gain).sum::<f64>() / detector.amplifiers.len() as f64
}

/// Take from each amplifier the stated fractions of the pixels that were read at the same time.
fn remove_crosstalk(detector: &Detector, parts: &mut [Image<f32>]) -> Result<(), IsrError> {
    let (n, c) = (parts.len(), &detector.crosstalk);
    if c.is_empty() {
        return Ok(());
    }
    if c.len() != n * n {
        return Err(IsrError::Crosstalk { got: c.len(), amplifiers: n });
    }
    let sources = parts.to_vec();
    for (i, victim) in parts.iter_mut().enumerate() {
        for (j, source) in sources.iter().enumerate() {
            let fraction = c[i * n + j] as f32;
            let same_size = (victim.width(), victim.height()) == (source.width(), source.height());
            if i == j || fraction == 0.0 || !same_size {
                continue;
            }
            for (v, s) in victim.data_mut().iter_mut().zip(source.data()) {
                *v -= fraction * s;
            }
        }
    }
    Ok(())
}

fn subtract(image: &mut Image<f32>, master: Option<&Image<f32>>, factor: f32) {
    if let Some(master) = master {
        for (v, m) in image.data_mut().iter_mut().zip(master.data()) {
            *v -= factor * m;
        }
    }
}

fn divide(
    image: &mut Image<f32>,
    variance: &mut Image<f32>,
    mask: &mut Mask,
    flat: &Image<f32>,
    flat_min: f32,
) {
    let pixels = image.data_mut().iter_mut().zip(variance.data_mut()).zip(mask.data_mut());
    for (((i, v), m), f) in pixels.zip(flat.data()) {
        if f.is_finite() && *f >= flat_min {
            *i /= f;
            *v /= f * f;
        } else {
            *m |= MaskPlane::Bad.bit();
        }
    }
}

/// Grow a plane by `pixels` in all eight directions: rows first, then columns.
fn grow(mask: &mut Mask, plane: MaskPlane, pixels: usize) {
    let bit = plane.bit();
    if mask.data().iter().all(|m| m & bit == 0) {
        return;
    }
    let (width, height) = (mask.width(), mask.height());
    let mut rows = Image::filled(width, height, false);
    for y in 0..height {
        let source = mask.row(y);
        if source.iter().all(|m| m & bit == 0) {
            continue;
        }
        let target = rows.row_mut(y);
        for (x, _) in source.iter().enumerate().filter(|(_, m)| *m & bit != 0) {
            target[x.saturating_sub(pixels)..(x + pixels + 1).min(width)].fill(true);
        }
    }
    for y in 0..height {
        for from in y.saturating_sub(pixels)..(y + pixels + 1).min(height) {
            for (m, grown) in mask.row_mut(y).iter_mut().zip(rows.row(from)) {
                if *grown {
                    *m |= bit;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "correct_tests.rs"]
mod tests;
