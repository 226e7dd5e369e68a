//! Laws of regions and cells, over random regions anywhere on the sky.

use elqui_base::{UnitVector, separation};
use elqui_sphere::{
    Coverage, HEALPIX29_BAD, SkyRegion, SphereError, bounding_circle, healpix_center,
    healpix_index, healpix_side_deg, healpix_vertices, healpix29, healpix29_range,
};

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

    fn position(&mut self) -> (f64, f64) {
        (self.uniform(0.0, 360.0), self.uniform(-1.0, 1.0).asin().to_degrees())
    }

    /// A position near another, by up to `radius` degrees in each tangent direction.
    fn near(&mut self, center: (f64, f64), radius: f64) -> (f64, f64) {
        let c = UnitVector::from_ra_dec_deg(center.0, center.1);
        let r = radius.to_radians();
        let (xi, eta) = (self.uniform(-r, r), self.uniform(-r, r));
        UnitVector::from_tangent(c, xi, eta).to_ra_dec_deg()
    }

    /// A quadrilateral, in either orientation, about a centre.
    fn polygon(&mut self, center: (f64, f64), size: f64) -> SkyRegion {
        let c = UnitVector::from_ra_dec_deg(center.0, center.1);
        let turn = if self.uniform(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
        let vertices = (0..4)
            .map(|k| {
                let angle = turn * (f64::from(k) * 90.0 + self.uniform(-30.0, 30.0)).to_radians();
                let r = size.to_radians() * self.uniform(0.5, 1.0);
                UnitVector::from_tangent(c, r * angle.cos(), r * angle.sin()).to_ra_dec_deg()
            })
            .collect();
        SkyRegion::Polygon { vertices }
    }
}

#[test]
fn cells_nest_and_hold_their_centres() {
    let mut r = Random(1);
    for _ in 0..1000 {
        let (ra, dec) = r.position();
        let fine = healpix29(ra, dec);
        for order in 0..=29 {
            let cell = healpix_index(order, ra, dec);
            assert!(healpix29_range(order, cell).contains(&fine));
            assert_eq!(healpix_index(order, ra + 360.0, dec), healpix_index(order, ra, dec));
        }
        let (cra, cdec) = healpix_center(10, healpix_index(10, ra, dec));
        assert_eq!(healpix_index(10, cra, cdec), healpix_index(10, ra, dec));
        assert!(separation(ra, dec, cra, cdec).deg() < 1.2 * healpix_side_deg(10));
        let corners = healpix_vertices(10, healpix_index(10, ra, dec));
        assert!(corners.iter().all(|c| separation(c.0, c.1, cra, cdec).deg() < 0.1));
    }
    // The base cells as the paper numbers them.
    assert_eq!(healpix_index(0, 45.0, 45.0), 0);
    assert_eq!(healpix_index(0, 0.0, -90.0), 8);
    assert_eq!(healpix_index(0, 0.0, 0.0), 4);
    for bad in [(f64::NAN, 0.0), (0.0, 90.1), (f64::INFINITY, 0.0)] {
        assert_eq!(healpix29(bad.0, bad.1), HEALPIX29_BAD);
    }
    assert!(healpix_center(3, 12 * 64).0.is_nan());
}

#[test]
fn a_polygon_agrees_with_its_tangent_plane() {
    let mut r = Random(2);
    for _ in 0..100 {
        let center = r.position();
        let region = r.polygon(center, 3.0);
        let c = UnitVector::from_ra_dec_deg(center.0, center.1);
        let flat = |ra: f64, dec: f64| UnitVector::from_ra_dec_deg(ra, dec).to_tangent(c).unwrap();
        let corners: Vec<_> = region.vertices().iter().map(|v| flat(v.0, v.1)).collect();
        for _ in 0..50 {
            let (ra, dec) = r.near(center, 3.0);
            let (x, y) = flat(ra, dec);
            // Even-odd rule in the plane, where great circles are straight.
            let mut inside = false;
            for k in 0..4 {
                let ((ax, ay), (bx, by)) = (corners[k], corners[(k + 1) % 4]);
                if (ay > y) != (by > y) && x < ax + (bx - ax) * (y - ay) / (by - ay) {
                    inside = !inside;
                }
            }
            assert_eq!(region.contains(ra, dec), inside, "{region:?} {ra} {dec}");
        }
        let v = UnitVector::normalized(c.0.map(|x| -x)).to_ra_dec_deg();
        assert!(!region.contains(v.0, v.1), "the antipode is outside");
    }
}

