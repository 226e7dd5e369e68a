//! Laws of zero points and relative light curves, on made-up data.

use elqui_photometry::*;

struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// flux, error, magnitude, error, colour
type Stars = [Vec<f64>; 5];

fn stars(rng: &mut Random, n: usize, outliers: usize, slope: f64) -> Stars {
    let mut out: Stars = Default::default();
    for k in 0..n {
        let mag = 15.0 + 4.0 * rng.uniform();
        let color = rng.uniform() - 0.5;
        let flux = 10f64.powf(0.4 * (27.0 + slope * color - mag));
        let err = 0.01 * flux;
        let shift = if k < outliers { 1.0 + 3.0 * rng.uniform() } else { 1.0 };
        out[0].push((flux + err * rng.normal()) * shift);
        out[1].push(err);
        out[2].push(mag + 0.02 * rng.normal());
        out[3].push(0.02);
        out[4].push(color);
    }
    out
}

#[test]
fn the_zero_point_is_right_within_its_error() {
    let (mut pulls, mut rng) = (Vec::new(), Random(1));
    for _ in 0..200 {
        let s = stars(&mut rng, 60, 12, 0.0);
        let z = zero_point(&s[0], &s[1], &s[2], &s[3], &Default::default()).unwrap();
        assert!(z.used.iter().filter(|&&k| k < 12).count() <= 6);
        pulls.push((z.mag - 27.0) / z.err_mag);
    }
    let rms = (pulls.iter().map(|p| p * p).sum::<f64>() / pulls.len() as f64).sqrt();
    assert!((0.8..1.35).contains(&rms), "pull {rms}");
}

#[test]
fn scaling_fluxes_shifts_the_zero_point() {
    let s = stars(&mut Random(2), 30, 3, 0.0);
    let a = zero_point(&s[0], &s[1], &s[2], &s[3], &Default::default()).unwrap();
    let scaled = |v: &[f64]| v.iter().map(|f| 100.0 * f).collect::<Vec<_>>();
    let b = zero_point(&scaled(&s[0]), &scaled(&s[1]), &s[2], &s[3], &Default::default()).unwrap();
    assert!((b.mag - a.mag - 5.0).abs() < 1e-9 && a.used == b.used);
}

#[test]
fn a_color_term_is_found() {
    let s = stars(&mut Random(3), 200, 10, 0.1);
    let z = zero_point_with_color(&s[0], &s[1], &s[2], &s[3], &s[4], &Default::default()).unwrap();
    let term = z.color_term.unwrap();
    assert!((term.slope - 0.1).abs() < 4.0 * term.slope_err + 1e-3, "{term:?}");
}

#[test]
fn bad_rows_are_passed_over_and_nothing_left_is_an_error() {
    let mut s = stars(&mut Random(4), 20, 0, 0.0);
    s[0][0] = -5.0;
    s[0][1] = f64::NAN;
    s[2][2] = f64::NAN;
    s[1][3] = f64::NAN;
    let z = zero_point(&s[0], &s[1], &s[2], &s[3], &Default::default()).unwrap();
    assert!(!z.used.contains(&0) && !z.used.contains(&1) && !z.used.contains(&2));
    assert!((z.mag - 27.0).abs() < 0.03);
    let none = zero_point(&[-1.0], &[1.0], &[15.0], &[0.1], &Default::default());
    assert!(matches!(none, Err(PhotometryError::FewStars { count: 0, .. })));
    assert!(zero_point(&[1.0], &[], &[1.0], &[1.0], &Default::default()).is_err());
}

/// Target of column 0 with a dip; clouds; column 3 varies.
fn series(rng: &mut Random, frames: usize) -> Vec<Vec<Flux>> {
    let level = [1e5, 2e5, 8e4, 1.5e5, 5e4, 1.2e5];
    (0..frames)
        .map(|f| {
            let cloud = 10f64.powf(-0.4 * (0.5 * (f as f64 / 9.0).sin() + 0.2 * rng.uniform()));
            let dip = if (40..60).contains(&f) { 0.98 } else { 1.0 };
            level
                .iter()
                .enumerate()
                .map(|(s, l)| {
                    let own = match s {
                        0 => dip,
                        3 => 1.0 + 0.1 * (f as f64 / 5.0).sin(),
                        _ => 1.0,
                    };
                    let flux = l * own * cloud;
                    let err = 0.003 * flux;
                    Flux { flux: flux + err * rng.normal(), err }
                })
                .collect()
        })
        .collect()
}

#[test]
fn the_ensemble_removes_clouds_and_drops_the_variable() {
    let mut rng = Random(5);
    let mut data = series(&mut rng, 120);
    data[7][0] = Flux::MISSING;
    data[8][2] = Flux::MISSING;
    data[90][0].flux *= 1.2;
    let e = ensemble(&data, 0, &[], &Default::default()).unwrap();
    assert_eq!((e.used.clone(), e.rejected.clone()), (vec![1, 2, 4, 5], vec![3]));
    assert!(e.relative_flux[7].is_nan() && !e.outlier[7]);
    assert!(e.outlier[90]);
    let mean = |r: std::ops::Range<usize>| {
        let v: Vec<f64> = r.map(|k| e.relative_flux[k]).filter(|v| v.is_finite()).collect();
        v.iter().sum::<f64>() / v.len() as f64
    };
    let depth = 1.0 - mean(40..60) / mean(60..85);
    assert!((depth - 0.02).abs() < 0.003, "{depth}");
    let err = e.relative_flux_err[50];
    assert!((0.003..0.004).contains(&err), "{err}");
}

#[test]
fn an_airmass_trend_is_divided_out_when_asked() {
    let mut data = series(&mut Random(6), 120);
    let states: Vec<FrameState> = (0..120)
        .map(|f| FrameState { airmass: 1.0 + (f as f64 / 119.0).powi(2), ..Default::default() })
        .collect();
    for (frame, state) in data.iter_mut().zip(&states) {
        frame[0].flux = frame[1].flux * 0.5 * 10f64.powf(-0.4 * 0.05 * state.airmass);
    }
    let drift = |config: &EnsembleConfig| {
        let e = ensemble(&data, 0, &states, config).unwrap();
        let mean = |r: std::ops::Range<usize>| {
            r.clone().map(|k| e.relative_flux[k]).sum::<f64>() / r.len() as f64
        };
        (mean(0..20) - mean(100..120)).abs()
    };
    assert!(drift(&Default::default()) > 0.03);
    assert!(drift(&EnsembleConfig { decorrelate_airmass: true, ..Default::default() }) < 0.006);
}

#[test]
fn what_cannot_be_done_is_said() {
    let data = series(&mut Random(7), 20);
    assert!(matches!(
        ensemble(&data, 99, &[], &Default::default()),
        Err(PhotometryError::NoTarget { .. })
    ));
    let alone: Vec<Vec<Flux>> = data.iter().map(|f| vec![f[0]]).collect();
    assert!(matches!(
        ensemble(&alone, 0, &[], &Default::default()),
        Err(PhotometryError::FewComparisons { .. })
    ));
    let one: Vec<Vec<Flux>> = data.iter().map(|f| vec![f[0], f[1]]).collect();
    let e = ensemble(&one, 0, &[], &Default::default()).unwrap();
    assert_eq!(e.used, [1]);
}
