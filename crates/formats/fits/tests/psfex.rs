//! PSFEx models: both layouts, the order of the polynomial, damaged files, and DECam's own.

use elqui_fits::{FitsError, FitsFile, psfex_model, read_psfex};
use elqui_image::{Exposure, Image, MaskPlane, PsfModel, VisitInfo};
use elqui_measurement::{MeasurementConfig, forced_psf};
use std::path::{Path, PathBuf};

/// A FITS file of an empty primary HDU and a table of one row: `cards` and the floats of PSF_MASK.
fn file_of(cards: &[(&str, &str)], mask: &[f32]) -> Vec<u8> {
    let form = format!("'{}E'", mask.len());
    let row = (4 * mask.len()).to_string();
    let mut text = String::new();
    let mut put = |list: &[(&str, &str)]| {
        for (key, value) in list {
            text.push_str(&format!("{:<80}", format!("{key:<8}= {value}")));
        }
        text.push_str(&format!("{:<80}", "END"));
        text.push_str(&" ".repeat(text.len().next_multiple_of(2880) - text.len()));
    };
    put(&[("SIMPLE", "T"), ("BITPIX", "8"), ("NAXIS", "0")]);
    let mut table = vec![
        ("XTENSION", "'BINTABLE'"),
        ("BITPIX", "8"),
        ("NAXIS", "2"),
        ("NAXIS1", &row),
        ("NAXIS2", "1"),
        ("PCOUNT", "0"),
        ("GCOUNT", "1"),
        ("TFIELDS", "1"),
        ("TTYPE1", "'PSF_MASK'"),
        ("TFORM1", &form),
    ];
    table.extend(cards);
    put(&table);
    let mut bytes = text.into_bytes();
    bytes.extend(mask.iter().flat_map(|v| v.to_be_bytes()));
    bytes.resize(bytes.len().next_multiple_of(2880), 0);
    bytes
}

const CARDS: [(&str, &str); 14] = [
    ("EXTNAME", "'PSF_DATA'"),
    ("POLNAXIS", "2"),
    ("POLGRP1", "1"),
    ("POLNAME1", "'X_IMAGE '"),
    ("POLZERO1", "501.0"),
    ("POLSCAL1", "1000.0"),
    ("POLGRP2", "1"),
    ("POLNAME2", "'Y_IMAGE '"),
    ("POLZERO2", "301.0"),
    ("POLSCAL2", "600.0"),
    ("POLNGRP", "1"),
    ("POLDEG1", "2"),
    ("PSF_FWHM", "3.5"),
    ("PSF_SAMP", "0.7"),
];

fn sized<'a>(nx: &'a str, ny: &'a str, terms: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut cards = CARDS.to_vec();
    cards.extend([("PSFAXIS1", nx), ("PSFAXIS2", ny), ("PSFAXIS3", terms)]);
    cards
}

/// A Gaussian whose six planes are small multiples of it, each with an odd part of its own.
fn planes(nx: usize, ny: usize, terms: usize) -> Vec<f32> {
    (0..terms * nx * ny)
        .map(|k| {
            let (i, j, c) = (k % nx, k / nx % ny, k / (nx * ny));
            let (dx, dy) = (i as f64 - (nx / 2) as f64, j as f64 - (ny / 2) as f64);
            let g = (-(dx * dx + dy * dy) / 9.0).exp();
            let odd = 0.1 * dx + 0.05 * dy * (c as f64 - 2.0);
            (g * if c == 0 { 1.0 } else { 0.02 * c as f64 + 0.03 * odd }) as f32
        })
        .collect()
}

fn parse(bytes: Vec<u8>) -> Result<PsfModel, FitsError> {
    psfex_model(&FitsFile::from_bytes(bytes, "test.psf")?, 0)
}

