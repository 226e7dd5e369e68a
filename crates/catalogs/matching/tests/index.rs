//! The index against brute force with the same distance, to the last bit: anywhere on the sky, at
//! the edge, with duplicates, with rows that are no positions, on any number of threads.

use elqui_base::distance_deg;
use elqui_matching::SkyIndex;

struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

type Positions = (Vec<f64>, Vec<f64>);

/// Positions about a centre, within `size` degrees of declination; whole sky where it is 180.
fn about(random: &mut Random, n: usize, ra: f64, dec: f64, size: f64) -> Positions {
    (0..n)
        .map(|_| {
            if size >= 180.0 {
                let z = 2.0 * random.unit() - 1.0;
                return (360.0 * random.unit(), z.asin().to_degrees());
            }
            let d = (dec + size * (random.unit() - 0.5)).clamp(-90.0, 90.0);
            let wide = if d.abs() > 89.0 { 360.0 } else { size / d.to_radians().cos() };
            (ra + wide * (random.unit() - 0.5), d)
        })
        .unzip()
}

fn brute(a: &Positions, b: &Positions, radius: &[f64], inclusive: bool) -> (Vec<u32>, Vec<u32>) {
    let mut out = (Vec::new(), Vec::new());
    for (i, r) in radius.iter().enumerate() {
        for j in 0..b.0.len() {
            let on_sky = a.1[i].abs() <= 90.0 && b.1[j].abs() <= 90.0;
            let s = distance_deg(a.0[i], a.1[i], b.0[j], b.1[j]);
            if on_sky && *r >= 0.0 && (s < *r || (inclusive && s == *r)) {
                out.0.push(i as u32);
                out.1.push(j as u32);
            }
        }
    }
    out
}

#[track_caller]
fn agrees(a: &Positions, b: &Positions, radius: f64, inclusive: bool) -> usize {
    let expected = brute(a, b, &vec![radius; a.0.len()], inclusive);
    // The radius that the index is made for is a hint only.
    for hint in [radius, 0.0, 1e-4, 7.0, f64::NAN] {
        let index = SkyIndex::new(&b.0, &b.1, hint);
        let found = index.pairs(&a.0, &a.1, radius, inclusive);
        assert_eq!(found, expected, "radius {radius}, made for {hint}, inclusive {inclusive}");
    }
    let index = SkyIndex::new(&b.0, &b.1, radius);
    let mut nearest = (Vec::new(), Vec::new(), Vec::new());
    for (i, (&ra, &dec)) in a.0.iter().zip(&a.1).enumerate() {
        let mut within: Vec<(u32, f64)> = Vec::new();
        index.within(ra, dec, radius, inclusive, &mut |row, s| within.push((row, s)));
        within.sort_by_key(|w| w.0);
        let of_brute = expected.0.iter().zip(&expected.1).filter(|(l, _)| **l == i as u32);
        assert!(of_brute.map(|(_, r)| *r).eq(within.iter().map(|w| w.0)));
        for (row, s) in &within {
            let (b_ra, b_dec) = (b.0[*row as usize], b.1[*row as usize]);
            assert_eq!(*s, distance_deg(ra, dec, b_ra, b_dec));
        }
        let best = within.iter().copied().min_by(|x, y| x.1.total_cmp(&y.1).then(x.0.cmp(&y.0)));
        assert_eq!(index.nearest(ra, dec, radius, inclusive), best);
        if let Some((row, s)) = best {
            nearest.0.push(i as u32);
            nearest.1.push(row);
            nearest.2.push(s);
        }
    }
    assert_eq!(index.nearest_pairs(&a.0, &a.1, radius, inclusive), nearest);
    expected.0.len()
}

#[test]
fn every_place_and_radius_agrees_with_brute_force() {
    let mut random = Random(1);
    let places = [
        (10.0, 0.0, 180.0),
        (30.0, 2.0, 1.0),
        (0.0, -45.0, 0.5),
        (359.9, 80.0, 3.0),
        (12.0, 90.0, 4.0),
        (200.0, -90.0, 0.01),
        (0.0, 89.9, 0.3),
        (0.0, 0.0, 1e-4),
    ];
    let mut pairs = 0;
    for (ra, dec, size) in places {
        let a = about(&mut random, 120, ra, dec, size);
        let b = about(&mut random, 150, ra, dec, size);
        let scale = size / 180.0;
        let radii = [0.0, 3.0 * scale, 10.0 * scale, 60.0 * scale, 89.9999999, 90.0, 179.99, 180.0];
        for radius in radii {
            pairs += agrees(&a, &b, radius, true);
        }
        pairs += agrees(&a, &b, 20.0 * scale, false);
        pairs += agrees(&a, &b, 500.0, true);
    }
    assert!(pairs > 100_000);
}

#[test]
fn the_edge_is_decided_in_the_arithmetic_of_the_distance() {
    let mut random = Random(2);
    for (ra, dec, size) in [(0.0, 40.0, 0.02), (0.0, -89.99, 0.05), (100.0, 0.0, 180.0)] {
        let a = about(&mut random, 40, ra, dec, size);
        let b = about(&mut random, 40, ra, dec, size);
        let index = SkyIndex::new(&b.0, &b.1, 0.01);
        for i in 0..40 {
            for j in 0..40 {
                let s = distance_deg(a.0[i], a.1[i], b.0[j], b.1[j]);
                let holds = |radius: f64, inclusive| {
                    let (_, rows) = index.pairs(&a.0[i..=i], &a.1[i..=i], radius, inclusive);
                    rows.contains(&(j as u32))
                };
                assert!(holds(s, true) && !holds(s, false));
                assert!(holds(s.next_up(), false) && !holds(s.next_down(), true));
            }
        }
    }
}

