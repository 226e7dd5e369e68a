//! Prepared tests, areas, centroids and overlaps: against plain answers, sums over cells, and
//! regions of known measure.

use elqui_base::{UnitVector, separation};
use elqui_sphere::{Coverage, RegionTest, SkyRegion};

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

/// A position by gnomonic coordinates (deg at the centre).
fn beside((ra, dec): (f64, f64), x: f64, y: f64) -> (f64, f64) {
    let c = UnitVector::from_ra_dec_deg(ra, dec);
    UnitVector::from_tangent(c, x.to_radians(), y.to_radians()).to_ra_dec_deg()
}

/// A star of corners at changing distances: simple, not convex, in either orientation.
fn star(r: &mut Random, at: (f64, f64), size: f64, corners: u32) -> Vec<(f64, f64)> {
    let turn = if r.uniform(0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
    (0..corners)
        .map(|k| {
            let angle = turn * std::f64::consts::TAU * f64::from(k) / f64::from(corners);
            let length = size * r.uniform(0.2, 1.0);
            beside(at, length * angle.cos(), length * angle.sin())
        })
        .collect()
}

fn same(region: &SkyRegion, test: &RegionTest, ra: &[f64], dec: &[f64]) -> usize {
    let mut out = vec![false; ra.len()];
    test.contains_many(ra, dec, &mut out);
    for k in 0..ra.len() {
        let plain = region.contains(ra[k], dec[k]);
        assert_eq!(out[k], plain, "{region:?} {} {}", ra[k], dec[k]);
        assert_eq!(test.contains(ra[k], dec[k]), plain);
    }
    out.iter().filter(|o| **o).count()
}

#[test]
fn a_prepared_region_answers_as_the_region() {
    let mut r = Random(21);
    let mut held = 0;
    for k in 0..200 {
        let at = match k % 5 {
            0 => (r.uniform(0.0, 360.0), 90.0 - r.uniform(0.0, 1e-3)),
            1 => (0.0, r.uniform(-80.0, 80.0)),
            _ => r.position(),
        };
        let size = [1e-8, 1e-4, 0.1, 3.0, 40.0][k % 5];
        let vertices = star(&mut r, at, size, 3 + k as u32 % 9);
        let polygon = SkyRegion::Polygon { vertices: vertices.clone() };
        let boxed = SkyRegion::Box { ra: at.0, dec: at.1, width: size, height: size };
        let circle = SkyRegion::Circle { ra: at.0, dec: at.1, radius: size };
        let mut points: Vec<(f64, f64)> = (0..150)
            .map(|_| beside(at, size * r.uniform(-1.2, 1.2), size * r.uniform(-1.2, 1.2)))
            .collect();
        // On corners, on sides, a turn away, on the other side of the globe.
        points.extend(&vertices);
        for pair in vertices.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|p| UnitVector::from_ra_dec_deg(p.0, p.1));
            for f in [0.5, 0.25, r.uniform(0.0, 1.0)] {
                let v = std::array::from_fn(|k| a.0[k] + f * (b.0[k] - a.0[k]));
                points.push(UnitVector::normalized(v).to_ra_dec_deg());
            }
        }
        let first = points[..20].to_vec();
        points.extend(first.iter().map(|p| (p.0 - 360.0, p.1)));
        points.extend(first.iter().map(|p| (p.0 + 180.0, -p.1)));
        points.extend([(f64::NAN, 0.0), (0.0, f64::NAN), (0.0, 91.0), (f64::INFINITY, 0.0)]);
        points.extend((0..20).map(|_| r.position()));
        let (ra, dec): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
        for region in [polygon, boxed, circle] {
            held += same(&region, &region.prepare(true), &ra, &dec);
        }
    }
    assert!(held > 20_000, "{held}");
}

