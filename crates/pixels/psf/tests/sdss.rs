//! Real frames: SDSS Stripe 82, camcol 4, against psField's widths and the sources that the LSST
//! pipelines found on the same pixels. Needs `ELQUI_REALDATA`.

use elqui_background::{estimate, subtract};
use elqui_base::FWHM_PER_SIGMA;
use elqui_detection::{detect, mark};
use elqui_fits::FitsFile;
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak};
use elqui_psf::*;
use std::io::Read;
use std::path::{Path, PathBuf};

struct Source {
    x: f64,
    y: f64,
    snr: f64,
    flagged: bool,
}

fn expected(path: &Path) -> Vec<Source> {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> =
        lines.next().unwrap().trim_start_matches('#').split_whitespace().collect();
    let at = |name: &str| names.iter().position(|n| *n == name).unwrap();
    let flags =
        ["base_SdssCentroid_flag", "base_PixelFlags_flag_edge", "base_PixelFlags_flag_saturated"]
            .map(at);
    let [x, y] = ["base_SdssCentroid_x", "base_SdssCentroid_y"].map(at);
    let [flux, error] = ["base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr"].map(at);
    lines
        .map(|line| {
            let f: Vec<&str> = line.split_whitespace().collect();
            let number = |k: usize| f[k].parse::<f64>().unwrap_or(f64::NAN);
            Source {
                x: number(x),
                y: number(y),
                snr: number(flux) / number(error),
                flagged: flags.iter().any(|&k| f[k] == "True"),
            }
        })
        .collect()
}

fn folder() -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("ELQUI_REALDATA")?).join("sdss_s82");
    path.is_dir().then_some(path)
}

#[test]
fn widths_and_sources_agree_with_what_is_known() {
    let Some(folder) = folder() else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let (mut widest, mut least, mut most) = (0.0f64, 1.0f64, 0.0f64);
    for (run, field) in [("004192", "0300"), ("006377", "0399")] {
        let ps_field =
            FitsFile::open(folder.join(format!("calib/psField-{run}-4-{field}.fit.gz"))).unwrap();
        let column = |name: &str| ps_field.read_vectors(6, name).unwrap()[0].clone();
        let (widths, gains, darks) = (column("psf_width"), column("gain"), column("dark_variance"));
        for (band, index) in [("g", 1), ("r", 2)] {
            // One of these frames carries a DATASUM that is not its own.
            let file = FitsFile::open(folder.join(format!("fpC/fpC-{run}-{band}4-{field}.fit.gz")))
                .unwrap()
                .ignore_checksums(true);
            let raw = file.read_image(0).unwrap();
            let mut image = raw.map(|v| v - 1000.0);
            let variance =
                image.map(|v| (f64::from(v.max(0.0)) / gains[index] + darks[index]) as f32);
            let sat = MaskPlane::Sat.bit();
            let mut mask: Mask = raw.map(|v| if v > 50_000.0 { sat } else { 0 });
            let footprints = two_passes(&mut image, &variance, &mut mask);
            let stars =
                select_stars(&image, &variance, &mask, &footprints, &SelectionConfig::default());
            let fit = fit_psf(&image, &variance, &mask, &stars, &PsfConfig::default()).unwrap();
            let width = 0.396 * fit.effective_fwhm_pixels;
            let ratio = width / widths[index];
            let catalogue = format!("expected_lsst/src_{}_{band}.txt.gz", &run[2..]);
            let (complete, spurious, counts) =
                compare(&footprints, &expected(&folder.join(catalogue)), &mask);
            println!(
                "{run} {band}: {} stars, {} used; width {width:.4} arcsec, psField {:.4}, ratio {ratio:.4}; \
                 found {complete:.4}, unmatched {spurious:.4} {counts:?}; size residual {:.4} +- {:.4}",
                stars.len(),
                fit.used.len(),
                widths[index],
                fit.size_residual,
                fit.size_scatter
            );
            widest = widest.max((ratio - 1.0).abs());
            least = least.min(complete);
            most = most.max(spurious);
        }
    }
    assert!(widest < 0.03, "width off by {widest}");
    assert!(least >= 0.99, "found {least}");
    assert!(most <= 0.02, "unmatched {most}");
}

/// Background, detection, then both again with the objects masked and the width known.
fn two_passes(image: &mut Image<f32>, variance: &Image<f32>, mask: &mut Mask) -> Vec<Footprint> {
    let reject = MaskPlane::unusable() | MaskPlane::Detected.bit();
    let mut sigma = 1.3;
    let mut footprints = Vec::new();
    for _ in 0..2 {
        let sky = estimate(image, mask, reject, &Default::default()).unwrap();
        subtract(image, &sky);
        footprints = detect(image, variance, mask, sigma, &Default::default()).unwrap().footprints;
        mark(mask, &footprints, MaskPlane::Detected);
        sigma = guess_fwhm(image, variance, mask, &footprints).unwrap() / FWHM_PER_SIGMA;
    }
    footprints
}

/// Part of the expected good sources found within a pixel, part of ours matched by nothing, counts.
fn compare(footprints: &[Footprint], expected: &[Source], mask: &Mask) -> (f64, f64, [usize; 4]) {
    let peaks: Vec<Peak> = footprints.iter().flat_map(|f| f.peaks.iter().copied()).collect();
    let near = |x: f64, y: f64, px: f64, py: f64| (x - px).hypot(y - py) < 1.0;
    let good: Vec<&Source> = expected.iter().filter(|s| s.snr > 20.0 && !s.flagged).collect();
    let found = good
        .iter()
        .filter(|s| peaks.iter().any(|p| near(s.x, s.y, f64::from(p.x), f64::from(p.y))))
        .count();
    for s in &good {
        if !peaks.iter().any(|p| near(s.x, s.y, f64::from(p.x), f64::from(p.y))) {
            println!("  missed ({:.1}, {:.1}) S/N {:.0}", s.x, s.y, s.snr);
        }
    }
    let (width, height) = (mask.width() as f32, mask.height() as f32);
    // Ours near a border or a saturated star have their explanation.
    let explained = |p: &Peak| {
        let border = p.x < 20.0 || p.y < 20.0 || p.x > width - 21.0 || p.y > height - 21.0;
        let around = (-60i32..=60).step_by(2).any(|dy| {
            (-60i32..=60).step_by(2).any(|dx| {
                mask.get(p.x as i32 + dx, p.y as i32 + dy)
                    .is_some_and(|b| b & MaskPlane::Sat.bit() != 0)
            })
        });
        // The LSST pipelines left out the rows that overlap the next field.
        border || around || p.y > 1340.0
    };
    let ours: Vec<&Peak> = peaks.iter().filter(|p| p.snr > 20.0 && !explained(p)).collect();
    let unmatched: Vec<&&Peak> = ours
        .iter()
        .filter(|p| !expected.iter().any(|s| near(s.x, s.y, f64::from(p.x), f64::from(p.y))))
        .collect();
    for p in &unmatched {
        println!("  unmatched ({:.1}, {:.1}) S/N {:.0}", p.x, p.y, p.snr);
    }
    let complete = found as f64 / good.len() as f64;
    let spurious = unmatched.len() as f64 / ours.len() as f64;
    (complete, spurious, [good.len(), found, ours.len(), unmatched.len()])
}