#[test]
fn a_model_is_the_sum_that_psfex_describes() {
    let mask = planes(11, 11, 6);
    let model = parse(file_of(&sized("11", "11", "6"), &mask)).unwrap();
    assert_eq!((model.grid, model.step, model.degree), (11, 0.7, 2));
    // X_IMAGE, Y_IMAGE of one based pixels: the pixel (750, 120) of ours.
    let (u, v) = ((751.0 - 501.0) / 1000.0, (121.0 - 301.0) / 600.0);
    let factors = [1.0, u, u * u, v, u * v, v * v];
    let sum: f64 = mask[..121].iter().map(|&m| f64::from(m)).sum::<f64>() * 0.7 * 0.7;
    for (k, got) in model.samples_at(750.0, 120.0).iter().enumerate() {
        let want: f64 = (0..6).map(|c| factors[c] * f64::from(mask[c * 121 + k])).sum::<f64>();
        assert!((f64::from(*got) - want / sum).abs() < 1e-6, "{k}: {got} {}", want / sum);
    }
    // exp(-r^2 / 9) in samples: FWHM = 2 sqrt(9 ln 2) samples of 0.7 pixels.
    let fwhm = 0.7 * 2.0 * (9.0f64 * 2f64.ln()).sqrt();
    assert!((model.fwhm_pixels / fwhm - 1.0).abs() < 0.02, "{} {fwhm}", model.fwhm_pixels);
}

#[test]
fn constant_even_and_coarse_models_are_read() {
    let mask = planes(12, 10, 1);
    let mut cards = sized("12", "10", "1");
    cards.retain(|c| !c.0.starts_with("POL"));
    cards.push(("POLNAXIS", "0"));
    cards.iter_mut().filter(|c| c.0 == "PSF_SAMP").for_each(|c| c.1 = "1.25");
    let model = parse(file_of(&cards, &mask)).unwrap();
    assert_eq!((model.grid, model.degree), (9, 0));
    // The star stays in the middle.
    let samples = model.samples_at(0.0, 0.0);
    let top = (0..81).max_by(|&a, &b| samples[a].total_cmp(&samples[b])).unwrap();
    assert_eq!(top, 40);
    let stamp = model.render(7.3, 2.8);
    assert!((stamp.data().iter().sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn what_is_no_model_is_refused() {
    let good = planes(11, 11, 6);
    let with = |key: &str, value: &'static str| -> Vec<u8> {
        let mut cards = sized("11", "11", "6");
        cards.iter_mut().filter(|c| c.0 == key).for_each(|c| c.1 = value);
        file_of(&cards, &good)
    };
    for (key, value) in [
        ("PSFAXIS1", "12"),
        ("PSFAXIS1", "0"),
        ("PSFAXIS2", "-3"),
        ("PSFAXIS1", "1.5"),
        ("POLDEG1", "3"),
        ("POLDEG1", "4000"),
        ("POLNAXIS", "3"),
        ("POLNGRP", "2"),
        ("POLNAME1", "'FLUX_AUTO'"),
        ("POLSCAL1", "0.0"),
        ("PSF_SAMP", "0.0"),
        ("PSF_SAMP", "'no'"),
    ] {
        assert!(parse(with(key, value)).is_err(), "{key} = {value}");
    }
    let with_pixel = |k: usize, value: f32| {
        let mut mask = good.clone();
        mask[k] = value;
        parse(file_of(&sized("11", "11", "6"), &mask))
    };
    for value in [f32::NAN, f32::INFINITY, -1e9] {
        assert!(with_pixel(60, value).is_err(), "{value}");
    }
    assert!(with_pixel(500, f32::NAN).is_err());
    let file = FitsFile::from_bytes(file_of(&sized("11", "11", "6"), &good), "t").unwrap();
    assert!(psfex_model(&file, 1).is_err());
    let other = file_of(&[("EXTNAME", "'X'")], &[1.0]);
    let renamed = String::from_utf8_lossy(&other).replace("PSF_MASK", "SOMETHIN").into_bytes();
    assert!(matches!(parse(renamed), Err(FitsError::NoHdu { .. })));
}

/// The real data pack, where there is one.
fn data_pack() -> Option<PathBuf> {
    let root = std::env::var_os("ELQUI_REALDATA").filter(|root| !root.is_empty());
    if root.is_none() {
        println!("skipped: ELQUI_REALDATA is not set");
    }
    root.map(|root| PathBuf::from(root).join("decam_legacypipe"))
}

fn find(folder: &Path, suffix: &str, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, suffix, out);
        } else if path.to_string_lossy().ends_with(suffix) {
            out.push(path);
        }
    }
}

