//! Frames that went wrong: each is flagged or refused, and none has a wrong zero point without saying so.

mod common;

use common::*;
use elqui_photometry::SpatialConfig;
use elqui_production::{
    Limits, NominalZeroPoint, ProcessConfig, ProcessOutput, ReasonCode, Verdict,
};
use elqui_simulate::{Scene, Trouble};

const SIDE: usize = 1024;

fn troubled(trouble: Trouble) -> Scene {
    Scene { trouble: Some(trouble), ..scene(SIDE, 7) }
}

/// The zero point is absent, or right within three of its errors and 10 mmag; without one, fluxes stay
/// in adu.
fn never_silently_wrong(name: &str, out: &ProcessOutput, truth: f64) {
    let s = &out.summary;
    match (s.zero_point_mag, s.zero_point_err_mag) {
        (Some(mag), Some(err)) => {
            let off = (mag - truth).abs();
            assert!(off < 3.0 * err + 0.010, "{name}: zero point off by {off:.4}, error {err:.4}");
            assert_eq!(s.flux_unit, "nJy");
            assert!(s.quality.verdict < Verdict::Bad, "{name}: a bad frame has a zero point");
        }
        _ => {
            assert_eq!(s.flux_unit, "adu", "{name}");
            assert!(out.exposure.photo_calib.is_none() && !s.warnings.is_empty(), "{name}");
        }
    }
}

/// Process a troubled scene; refused, or with one of these reasons at least.
fn check(trouble: Trouble, expected: &[ReasonCode]) -> Option<ProcessOutput> {
    let scene = troubled(trouble);
    let result = process(&scene, &ProcessConfig::default());
    let name = format!("{trouble:?}");
    tell(&name, &scene, &result);
    match result {
        Err(reason) => {
            assert!(!reason.to_string().is_empty());
            None
        }
        Ok(out) => {
            let q = &out.summary.quality;
            assert!(q.verdict > Verdict::Good, "{name}: called good");
            let told = expected.iter().any(|&code| q.has(code));
            assert!(told, "{name}: none of {expected:?} in {:?}", q.reasons);
            never_silently_wrong(&name, &out, true_zero_point(&scene));
            Some(out)
        }
    }
}

#[test]
fn a_good_frame_is_good() {
    let scene = scene(SIDE, 7);
    let result = process(&scene, &ProcessConfig::default());
    tell("good", &scene, &result);
    let out = result.unwrap();
    assert_eq!(out.summary.quality.verdict, Verdict::Good, "{:?}", out.summary.quality);
    assert!(out.summary.zero_point_mag.is_some());
    never_silently_wrong("good", &out, true_zero_point(&scene));
}

#[test]
fn half_saturated() {
    check(Trouble::HalfSaturated, &[ReasonCode::Saturated]);
}

#[test]
fn a_satellite_train() {
    // Masked trails are told; unmasked ones must at least not move the zero point.
    let scene = troubled(Trouble::SatelliteTrain);
    let result = process(&scene, &ProcessConfig::default());
    tell("SatelliteTrain", &scene, &result);
    if let Ok(out) = result {
        never_silently_wrong("SatelliteTrain", &out, true_zero_point(&scene));
        if out.summary.n_streaks.is_some() {
            assert!(out.summary.quality.has(ReasonCode::Streaks), "{:?}", out.summary.n_streaks);
        }
    }
}

#[test]
fn a_bright_star_over_everything() {
    check(Trouble::BrightStar, &[ReasonCode::Saturated, ReasonCode::UnevenSky]);
}

#[test]
fn out_of_focus() {
    check(
        Trouble::OutOfFocus,
        &[ReasonCode::OutOfFocus, ReasonCode::NoPsf, ReasonCode::ApertureLoss],
    );
}

#[test]
fn moonlight() {
    check(Trouble::MoonGradient, &[ReasonCode::UnevenSky]);
}

#[test]
fn a_failed_amplifier_is_masked() {
    for trouble in [Trouble::AmpFailure, Trouble::AmpNoise] {
        let out = check(trouble, &[ReasonCode::DeadAmplifier]).expect("the rest is good");
        assert!(out.summary.zero_point_mag.is_some(), "the rest has a zero point");
        let dead = |x: f64, y: f64| x > 520.0 && x < 760.0 && y > 530.0;
        let inside = (0..out.sources.len())
            .filter(|&r| {
                dead(out.sources.x[r], out.sources.y[r]) && out.sources.detect_is_primary[r]
            })
            .count();
        assert!(inside < 5, "{trouble:?}: {inside} sources in an amplifier without light");
    }
}

#[test]
fn a_dead_detector_is_refused() {
    let scene = troubled(Trouble::DeadDetector);
    let reason = process(&scene, &ProcessConfig::default()).unwrap_err().to_string();
    assert!(reason.contains("dead") && reason.contains("leave this detector out"), "{reason}");
    assert_eq!(reason.lines().count(), 1);
}

#[test]
fn twilight() {
    check(Trouble::Twilight, &[ReasonCode::BrightSky]);
}

#[test]
fn lost_guiding() {
    // Where detection takes a trail apart it has no shape, and there is no PSF.
    check(Trouble::Trailed, &[ReasonCode::Trailed, ReasonCode::NoPsf]);
}

#[test]
fn a_wrong_gain() {
    check(Trouble::WrongGain, &[ReasonCode::Noise]);
}

