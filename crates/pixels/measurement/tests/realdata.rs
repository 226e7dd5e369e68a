//! Real frames: our circular 6-pixel flux against the LSST pipelines' own on SDSS Stripe 82.
//!
//! Reads `$ELQUI_REALDATA/sdss_s82` (frames fpC, and the sources that the LSST pipelines measured
//! on them). Isolated sources of S/N > 50 are compared; the two backgrounds differ, so the test is
//! on the median.

mod common;

use common::{disc, gaussian_psf};
use elqui_background::{BackgroundConfig, estimate, subtract};
use elqui_image::{Exposure, Header, Image, VisitInfo};
use elqui_measurement::{MeasurementConfig, Parent, measure};
use std::io::Read;
use std::path::Path;

fn gunzip(path: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::MultiGzDecoder::new(file).read_to_end(&mut out).unwrap();
    out
}

/// The primary image of a 16-bit FITS file with BZERO 32768, less SDSS's soft bias of 1000.
fn fpc(path: &Path) -> Image<f32> {
    let bytes = gunzip(path);
    let card = |key: &str| -> f64 {
        let mut cards = bytes.chunks(80).map(|c| String::from_utf8_lossy(c).into_owned());
        let card = cards.find(|c| c.starts_with(&format!("{key:<8}="))).unwrap();
        card[10..].split('/').next().unwrap().trim().parse().unwrap()
    };
    let (w, h) = (card("NAXIS1") as usize, card("NAXIS2") as usize);
    let end = bytes.chunks(80).position(|c| c.starts_with(b"END ")).unwrap();
    let start = (end * 80 / 2880 + 1) * 2880;
    let zero = card("BZERO");
    let data = bytes[start..start + 2 * w * h]
        .chunks_exact(2)
        .map(|b| (f64::from(i16::from_be_bytes([b[0], b[1]])) + zero - 1000.0) as f32);
    Image::from_vec(w, h, data.collect())
}

#[test]
fn the_six_pixel_flux_agrees_with_the_lsst_pipelines() {
    let Some(root) = std::env::var_os("ELQUI_REALDATA") else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let root = Path::new(&root).join("sdss_s82");
    for (frame, sources) in
        [("fpC-004192-r4-0300", "src_4192_r"), ("fpC-006377-g4-0399", "src_6377_g")]
    {
        let mut image = fpc(&root.join(format!("fpC/{frame}.fit.gz")));
        let (w, h) = (image.width(), image.height());
        let mask = Image::filled(w, h, 0u32);
        // Gain about 4.7 electrons per adu: the variance only orders the sources here.
        let variance = image.map(|v| (v / 4.7).max(1.0));
        let sky = estimate(&image, &mask, 0, &BackgroundConfig::default()).unwrap();
        subtract(&mut image, &sky);
        let mut e =
            Exposure::new(image, mask, variance, Header::default(), VisitInfo::default()).unwrap();
        e.gain = 4.7;
        e.psf = Some(gaussian_psf(1.5));
        let text = String::from_utf8(gunzip(&root.join(format!("expected_lsst/{sources}.txt.gz"))))
            .unwrap();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().trim_start_matches('#').split(' ').collect();
        let column = |name: &str| names.iter().position(|n| *n == name).unwrap();
        let (cx, cy) = (column("base_SdssCentroid_x"), column("base_SdssCentroid_y"));
        let cf = column("base_CircularApertureFlux_6_0_instFlux");
        let ce = column("base_CircularApertureFlux_6_0_instFluxErr");
        let flags = [
            column("base_SdssCentroid_flag"),
            column("base_PixelFlags_flag_edge"),
            column("base_PixelFlags_flag_saturated"),
            column("base_PixelFlags_flag_interpolated"),
        ];
        let rows: Vec<Vec<&str>> = lines.map(|l| l.split(' ').collect()).collect();
        let number = |r: &[&str], k: usize| r[k].parse::<f64>().unwrap_or(f64::NAN);
        let at: Vec<(f64, f64)> = rows.iter().map(|r| (number(r, cx), number(r, cy))).collect();
        let parents: Vec<Parent> = at
            .iter()
            .map(|&p| Parent { footprint: disc(&[p], 8.0), ..Parent::default() })
            .collect();
        let t = measure(&e, &parents, &MeasurementConfig::default());
        let (mut ratios, mut shifts) = (Vec::new(), Vec::new());
        for (k, r) in rows.iter().enumerate() {
            let (flux, err) = (number(r, cf), number(r, ce));
            let alone = at
                .iter()
                .enumerate()
                .all(|(l, p)| l == k || (p.0 - at[k].0).hypot(p.1 - at[k].1) > 25.0);
            let clean = flags.iter().all(|&f| r[f] == "False") && !t.centroid_flag[k];
            if alone && clean && flux > 50.0 * err {
                ratios.push(t.ap06_flux[k] / flux);
                shifts.push((t.x[k] - at[k].0).hypot(t.y[k] - at[k].1));
            }
        }
        let n = ratios.len();
        let (ratio, scatter) = elqui_base::mad_sigma(&mut ratios);
        let shift = elqui_base::median(&mut shifts);
        println!("{frame}: {n} sources, ratio {ratio:.5} +- {scatter:.5}, shift {shift:.4} pixels");
        assert!(n > 20 && (ratio - 1.0).abs() < 5e-3, "{frame}: {ratio} of {n}");
        assert!(shift < 0.05, "{frame}: {shift}");
    }
}
