//! The fit against its bound: errors of the map as small as the stars' errors allow.

mod common;

use common::{Random, radial, wcs};
use elqui_astrometry::*;
use elqui_base::UnitVector;
use elqui_wcs::Wcs;

const SIZE: (usize, usize) = (4096, 4096);
const SCALE: f64 = 0.2;

struct Field {
    truth: Wcs,
    detected: Vec<Detected>,
    refs: Vec<RefStar>,
    /// Error of each star per axis, mas.
    sigmas: Vec<f64>,
}

/// Stars of S/N 10 to 1000 with the errors of a 0.8 arcsec image; `extra` is an error that is not confessed (pixels).
fn field(seed: u64, stars: usize, truth: Wcs, extra: f64, outliers: usize) -> Field {
    let mut rng = Random(seed);
    let mut out = Field { truth, detected: Vec::new(), refs: Vec::new(), sigmas: Vec::new() };
    for k in 0..stars {
        let (x, y) = (SIZE.0 as f64 * rng.uniform() - 0.5, SIZE.1 as f64 * rng.uniform() - 0.5);
        let (ra, dec) = out.truth.pixel_to_sky(x, y);
        let snr = 10.0 * 100f64.powf(rng.uniform().powi(2));
        let error = 1.8 / snr;
        let mut shift = [error, error].map(|e| e.hypot(extra) * rng.normal());
        if k < outliers {
            // A blend: pulled by up to a pixel.
            shift = shift.map(|s| s + 2.0 * (rng.uniform() - 0.5));
        }
        out.detected.push(Detected {
            x: x + shift[0],
            y: y + shift[1],
            flux: 100.0 * snr,
            x_err: error,
            y_err: error,
        });
        out.refs.push(RefStar { ra, dec, mag: 25.0 - 2.5 * snr.log10(), ..RefStar::default() });
        // A blend is no loss to speak of; it counts as if it were not there.
        let lost = if k < outliers { f64::INFINITY } else { 0.0 };
        out.sigmas.push(1000.0 * SCALE * error.hypot(extra) + lost);
    }
    out
}

/// Mean square of the error per axis over the image, mas^2.
fn mean_square(truth: &Wcs, found: &Wcs) -> f64 {
    const N: usize = 20;
    let mut sum = 0.0;
    for k in 0..N * N {
        let at = |i: usize, n: usize| n as f64 * (i as f64 + 0.5) / N as f64 - 0.5;
        let (x, y) = (at(k % N, SIZE.0), at(k / N, SIZE.1));
        let direction = |w: &Wcs| {
            let (ra, dec) = w.pixel_to_sky(x, y);
            UnitVector::from_ra_dec_deg(ra, dec)
        };
        sum += direction(truth).separation(direction(found)).mas().powi(2);
    }
    sum / (2 * N * N) as f64
}

struct Outcome {
    /// Root mean square error of the map over the bound, over the error it claims.
    over_bound: f64,
    over_claim: f64,
    chi2_dof: f64,
    floor_mas: f64,
    clipped: f64,
}

/// Many fields: `terms` is the number of parameters per axis of the bound.
fn measure(
    trials: u64,
    terms: f64,
    make: impl Fn(u64) -> Field,
    hint: impl Fn(&Field) -> SolveHint,
) -> Outcome {
    let mut out =
        Outcome { over_bound: 0.0, over_claim: 0.0, chi2_dof: 0.0, floor_mas: 0.0, clipped: 0.0 };
    let n = trials as f64;
    for seed in 0..trials {
        let f = make(seed);
        let solution =
            solve(&f.detected, &f.refs, SIZE.0, SIZE.1, &hint(&f), &AstrometryConfig::default())
                .unwrap();
        let square = mean_square(&f.truth, &solution.wcs);
        let weight: f64 = f.sigmas.iter().map(|s| s.powi(-2)).sum();
        out.over_bound += square / (terms / weight) / n;
        out.over_claim += square / solution.wcs_err_mas.powi(2) / n;
        out.chi2_dof += solution.chi2_dof / n;
        out.floor_mas += solution.floor_mas / n;
        out.clipped += solution.clipped as f64 / n;
    }
    out.over_bound = out.over_bound.sqrt();
    out.over_claim = out.over_claim.sqrt();
    println!(
        "error of the map: {:.3} of the bound, {:.3} of what is claimed; chi2/dof {:.3}, floor {:.2} mas, {:.2} clipped",
        out.over_bound, out.over_claim, out.chi2_dof, out.floor_mas, out.clipped
    );
    out
}

fn truth(seed: u64) -> Wcs {
    radial(wcs((150.0, 2.0), SCALE, 37.0 * seed as f64, seed.is_multiple_of(2), SIZE), SIZE, 2.0)
}

/// A first WCS that is off by 5 arcsec and knows of no distortion.
fn first(f: &Field) -> Wcs {
    let mut parts = f.truth.parts().clone();
    parts.distortion = elqui_wcs::Distortion::None;
    parts.crval_deg[1] += 5.0 / 3600.0;
    Wcs::from_parts(parts).unwrap()
}

fn plain(f: &Field) -> SolveHint {
    SolveHint { wcs: Some(first(f)), ..SolveHint::default() }
}

#[test]
fn the_map_is_as_good_as_its_stars() {
    for stars in [150, 400, 1500] {
        let trials = if stars > 1000 { 12 } else { 40 };
        let o = measure(trials, 10.0, |s| field(s, stars, truth(s), 0.0, 0), plain);
        assert!(o.over_bound < 1.2, "{stars} stars: {}", o.over_bound);
        assert!((0.85..1.15).contains(&o.over_claim), "{stars} stars: {}", o.over_claim);
        assert!((0.95..1.05).contains(&o.chi2_dof), "{stars} stars: {}", o.chi2_dof);
        assert!(o.clipped < 1.0 && o.floor_mas < 0.2);
    }
}