#[test]
fn coverage_and_bounding_circle_hold_the_region() {
    let mut r = Random(3);
    for k in 0..60 {
        let center = if k == 0 { (10.0, 90.0) } else { r.position() };
        let circle = SkyRegion::Circle { ra: center.0, dec: center.1, radius: 1.5 };
        for region in [circle, r.polygon(center, 2.0)] {
            let coverage = Coverage::of(&region, 8).unwrap();
            let (ra0, dec0, radius) = region.bounding_circle().unwrap();
            let side = healpix_side_deg(8);
            for _ in 0..100 {
                let (ra, dec) = r.near(center, 3.0);
                let distance = separation(ra, dec, ra0, dec0).deg();
                if region.contains(ra, dec) {
                    assert!(coverage.contains(ra, dec), "{region:?} {ra} {dec}");
                    assert!(distance <= radius + 1e-12);
                } else if distance > radius + 2.0 * side {
                    assert!(!coverage.contains(ra, dec), "{region:?} {ra} {dec}");
                }
            }
            let cells = coverage.cells();
            assert!(cells.windows(2).all(|w| w[0] < w[1]));
            assert_eq!(Coverage::from_cells(8, &cells).unwrap(), coverage);
            // Not much larger than the region and the cells of its rim.
            let cap = 0.5 * (1.0 - (radius + 2.0 * side).to_radians().cos());
            assert!(coverage.sky_fraction() < cap);
            let area = cells.len() as f64 / (12.0 * 65536.0);
            assert!((coverage.sky_fraction() - area).abs() < 1e-12);
        }
    }
}

#[test]
fn regions_may_cross_ra_zero_and_the_pole() {
    let b = SkyRegion::Box { ra: 0.0, dec: 10.0, width: 4.0, height: 2.0 };
    assert!(b.contains(359.0, 10.5) && b.contains(1.9, 9.5) && b.contains(-1.0, 10.0));
    assert!(!b.contains(2.1, 10.0) && !b.contains(180.0, 10.0) && !b.contains(0.0, 12.0));
    assert!(Coverage::of(&b, 9).unwrap().contains(359.5, 10.0));
    let cap = SkyRegion::Polygon {
        vertices: vec![(0.0, 85.0), (90.0, 85.0), (180.0, 85.0), (270.0, 85.0)],
    };
    assert!(cap.contains(12.0, 90.0) && cap.contains(45.0, 86.6) && !cap.contains(45.0, 84.0));
    assert!(Coverage::of(&cap, 6).unwrap().contains(0.0, 90.0));
    let (_, dec, radius) = cap.bounding_circle().unwrap();
    assert!((dec - 90.0).abs() < 1e-9 && (radius - 5.0).abs() < 1e-9);
}

#[test]
fn sets_and_their_text() {
    let at = |ra| Coverage::of(&SkyRegion::Circle { ra, dec: -30.0, radius: 1.0 }, 7).unwrap();
    let (a, b) = (at(50.0), at(51.0));
    let (both, either) = (a.intersection(&b), a.union(&b));
    let sum = a.sky_fraction() + b.sky_fraction();
    assert!((both.sky_fraction() + either.sky_fraction() - sum).abs() < 1e-12);
    assert!(!both.is_empty() && Coverage::empty(7).unwrap().is_empty());
    let text = either.to_ascii().unwrap();
    assert_eq!(Coverage::from_ascii(&text).unwrap(), either);
    assert_eq!(Coverage::from_ascii("1/0-3 2/20").unwrap().sky_fraction(), 4.25 / 48.0);
    assert!(matches!(Coverage::from_ascii("1/x"), Err(SphereError::MocText { .. })));
    assert!(!either.contains(f64::NAN, 0.0));
}

#[test]
fn absurd_regions_are_refused_by_name() {
    let circle = |ra, dec, radius| SkyRegion::Circle { ra, dec, radius };
    assert!(matches!(circle(0.0, 91.0, 1.0).check(), Err(SphereError::Position { .. })));
    assert!(matches!(circle(0.0, 0.0, -1.0).check(), Err(SphereError::Size { .. })));
    assert!(matches!(circle(0.0, 0.0, f64::NAN).check(), Err(SphereError::Size { .. })));
    assert!(!circle(0.0, 0.0, f64::NAN).contains(0.0, 0.0));
    let two = SkyRegion::Polygon { vertices: vec![(0.0, 0.0), (1.0, 0.0)] };
    assert!(matches!(two.check(), Err(SphereError::Polygon { .. })));
    let round = SkyRegion::Polygon { vertices: vec![(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)] };
    assert!(matches!(round.check(), Err(SphereError::Polygon { .. })));
    assert!(bounding_circle(&[(0.0, 0.0), (180.0, 0.0)]).is_err());
    assert!(matches!(Coverage::of(&two, 30), Err(SphereError::Order { .. })));
    let flat = SkyRegion::Box { ra: 90.0, dec: 0.0, width: 0.0, height: 0.0 };
    assert!(Coverage::of(&flat, 12).unwrap().contains(90.0, 0.0));
    assert!(Coverage::of(&circle(5.0, 5.0, 0.0), 29).unwrap().contains(5.0, 5.0));
}
