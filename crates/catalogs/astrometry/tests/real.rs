//! Real raw frames against Tycho-2: from a rough position and scale, and from nothing.
//!
//! `ELQUI_TYCHO2` names Debian's index-tycho2-07.littleendian.fits (package astrometry-data-tycho2-07-littleendian), out
//! of which the whole catalogue is read: 1,871,011 stars.

#![allow(clippy::disallowed_methods, reason = "real files are read, and the time is taken")]

mod common;

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

struct Frames {
    refs: Vec<RefStar>,
    files: Vec<PathBuf>,
}

fn hat_p_32() -> Option<Frames> {
    let Some(root) = std::env::var_os("ELQUI_REALDATA").map(PathBuf::from) else {
        println!("skipped: ELQUI_REALDATA is not set");
        return None;
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
    Some(Frames { refs, files })
}

/// Seconds of this process, all threads.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or("");
    let ticks: Vec<f64> = after.split_whitespace().filter_map(|v| v.parse().ok()).collect();
    // The state is no number; utime and stime are the 14th and 15th field of all.
    ticks.get(10..12).map_or(f64::NAN, |t| (t[0] + t[1]) / 100.0)
}

/// Solve every frame blind; the frames must lie where they do.
fn all_blind(frames: &Frames, refs: &[RefStar], index: &BlindIndex, every: usize) {
    let (mut solved, mut total, mut worst) = (0, 0.0, 0.0f64);
    let files: Vec<&PathBuf> = frames.files.iter().step_by(every).collect();
    for file in &files {
        let (w, h, pixels) = read_image(file);
        let detected = peaks(w, h, &pixels);
        let (start, config) = (cpu_s(), AstrometryConfig::default());
        let result = solve_blind(&detected, index, refs, w, h, &SolveHint::default(), &config);
        let spent = cpu_s() - start;
        (total, worst) = (total + spent, worst.max(spent));
        match result {
            Ok(s) => {
                let (x, y) = s.wcs.sky_to_pixel(31.0427, 46.6878).unwrap();
                let nearest =
                    detected.iter().map(|d| (d.x - x).hypot(d.y - y)).fold(f64::INFINITY, f64::min);
                assert!(nearest < 2.0, "{}: {x} {y}, ln odds {}", file.display(), s.ln_odds);
                assert!((s.wcs.pixel_scale_arcsec(325.0, 250.0) - 5.21).abs() < 0.05);
                solved += 1;
            }
            Err(e) => println!("{}: {} detections, {e}", file.display(), detected.len()),
        }
    }
    println!(
        "blind: {solved} of {} solved, {:.3} CPU s each, at most {worst:.2}",
        files.len(),
        total / files.len() as f64
    );
    assert_eq!(solved, files.len());
}

#[test]
fn hat_p_32_is_found_blind() {
    let Some(frames) = hat_p_32() else { return };
    let index = BlindIndex::build(&frames.refs, &BlindConfig::default()).unwrap();
    println!("{} stars, {} quads", index.star_count(), index.quad_count());
    all_blind(&frames, &frames.refs, &index, 1);
}

/// The stars of the index file: see the data pack's README.
fn read_tycho2(path: &std::ffi::OsStr) -> Vec<RefStar> {
    let bytes = std::fs::read(path).unwrap();
    let mut tables = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (mut size, mut naxis, mut axes, mut pcount) = (0usize, 0usize, [1usize; 2], 0usize);
        loop {
            let card = String::from_utf8_lossy(&bytes[at..at + 80]).to_string();
            at += 80;
            let number = || card[10..].split('/').next().unwrap().trim().parse::<i64>().unwrap();
            match card[..8].trim() {
                "BITPIX" => size = number().unsigned_abs() as usize / 8,
                "NAXIS" => naxis = number() as usize,
                "NAXIS1" => axes[0] = number() as usize,
                "NAXIS2" => axes[1] = number() as usize,
                "PCOUNT" => pcount = number() as usize,
                "END" => break,
                _ => {}
            }
        }
        at = at.div_ceil(2880) * 2880;
        let length = if naxis == 0 { 0 } else { size * axes[0] * axes[1] + pcount };
        tables.push(at..at + length);
        at = (at + length).div_ceil(2880) * 2880;
    }
    let range: Vec<f64> = bytes[tables[10].clone()]
        .chunks_exact(8)
        .map(|c| f64::from_le_bytes(c.try_into().unwrap()))
        .collect();
    let mags = bytes[tables[13].clone()].chunks_exact(4);
    bytes[tables[11].clone()]
        .chunks_exact(12)
        .zip(mags)
        .map(|(c, m)| {
            let v = std::array::from_fn(|k| {
                let step = u32::from_le_bytes(c[4 * k..4 * k + 4].try_into().unwrap());
                f64::from(step) / range[6] + range[k]
            });
            let (ra, dec) = elqui_base::UnitVector::normalized(v).to_ra_dec_deg();
            let mag = f64::from(f32::from_be_bytes(m.try_into().unwrap()));
            RefStar { ra, dec, mag, ..RefStar::default() }
        })
        .collect()
}