#[test]
fn a_distortion_of_any_cubic_form_costs_its_ten_parameters() {
    // A tilted detector beside the axis; stars of S/N 30 to 60, so that all of them count.
    let bent = |seed: u64| {
        let half = 0.5 * 4096f64 * 2f64.sqrt();
        let (q, k) = (0.8 / half.powi(2), 1.3 / half.powi(3));
        let a = vec![((2, 0), q), ((1, 1), -0.4 * q), ((3, 0), k), ((2, 1), 0.7 * k), ((0, 3), -k)];
        let b = vec![
            ((0, 2), -q),
            ((2, 0), 0.5 * q),
            ((1, 2), -k),
            ((0, 3), 0.6 * k),
            ((3, 0), 0.5 * k),
        ];
        wcs((150.0, 2.0), SCALE, 37.0 * seed as f64, seed.is_multiple_of(2), SIZE).with_sip(3, a, b)
    };
    let even = |seed: u64, stars| {
        let mut f = field(seed, 0, bent(seed), 0.0, 0);
        let mut rng = Random(seed + 500);
        for _ in 0..stars {
            let (x, y) = (SIZE.0 as f64 * rng.uniform() - 0.5, SIZE.1 as f64 * rng.uniform() - 0.5);
            let (ra, dec) = f.truth.pixel_to_sky(x, y);
            let error = 0.03 * (1.0 + rng.uniform());
            let (x, y) = (x + error * rng.normal(), y + error * rng.normal());
            f.detected.push(Detected { x, y, flux: 1.0 / error, x_err: error, y_err: error });
            f.refs.push(RefStar { ra, dec, mag: 20.0 + 10.0 * error, ..RefStar::default() });
            f.sigmas.push(1000.0 * SCALE * error);
        }
        f
    };
    for stars in [250, 1000] {
        let o = measure(30, 10.0, |s| even(s, stars), plain);
        assert!(
            o.over_bound < 1.2 && (0.85..1.15).contains(&o.over_claim),
            "{stars}: {}",
            o.over_bound
        );
    }
}

#[test]
fn an_instrument_that_is_known_leaves_three_parameters() {
    let hint = |f: &Field| {
        // Its distortion, on another part of the sky.
        let mut parts = f.truth.parts().clone();
        parts.crval_deg = [10.0, -40.0];
        let distortion = Some(Wcs::from_parts(parts).unwrap());
        SolveHint { distortion, ..plain(f) }
    };
    let o = measure(40, 3.0, |s| field(s, 200, truth(s), 0.0, 0), hint);
    assert!(o.over_bound < 1.2 && (0.85..1.15).contains(&o.over_claim), "{}", o.over_bound);
    // One that is wrong is found out.
    let wrong = |f: &Field| {
        let distortion = Some(radial(first(f), SIZE, -40.0));
        SolveHint { distortion, ..plain(f) }
    };
    let o = measure(10, 10.0, |s| field(s, 400, truth(s), 0.0, 0), wrong);
    assert!(o.over_bound < 1.25, "{}", o.over_bound);
}

#[test]
fn an_error_that_is_not_confessed_is_found() {
    // 0.02 pixels: 4 mas, more than the bright stars' own errors.
    let o = measure(20, 10.0, |s| field(s, 400, truth(s), 0.02, 0), plain);
    assert!((3.5..4.5).contains(&o.floor_mas), "{}", o.floor_mas);
    assert!(o.over_bound < 1.2 && (0.85..1.15).contains(&o.over_claim), "{}", o.over_bound);
}

#[test]
fn blends_are_thrown_out_and_do_little_harm() {
    let o = measure(20, 10.0, |s| field(s, 400, truth(s), 0.0, 40), plain);
    assert!(o.over_bound < 1.2 && (0.85..1.25).contains(&o.over_claim), "{}", o.over_bound);
    // Most lie beyond the radius of a match.
    assert!((2.0..10.0).contains(&o.clipped), "{}", o.clipped);
}

#[test]
fn unequal_axes_and_unknown_errors() {
    // Errors of x thrice those of y: each axis has its own weights; here the sky's axes are the pixels'.
    let mut f =
        field(5, 500, radial(wcs((150.0, 2.0), SCALE, 0.0, false, SIZE), SIZE, 2.0), 0.0, 0);
    let mut rng = Random(99);
    for d in &mut f.detected {
        d.x += 2.83 * d.x_err * rng.normal();
        d.x_err *= 3.0;
    }
    let run = |f: &Field| {
        solve(&f.detected, &f.refs, SIZE.0, SIZE.1, &plain(f), &AstrometryConfig::default())
            .unwrap()
    };
    let s = run(&f);
    assert!(
        (0.9..1.1).contains(&s.chi2_dof) && s.floor_mas == 0.0,
        "{} {}",
        s.chi2_dof,
        s.floor_mas
    );
    assert!(s.rms_mas[0] > 2.0 * s.rms_mas[1]);
    // Without errors the floor is all there is.
    let mut f = field(6, 500, truth(6), 0.05, 0);
    f.detected.iter_mut().for_each(|d| (d.x_err, d.y_err) = (f64::NAN, 0.0));
    let s = run(&f);
    assert!(
        (0.9..1.1).contains(&s.chi2_dof) && s.floor_mas > 8.0,
        "{} {}",
        s.chi2_dof,
        s.floor_mas
    );
}