#[test]
fn a_radius_of_zero_finds_identical_positions_and_a_grid_its_neighbours() {
    let (mut ra, mut dec) = (Vec::new(), Vec::new());
    for k in 0..400 {
        ra.push(f64::from(k % 20) * 0.25);
        dec.push(f64::from(k / 20) * 0.25 - 2.0);
        // Twice each.
        ra.push(f64::from(k % 20) * 0.25);
        dec.push(f64::from(k / 20) * 0.25 - 2.0);
    }
    let grid = (ra, dec);
    assert_eq!(agrees(&grid, &grid, 0.0, true), 1600);
    assert_eq!(agrees(&grid, &grid, 0.0, false), 0);
    agrees(&grid, &grid, 0.25, true);
    agrees(&grid, &grid, 0.25, false);
}

#[test]
fn crowds_and_outliers_in_one_zone() {
    let mut random = Random(3);
    let (mut ra, mut dec) = about(&mut random, 500, 50.0, 0.0, 1e-3);
    ra.extend([0.0, 359.9, 200.0]);
    dec.extend([0.0, 0.0001, -0.0001]);
    let crowd = (ra, dec);
    agrees(&crowd, &crowd, 1e-4, true);
    let same = (vec![7.0; 300], vec![-7.0; 300]);
    assert_eq!(agrees(&same, &same, 1e-5, true), 90_000);
}

#[test]
fn right_ascensions_may_wrap_and_be_negative() {
    let mut random = Random(4);
    let (ra, dec) = about(&mut random, 200, 0.0, 10.0, 0.2);
    let turned: Vec<f64> = ra.iter().enumerate().map(|(k, a)| a + 360.0 * (k % 4) as f64).collect();
    agrees(&(ra.clone(), dec.clone()), &(turned.clone(), dec.clone()), 0.02, true);
    agrees(&(turned, dec.clone()), &(ra, dec), 0.02, false);
    let edge = (vec![360.0, 0.0, -1e-300, 719.999_999_999], vec![0.0; 4]);
    agrees(&edge, &edge, 1e-8, true);
}

#[test]
fn rows_that_are_no_positions_match_nothing() {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let (mut ra, mut dec) = (vec![10.0, 20.0], vec![91.0, -90.5]);
    for b in bad {
        ra.extend([b, 5.0]);
        dec.extend([5.0, b]);
    }
    let good = (vec![5.0, 10.0], vec![5.0, 90.0]);
    let all_bad = (ra, dec);
    for radius in [0.0, 1.0, 180.0, 1000.0, f64::INFINITY] {
        assert_eq!(agrees(&good, &all_bad, radius, true), 0);
        assert_eq!(agrees(&all_bad, &good, radius, true), 0);
        let none = (Vec::new(), Vec::new());
        agrees(&none, &good, radius, true);
        agrees(&good, &none, radius, true);
    }
    let index = SkyIndex::new(&good.0, &good.1, 1.0);
    for radius in [-1.0, -0.0001, f64::NAN, f64::NEG_INFINITY] {
        assert!(index.pairs(&good.0, &good.1, radius, true).0.is_empty());
        assert_eq!(index.nearest(5.0, 5.0, radius, true), None);
    }
}

#[test]
fn every_probe_may_have_a_radius_of_its_own() {
    let mut random = Random(5);
    let a = about(&mut random, 200, 359.95, -30.0, 0.4);
    let b = about(&mut random, 200, 359.95, -30.0, 0.4);
    let radius: Vec<f64> = (0..200)
        .map(|k| match k % 5 {
            0 => 0.0,
            1 => f64::NAN,
            2 => -1.0,
            3 => 40.0,
            _ => 0.1 * random.unit(),
        })
        .collect();
    let index = SkyIndex::new(&b.0, &b.1, 0.1);
    for inclusive in [true, false] {
        assert_eq!(
            index.pairs_each(&a.0, &a.1, &radius, inclusive),
            brute(&a, &b, &radius, inclusive)
        );
    }
    assert!(index.pairs_each(&a.0, &a.1, &[], true).0.is_empty());
}

#[test]
fn many_rows_are_the_same_on_any_number_of_threads() {
    let mut random = Random(6);
    let a = about(&mut random, 150_000, 0.0, 0.0, 180.0);
    let (ra, mut dec) = a.clone();
    dec.iter_mut().for_each(|d| *d = (*d + 1e-5).min(90.0));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let index = SkyIndex::new(&ra, &dec, 0.05);
            assert!(index.memory_bytes() <= 40 * index.len());
            (index.pairs(&a.0, &a.1, 0.05, true), index.nearest_pairs(&a.0, &a.1, 0.05, true))
        })
    };
    let one = run(1);
    assert!(one.0.0.len() > 150_000 && one.1.0.len() == 150_000);
    assert!(one.0.0.is_sorted());
    for threads in [2, 3, 7] {
        assert!(run(threads) == one, "{threads} threads differ");
    }
}