/// Mean of the true zero point over the frame under the cloud.
fn clouded_zero_point(scene: &Scene) -> f64 {
    let n = 32;
    let mean: f64 = (0..n * n)
        .map(|k| {
            let (u, v) = ((k % n) as f64 + 0.5, (k / n) as f64 + 0.5);
            Trouble::Cloud.extinction_mag(u / n as f64, v / n as f64, scene.seed)
        })
        .sum::<f64>()
        / (n * n) as f64;
    true_zero_point(scene) - mean
}

#[test]
fn cloud_is_told_and_followed_when_asked() {
    let scene = troubled(Trouble::Cloud);
    let plain = process(&scene, &ProcessConfig::default());
    tell("Cloud", &scene, &plain);
    let plain = plain.unwrap();
    let q = &plain.summary.quality;
    assert!(q.has(ReasonCode::Cloud) || q.has(ReasonCode::ZeroPointScatter), "{q:?}");
    never_silently_wrong("Cloud", &plain, clouded_zero_point(&scene));

    let mut config = ProcessConfig::default();
    config.photometry.spatial = Some(SpatialConfig::default());
    let mapped = process(&scene, &config);
    tell("Cloud, mapped", &scene, &mapped);
    let mapped = mapped.unwrap();
    never_silently_wrong("Cloud, mapped", &mapped, clouded_zero_point(&scene));
    let calib = mapped.exposure.photo_calib.as_ref().expect("a zero point");
    let map = calib.zero_point_map.as_ref().expect("that varies");
    for (x, y) in [(200.0, 200.0), (500.0, 800.0), (800.0, 300.0)] {
        let gone = Trouble::Cloud.extinction_mag(x / 1024.0, y / 1024.0, scene.seed);
        let off = map.eval(x, y) - (true_zero_point(&scene) - gone);
        let allowed = 3.0 * map.error(x, y) + 0.010;
        assert!(off.abs() < allowed, "({x}, {y}): {off:.4} of {allowed:.4}");
    }
}

#[test]
fn a_catalogue_of_another_field_is_refused_or_told() {
    for seed in [7, 17, 27] {
        let here = scene(SIDE, seed);
        let frame = here.render().unwrap();
        let elsewhere = scene(SIDE, seed + 1);
        let stars = reference_stars(&elsewhere.render().unwrap(), &elsewhere);
        let result = process_with(&frame, &here, &stars, &ProcessConfig::default());
        tell("another field", &here, &result);
        match result {
            Err(reason) => assert_eq!(reason.code(), "astrometry", "{reason}"),
            Ok(out) => {
                assert!(out.summary.quality.has(ReasonCode::WeakMatch));
                assert_eq!(out.summary.quality.verdict, Verdict::Bad);
                never_silently_wrong("another field", &out, f64::NAN);
            }
        }
    }
}

#[test]
fn a_frame_that_need_not_be_solved_has_no_zero_point() {
    let here = scene(512, 7);
    let frame = here.render().unwrap();
    let mut config = ProcessConfig::default();
    config.astrometry.required = false;
    let out = process_with(&frame, &here, &[], &config).unwrap();
    assert!(out.summary.quality.has(ReasonCode::NotSolved));
    assert!(out.summary.zero_point_mag.is_none() && out.summary.flux_unit == "adu");
}

#[test]
fn magnitudes_that_are_not_these_stars_are_refused() {
    let here = scene(SIDE, 7);
    let frame = here.render().unwrap();
    let mut stars = reference_stars(&frame, &here);
    // The magnitudes of a shuffled catalogue.
    let mags: Vec<f64> = stars.iter().map(|s| s.mag).collect();
    let n = stars.len();
    stars.iter_mut().enumerate().for_each(|(k, s)| s.mag = mags[(k + n / 2) % n]);
    let result = process_with(&frame, &here, &stars, &ProcessConfig::default());
    tell("shuffled magnitudes", &here, &result);
    if let Ok(out) = result {
        assert_eq!(out.summary.quality.verdict, Verdict::Bad);
        assert!(out.summary.zero_point_mag.is_none(), "{:?}", out.summary.zero_point_mag);
        never_silently_wrong("shuffled magnitudes", &out, true_zero_point(&here));
    }
}

#[test]
fn a_zero_point_far_from_the_nominal_one_is_withheld() {
    let here = scene(SIDE, 7);
    let frame = here.render().unwrap();
    let mut stars = reference_stars(&frame, &here);
    stars.iter_mut().for_each(|s| s.mag += 0.7);
    let mut config = ProcessConfig::default();
    config.quality.nominal_zero_point = Some(NominalZeroPoint {
        mag_1e_s: here.zero_point_mag,
        excess_max_mag: 0.3,
        extinction_mag: Limits { suspect: 0.5, bad: 2.0 },
    });
    let out = process_with(&frame, &here, &stars, &config).unwrap();
    assert!(out.summary.quality.has(ReasonCode::ZeroPointNominal), "{:?}", out.summary.quality);
    assert!(out.summary.zero_point_mag.is_none());
}

#[test]
fn the_summary_says_it_in_json_and_scenes_name_their_trouble() {
    let scene: Scene = serde_yaml_ng::from_str("{trouble: half_saturated, width: 64}").unwrap();
    assert_eq!(scene.trouble, Some(Trouble::HalfSaturated));
    let out = check(Trouble::WrongGain, &[ReasonCode::Noise]).expect("a summary");
    let json: serde_json::Value = serde_json::to_value(&out.summary).unwrap();
    assert_eq!(json["quality"]["verdict"], "suspect");
    assert_eq!(json["quality"]["reasons"][0]["code"], "noise");
    // Summaries of before are still read.
    let mut old = json;
    old.as_object_mut().unwrap().remove("quality");
    serde_json::from_value::<elqui_production::FrameSummary>(old).unwrap();
}
