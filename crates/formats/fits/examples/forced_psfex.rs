//! Forced PSF photometry on an image with its inverse-variance weights, its data-quality image (DECam
//! Community Pipeline codes) and its PSFEx model, for `bench/realdata.py`.
//!
//! usage: forced_psfex IMAGE WEIGHT DQ PSFEX ROW SKY < positions > fluxes
//! - positions: a line `ra dec` each, degrees; SKY: adu to subtract, or a FITS image of it
//! - fluxes: a line `x y flux flux_err flag fwhm` each, pixels from 0 and adu

use elqui_fits::{FitsFile, psfex_model, read_image};
use elqui_image::{Exposure, Image, MaskPlane, VisitInfo};
use elqui_measurement::{MeasurementConfig, forced_psf};
use elqui_wcs::Wcs;
use std::error::Error;

/// Data-quality codes: 1 bad, 2 no value, 3 saturated, 4 bleed trail, 5 cosmic ray, 6 low weight,
/// 7 differs from the stack, 8 streak.
fn plane(code: f32) -> u32 {
    match code as i64 {
        0 => 0,
        2 | 6 => MaskPlane::NoData.bit(),
        3 | 4 => MaskPlane::Sat.bit(),
        5 | 7 => MaskPlane::Cr.bit(),
        _ => MaskPlane::Bad.bit(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [image, weight, quality, psfex, row, sky] = args.as_slice() else {
        return Err("usage: forced_psfex IMAGE WEIGHT DQ PSFEX ROW SKY".into());
    };
    let (mut pixels, header) = read_image(image)?;
    let weight = read_image(weight)?.0;
    let mut mask = read_image(quality)?.0.map(plane);
    let size = (pixels.width(), pixels.height());
    let sky = match sky.parse::<f32>() {
        Ok(level) => Image::filled(size.0, size.1, level),
        Err(_) => read_image(sky)?.0,
    };
    pixels.data_mut().iter_mut().zip(sky.data()).for_each(|(v, s)| *v -= s);
    for (m, w) in mask.data_mut().iter_mut().zip(weight.data()) {
        *m |= if *w > 0.0 { 0 } else { MaskPlane::NoData.bit() };
    }
    let variance = weight.map(|w| if w > 0.0 { 1.0 / w } else { f32::INFINITY });
    let wcs = Wcs::from_cards(&header)?;
    let mut exposure = Exposure::new(pixels, mask, variance, header, VisitInfo::default())?;
    let psf = psfex_model(&FitsFile::open(psfex)?, row.parse()?)?;
    let fwhm = psf.fwhm_pixels;
    exposure.psf = Some(psf);
    let places = std::io::read_to_string(std::io::stdin())?
        .lines()
        .map(|line| {
            let sky: Vec<f64> = line.split_whitespace().flat_map(str::parse).collect();
            let place = sky.get(..2).and_then(|s| wcs.sky_to_pixel(s[0], s[1]));
            place.unwrap_or((f64::NAN, f64::NAN))
        })
        .collect::<Vec<_>>();
    for (f, (x, y)) in
        forced_psf(&exposure, &places, &MeasurementConfig::default()).iter().zip(&places)
    {
        println!("{x:.4} {y:.4} {:.6} {:.6} {} {fwhm:.4}", f.flux, f.flux_err, u8::from(f.flag));
    }
    Ok(())
}
