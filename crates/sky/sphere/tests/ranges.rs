//! Ranges of cells of a region: complete, true where they say inside, few, rising.

use elqui_base::UnitVector;
use elqui_sphere::{Coverage, SkyRegion, healpix_center, healpix29};

struct Random(u64);

impl Random {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn position(&mut self) -> (f64, f64) {
        (self.uniform(0.0, 360.0), self.uniform(-1.0, 1.0).asin().to_degrees())
    }
}

/// The direction at a distance and an angle of position, deg.
fn offset(ra: f64, dec: f64, distance: f64, angle: f64) -> (f64, f64) {
    let c = UnitVector::from_ra_dec_deg(ra, dec);
    let (east, north) = c.tangent_basis();
    let (sin, cos) = distance.to_radians().sin_cos();
    let (sin_a, cos_a) = angle.to_radians().sin_cos();
    let v = std::array::from_fn(|k| c.0[k] * cos + (east[k] * sin_a + north[k] * cos_a) * sin);
    UnitVector::normalized(v).to_ra_dec_deg()
}

fn places(r: &mut Random) -> Vec<(f64, f64)> {
    let mut places = vec![
        (0.0, 0.0),
        (360.0, 0.0),
        (-0.0, 90.0),
        (123.0, -90.0),
        (45.0, 41.810_314_895_778_596),
        (90.0, -41.810_314_895_778_596),
        (0.0, 89.999_999),
        (359.999_999, 30.0),
        (45.0, 0.0),
        (22.5, 66.443_535_691_1),
    ];
    places.extend((0..40).map(|_| r.position()));
    places
}

fn check(region: &SkyRegion, max: usize, inner: &[(f64, f64)], around: &[(f64, f64)]) -> usize {
    let ranges = Coverage::ranges_for(region, max).unwrap();
    assert!(ranges.len() <= max.max(12), "{region:?}: {} ranges", ranges.len());
    for pair in ranges.windows(2) {
        assert!(pair[0].cells.end <= pair[1].cells.start);
        assert!(pair[0].cells.end < pair[1].cells.start || pair[0].inside != pair[1].inside);
    }
    let holder = |ra, dec| {
        let cell = healpix29(ra, dec);
        ranges.iter().find(|r| r.cells.contains(&cell))
    };
    for &(ra, dec) in inner {
        if region.contains(ra, dec) {
            assert!(holder(ra, dec).is_some(), "{region:?} lacks {ra}, {dec}");
        }
    }
    let mut decided = 0;
    for &(ra, dec) in inner.iter().chain(around) {
        if let Some(range) = holder(ra, dec).filter(|r| r.inside) {
            assert!(region.contains(ra, dec), "{region:?} does not hold {ra}, {dec}: {range:?}");
            decided += 1;
        }
    }
    // The ends of the ranges inside are inside.
    for range in ranges.iter().filter(|r| r.inside) {
        for cell in [range.cells.start, range.cells.end - 1] {
            let (ra, dec) = healpix_center(29, cell);
            assert!(region.contains(ra, dec), "{region:?} does not hold cell {cell}");
        }
    }
    decided
}

#[test]
fn circles_of_every_size_anywhere() {
    let mut r = Random(11);
    let mut decided = 0;
    for (ra, dec) in places(&mut r) {
        for radius in [
            0.0,
            1e-12,
            1e-9,
            1e-7,
            1e-4,
            1.0 / 60.0,
            0.3,
            1.0,
            10.0,
            50.0,
            89.9,
            120.0,
            179.9,
            180.0,
        ] {
            let at = |r: &mut Random, f: f64| offset(ra, dec, radius * f, r.uniform(0.0, 360.0));
            let mut inner: Vec<_> = (0..30).map(|_| at(&mut r, 1.0 - 1e-9)).collect();
            inner.extend((0..30).map(|k| at(&mut r, f64::from(k) / 30.0)));
            inner.push((ra, dec));
            let around: Vec<_> = (0..30).map(|_| at(&mut r, 1.0 + 1e-6)).collect();
            let region = SkyRegion::Circle { ra, dec, radius };
            for max in [0, 20, 64, 200] {
                decided += check(&region, max, &inner, &around);
            }
        }
    }
    assert!(decided > 10_000, "{decided}");
}

#[test]
fn boxes_and_polygons() {
    let mut r = Random(12);
    for (ra, dec) in places(&mut r) {
        for size in [1e-6, 1e-3, 0.5, 20.0] {
            let points: Vec<_> = (0..200)
                .map(|_| offset(ra, dec, r.uniform(0.0, size), r.uniform(0.0, 360.0)))
                .collect();
            let vertices: Vec<_> = (0..5)
                .map(|k| offset(ra, dec, size * r.uniform(0.3, 1.0), 72.0 * f64::from(k)))
                .collect();
            check(&SkyRegion::Polygon { vertices: vertices.clone() }, 64, &points, &vertices);
            let region = SkyRegion::Box { ra, dec, width: size, height: size };
            if region.check().is_ok() {
                check(&region, 100, &points, &[]);
            }
        }
    }
    let flat = SkyRegion::Polygon { vertices: vec![(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)] };
    check(&flat, 10, &[(1.0, 1.0)], &[]);
}

#[test]
fn a_cone_is_covered_closely() {
    let mut r = Random(13);
    for (ra, dec) in places(&mut r) {
        let region = SkyRegion::Circle { ra, dec, radius: 60.0 / 3600.0 };
        let ranges = Coverage::ranges_for(&region, 64).unwrap();
        let cells = |inside: bool| {
            let wanted = ranges.iter().filter(|r| !inside || r.inside);
            wanted.map(|r| r.cells.end - r.cells.start).sum::<u64>() as f64
        };
        let cell = 4.0 * std::f64::consts::PI / (12u64 << 58) as f64;
        let area = std::f64::consts::PI * (1.0f64 / 60.0).to_radians().powi(2);
        assert!(cells(false) * cell < 1.7 * area, "{}", cells(false) * cell / area);
        assert!(cells(true) * cell > 0.5 * area, "{}", cells(true) * cell / area);
    }
}

#[test]
fn regions_that_are_none_are_refused() {
    for region in [
        SkyRegion::Circle { ra: f64::NAN, dec: 0.0, radius: 1.0 },
        SkyRegion::Circle { ra: 0.0, dec: 0.0, radius: -1.0 },
        SkyRegion::Polygon { vertices: vec![(0.0, 0.0), (1.0, 0.0)] },
    ] {
        assert!(Coverage::ranges_for(&region, 64).is_err());
    }
}