#[test]
fn circles_without_their_edge_and_regions_that_are_none() {
    let circle = SkyRegion::Circle { ra: 10.0, dec: 0.0, radius: 1.0 };
    assert!(circle.prepare(true).contains(10.0, 1.0) && !circle.prepare(false).contains(10.0, 1.0));
    let point = SkyRegion::Circle { ra: 10.0, dec: 0.0, radius: 0.0 };
    assert!(point.prepare(true).contains(10.0, 0.0) && !point.prepare(false).contains(10.0, 0.0));
    for bad in [
        SkyRegion::Circle { ra: 10.0, dec: 0.0, radius: 181.0 },
        SkyRegion::Circle { ra: f64::NAN, dec: 0.0, radius: 1.0 },
        SkyRegion::Polygon { vertices: vec![(0.0, 0.0), (1.0, 1.0)] },
    ] {
        assert!(!bad.prepare(true).contains(10.0, 0.0) && !bad.contains(10.0, 0.0));
        assert!(!bad.overlaps(&circle) && !circle.overlaps(&bad) && !circle.holds(&bad));
        assert!(bad.area_deg2().is_err() && bad.centroid().is_err());
    }
}

#[test]
fn a_prepared_coverage_answers_as_the_coverage() {
    let mut r = Random(22);
    for text in ["0/0-11", "5/100-200 8/70000 29/3-5", "3/12 4/700-767"] {
        let coverage = Coverage::from_ascii(text).unwrap();
        let test = coverage.prepare();
        for _ in 0..2000 {
            let (ra, dec) = r.position();
            assert_eq!(test.contains(ra, dec), coverage.contains(ra, dec));
        }
        assert!(!test.contains(f64::NAN, 0.0) && !test.contains(0.0, 90.5));
    }
}