/// DECam: every model reads; a star drawn from the model's own samples (at a pixel's centre no
/// interpolation is needed) gives its flux back, with and without a bad column.
#[test]
fn decam_models_give_back_the_flux_of_their_stars() {
    let Some(root) = data_pack() else { return };
    let mut models = Vec::new();
    find(&root, "-psfex.fits", &mut models);
    assert_eq!(models.len(), 14);
    models.sort();
    for path in &models {
        let psf = read_psfex(path).unwrap();
        assert_eq!((psf.grid, psf.degree, psf.step), (63, 2, 1.0));
        assert!(psf.fwhm_pixels > 2.5 && psf.fwhm_pixels < 7.0, "{}", psf.fwhm_pixels);
        let (x, y) = (20.0, 18.0);
        let (samples, flux) = (psf.samples_at(x, y), 5000.0f32);
        let total: f32 = samples.iter().sum();
        let mut image = Image::filled(41, 51, 0.0f32);
        for (k, s) in samples.iter().enumerate() {
            let (i, j) = (k % 63 + 20, k / 63 + 18);
            if (31..72).contains(&i) && (31..82).contains(&j) {
                image.set(i - 31, j - 31, flux * s / total);
            }
        }
        let (mask, variance) = (Image::filled(41, 51, 0u32), Image::filled(41, 51, 100.0f32));
        let header = elqui_image::Header::default();
        let mut exposure =
            Exposure::new(image, mask, variance, header, VisitInfo::default()).unwrap();
        exposure.psf = Some(psf);
        // A bad column beside the star changes nothing but the error.
        let config = MeasurementConfig::default();
        let clean = forced_psf(&exposure, &[(x, y)], &config)[0];
        for j in 0..51 {
            exposure.mask.set(22, j, MaskPlane::Bad.bit());
            exposure.image.set(22, j, 1e6);
        }
        let cut = forced_psf(&exposure, &[(x, y)], &config)[0];
        for f in [clean, cut] {
            assert!((f.flux / f64::from(flux) - 1.0).abs() < 3e-3, "{path:?}: {f:?}");
        }
        assert!(cut.flux_err > clean.flux_err);
    }
}

/// DECam: a frame with its own weights, data quality and model. The star of magnitude 10.5 in its middle is
/// saturated and bleeds: its flux is flagged; the faint source near the corner is measured.
#[test]
fn a_decam_frame_with_weights_quality_and_model() {
    let Some(root) = data_pack() else { return };
    let root = root.join("testcase6");
    let read = |suffix: &str| {
        let mut found = Vec::new();
        find(&root, suffix, &mut found);
        assert_eq!(found.len(), 1, "{suffix}");
        let file = FitsFile::open(&found[0]).unwrap().ignore_checksums(true);
        file.read_image(file.first_image().unwrap()).unwrap()
    };
    let (mut image, weight) = (read("051332_ooi_r_ls9.S9.fits"), read("051332_oow_r_ls9.S9.fits"));
    let quality = read("051332_ood_r_ls9.S9.fits");
    // The level about the faint source: sky and the star's wing.
    image.data_mut().iter_mut().for_each(|v| *v -= 217.5);
    let mask = quality.map(|q| if q == 0.0 { 0 } else { MaskPlane::Bad.bit() });
    let variance = weight.map(|w| if w > 0.0 { 1.0 / w } else { f32::INFINITY });
    let header = elqui_image::Header::default();
    let mut exposure = Exposure::new(image, mask, variance, header, VisitInfo::default()).unwrap();
    let mut models = Vec::new();
    find(&root, "051332_ooi_r_ls9-psfex.fits", &mut models);
    exposure.psf = Some(read_psfex(&models[0]).unwrap());
    let places = [(49.3, 54.6), (92.6, 6.7), (-500.0, 3.0), (f64::NAN, 3.0)];
    let f = forced_psf(&exposure, &places, &MeasurementConfig::default());
    assert!(f[0].flag && f[0].mask_bits & MaskPlane::Bad.bit() != 0, "{:?}", f[0]);
    assert!(!f[1].flag && f[1].flux > 5.0 * f[1].flux_err, "{:?}", f[1]);
    assert!(f[2].flag && f[3].flag);
}
