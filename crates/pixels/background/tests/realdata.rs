//! Real frames: what is left between the sources of SDSS Stripe 82 and MicroObservatory frames is
//! nothing, within errors. Needs `ELQUI_REALDATA`.

// A test may read files and say where they are.
#![allow(clippy::disallowed_methods)]

use elqui_background::*;
use elqui_detection::{DetectionConfig, detect, mark};
use elqui_image::{Image, Mask, MaskPlane};
use std::io::Read;
use std::path::Path;

/// The primary image of a 16-bit FITS file, as it is.
fn read(path: &Path) -> Image<f32> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    let card = |key: &str| -> Option<f64> {
        let mut cards = bytes.chunks(80).map(|c| String::from_utf8_lossy(c).into_owned()).take(400);
        let card = cards.find(|c| c.starts_with(&format!("{key:<8}=")))?;
        card[10..].split('/').next()?.trim().parse().ok()
    };
    let (w, h) = (card("NAXIS1").unwrap() as usize, card("NAXIS2").unwrap() as usize);
    let end = bytes.chunks(80).position(|c| c.starts_with(b"END ")).unwrap();
    let start = (end * 80 / 2880 + 1) * 2880;
    let zero = card("BZERO").unwrap_or(0.0);
    let data = bytes[start..start + 2 * w * h]
        .chunks_exact(2)
        .map(|b| (f64::from(i16::from_be_bytes([b[0], b[1]])) + zero) as f32);
    Image::from_vec(w, h, data.collect())
}

/// The raw frames' outer rows and columns fall off by a fifth of the sky.
const BORDER: usize = 40;

/// Clipped mean of the free pixels of each region of `side` pixels, in units of the noise.
fn regions(image: &Image<f32>, mask: &Mask, noise: f32, side: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for y0 in (BORDER..image.height() - BORDER).step_by(side) {
        for x0 in (BORDER..image.width() - BORDER).step_by(side) {
            let (mut n, mut sum) = (0.0, 0.0);
            for y in y0..(y0 + side).min(image.height() - BORDER) {
                for x in x0..(x0 + side).min(image.width() - BORDER) {
                    let v = image.at(x, y);
                    if mask.at(x, y) == 0 && v.abs() < 3.0 * noise {
                        n += 1.0;
                        sum += f64::from(v);
                    }
                }
            }
            if n > 0.1 * (side * side) as f64 {
                out.push(sum / n / f64::from(noise));
            }
        }
    }
    out
}

/// Mean and scatter of the regions' levels between the sources.
fn left(path: &Path, saturation: f32, fwhm_pixels: f64, growth: f64) -> (f64, f64, f64) {
    let mut image = read(path);
    let mut mask = image.map(|v| if v >= saturation { MaskPlane::Sat.bit() } else { 0 });
    let reject = MaskPlane::unusable();
    let sky = Sky::new(&image, &mask, reject, &BackgroundConfig::default()).unwrap();
    let first = sky.estimate().unwrap();
    subtract(&mut image, &first);
    let variance = evaluate_rms(&first).map(|s| s * s);
    let at = |threshold_sigma: f64, grow_sigma: f64, image: &Image<f32>| {
        let config = DetectionConfig { threshold_sigma, grow_sigma, ..DetectionConfig::default() };
        detect(image, &variance, &mask, fwhm_pixels / 2.355, &config).unwrap().footprints
    };
    let second = sky.refine(&first, &at(20.0, 2.4, &image)).unwrap();
    exchange(&mut image, &first, &second);
    let sources = at(3.5, growth, &image);
    mark(&mut mask, &sources, MaskPlane::Detected);
    let noise = mean_rms(&second);
    let levels = regions(&image, &mask, noise as f32, 256);
    let n = levels.len() as f64;
    let mean = levels.iter().sum::<f64>() / n;
    let scatter = (levels.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n).sqrt();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{name}: sky {:.2} +- {:.3}, noise {noise:.3}; {n} regions: mean {mean:+.4}, scatter \
         {scatter:.4} of the noise",
        mean_level(&second),
        mean_error(&second)
    );
    (mean, scatter, mean_error(&second) / noise)
}

#[test]
fn nothing_is_left_between_the_sources() {
    let Some(root) = std::env::var_os("ELQUI_REALDATA") else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let root = Path::new(&root);
    // The second are crowded, with coarse pixels: their wings overlap everywhere.
    for (folder, saturation, fwhm, growth, most, every) in
        [("sdss_s82/fpC", 65_000.0, 3.0, 6.0, 0.02, 1), ("hatp32_raw", 4000.0, 2.5, 3.0, 0.15, 24)]
    {
        let mut names: Vec<_> =
            std::fs::read_dir(root.join(folder)).unwrap().map(|f| f.unwrap().path()).collect();
        names.retain(|p| p.extension().is_some_and(|e| e == "gz"));
        names.sort();
        for path in names.iter().step_by(every) {
            let (mean, scatter, error) = left(path, saturation, fwhm, growth);
            // Regions hold at least four cells; their own noise is under half a per cent.
            assert!(mean.abs() < most, "{}: {mean}", path.display());
            assert!(scatter < 0.03 + 2.0 * error, "{}: {scatter}", path.display());
        }
    }
}