/// The plane's own test, in the projection about a point near the polygon.
#[test]
fn a_polygon_of_milliarcseconds_is_exact() {
    let mut r = Random(23);
    for _ in 0..200 {
        let at = r.position();
        let size = 1e-6;
        let half = SkyRegion::Polygon {
            vertices: [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
                .map(|(x, y)| beside(at, x * size, y * size))
                .to_vec(),
        };
        for _ in 0..50 {
            let (x, y) = (r.uniform(-2.0, 2.0), r.uniform(-2.0, 2.0));
            let margin = (x.abs().max(y.abs()) - 1.0).abs();
            if margin > 1e-4 {
                let (ra, dec) = beside(at, x * size, y * size);
                let inside = x.abs() < 1.0 && y.abs() < 1.0;
                assert_eq!(half.contains(ra, dec), inside, "{at:?} {x} {y}");
            }
        }
    }
}

#[test]
fn areas_of_known_shapes() {
    let sky = 41_252.961_249_419_27;
    let near = |a: f64, b: f64| assert!((a - b).abs() <= 1e-12 * b, "{a} is not {b}");
    let circle = |radius| SkyRegion::Circle { ra: 1.0, dec: 2.0, radius }.area_deg2().unwrap();
    near(circle(180.0), sky);
    near(circle(90.0), sky / 2.0);
    near(circle(60.0), sky / 4.0);
    near(circle(1e-6), std::f64::consts::PI * 1e-12);
    let polygon = |vertices: &[(f64, f64)]| {
        SkyRegion::Polygon { vertices: vertices.to_vec() }.area_deg2().unwrap()
    };
    // An octant, in both orientations.
    near(polygon(&[(0.0, 0.0), (90.0, 0.0), (0.0, 90.0)]), sky / 8.0);
    near(polygon(&[(0.0, 90.0), (90.0, 0.0), (0.0, 0.0)]), sky / 8.0);
    let square = |s: f64| polygon(&[(-s, -s), (s, -s), (s, s), (-s, s)]);
    assert!((square(1e-6) / 4e-12 - 1.0).abs() < 1e-6);
    assert!((square(0.5) - 1.0).abs() < 1e-4);
    near(Coverage::from_ascii("1/0-23").unwrap().area_deg2(), sky / 2.0);
}

/// Sums over the cells of a coverage are good to the cells at the rim.
#[test]
fn areas_and_centroids_agree_with_cells() {
    let mut r = Random(24);
    for k in 0..20 {
        let at = if k % 4 == 0 { (r.uniform(0.0, 360.0), 89.0) } else { r.position() };
        let vertices = star(&mut r, at, 20.0, 5 + k % 4);
        let polygon = SkyRegion::Polygon { vertices };
        let (mut sum, mut cells) = ([0.0; 3], 0.0);
        let order = 7;
        for cell in 0..12u64 << (2 * order) {
            let (ra, dec) = elqui_sphere::healpix_center(order, cell);
            if polygon.contains(ra, dec) {
                let v = UnitVector::from_ra_dec_deg(ra, dec).0;
                (0..3).for_each(|k| sum[k] += v[k]);
                cells += 1.0;
            }
        }
        let area = cells * 41_252.961 / f64::from(12u32 << (2 * order));
        let exact = polygon.area_deg2().unwrap();
        assert!((area / exact - 1.0).abs() < 0.03, "{area} {exact}");
        let (ra, dec) = polygon.centroid().unwrap();
        let (cell_ra, cell_dec) = UnitVector::normalized(sum).to_ra_dec_deg();
        assert!(separation(ra, dec, cell_ra, cell_dec).deg() < 0.1);
        let coverage = Coverage::of(&polygon, 8).unwrap();
        let (cov_ra, cov_dec) = coverage.centroid().unwrap();
        assert!(separation(ra, dec, cov_ra, cov_dec).deg() < 0.3);
    }
    // Small ones: the middle of a triangle's corners, on both sides of the change of formula.
    for size in [1e-8, 1e-5, 4e-3, 8e-3, 0.02] {
        let at = (33.0, -70.0);
        let corners =
            [(0.0, 0.0), (3.0, 0.0), (0.0, 3.0)].map(|(x, y)| beside(at, x * size, y * size));
        let (ra, dec) = SkyRegion::Polygon { vertices: corners.to_vec() }.centroid().unwrap();
        let (mid_ra, mid_dec) = beside(at, size, size);
        let off = separation(ra, dec, mid_ra, mid_dec).deg();
        // The triangle is curved: the third order of its size; and the rounding of degrees.
        assert!(off < 3e-3 * size.powi(3) + 1e-13, "{size} {off}");
    }
    let circle = SkyRegion::Circle { ra: 359.0, dec: 5.0, radius: 3.0 };
    assert_eq!(circle.centroid().unwrap(), (359.0, 5.0));
    assert_eq!(Coverage::from_ascii("0/0-11").unwrap().centroid(), None);
    assert_eq!(Coverage::empty(3).unwrap().centroid(), None);
}

fn positions_of(r: &mut Random, at: (f64, f64), size: f64) -> Vec<(f64, f64)> {
    (0..400).map(|_| beside(at, r.uniform(-size, size), r.uniform(-size, size))).collect()
}

#[test]
fn overlaps_and_holds_agree_with_random_positions() {
    let mut r = Random(25);
    let (mut together, mut within) = (0, 0);
    for k in 0..400 {
        let at = if k % 5 == 0 { (0.0, 90.0) } else { r.position() };
        let size = [1e-5, 0.3, 20.0][k % 3];
        let mut shape = |scale: f64| {
            let to = beside(at, size * r.uniform(-0.6, 0.6), size * r.uniform(-0.6, 0.6));
            match (r.uniform(0.0, 3.0) as u32, to.1.abs() < 80.0) {
                (0, _) => SkyRegion::Circle { ra: to.0, dec: to.1, radius: scale * size },
                (1, true) => SkyRegion::Box {
                    ra: to.0,
                    dec: to.1,
                    width: scale * size,
                    height: scale * size,
                },
                _ => SkyRegion::Polygon { vertices: star(&mut r, to, scale * size, 6) },
            }
        };
        let (a, b) = (shape(0.8), shape(0.3));
        assert_eq!(a.overlaps(&b), b.overlaps(&a));
        let points = positions_of(&mut r, at, 2.0 * size);
        let in_both = points.iter().any(|p| a.contains(p.0, p.1) && b.contains(p.0, p.1));
        let only_b = points.iter().any(|p| !a.contains(p.0, p.1) && b.contains(p.0, p.1));
        assert!(!in_both || a.overlaps(&b), "{a:?} {b:?}");
        assert!(!only_b || !a.holds(&b), "{a:?} {b:?}");
        assert!(!a.holds(&b) || a.overlaps(&b));
        if a.holds(&b) {
            assert!(b.vertices().iter().all(|v| a.prepare(true).contains(v.0, v.1)));
            assert!(a.area_deg2().unwrap() >= b.area_deg2().unwrap());
            within += 1;
        }
        together += usize::from(a.overlaps(&b));
        // A coverage of `a` overlaps all that `a` does, and holds what `a` holds.
        let order = if size > 10.0 {
            5
        } else if size > 0.1 {
            10
        } else {
            24
        };
        let coverage = Coverage::of(&a, order).unwrap();
        assert!(!a.overlaps(&b) || coverage.overlaps(&b), "{a:?} {b:?}");
        assert!(!a.holds(&b) || coverage.holds(&b), "{a:?} {b:?}");
        assert!(coverage.holds(&a), "{a:?} {order}");
        let only = points.iter().any(|p| !coverage.contains(p.0, p.1) && b.contains(p.0, p.1));
        assert!(!only || !coverage.holds(&b));
    }
    assert!(together > 100 && within > 20, "{together} {within}");
}

/// Cones of cdshealpix 0.10.1 lack cells here.
#[test]
fn coverages_of_circles_that_hold_a_pole_are_complete() {
    let mut r = Random(26);
    for k in 0..200 {
        let size = 10f64.powf(r.uniform(-4.0, 1.5));
        let dec = (90.0 - size * r.uniform(0.0, 1.3)) * if k % 2 == 0 { 1.0 } else { -1.0 };
        let region = SkyRegion::Circle { ra: r.uniform(0.0, 360.0), dec, radius: size };
        let side = elqui_sphere::healpix_side_deg(0) / size;
        let coverage = Coverage::of(&region, (side.log2() + 3.0).clamp(0.0, 26.0) as u8).unwrap();
        for _ in 0..200 {
            let polar =
                (r.uniform(0.0, 360.0), dec.signum() * (90.0 - 2.0 * size * r.uniform(0.0, 1.0)));
            assert!(!region.contains(polar.0, polar.1) || coverage.contains(polar.0, polar.1));
        }
        assert!(coverage.area_deg2() < 1.8 * region.area_deg2().unwrap());
    }
}

#[test]
fn overlaps_of_known_shapes() {
    let c = |ra, dec, radius| SkyRegion::Circle { ra, dec, radius };
    let b = |ra, dec, width, height| SkyRegion::Box { ra, dec, width, height };
    for (one, two, yes) in [
        (c(10.0, 0.0, 1.0), c(12.0, 0.0, 1.0), true),
        (c(10.0, 0.0, 1.0), c(12.1, 0.0, 1.0), false),
        (c(359.9, 0.0, 0.2), c(0.1, 0.0, 0.1), true),
        (c(0.0, 90.0, 1.0), c(180.0, 89.0, 0.5), true),
        (b(10.0, 0.0, 2.0, 2.0), c(11.5, 0.0, 0.6), true),
        (b(10.0, 0.0, 2.0, 2.0), c(11.5, 0.0, 0.4), false),
        (b(10.0, 0.0, 2.0, 2.0), b(11.5, 1.5, 2.0, 2.0), true),
        (b(10.0, 0.0, 2.0, 2.0), b(13.0, 0.0, 2.0, 2.0), false),
        (b(10.0, 0.0, 2.0, 2.0), b(12.0, 0.0, 2.0, 2.0), true),
        (b(10.0, 0.0, 2.0, 2.0), b(190.0, 0.0, 2.0, 2.0), false),
        // A cross: no corner of either lies in the other. And one shape twice.
        (b(10.0, 0.0, 4.0, 0.5), b(10.0, 0.0, 0.5, 4.0), true),
        (b(10.0, 0.0, 4.0, 0.5), b(10.0, 0.0, 4.0, 0.5), true),
    ] {
        assert_eq!(one.overlaps(&two), yes, "{one:?} {two:?}");
        assert_eq!(two.overlaps(&one), yes, "{two:?} {one:?}");
    }
    assert!(c(0.0, 0.0, 100.0).holds(&b(0.0, 0.0, 170.0, 20.0)));
    assert!(!c(180.0, 0.0, 100.0).holds(&b(0.0, 0.0, 30.0, 20.0)));
    assert!(!c(180.0, 0.0, 170.0).holds(&b(0.0, 0.0, 30.0, 20.0)));
    assert!(c(0.0, 0.0, 180.0).holds(&c(77.0, 10.0, 170.0)));
    let shape = b(10.0, 0.0, 2.0, 2.0);
    assert!(
        shape.holds(&shape)
            && shape.holds(&c(10.0, 0.0, 0.99))
            && !shape.holds(&c(10.0, 0.0, 1.01))
    );
}
