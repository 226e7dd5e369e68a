//! Images of which nothing is known, against a catalogue of the whole sky.

mod common;

use common::{Random, radial, wcs};
use elqui_astrometry::*;
use elqui_base::{UnitVector, separation};
use elqui_wcs::Wcs;
use std::sync::OnceLock;

const STARS: usize = 60_000;
const SIZE: (usize, usize) = (1500, 1200);

/// Stars spread evenly over the sky, with magnitudes as the sky has them.
fn sky(seed: u64, count: usize) -> Vec<RefStar> {
    let mut rng = Random(seed);
    (0..count)
        .map(|_| {
            let dec = (2.0 * rng.uniform() - 1.0).asin().to_degrees();
            let mag = 12.0 + 2.5 * rng.uniform().ln() / 1.1;
            RefStar { ra: 360.0 * rng.uniform(), dec, mag, ..RefStar::default() }
        })
        .collect()
}

fn catalogue() -> &'static (Vec<RefStar>, BlindIndex) {
    static SKY: OnceLock<(Vec<RefStar>, BlindIndex)> = OnceLock::new();
    SKY.get_or_init(|| {
        let stars = sky(1, STARS);
        let index = BlindIndex::build(&stars, &BlindConfig::default()).unwrap();
        (stars, index)
    })
}

struct Frame {
    truth: Wcs,
    detected: Vec<Detected>,
    /// Catalogue stars on the image.
    known: usize,
}

struct Recipe {
    /// Catalogue stars on the image, about.
    stars: f64,
    detected_fraction: f64,
    /// Detections that are no catalogue stars, as a fraction of all.
    spurious: f64,
    noise_px: f64,
    distortion_px: f64,
    mag_scatter: f64,
    seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            stars: 40.0,
            detected_fraction: 0.85,
            spurious: 0.3,
            noise_px: 0.2,
            distortion_px: 2.0,
            mag_scatter: 0.3,
            seed: 1,
        }
    }
}

fn scale_for(stars: f64) -> f64 {
    let area_deg2 = 41_253.0 * stars / STARS as f64;
    3600.0 * (area_deg2 / (SIZE.0 * SIZE.1) as f64).sqrt()
}

fn frame(stars: &[RefStar], r: &Recipe) -> Frame {
    let mut rng = Random(r.seed);
    let dec = (2.0 * rng.uniform() - 1.0).asin().to_degrees();
    let center = (360.0 * rng.uniform(), if r.seed.is_multiple_of(20) { 89.5 } else { dec });
    let scale = scale_for(r.stars);
    let truth = wcs(center, scale, 360.0 * rng.uniform(), rng.uniform() < 0.5, SIZE);
    let truth = radial(truth, SIZE, r.distortion_px);
    let (mut detected, mut known) = (Vec::new(), 0);
    let reach = scale * (SIZE.0 as f64).hypot(SIZE.1 as f64) / 3600.0;
    let middle = UnitVector::from_ra_dec_deg(center.0, center.1);
    let mut add = |rng: &mut Random, x: f64, y: f64, mag: f64| {
        let seen = mag + r.mag_scatter * rng.normal();
        detected.push(Detected {
            x: x + r.noise_px * rng.normal(),
            y: y + r.noise_px * rng.normal(),
            flux: 10f64.powf(0.4 * (25.0 - seen)),
            x_err: r.noise_px,
            y_err: r.noise_px,
        });
    };
    for s in stars {
        if UnitVector::from_ra_dec_deg(s.ra, s.dec).separation(middle).deg() > reach {
            continue;
        }
        let Some((x, y)) = truth.sky_to_pixel(s.ra, s.dec) else { continue };
        if !(x > 0.0 && y > 0.0 && x < SIZE.0 as f64 && y < SIZE.1 as f64) {
            continue;
        }
        known += 1;
        if rng.uniform() < r.detected_fraction {
            add(&mut rng, x, y, s.mag);
        }
    }
    let others = (known as f64 * r.detected_fraction * r.spurious / (1.0 - r.spurious)) as usize;
    for _ in 0..others {
        let mag = 12.0 + 2.5 * rng.uniform().ln() / 1.1;
        let (x, y) = (SIZE.0 as f64 * rng.uniform(), SIZE.1 as f64 * rng.uniform());
        add(&mut rng, x, y, mag);
    }
    Frame { truth, detected, known }
}

