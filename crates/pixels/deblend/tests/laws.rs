//! Children keep the parent's flux, whatever the parent; nothing is skipped.

#[path = "../../psf/tests/scene/mod.rs"]
mod scene;

use elqui_deblend::{DeblendConfig, Deblended, deblend, deblend_all};
use elqui_image::{Footprint, Image, Mask, MaskPlane, Peak, PsfModel, Span};

const FWHM: f64 = 4.0;

fn moffat(dx: f64, dy: f64) -> f64 {
    let alpha2 = (0.5 * FWHM).powi(2) / (2f64.cbrt() - 1.0);
    2.0 / (std::f64::consts::PI * alpha2) * (1.0 + (dx * dx + dy * dy) / alpha2).powi(-3)
}

fn psf() -> PsfModel {
    PsfModel::from_profile(101, 0.5, FWHM, moffat)
}

/// Stars (x, y, flux) on blank sky with noise of `sigma`.
fn image(side: usize, stars: &[(f64, f64, f64)], sigma: f64, seed: u64) -> Image<f32> {
    let mut random = scene::Random::new(seed);
    let mut out = Image::from_fn(side, side, |_, _| 0.0f32);
    for &(x, y, flux) in stars {
        let (cx, cy) = (x.round() as i32, y.round() as i32);
        for j in (cy - 25).max(0)..=(cy + 25).min(side as i32 - 1) {
            for i in (cx - 25).max(0)..=(cx + 25).min(side as i32 - 1) {
                let (i, j) = (i as usize, j as usize);
                let light = flux * moffat(i as f64 - x, j as f64 - y);
                out.set(i, j, out.at(i, j) + light as f32);
            }
        }
    }
    out.data_mut().iter_mut().for_each(|v| *v += (sigma * random.normal()) as f32);
    out
}

fn whole(side: usize, peaks: &[(f64, f64)], snr: f32) -> Footprint {
    let spans = (0..side as i32).map(|y| Span { y, x0: 0, x1: side as i32 - 1 }).collect();
    let peak = |p: &(f64, f64)| Peak { x: p.0 as f32, y: p.1 as f32, snr };
    Footprint { spans, peaks: peaks.iter().map(peak).collect() }
}

fn total(d: &Deblended) -> f64 {
    d.children.iter().map(|c| c.total()).sum()
}

#[test]
fn children_of_stars_and_a_galaxy_sum_to_the_parent() {
    let mut stars = vec![(40.0, 40.0, 4e4), (47.3, 42.0, 2e4), (52.0, 33.5, 1e4)];
    // A wide source of many points.
    for k in 0..60 {
        let a = 0.7 * f64::from(k);
        stars.push((30.0 + 5.0 * a.cos() * a / 42.0, 55.0 + 3.0 * a.sin() * a / 42.0, 2e3));
    }
    let image = image(80, &stars, 5.0, 1);
    let mask: Mask = Image::filled(80, 80, 0);
    let peaks = [(40.0, 40.0), (47.0, 42.0), (52.0, 34.0), (30.0, 55.0)];
    let d = deblend(&image, &mask, &whole(80, &peaks, 100.0), &psf(), &DeblendConfig::default());
    assert!(d.children.len() >= 4 && d.n_peaks == d.children.len());
    assert_eq!(d.blendedness.len(), d.children.len());
    let mut worst = 0.0f32;
    for y in 0..80 {
        for x in 0..80 {
            let sum: f32 = d.children.iter().map(|c| c.at(x, y)).sum();
            worst = worst.max((sum - image.at(x as usize, y as usize)).abs());
        }
    }
    assert!(worst < 1e-2, "{worst}");
    assert!((d.children[0].total() / 4e4 - 1.0).abs() < 0.1, "{}", d.children[0].total());
}