#[test]
fn hat_p_32_is_found_on_the_whole_sky() {
    let Some(frames) = hat_p_32() else { return };
    let Some(path) = std::env::var_os("ELQUI_TYCHO2") else {
        println!("skipped: ELQUI_TYCHO2 is not set");
        return;
    };
    let refs = read_tycho2(&path);
    let start = cpu_s();
    let index = BlindIndex::build(&refs, &BlindConfig::default()).unwrap();
    println!(
        "{} stars, {} quads, AB {:.0?} arcsec, built in {:.1} CPU s",
        index.star_count(),
        index.quad_count(),
        index.diameters_arcsec(),
        cpu_s() - start
    );
    let bytes = index.to_bytes();
    let start = cpu_s();
    let index = BlindIndex::from_bytes(&bytes).unwrap();
    println!("{} bytes, read in {:.2} CPU s", bytes.len(), cpu_s() - start);
    all_blind(&frames, &refs, &index, 1);
    simulated(&refs, &index);
}

/// Images of 0.3 to 6 square degrees anywhere on the sky with 30 stars and more, and images of stars that are not there.
fn simulated(refs: &[RefStar], index: &BlindIndex) {
    let (size, config) = ((1500, 1200), AstrometryConfig::default());
    let mut rng = common::Random(3);
    let (mut tried, mut solved, mut refused) = (0, 0, 0);
    let (mut spent, mut most) = ([0.0; 2], [0.0f64; 2]);
    while tried < 200 || refused < 50 {
        let dec = (2.0 * rng.uniform() - 1.0).asin().to_degrees();
        let scale = 1.5 * 4.5f64.powf(rng.uniform());
        let truth = common::wcs(
            (360.0 * rng.uniform(), dec),
            scale,
            360.0 * rng.uniform(),
            rng.uniform() < 0.5,
            size,
        );
        let truth = common::radial(truth, size, 2.0);
        let middle = elqui_base::UnitVector::from_ra_dec_deg(truth.crval_deg()[0], dec);
        let reach = scale * 961.0 / 3600.0;
        let mut known: Vec<(f64, f64, f64)> = refs
            .iter()
            .filter(|s| (s.dec - dec).abs() < reach)
            .filter(|s| {
                elqui_base::UnitVector::from_ra_dec_deg(s.ra, s.dec).separation(middle).deg()
                    < reach
            })
            .filter_map(|s| truth.sky_to_pixel(s.ra, s.dec).map(|(x, y)| (x, y, s.mag)))
            .filter(|p| p.0 > 0.0 && p.1 > 0.0 && p.0 < 1500.0 && p.1 < 1200.0)
            .collect();
        let absent = tried >= 200;
        if known.len() < 30 {
            continue;
        }
        if absent {
            known
                .iter_mut()
                .for_each(|p| (p.0, p.1) = (1500.0 * rng.uniform(), 1200.0 * rng.uniform()));
        }
        let others = known.len() / 3;
        known.extend((0..others).map(|_| {
            (1500.0 * rng.uniform(), 1200.0 * rng.uniform(), 12.0 + 2.5 * rng.uniform().ln() / 1.1)
        }));
        let detected: Vec<Detected> = known
            .iter()
            .map(|p| Detected {
                x: p.0 + 0.2 * rng.normal(),
                y: p.1 + 0.2 * rng.normal(),
                flux: 10f64.powf(-0.4 * (p.2 + 0.3 * rng.normal())),
                x_err: 0.2,
                y_err: 0.2,
            })
            .collect();
        let start = cpu_s();
        let result =
            solve_blind(&detected, index, refs, size.0, size.1, &SolveHint::default(), &config);
        let (k, cpu) = (usize::from(absent), cpu_s() - start);
        (spent[k], most[k]) = (spent[k] + cpu, most[k].max(cpu));
        if absent {
            assert!(result.is_err(), "a false solution");
            refused += 1;
            continue;
        }
        tried += 1;
        match result {
            Ok(s) => {
                let (x, y) =
                    s.wcs.sky_to_pixel(truth.crval_deg()[0], truth.crval_deg()[1]).unwrap();
                assert!((x - 749.5).hypot(y - 599.5) < 2.0, "a false solution");
                solved += 1;
            }
            Err(e) => println!("{} detected, {scale} arcsec/px: {e}", detected.len()),
        }
    }
    println!(
        "simulated: {solved} of {tried} solved, {:.3} CPU s each, at most {:.2}; {refused} refused, {:.3}, at most {:.2}",
        spent[0] / 200.0,
        most[0],
        spent[1] / 50.0,
        most[1]
    );
    assert_eq!(solved, tried);
}

#[test]
fn hat_p_32_is_found() {
    let Some(Frames { refs, files }) = hat_p_32() else { return };
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
        let start = cpu_s();
        let result = solve(&detected, &refs, w, h, &hint, &AstrometryConfig::default());
        seconds += cpu_s() - start;
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
    println!("{solved} of {} solved, {:.3} CPU s each", files.len(), seconds / files.len() as f64);
    assert!(solved * 10 >= files.len() * 9);
}