fn worst_px(truth: &Wcs, found: &Wcs) -> f64 {
    let mut worst = 0.0f64;
    for k in 0..25 {
        let at = |i: usize, n: usize| n as f64 * i as f64 / 4.0;
        let (x, y) = (at(k % 5, SIZE.0), at(k / 5, SIZE.1));
        let (a, b) = (truth.pixel_to_sky(x, y), found.pixel_to_sky(x, y));
        let off = separation(a.0, a.1, b.0, b.1).arcsec();
        worst = worst.max(off / truth.pixel_scale_arcsec(x, y));
    }
    worst
}

fn run(f: &Frame, hint: &SolveHint) -> Result<Solution, AstrometryError> {
    let (stars, index) = catalogue();
    solve_blind(&f.detected, index, stars, SIZE.0, SIZE.1, hint, &AstrometryConfig::default())
}

fn check(f: &Frame, hint: &SolveHint, what: &str) -> bool {
    match run(f, hint) {
        Ok(s) => {
            let worst = worst_px(&f.truth, &s.wcs);
            assert!(
                worst < 6.0,
                "{what}: a false solution, {worst} px off, {} matches",
                s.matches.len()
            );
            true
        }
        Err(e) => {
            println!("{what}, {} known, {} detected: {e}", f.known, f.detected.len());
            false
        }
    }
}

#[test]
fn two_hundred_images_without_a_pointing_are_all_found() {
    let (stars, index) = catalogue();
    println!(
        "{} stars, {} quads, {:?}",
        index.star_count(),
        index.quad_count(),
        index.diameters_arcsec()
    );
    let (mut tried, mut solved, mut seed) = (0, 0, 0);
    let mut rng = Random(5);
    while tried < 200 {
        seed += 1;
        let f =
            frame(stars, &Recipe { seed, stars: 34.0 + 60.0 * rng.uniform(), ..Recipe::default() });
        if f.known < 30 {
            continue;
        }
        tried += 1;
        solved += usize::from(check(&f, &SolveHint::default(), &format!("seed {seed}")));
    }
    assert_eq!(solved, 200);
}

#[test]
fn images_of_another_sky_are_refused() {
    let others = sky(2, STARS);
    for seed in 0..50 {
        let stars = [30.0, 60.0, 120.0, 300.0][seed as usize % 4];
        let f = frame(&others, &Recipe { seed, stars, ..Recipe::default() });
        let error =
            run(&f, &SolveHint::default()).map(|s| (s.matches.len(), s.ln_odds)).unwrap_err();
        assert!(error.to_string().contains("give a position"), "{error}");
    }
}

#[test]
fn spurious_and_missing_stars() {
    let (stars, _) = catalogue();
    let mut solved = 0;
    for seed in 300..340 {
        let recipe = Recipe {
            seed,
            stars: 70.0,
            spurious: 0.5,
            detected_fraction: 0.5,
            ..Recipe::default()
        };
        let mut f = frame(stars, &recipe);
        // Every tenth is listed twice.
        let twice: Vec<Detected> = f.detected.iter().step_by(10).copied().collect();
        f.detected.extend(twice.iter().map(|d| Detected {
            x: d.x + 0.3,
            flux: 0.9 * d.flux,
            ..*d
        }));
        solved += usize::from(check(&f, &SolveHint::default(), &format!("seed {seed}")));
    }
    println!("half missing, half spurious: {solved} of 40");
    assert!(solved >= 38, "{solved}");
}

