//! The zero point of good frames against the truth, with its error.

mod common;

use common::*;
use elqui_production::{ProcessConfig, Verdict};
use elqui_simulate::Scene;

/// (offset, error) in magnitudes of frames of these seeds.
fn offsets(seeds: std::ops::Range<u64>, change: impl Fn(Scene) -> Scene) -> Vec<(f64, f64)> {
    seeds
        .map(|seed| {
            let scene = change(scene(800, 100 + seed));
            let result = process(&scene, &ProcessConfig::default());
            tell(&format!("seed {seed}"), &scene, &result);
            let s = result.unwrap().summary;
            assert!(s.quality.verdict < Verdict::Bad, "{:?}", s.quality);
            (s.zero_point_mag.unwrap() - true_zero_point(&scene), s.zero_point_err_mag.unwrap())
        })
        .collect()
}

/// Pull rms and weighted mean offset with its error.
fn sums(all: &[(f64, f64)]) -> (f64, f64, f64) {
    let n = all.len() as f64;
    let rms = (all.iter().map(|(o, e)| (o / e).powi(2)).sum::<f64>() / n).sqrt();
    let weight: f64 = all.iter().map(|(_, e)| 1.0 / (e * e)).sum();
    let mean = all.iter().map(|(o, e)| o / (e * e)).sum::<f64>() / weight;
    (rms, mean, weight.sqrt().recip())
}

#[test]
fn the_zero_point_is_right_and_so_is_its_error() {
    let all = offsets(0..6, |s| s);
    let (pull, mean, error) = sums(&all);
    println!("pull rms {pull:.2}, mean {:.2} +- {:.2} mmag", 1e3 * mean, 1e3 * error);
    let mut errors: Vec<f64> = all.iter().map(|(_, e)| *e).collect();
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 0.004, "{errors:?}");
    // Six frames: a right error has a pull of 1 +- 0.3.
    assert!(pull < 1.7, "pull {pull}");
    assert!(mean.abs() < 0.001 + 3.0 * error, "mean {mean} +- {error}");
}