#[test]
fn blendedness_tells_who_is_blended() {
    let mask: Mask = Image::filled(90, 90, 0);
    let blend = |separation: f64, ratio: f64| {
        let stars = [(40.0, 45.0, 5e4), (40.0 + separation, 45.0, 5e4 * ratio)];
        let image = image(90, &stars, 3.0, 2);
        let footprint = whole(90, &stars.map(|s| (s.0, s.1)), 200.0);
        deblend(&image, &mask, &footprint, &psf(), &DeblendConfig::default()).blendedness
    };
    let far = blend(30.0, 1.0);
    assert!(far.iter().all(|b| *b < 0.01), "{far:?}");
    let near = blend(6.0, 1.0);
    assert!((near[0] - near[1]).abs() < 0.05 && near[0] > 0.1, "{near:?}");
    let faint = blend(6.0, 0.1);
    assert!(faint[1] > 0.5 && faint[0] < 0.1, "{faint:?}");
}

#[test]
fn two_thousand_peaks_are_split_by_the_cheaper_method_and_say_so() {
    let mut random = scene::Random::new(5);
    let side = 500usize;
    let stars: Vec<(f64, f64, f64)> = (0..2000)
        .map(|_| {
            let (x, y) = (5.0 + 490.0 * random.uniform(), 5.0 + 490.0 * random.uniform());
            (x, y, 3e4 * (0.3 + random.uniform()))
        })
        .collect();
    let image = image(side, &stars, 10.0, 6);
    let mask: Mask = Image::filled(side, side, 0);
    let places: Vec<(f64, f64)> = stars.iter().map(|s| (s.0, s.1)).collect();
    let footprint = whole(side, &places, 100.0);
    let config = DeblendConfig::default();
    let d = deblend(&image, &mask, &footprint, &psf(), &config);
    assert!(d.simplified);
    assert_eq!((d.children.len(), d.n_peaks, d.blendedness.len()), (2000, 2000, 2000));
    let all: f64 = image.data().iter().map(|v| f64::from(*v)).sum();
    assert!((total(&d) / all - 1.0).abs() < 1e-4, "{} of {all}", total(&d));
    assert!(d.children.iter().all(|c| !c.footprint.spans.is_empty() && c.total().is_finite()));
    // On the way through it, fluxes are right to a few per cent of a typical star's.
    let mut off: Vec<f64> =
        d.children.iter().zip(&stars).map(|(c, s)| (c.total() - s.2) / s.2).collect();
    let (median, scatter) = elqui_base::mad_sigma(&mut off);
    assert!(median.abs() < 0.05 && scatter < 0.3, "{median} {scatter}");
    let both = deblend_all(&image, &mask, &[footprint.clone(), footprint], &psf(), &config);
    assert!(both[0] == d && both[1] == d);
}

#[test]
fn one_star_stays_one_and_two_under_a_peak_become_two() {
    let mask: Mask = Image::filled(60, 60, 0);
    let run = |stars: &[(f64, f64, f64)], seed: u64| {
        let image = image(60, stars, 10.0, seed);
        let footprint = whole(60, &[(30.0, 30.0)], 250.0);
        deblend(&image, &mask, &footprint, &psf(), &DeblendConfig::default())
    };
    for seed in 1..=30 {
        let single = run(&[(30.2, 29.7, 2e4)], seed);
        assert!(single.children.is_empty() && single.n_peaks == 1, "seed {seed}");
    }
    let two = run(&[(28.0, 30.0, 1.2e4), (32.5, 30.5, 1e4)], 3);
    assert_eq!((two.children.len(), two.n_peaks), (2, 2));
    let peak = two.children[0].footprint.peaks[0];
    assert!((peak.x - 28.0).abs() < 0.3 && (peak.y - 30.0).abs() < 0.3, "{peak:?}");
    // A saturated core is left alone.
    let image = image(60, &[(28.0, 30.0, 1.2e4), (32.5, 30.5, 1e4)], 10.0, 3);
    let mut cut = mask.clone();
    cut.set(30, 30, MaskPlane::Sat.bit());
    let footprint = whole(60, &[(30.0, 30.0)], 250.0);
    let d = deblend(&image, &cut, &footprint, &psf(), &DeblendConfig::default());
    assert_eq!(d.n_peaks, 1);
}

