//! Laws that every map keeps: there and back, derivatives, cards, saved state, clear errors.

use elqui_base::{ARCSEC_PER_RAD, Polynomial2d, UnitVector, separation};
use elqui_wcs::{CardValue, Distortion, Frame, Projection, Wcs, WcsError, WcsParts};

/// Splitmix64 as uniform numbers: the same on every machine.
struct Random(u64);

impl Random {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

const PROJECTIONS: [Projection; 11] = [
    Projection::Tan,
    Projection::Sin { xi: 0.0, eta: 0.0 },
    Projection::Sin { xi: 0.1, eta: -0.3 },
    Projection::Arc,
    Projection::Zea,
    Projection::Stg,
    Projection::Car,
    Projection::Ait,
    Projection::Mol,
    Projection::Hpx { h: 4, k: 3 },
    Projection::Hpx { h: 6, k: 2 },
];

fn random_parts(r: &mut Random, projection: Projection) -> WcsParts {
    let scale = 10f64.powf(r.uniform(-5.0, -3.5));
    let (s, c) = r.uniform(0.0, 6.3).sin_cos();
    let flip = if r.uniform(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
    let crval_deg = [r.uniform(0.0, 360.0), r.uniform(-88.0, 88.0)];
    let zenithal = !matches!(projection.code(), "CAR" | "AIT" | "MOL" | "HPX");
    WcsParts {
        crval_deg,
        crpix0: [r.uniform(-500.0, 4500.0), r.uniform(-500.0, 4500.0)],
        cd_deg: [[flip * scale * c, -scale * s], [flip * scale * s, scale * c]],
        projection,
        lonpole_deg: if zenithal || crval_deg[1] < 0.0 { 180.0 } else { 0.0 },
        latpole_deg: 90.0,
        frame: Frame::Icrs,
        distortion: Distortion::None,
        latitude_first: false,
        size_px: Some([4096.0, 4096.0]),
    }
}

/// Terms of about `pixels` at the far corner of a 4096 pixel detector.
fn random_sip(r: &mut Random, order: usize, pixels: f64) -> Vec<((usize, usize), f64)> {
    let mut out = Vec::new();
    for i in 0..=order {
        for j in 0..=order - i {
            if i + j >= 2 {
                out.push(((i, j), r.uniform(-pixels, pixels) / 4096f64.powi((i + j) as i32)));
            }
        }
    }
    out
}

fn worst_round_trip(wcs: &Wcs, n: usize, size: f64) -> f64 {
    let mut worst = 0.0_f64;
    for k in 0..n * n {
        let x = size * (k % n) as f64 / (n - 1) as f64 - 0.5;
        let y = size * (k / n) as f64 / (n - 1) as f64 - 0.5;
        let (ra, dec) = wcs.pixel_to_sky(x, y);
        assert!((0.0..360.0).contains(&ra) && dec.abs() <= 90.0);
        let Some((u, v)) = wcs.sky_to_pixel(ra, dec) else { return f64::INFINITY };
        worst = worst.max((u - x).abs()).max((v - y).abs());
    }
    worst
}

#[test]
fn there_and_back_over_the_whole_detector() {
    let mut r = Random(1);
    for projection in PROJECTIONS {
        for _ in 0..20 {
            let parts = random_parts(&mut r, projection);
            let wcs = Wcs::from_parts(parts).unwrap();
            let worst = worst_round_trip(&wcs, 9, 4096.0);
            assert!(worst < 1e-6, "{worst:e} px: {:?}", wcs.parts());
        }
    }
}

#[test]
fn there_and_back_with_distortion() {
    let mut r = Random(2);
    for order in 2..=6 {
        for _ in 0..10 {
            let p = random_parts(&mut r, Projection::Tan);
            let (a, b) = (random_sip(&mut r, order, 20.0), random_sip(&mut r, order, 20.0));
            let plain = Wcs::tan(p.crval_deg, p.crpix0, p.cd_deg);
            let wcs = plain.with_sip(order, a, b).with_size(4096.0, 4096.0);
            let worst = worst_round_trip(&wcs, 17, 4096.0);
            assert!(worst < 1e-6, "{worst:e} px: {:?}", wcs.parts());
            // The same with a first guess by the fitted inverse; and through the cards.
            let read = Wcs::from_cards(&wcs.to_cards()).unwrap();
            assert!(worst_round_trip(&read, 9, 4096.0) < 1e-6);
        }
    }
}

#[test]
fn the_fitted_inverse_is_close_to_the_exact_one() {
    let mut r = Random(3);
    let (a, b) = (random_sip(&mut r, 3, 5.0), random_sip(&mut r, 3, 5.0));
    let cd = [[-7e-5, 0.0], [0.0, 7e-5]];
    let size = [2048.0, 4096.0];
    let wcs = Wcs::tan_sip_from_fit([10.0, -30.0], [1000.0, 2000.0], cd, 3, a, b, size).unwrap();
    let read = Wcs::from_cards(&wcs.to_cards()).unwrap();
    let Distortion::Sip(sip) = &read.parts().distortion else { panic!("SIP expected") };
    let inverse = sip.inverse.as_ref().unwrap();
    let sum = |terms: &[((usize, usize), f64)], u: f64, v: f64| -> f64 {
        terms.iter().map(|((i, j), c)| c * u.powi(*i as i32) * v.powi(*j as i32)).sum()
    };
    for (x, y) in [(0.0, 0.0), (2047.0, 4095.0), (300.0, 3000.0), (2047.0, 0.0)] {
        let (u, v) = (x - 1000.0, y - 2000.0);
        let (fu, fv) = (u + sum(&sip.a, u, v), v + sum(&sip.b, u, v));
        let (gu, gv) = (fu + sum(&inverse.ap, fu, fv), fv + sum(&inverse.bp, fu, fv));
        assert!((gu - u).hypot(gv - v) < 1e-3, "{} px", (gu - u).hypot(gv - v));
    }
}

#[test]
fn a_pixel_polynomial_is_the_same_map_as_its_sip_cards() {
    let mut r = Random(4);
    let (center, scale) = Polynomial2d::scaling(4096.0, 4096.0);
    let polynomial = |linear: [f64; 2], r: &mut Random| Polynomial2d {
        degree: 4,
        coefficients: (0..15)
            .map(|k| match k {
                0 => r.uniform(-0.02, 0.02),
                1 | 2 => linear[k - 1],
                _ => r.uniform(-2e-4, 2e-4),
            })
            .collect(),
        center,
        scale,
    };
    let xi = polynomial([-0.11, 0.03], &mut r);
    let eta = polynomial([0.03, 0.11], &mut r);
    let wcs = Wcs::tan_from_polynomials([150.0, 2.0], xi.clone(), eta.clone())
        .unwrap()
        .with_size(4096.0, 4096.0);
    assert!(worst_round_trip(&wcs, 17, 4096.0) < 1e-6);
    let (a, b) = wcs.pixel_to_intermediate(100.0, 3000.0);
    assert!((a - xi.eval(100.0, 3000.0)).abs() < 1e-15);
    assert!((b - eta.eval(100.0, 3000.0)).abs() < 1e-15);
    let sip = Wcs::from_cards(&wcs.to_cards()).unwrap();
    for _ in 0..200 {
        let (x, y) = (r.uniform(0.0, 4096.0), r.uniform(0.0, 4096.0));
        let ((ra, dec), (ra2, dec2)) = (wcs.pixel_to_sky(x, y), sip.pixel_to_sky(x, y));
        assert!(separation(ra, dec, ra2, dec2).mas() < 1e-6);
    }
    let cut = wcs.shifted(100.0, 50.0).unwrap();
    let ((ra, dec), (ra2, dec2)) = (wcs.pixel_to_sky(300.0, 300.0), cut.pixel_to_sky(200.0, 250.0));
    assert!(separation(ra, dec, ra2, dec2).mas() < 1e-6);
}

#[test]
fn the_jacobian_is_the_slope_of_the_sky() {
    let mut r = Random(5);
    for projection in PROJECTIONS {
        let mut parts = random_parts(&mut r, projection);
        if projection == Projection::Tan {
            let (a, b) = (random_sip(&mut r, 3, 20.0), random_sip(&mut r, 3, 20.0));
            parts.distortion = Distortion::Sip(elqui_wcs::Sip { order: 3, a, b, inverse: None });
        }
        let wcs = Wcs::from_parts(parts).unwrap();
        let (x, y) = (r.uniform(0.0, 4000.0), r.uniform(0.0, 4000.0));
        let at = |x, y| {
            let (ra, dec) = wcs.pixel_to_sky(x, y);
            UnitVector::from_ra_dec_deg(ra, dec)
        };
        let (center, j) = (at(x, y), wcs.jacobian(x, y));
        for (k, (dx, dy)) in [(0.5, 0.0), (0.0, 0.5)].into_iter().enumerate() {
            let (a, b) = (at(x + dx, y + dy), at(x - dx, y - dy));
            let ((ax, ay), (bx, by)) =
                (a.to_tangent(center).unwrap(), b.to_tangent(center).unwrap());
            let scale = wcs.pixel_scale_arcsec(x, y);
            assert!(((ax - bx) * ARCSEC_PER_RAD - j[0][k]).abs() < 1e-6 * scale, "{projection:?}");
            assert!(((ay - by) * ARCSEC_PER_RAD - j[1][k]).abs() < 1e-6 * scale, "{projection:?}");
        }
    }
    let plain = Wcs::tan([10.0, 20.0], [0.0, 0.0], [[-1e-4, 0.0], [0.0, 1e-4]]);
    assert!((plain.pixel_scale_arcsec(0.0, 0.0) - 0.36).abs() < 1e-9);
}

#[test]
fn saved_state_is_read_back_equal() {
    let mut r = Random(6);
    for projection in PROJECTIONS {
        let wcs = Wcs::from_parts(random_parts(&mut r, projection)).unwrap();
        let text = serde_json::to_string(&wcs).unwrap();
        assert_eq!(serde_json::from_str::<Wcs>(&text).unwrap(), wcs);
    }
    let wcs = Wcs::tan([0.0, 0.0], [0.0, 0.0], [[-1e-4, 0.0], [0.0, 1e-4]]);
    let text = serde_json::to_string(&wcs).unwrap().replace("0.0001", "0.0");
    assert!(serde_json::from_str::<Wcs>(&text).unwrap_err().to_string().contains("singular"));
}

#[test]
fn what_has_no_answer_says_so() {
    let wcs = Wcs::tan([10.0, 20.0], [100.0, 100.0], [[-1e-4, 0.0], [0.0, 1e-4]]);
    assert_eq!(wcs.sky_to_pixel(190.0, -20.0), None);
    assert_eq!(wcs.sky_to_pixel(f64::NAN, 0.0), None);
    assert!(wcs.pixel_to_sky(f64::NAN, 0.0).0.is_nan());
    let singular = Wcs::tan([10.0, 20.0], [0.0, 0.0], [[0.0; 2]; 2]);
    assert_eq!(singular.sky_to_pixel(10.0, 20.1), None);
    // A fold: beyond its turning point the polynomial comes back, and that branch is not taken.
    let folded = wcs.with_sip(2, vec![((2, 0), 1e-3)], vec![]);
    for k in 0..200 {
        let (xi, eta) = folded.pixel_to_intermediate(-2000.0 + 20.0 * f64::from(k), 50.0);
        if let Some((x, _)) = folded.intermediate_to_pixel(xi, eta) {
            assert!(x > 100.0 - 500.0 - 1e-6);
        }
    }
}

fn cards(changes: &[(&str, CardValue)]) -> Vec<(String, CardValue)> {
    let mut out = Wcs::tan([10.0, 20.0], [99.0, 99.0], [[-1e-4, 0.0], [0.0, 1e-4]]).to_cards();
    for (key, value) in changes {
        out.retain(|(k, _)| k != key);
        out.push(((*key).to_string(), value.clone()));
    }
    out
}

#[test]
fn absurd_headers_are_refused_by_name() {
    let text = |s: &str| CardValue::Str(s.into());
    let error = |changes: &[(&str, CardValue)]| Wcs::from_cards(&cards(changes)).unwrap_err();
    let zero = CardValue::Float(0.0);
    let singular = [("CD1_1", zero.clone()), ("CD2_1", zero)];
    assert!(matches!(error(&singular), WcsError::SingularMatrix { .. }));
    assert!(error(&[("CRVAL1", CardValue::Float(f64::NAN))]).to_string().contains("CRVAL1"));
    assert!(error(&[("CRVAL2", CardValue::Float(91.0))]).to_string().contains("CRVAL2"));
    assert!(error(&[("CRPIX2", text("middle"))]).to_string().contains("middle"));
    let tnx = [("CTYPE1", text("RA---TNX")), ("CTYPE2", text("DEC--TNX"))];
    assert!(matches!(error(&tnx), WcsError::UnknownProjection { .. }));
    assert!(matches!(error(&[("CTYPE1", text("LINEAR"))]), WcsError::MismatchedAxes { .. }));
    assert!(matches!(error(&[("CTYPE1", text("RA---SIN"))]), WcsError::MismatchedAxes { .. }));
    assert!(matches!(error(&[("CTYPE1", text(" "))]), WcsError::MissingKeyword { .. }));
    assert!(matches!(error(&[("RADESYS", text("FK4"))]), WcsError::UnsupportedFrame { .. }));
    assert!(error(&[("A_ORDER", CardValue::Int(2))]).to_string().contains("B_ORDER"));
    assert!(error(&[("A_ORDER", CardValue::Int(-7))]).to_string().contains("A_ORDER"));
    assert!(error(&[("CUNIT1", text("furlong"))]).to_string().contains("furlong"));
    let mut empty = cards(&[]);
    empty.retain(|(k, _)| !k.starts_with("CD"));
    assert!(matches!(Wcs::from_cards(&empty).unwrap_err(), WcsError::MissingKeyword { .. }));
    assert!(Wcs::from_cards(&Vec::new()).unwrap_err().to_string().contains("CTYPE1"));
}

#[test]
fn what_is_written_is_known_as_a_wcs_keyword() {
    let terms = || vec![((2, 0), 1e-6), ((0, 3), 1e-9)];
    let wcs = Wcs::tan([10.0, 20.0], [99.0, 99.0], [[-1e-4, 0.0], [0.0, 1e-4]])
        .with_sip(3, terms(), terms())
        .with_size(200.0, 200.0);
    for (key, _) in wcs.to_cards() {
        assert!(elqui_wcs::is_wcs_keyword(&key), "{key}");
    }
    for key in ["CDS", "PVEL", "A_B", "AIRMASS", "CRVAL3", "NAXIS1", "PC", "PV1", "A_ORDERED"] {
        assert!(!elqui_wcs::is_wcs_keyword(key), "{key}");
    }
}
