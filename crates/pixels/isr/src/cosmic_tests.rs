//! Stars of several widths and rays in a scene of this file's own.

use super::*;
use elqui_image::{Header, VisitInfo};

/// Uniform numbers of a small generator.
struct Dice(u64);
impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const SKY: f32 = 400.0;
const GAIN: f64 = 1.5;

struct Scene {
    exposure: Exposure,
    /// Star centres and peaks; pixels that rays hit, with their charge.
    stars: Vec<(f64, f64)>,
    rays: Vec<(usize, usize, f32)>,
}

/// Gaussian (or Moffat) stars from faint to bright, tracks of rays between and on them.
fn scene(side: usize, fwhm: f64, moffat: bool, n_rays: usize) -> Scene {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut truth = vec![f64::from(SKY); side * side];
    let mut stars = Vec::new();
    for k in 0..side * side / 1200 {
        let (x, y) = (dice.uniform() * side as f64, dice.uniform() * side as f64);
        let peak = 50.0 * 10f64.powf(3.0 * dice.uniform());
        stars.push((x, y));
        let half = 6.0 * fwhm;
        for j in (y - half).max(0.0) as usize..((y + half) as usize + 1).min(side) {
            for i in (x - half).max(0.0) as usize..((x + half) as usize + 1).min(side) {
                let r2 = (i as f64 - x).powi(2) + (j as f64 - y).powi(2);
                let profile = if moffat {
                    let alpha2 = fwhm * fwhm / 4.0 / (2f64.powf(1.0 / 3.0) - 1.0);
                    (1.0 + r2 / alpha2).powi(-3)
                } else {
                    (-4.0 * std::f64::consts::LN_2 * r2 / (fwhm * fwhm)).exp()
                };
                truth[j * side + i] += peak * profile;
            }
        }
        let _ = k;
    }
    let mut rays = std::collections::BTreeMap::new();
    for _ in 0..n_rays {
        let (x, y) = (dice.uniform() * side as f64, dice.uniform() * side as f64);
        let angle = dice.uniform() * std::f64::consts::TAU;
        let length = 1.0 + 12.0 * dice.uniform().powi(2);
        let charge = 300.0 * 10f64.powf(1.3 * dice.uniform());
        for s in 0..length.ceil() as usize {
            let (i, j) = (x + s as f64 * angle.cos(), y + s as f64 * angle.sin());
            if i >= 1.0 && j >= 1.0 && i < (side - 1) as f64 && j < (side - 1) as f64 {
                *rays.entry((i as usize, j as usize)).or_insert(0.0f32) += charge as f32;
            }
        }
    }
    for ((x, y), charge) in &rays {
        truth[y * side + x] += f64::from(*charge);
    }
    let noisy: Vec<f32> =
        truth.iter().map(|t| (t + dice.normal() * (t / GAIN + 36.0).sqrt()) as f32).collect();
    let image = Image::from_vec(side, side, noisy);
    let variance = image.map(|v| v.max(0.0) / GAIN as f32 + 36.0);
    let mask = Image::filled(side, side, 0u32);
    let exposure =
        Exposure::new(image, mask, variance, Header::default(), VisitInfo::default()).unwrap();
    let rays = rays.into_iter().map(|((x, y), c)| (x, y, c)).collect();
    Scene { exposure, stars, rays }
}

#[test]
fn rays_are_found_and_star_cores_are_not() {
    for (fwhm, moffat) in [(1.8, false), (2.0, true), (2.5, false), (4.0, true), (6.0, false)] {
        let mut s = scene(500, fwhm, moffat, 150);
        let sky = Image::filled(500, 500, SKY);
        let n = find_cosmic_rays(&mut s.exposure, &sky, fwhm, &CosmicRayConfig::default());
        let cr = MaskPlane::Cr.bit();
        let is_cr = |x: usize, y: usize| s.exposure.mask.at(x, y) & cr != 0;
        let hit = s.rays.iter().filter(|(x, y, _)| is_cr(*x, *y)).count();
        let found = hit as f64 / s.rays.len() as f64;
        // What was found in vain: not a ray's pixel nor beside one.
        let near_ray = |x: usize, y: usize| {
            s.rays.iter().any(|(i, j, _)| i.abs_diff(x) <= 1 && j.abs_diff(y) <= 1)
        };
        let mut in_vain = 0;
        for y in 0..500 {
            for x in 0..500 {
                in_vain += usize::from(is_cr(x, y) && !near_ray(x, y));
            }
        }
        let eaten = s
            .stars
            .iter()
            .map(|(x, y)| ((x.round() as usize).min(499), (y.round() as usize).min(499)))
            .filter(|(x, y)| is_cr(*x, *y) && !near_ray(*x, *y))
            .count();
        println!(
            "fwhm {fwhm} moffat {moffat}: {n} pixels, {found:.3} found, {in_vain} in vain, {eaten} cores"
        );
        assert!(found > if fwhm < 2.2 { 0.85 } else { 0.95 }, "fwhm {fwhm}: {found}");
        assert!(in_vain <= 3 && eaten == 0, "fwhm {fwhm}: {in_vain} in vain, {eaten} cores");
    }
}

#[test]
fn the_filled_pixels_are_like_their_neighbours() {
    let mut s = scene(300, 4.0, false, 60);
    let sky = Image::filled(300, 300, SKY);
    find_cosmic_rays(&mut s.exposure, &sky, 4.0, &CosmicRayConfig::default());
    let bits = MaskPlane::Cr.bit() | MaskPlane::Intrp.bit();
    let far =
        |x: usize, y: usize| s.stars.iter().all(|(i, j)| (i - x as f64).hypot(j - y as f64) > 20.0);
    for (x, y, _) in s.rays.iter().filter(|(x, y, _)| far(*x, *y)) {
        let m = s.exposure.mask.at(*x, *y);
        if m & bits == bits {
            let v = s.exposure.image.at(*x, *y);
            assert!((v - SKY).abs() < 80.0, "({x}, {y}): {v}");
        }
    }
}

#[test]
fn nonsense_finds_nothing() {
    let mut s = scene(100, 4.0, false, 20);
    let sky = Image::filled(100, 100, SKY);
    let config = CosmicRayConfig::default();
    for fwhm in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(find_cosmic_rays(&mut s.exposure, &sky, fwhm, &config), 0);
    }
    assert_eq!(find_cosmic_rays(&mut s.exposure, &Image::filled(9, 9, 0.0), 4.0, &config), 0);
    let before = s.exposure.clone();
    let all_saturated = Image::filled(100, 100, MaskPlane::Sat.bit());
    s.exposure.mask = all_saturated;
    assert_eq!(find_cosmic_rays(&mut s.exposure, &sky, 4.0, &config), 0);
    assert_eq!(before.image, s.exposure.image);
}

/// `cargo test --release -p elqui-isr -- --ignored --nocapture speed`
#[test]
#[ignore = "a measurement, not a test"]
fn speed() {
    let s = scene(4096, 3.5, false, 5000);
    let sky = Image::filled(4096, 4096, SKY);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    // CPU time of the one worker, as Linux counts it.
    let cpu_s = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        text.split(' ').next().and_then(|t| t.parse().ok()).map_or(f64::NAN, |ns: f64| 1e-9 * ns)
    };
    for _ in 0..3 {
        let mut e = s.exposure.clone();
        let (n, seconds) = pool.install(|| {
            let start = cpu_s();
            let n = find_cosmic_rays(&mut e, &sky, 3.5, &CosmicRayConfig::default());
            (n, cpu_s() - start)
        });
        println!("{n} pixels in {seconds:.3} CPU s");
    }
}