#[test]
fn hints_narrow_the_search_and_wrong_ones_do_no_harm() {
    let (stars, _) = catalogue();
    let f = frame(stars, &Recipe { seed: 7, stars: 50.0, ..Recipe::default() });
    let scale = scale_for(50.0);
    let found = run(&f, &SolveHint::default()).unwrap();
    let det = found.wcs.cd_deg();
    let own = if det[0][0] * det[1][1] - det[0][1] * det[1][0] < 0.0 {
        Parity::Sky
    } else {
        Parity::Mirrored
    };
    let other = if own == Parity::Sky { Parity::Mirrored } else { Parity::Sky };
    let hint = |factor: f64, parity| SolveHint {
        scale_arcsec: Some(scale * factor),
        scale_tolerance: 0.05,
        parity,
        ..SolveHint::default()
    };
    let right = run(&f, &hint(1.01, Some(own))).unwrap();
    assert!(
        worst_px(&f.truth, &right.wcs) < 3.0
            && right.warnings.iter().all(|w| !w.contains("expected"))
    );
    let wrong = run(&f, &hint(3.0, Some(own))).unwrap();
    assert!(wrong.warnings.iter().any(|w| w.contains("pixel scale")), "{:?}", wrong.warnings);
    let wrong = run(&f, &hint(1.0, Some(other))).unwrap();
    assert!(wrong.warnings.iter().any(|w| w.contains("handedness")), "{:?}", wrong.warnings);
}

#[test]
fn the_brightest_alone_are_enough_and_nothing_is_an_error() {
    let (stars, index) = catalogue();
    let mut solved = 0;
    for seed in 500..520 {
        let mut f =
            frame(stars, &Recipe { seed, stars: 200.0, spurious: 0.0, ..Recipe::default() });
        f.detected.sort_by(|a, b| b.flux.total_cmp(&a.flux));
        f.detected.truncate(16);
        solved += usize::from(check(&f, &SolveHint::default(), &format!("seed {seed}")));
    }
    println!("16 brightest of 200: {solved} of 20");
    assert!(solved >= 18, "{solved}");
    let config = AstrometryConfig::default();
    let none = solve_blind(&[], index, stars, 10, 10, &SolveHint::default(), &config).unwrap_err();
    assert!(matches!(none, AstrometryError::FewDetections { count: 0, .. }), "{none}");
    let d = |x: f64| Detected { x, y: 0.0, flux: f64::NAN, x_err: 0.0, y_err: 0.0 };
    // On a line, one place, no place, a size of nothing.
    for list in [
        (0..50).map(|k| d(f64::from(k) * 9.0)).collect::<Vec<_>>(),
        vec![d(5.0); 50],
        vec![d(f64::NAN); 50],
        (0..50).map(|k| d(f64::from(k) * 1e300)).collect(),
    ] {
        for size in [(500, 500), (0, 0), (1, 1)] {
            assert!(
                solve_blind(&list, index, stars, size.0, size.1, &SolveHint::default(), &config)
                    .is_err()
            );
        }
    }
    for few in [0, 3] {
        let error = BlindIndex::build(&stars[..few], &BlindConfig::default()).unwrap_err();
        assert!(error.to_string().contains("give a larger one"), "{error}");
    }
    assert!(BlindIndex::build(&vec![RefStar::default(); 100], &BlindConfig::default()).is_err());
    let one_place = vec![RefStar { ra: 3.0, dec: 4.0, ..RefStar::default() }; 100];
    assert!(BlindIndex::build(&one_place, &BlindConfig::default()).is_err());
}

#[test]
fn an_index_is_the_same_after_writing_and_reading_and_damage_is_seen() {
    let stars = sky(9, 4000);
    let index = BlindIndex::build(&stars, &BlindConfig::default()).unwrap();
    let bytes = index.to_bytes();
    assert_eq!(BlindIndex::from_bytes(&bytes).unwrap(), index);
    assert_eq!(BlindIndex::build(&stars, &BlindConfig::default()).unwrap().to_bytes(), bytes);
    for cut in [0, 7, 8, 30, bytes.len() / 2, bytes.len() - 1] {
        assert!(BlindIndex::from_bytes(&bytes[..cut]).is_err(), "{cut}");
    }
    for at in (0..bytes.len()).step_by(9973) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(BlindIndex::from_bytes(&damaged).is_err(), "{at}");
    }
    let mut newer = bytes;
    newer[8] = 2;
    assert!(BlindIndex::from_bytes(&newer).unwrap_err().to_string().contains("build it again"));
}
