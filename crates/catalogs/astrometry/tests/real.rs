//! A real raw frame against Tycho-2, from a rough position and scale alone.

use elqui_astrometry::*;
use elqui_base::separation;
use std::io::Read;
use std::path::PathBuf;

/// The data part of a plain 16-bit FITS image, as rows.
fn read_image(path: &PathBuf) -> (usize, usize, Vec<f64>) {
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    let (mut axes, mut zero, mut at) = ([0usize; 2], 0.0, 0);
    loop {
        let card = String::from_utf8_lossy(&bytes[at..at + 80]).to_string();
        let number = || card[10..].split('/').next().unwrap().trim().parse::<f64>().unwrap();
        match card[..8].trim() {
            "NAXIS1" => axes[0] = number() as usize,
            "NAXIS2" => axes[1] = number() as usize,
            "BZERO" => zero = number(),
            "BITPIX" => assert_eq!(number(), 16.0),
            "END" => break,
            _ => {}
        }
        at += 80;
    }
    let start = (at / 2880 + 1) * 2880;
    let pixels = bytes[start..start + 2 * axes[0] * axes[1]]
        .chunks_exact(2)
        .map(|b| f64::from(i16::from_be_bytes([b[0], b[1]])) + zero)
        .collect();
    (axes[0], axes[1], pixels)
}

/// Local maxima of 3 x 3 sums over the local median, with centroids.
fn peaks(w: usize, h: usize, pixels: &[f64]) -> Vec<Detected> {
    let mut sky = pixels.to_vec();
    let (level, noise) = elqui_base::mad_sigma(&mut sky);
    let sum = |x: usize, y: usize| -> f64 {
        (0..9).map(|k| pixels[(y + k / 3 - 1) * w + x + k % 3 - 1] - level).sum()
    };
    let mut out = Vec::new();
    for y in 4..h - 4 {
        for x in 4..w - 4 {
            let s = sum(x, y);
            let top = (0..25).all(|k| {
                let (i, j) = (x + k % 5 - 2, y + k / 5 - 2);
                (i, j) == (x, y) || sum(i, j) < s || (sum(i, j) == s && (j, i) > (y, x))
            });
            if s < 18.0 * noise || !top {
                continue;
            }
            let (mut f, mut fx, mut fy) = (0.0, 0.0, 0.0);
            for k in 0..25 {
                let (i, j) = (x + k % 5 - 2, y + k / 5 - 2);
                let v = (pixels[j * w + i] - level).max(0.0);
                (f, fx, fy) = (f + v, fx + v * i as f64, fy + v * j as f64);
            }
            out.push(Detected { x: fx / f, y: fy / f, flux: f, x_err: 0.2, y_err: 0.2 });
        }
    }
    out
}

#[test]
fn hat_p_32_is_found() {
    let Some(root) = std::env::var_os("ELQUI_REALDATA").map(PathBuf::from) else {
        println!("skipped: ELQUI_REALDATA is not set");
        return;
    };
    let text = std::fs::read_to_string(root.join("refcats/tycho2/tycho2_hatp32_1deg.csv")).unwrap();
    let refs: Vec<RefStar> = text
        .lines()
        .skip(1)
        .map(|line| {
            let v: Vec<f64> =
                line.split(',').map(|f| f.trim().parse().unwrap_or(f64::NAN)).collect();
            RefStar { ra: v[0], dec: v[1], mag: v[2], ..RefStar::default() }
        })
        .collect();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(root.join("hatp32_raw")).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| f.to_string_lossy().ends_with(".FITS.gz"));
    files.sort();
    let (mut solved, mut seconds) = (0, 0.0);
    for file in &files {
        let (w, h, pixels) = read_image(file);
        let detected = peaks(w, h, &pixels);
        let hint = SolveHint {
            ra: 31.04,
            dec: 46.69,
            radius_deg: 0.6,
            scale_arcsec: Some(5.2),
            ..SolveHint::default()
        };
        let start = std::time::Instant::now();
        let result = solve(&detected, &refs, w, h, &hint, &AstrometryConfig::default());
        seconds += start.elapsed().as_secs_f64();
        let solution = match result {
            Ok(s) => s,
            Err(e) => {
                println!("{}: {} detections, {e}", file.display(), detected.len());
                continue;
            }
        };
        solved += 1;
        let scale = solution.wcs.pixel_scale_arcsec(325.0, 250.0);
        let (x, y) = solution.wcs.sky_to_pixel(31.0427, 46.6878).unwrap();
        let (ra0, dec0) = solution.wcs.pixel_to_sky(x, y);
        let (ra_x, _) = solution.wcs.pixel_to_sky(x + 10.0, y);
        let (_, dec_y) = solution.wcs.pixel_to_sky(x, y + 10.0);
        println!(
            "{} detections, {} matches, rms {:.0?} mas, {scale:.3} arcsec/px, target {x:.1} {y:.1}, order {}, ln odds {:.0}",
            detected.len(),
            solution.matches.len(),
            solution.rms_mas,
            solution.sip_order,
            solution.ln_odds
        );
        assert!((scale - 5.21).abs() < 0.05);
        assert!(ra_x < ra0 && dec_y < dec0, "x must run west and y south");
        assert!((0.0..w as f64).contains(&x) && (0.0..h as f64).contains(&y));
        let nearest =
            detected.iter().map(|d| (d.x - x).hypot(d.y - y)).fold(f64::INFINITY, f64::min);
        assert!(nearest < 2.0, "nothing was detected at the target: {nearest} px");
        assert!(separation(ra0, dec0, 31.0427, 46.6878).arcsec() < 1e-3);
    }
    println!("{solved} of {} solved, {:.3} s each", files.len(), seconds / files.len() as f64);
    assert!(solved * 10 >= files.len() * 9);
}
