use super::*;

fn unknown() -> Facts {
    Facts {
        sources: 100,
        hollow: f64::NAN,
        ellipticity: f64::NAN,
        aperture_loss: f64::NAN,
        sky_level: f64::NAN,
        sky_noise: f64::NAN,
        sky_range: f64::NAN,
        saturation_adu: f64::NAN,
        expected_variance: f64::NAN,
        photon_variance: f64::NAN,
        ..Facts::default()
    }
}

fn codes(facts: &Facts) -> Vec<ReasonCode> {
    frame_reasons(facts, &QualityConfig::default()).iter().map(|r| r.code).collect()
}

#[test]
fn what_is_not_known_is_not_held_against_a_frame() {
    assert_eq!(
        Quality::of(frame_reasons(&unknown(), &QualityConfig::default())),
        Quality::default()
    );
    let zero = ZeroFacts {
        attempted: true,
        matches: 40,
        matchable: 0,
        used: 40,
        candidates: 42,
        err_mag: f64::NAN,
        intrinsic_mag: f64::NAN,
        cloud_rms_mag: f64::NAN,
        mag_1e_s: f64::NAN,
        sky_mag_arcsec2: f64::NAN,
        ..ZeroFacts::default()
    };
    assert_eq!(zero_reasons(&zero, &QualityConfig::default()), []);
}

#[test]
fn each_number_has_its_reason_and_the_worst_is_the_verdict() {
    use ReasonCode as C;
    let sky = Facts { sky_level: 1000.0, sky_noise: 30.0, ..unknown() };
    for (facts, code) in [
        (Facts { saturated_fraction: 0.05, ..unknown() }, C::Saturated),
        (Facts { unusable_fraction: 0.5, ..unknown() }, C::Unusable),
        (Facts { dead_amplifiers: vec!["one".into()], ..unknown() }, C::DeadAmplifier),
        (Facts { sources: 0, ..unknown() }, C::NoSources),
        (Facts { psf_guessed: true, ..unknown() }, C::NoPsf),
        (Facts { hollow: 0.5, ..unknown() }, C::OutOfFocus),
        (Facts { ellipticity: 0.7, ..unknown() }, C::Trailed),
        (Facts { aperture_loss: 0.3, ..unknown() }, C::ApertureLoss),
        (Facts { sky_range: 500.0, ..sky.clone() }, C::UnevenSky),
        (Facts { saturation_adu: 2000.0, ..sky.clone() }, C::BrightSky),
        (Facts { expected_variance: 300.0, ..sky.clone() }, C::Noise),
        (Facts { photon_variance: 3000.0, ..sky.clone() }, C::Noise),
        (Facts { streak_fraction: 0.05, ..unknown() }, C::Streaks),
    ] {
        assert_eq!(codes(&facts), [code]);
    }
    // A sky that was subtracted before says nothing by its range.
    assert_eq!(codes(&Facts { sky_level: 3.0, sky_noise: 30.0, sky_range: 9.0, ..unknown() }), []);
    let both = Facts { saturated_fraction: 0.05, psf_guessed: true, ..unknown() };
    let quality = Quality::of(frame_reasons(&both, &QualityConfig::default()));
    assert_eq!((quality.verdict, quality.reasons[0].code), (Verdict::Bad, C::NoPsf));
}

#[test]
fn a_calibration_is_judged() {
    use ReasonCode as C;
    let good = ZeroFacts {
        attempted: true,
        matches: 40,
        matchable: 50,
        used: 40,
        candidates: 42,
        mag_1e_s: 28.3,
        sky_mag_arcsec2: 21.0,
        ..ZeroFacts::default()
    };
    let nominal = NominalZeroPoint {
        mag_1e_s: 28.36,
        excess_max_mag: 0.3,
        extinction_mag: Limits { suspect: 0.5, bad: 2.0 },
    };
    let config = QualityConfig { nominal_zero_point: Some(nominal), ..QualityConfig::default() };
    let found = |z: &ZeroFacts| {
        zero_reasons(z, &config).iter().map(|r| (r.code, r.severity)).collect::<Vec<_>>()
    };
    assert_eq!(found(&good), []);
    for (zero, code, severity) in [
        (ZeroFacts { not_solved: true, ..good.clone() }, C::NotSolved, Verdict::Bad),
        (ZeroFacts { matches: 5, ..good.clone() }, C::WeakMatch, Verdict::Bad),
        (ZeroFacts { used: 4, candidates: 5, ..good.clone() }, C::ZeroPointStars, Verdict::Suspect),
        (ZeroFacts { used: 2, candidates: 2, ..good.clone() }, C::ZeroPointStars, Verdict::Bad),
        (ZeroFacts { err_mag: 0.05, ..good.clone() }, C::ZeroPointError, Verdict::Suspect),
        (ZeroFacts { err_mag: 0.3, ..good.clone() }, C::ZeroPointError, Verdict::Bad),
        (ZeroFacts { intrinsic_mag: 0.1, ..good.clone() }, C::ZeroPointScatter, Verdict::Suspect),
        (ZeroFacts { intrinsic_mag: 0.5, ..good.clone() }, C::ZeroPointScatter, Verdict::Bad),
        (ZeroFacts { candidates: 80, ..good.clone() }, C::ZeroPointOutliers, Verdict::Suspect),
        (ZeroFacts { cloud_rms_mag: 0.1, ..good.clone() }, C::Cloud, Verdict::Suspect),
        (ZeroFacts { mag_1e_s: 27.0, ..good.clone() }, C::ZeroPointNominal, Verdict::Suspect),
        (ZeroFacts { mag_1e_s: 29.0, ..good.clone() }, C::ZeroPointNominal, Verdict::Bad),
        (ZeroFacts { sky_mag_arcsec2: 16.0, ..good.clone() }, C::BrightSky, Verdict::Suspect),
    ] {
        assert_eq!(found(&zero), [(code, severity)]);
    }
}
