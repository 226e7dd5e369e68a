//! An image that somebody else already reduced, as an exposure.
//!
//! - input: pixels in adu (with the soft bias still in), what is known of mask, weight and noise
//! - output: exposure in adu; NO_DATA where a pixel is not finite, SAT at or above saturation
//! - variance, adu^2: given; else 1/weight; else (level / gain) + (read noise / gain)^2; else
//!   infinite until [`fill_variance_from_sky`]

use crate::error::IsrError;
use elqui_image::{Exposure, Header, Image, ImageError, Mask, MaskPlane, VisitInfo};

/// What [`from_corrected`] makes an exposure of. Unknown numbers are NaN.
#[derive(Debug, Clone)]
pub struct CorrectedInput {
    pub image: Image<f32>,
    pub header: Header,
    pub info: VisitInfo,
    /// Electrons per adu.
    pub gain: f64,
    pub read_noise_e: f64,
    /// Of the pixel as it is in the file, soft bias included.
    pub saturation_adu: f64,
    /// Level added to all pixels, adu; subtracted here. NaN counts as zero.
    pub soft_bias_adu: f64,
    pub mask: Option<Mask>,
    /// Inverse variance, adu^-2; zero where there is no data.
    pub weight: Option<Image<f32>>,
    pub variance: Option<Image<f32>>,
}

/// Make an exposure of an image that is already corrected.
pub fn from_corrected(input: CorrectedInput) -> Result<Exposure, IsrError> {
    let CorrectedInput { mut image, header, info, .. } = input;
    let (width, height) = (image.width(), image.height());
    let shape = |what, w: usize, h: usize| {
        if (w, h) == (width, height) {
            Ok(())
        } else {
            Err(ImageError::Shape { what, got: (w, h), expected: (width, height) })
        }
    };
    let mut mask = match input.mask {
        Some(m) => {
            shape("the mask", m.width(), m.height())?;
            m
        }
        None => Image::filled(width, height, 0),
    };
    let soft_bias = if input.soft_bias_adu.is_finite() { input.soft_bias_adu as f32 } else { 0.0 };
    let saturation = input.saturation_adu as f32;
    for (v, m) in image.data_mut().iter_mut().zip(mask.data_mut()) {
        if !v.is_finite() {
            *m |= MaskPlane::NoData.bit();
            continue;
        }
        if *v >= saturation {
            *m |= MaskPlane::Sat.bit();
        }
        *v -= soft_bias;
    }
    let variance = if let Some(v) = input.variance {
        shape("the variance", v.width(), v.height())?;
        let usable = |x: f32| x.is_finite() && x > 0.0;
        mark(&mut mask, &v, usable);
        v.map(|x| if usable(x) { x } else { f32::INFINITY })
    } else if let Some(w) = input.weight {
        shape("the weight map", w.width(), w.height())?;
        let usable = |x: f32| x.is_finite() && x > 0.0;
        mark(&mut mask, &w, usable);
        w.map(|x| if usable(x) { 1.0 / x } else { f32::INFINITY })
    } else if input.gain.is_finite() && input.gain > 0.0 {
        let read =
            if input.read_noise_e.is_finite() { input.read_noise_e / input.gain } else { 0.0 };
        let (per_adu, floor) = ((1.0 / input.gain) as f32, (read * read) as f32);
        image.map(|v| if v.is_finite() { v.max(0.0) * per_adu + floor } else { f32::INFINITY })
    } else {
        Image::filled(width, height, f32::INFINITY)
    };
    let mut exposure = Exposure::new(image, mask, variance, header, info)?;
    exposure.gain = if input.gain > 0.0 { input.gain } else { f64::NAN };
    Ok(exposure)
}

/// NO_DATA where a map has no usable value.
fn mark(mask: &mut Mask, map: &Image<f32>, usable: impl Fn(f32) -> bool) {
    for (m, v) in mask.data_mut().iter_mut().zip(map.data()) {
        if !usable(*v) {
            *m |= MaskPlane::NoData.bit();
        }
    }
}

/// Fill variances that are unknown (infinite where there is data) with the scatter of the sky.
pub fn fill_variance_from_sky(exposure: &mut Exposure, sky_rms: &Image<f32>) {
    if (sky_rms.width(), sky_rms.height()) != (exposure.width(), exposure.height()) {
        return;
    }
    let no_data = MaskPlane::NoData.bit();
    let pixels = exposure.variance.data_mut().iter_mut().zip(exposure.mask.data());
    for ((v, m), rms) in pixels.zip(sky_rms.data()) {
        if !v.is_finite() && m & no_data == 0 && rms.is_finite() && *rms > 0.0 {
            *v = rms * rms;
        }
    }
}
