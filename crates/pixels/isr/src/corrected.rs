//! An image that somebody else already reduced, as an exposure.
//!
//! - input: pixels in adu (with the soft bias still in), what is known of mask, weight and noise
//! - output: exposure in adu; NO_DATA (and the image's median) where a pixel is not finite, SAT at or above saturation
//! - variance, adu^2: given; else 1/weight; else (level / gain) + (read noise / gain)^2, or, where the
//!   image shows clearly more noise than that (its sky is off), noise^2 + max(level - sky, 0) / gain;
//!   else infinite until [`fill_variance_from_sky`]

use crate::error::IsrError;
use crate::sky::{sky_and_noise, typical};
use elqui_image::{Exposure, Header, Image, ImageError, Mask, MaskPlane, VisitInfo};

/// The sky's measured variance may exceed the predicted one by this factor.
const SKY_VARIANCE_RATIO_MAX: f32 = 1.5;

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
    let filler = typical(&image, None) - soft_bias;
    let mut holes = Vec::new();
    for (k, (v, m)) in image.data_mut().iter_mut().zip(mask.data_mut()).enumerate() {
        if !v.is_finite() {
            *m |= MaskPlane::NoData.bit();
            *v = filler;
            holes.push(k);
            continue;
        }
        if *v >= saturation {
            *m |= MaskPlane::Sat.bit();
        }
        *v -= soft_bias;
    }
    let mut variance = if let Some(v) = input.variance {
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
        photon_variance(&image, &mask, input.gain, input.read_noise_e)
    } else {
        Image::filled(width, height, f32::INFINITY)
    };
    holes.iter().for_each(|k| variance.data_mut()[*k] = f32::INFINITY);
    let mut exposure = Exposure::new(image, mask, variance, header, info)?;
    exposure.gain = if input.gain > 0.0 { input.gain } else { f64::NAN };
    Ok(exposure)
}

/// Variance from the photons, checked against the noise that the image shows: when a sky was
/// subtracted before, the level does not tell its noise any more.
fn photon_variance(image: &Image<f32>, mask: &Mask, gain: f64, read_noise_e: f64) -> Image<f32> {
    let read_known = read_noise_e.is_finite();
    let read = if read_known { read_noise_e / gain } else { 0.0 };
    let (per_adu, floor) = ((1.0 / gain) as f32, (read * read) as f32);
    let Some((level, noise)) = sky_and_noise(image, mask) else {
        return image.map(|v| v.max(0.0) * per_adu + floor);
    };
    let predicted = level.max(0.0) * per_adu + floor;
    let measured = noise * noise;
    if level <= 0.0 || measured > SKY_VARIANCE_RATIO_MAX * predicted {
        image.map(|v| measured + (v - level).max(0.0) * per_adu)
    } else if read_known {
        image.map(|v| v.max(0.0) * per_adu + floor)
    } else {
        image.map(|v| (v.max(0.0) * per_adu).max(measured))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> CorrectedInput {
        let mut image = Image::filled(20, 10, 1100.0f32);
        image.set(3, 3, f32::NAN);
        image.set(5, 5, 65_000.0);
        CorrectedInput {
            image,
            header: Header::default(),
            info: VisitInfo::default(),
            gain: 4.0,
            read_noise_e: 6.0,
            saturation_adu: 60_000.0,
            soft_bias_adu: 1000.0,
            mask: None,
            weight: None,
            variance: None,
        }
    }

    #[test]
    fn soft_bias_noise_and_planes() {
        let e = from_corrected(input()).unwrap();
        assert_eq!((e.image.at(0, 0), e.image.at(3, 3), e.gain), (100.0, 100.0, 4.0));
        assert_eq!(e.variance.at(0, 0), 25.0 + 2.25);
        assert_eq!(e.mask.at(3, 3), MaskPlane::NoData.bit());
        assert_eq!(e.mask.at(5, 5), MaskPlane::Sat.bit());
        assert!(e.variance.at(3, 3).is_infinite());
    }

    #[test]
    fn weights_and_unknown_gains() {
        let weight = Image::from_fn(20, 10, |x, _| if x == 0 { 0.0 } else { 0.04 });
        let e = from_corrected(CorrectedInput { weight: Some(weight), ..input() }).unwrap();
        assert!((e.variance.at(7, 7) - 25.0).abs() < 1e-4);
        assert!(e.mask.at(0, 7) == MaskPlane::NoData.bit() && e.variance.at(0, 7).is_infinite());
        let mut e = from_corrected(CorrectedInput { gain: f64::NAN, ..input() }).unwrap();
        assert!(e.variance.at(7, 7).is_infinite() && e.gain.is_nan());
        fill_variance_from_sky(&mut e, &Image::filled(20, 10, 3.0));
        assert!(e.variance.at(7, 7) == 9.0 && e.variance.at(3, 3).is_infinite());
    }

    #[test]
    fn a_sky_that_is_off_leaves_its_noise() {
        // Neighbours differ by twice `noise`: its scatter is sqrt(2) noise.
        let checkered = |level: f32, noise: f32| {
            Image::from_fn(60, 50, |x, y| level + if (x + y) % 2 == 0 { noise } else { -noise })
        };
        let run = |image: Image<f32>, read_noise_e: f64| {
            let soft_bias_adu = f64::NAN;
            let e =
                from_corrected(CorrectedInput { image, read_noise_e, soft_bias_adu, ..input() });
            e.unwrap().variance
        };
        let mut off = checkered(0.0, 6.0);
        off.set(30, 30, 400.0);
        for read_noise_e in [f64::NAN, 6.0] {
            let v = run(off.clone(), read_noise_e);
            assert!(v.data().iter().all(|v| *v > 50.0), "{}", v.at(1, 0));
            assert!((v.at(30, 30) - v.at(1, 0) - 100.0).abs() < 3.0, "{}", v.at(30, 30));
        }
        // With the sky in, the photons rule, and the noise is the floor.
        let mut on = checkered(400.0, 7.0);
        on.set(20, 20, 10.0);
        let v = run(on.clone(), 6.0);
        assert!((v.at(0, 0) - 407.0 / 4.0 - 2.25).abs() < 1e-3 && v.at(20, 20) < 5.0);
        let v = run(on, f64::NAN);
        assert!((v.at(0, 0) - 407.0 / 4.0).abs() < 1e-3 && v.at(20, 20) > 80.0);
    }

    #[test]
    fn sizes_must_agree() {
        let mask = Some(Image::filled(19, 10, 0u32));
        let text = from_corrected(CorrectedInput { mask, ..input() }).unwrap_err().to_string();
        assert_eq!(text, "the mask is (19, 10) pixels where the image is (20, 10)");
        let image = Image::filled(4, 4, f32::NAN);
        let all_nan = from_corrected(CorrectedInput { image, ..input() }).unwrap();
        assert!(all_nan.mask.data().iter().all(|m| *m == MaskPlane::NoData.bit()));
        assert!(all_nan.image.data().iter().all(|v| v.is_finite()));
    }
}