#[test]
fn galaxies_are_not_torn_into_stars() {
    // Exponential profiles blurred by the PSF: sums of points along an ellipse.
    let mut random = scene::Random::new(9);
    let mask: Mask = Image::filled(60, 60, 0);
    let (mut torn, mut tried) = (0, 0);
    for k in 0..120 {
        let radius = 0.8 + 3.0 * random.uniform();
        let ratio = 0.15 + 0.8 * random.uniform();
        let angle = std::f64::consts::PI * random.uniform();
        let (s, c) = angle.sin_cos();
        let (x, y) = (30.0 + random.uniform() - 0.5, 30.0 + random.uniform() - 0.5);
        let flux = 8e3 * 10f64.powf(1.5 * random.uniform());
        let points = 120;
        let stars: Vec<(f64, f64, f64)> = (0..points)
            .map(|p| {
                // Radii of equal light of an exponential disc, turned by the golden angle.
                let part = (f64::from(p) + 0.5) / f64::from(points);
                let r = quantile(part) * radius;
                let phi = 2.399_963_2 * f64::from(p);
                let (u, v) = (r * phi.cos(), ratio * r * phi.sin());
                (x + c * u - s * v, y + s * u + c * v, flux / f64::from(points))
            })
            .collect();
        let image = image(60, &stars, 10.0, 100 + k);
        let noise = 10.0 * 60f64.sqrt();
        let snr = (0.8 * flux / noise) as f32;
        let footprint = whole(60, &[(30.0, 30.0)], snr);
        let d = deblend(&image, &mask, &footprint, &psf(), &DeblendConfig::default());
        tried += 1;
        torn += usize::from(d.n_peaks > 1);
    }
    println!("{torn} of {tried} galaxies torn");
    assert!(torn * 25 <= tried, "{torn} of {tried}");
}

/// Radius, in scale lengths, that holds this part of an exponential disc's light.
fn quantile(part: f64) -> f64 {
    let (mut low, mut high) = (0.0f64, 20.0f64);
    for _ in 0..50 {
        let r = 0.5 * (low + high);
        if 1.0 - (1.0 + r) * (-r).exp() < part { low = r } else { high = r }
    }
    low
}

#[test]
fn unknown_choices_are_refused_and_hostile_parents_survive() {
    assert!(serde_json::from_str::<DeblendConfig>(r#"{"twins_snr_min": 30}"#).is_ok());
    assert!(serde_json::from_str::<DeblendConfig>(r#"{"twins": 30}"#).is_err());
    for value in [0.0f32, -3.0, f32::NAN, f32::INFINITY, 1e30] {
        let image = Image::filled(30, 30, value);
        for bits in [0, MaskPlane::Bad.bit(), MaskPlane::Sat.bit()] {
            let mask: Mask = Image::filled(30, 30, bits);
            for peaks in [vec![], vec![(15.0, 15.0)], vec![(15.0, 15.0), (15.0, 15.0)]] {
                for snr in [50.0, f32::NAN, f32::INFINITY] {
                    let footprint = whole(30, &peaks, snr);
                    let d = deblend(&image, &mask, &footprint, &psf(), &DeblendConfig::default());
                    assert!(d.n_peaks >= peaks.len());
                    assert!(d.children.is_empty() || d.children.len() == d.n_peaks);
                }
            }
        }
    }
    let one = Image::filled(1, 1, 5.0);
    let d = deblend(
        &one,
        &Image::filled(1, 1, 0),
        &whole(1, &[(0.0, 0.0), (0.2, 0.0)], 30.0),
        &psf(),
        &DeblendConfig::default(),
    );
    assert_eq!(d.children.len(), 2);
}
