//! Zones and surroundings of cells hold every position that they should.

use elqui_base::distance_deg;
use elqui_sphere::{healpix_margin_ranges, healpix29, healpix29_range, zone_ranges};

/// Numbers between 0 and 1, the same each time.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn a_zone_holds_its_positions_and_is_small() {
    let mut r = random(7);
    for (ra, dec) in [
        (Some((10.0, 11.0)), (-5.0, -4.0)),
        (Some((359.5, 361.5)), (40.0, 42.0)),
        (Some((-1.0, 1.0)), (-0.001, 0.001)),
        (Some((0.0, 359.9)), (89.0, 90.0)),
        (None, (-90.0, -89.99)),
        (None, (0.0, 1.0)),
        (Some((100.0, 100.0)), (3.0, 3.0)),
    ] {
        let ranges = zone_ranges(ra, dec, 128);
        assert!(ranges.len() < 600, "{} ranges", ranges.len());
        let (west, east) = ra.unwrap_or((0.0, 360.0));
        for _ in 0..2000 {
            let p = (west + r() * (east - west), dec.0 + r() * (dec.1 - dec.0));
            let cell = healpix29(p.0, p.1);
            assert!(ranges.iter().any(|g| g.contains(&cell)), "{p:?} of {ra:?} {dec:?}");
        }
    }
    let square: u64 =
        zone_ranges(Some((10.0, 11.0)), (-5.0, -4.0), 128).iter().map(|r| r.end - r.start).sum();
    let part = square as f64 / (12u64 << 58) as f64 * 41_253.0;
    assert!((1.0..1.5).contains(&part), "{part} deg2 for one");
}

#[test]
fn what_is_near_a_cell_is_around_it() {
    let mut r = random(3);
    for (order, index) in [(0, 0), (0, 4), (1, 17), (3, 300), (5, 12_287), (5, 0), (8, 500_000)] {
        let own = healpix29_range(order, index);
        for radius in [0.0, 1e-4, 0.01, 0.05] {
            let ranges = healpix_margin_ranges(order, index, radius);
            assert!(ranges.len() < 300);
            for _ in 0..3000 {
                // A position of the cell near a corner or side of it, and one within the radius.
                let cell = own.start + (r() * (own.end - own.start) as f64) as u64;
                let (ra, dec) = elqui_sphere::healpix_center(29, cell.min(own.end - 1));
                let angle = 360.0 * r();
                let (dy, dx) = (
                    radius * r().sqrt() * angle.to_radians().sin(),
                    radius * angle.to_radians().cos(),
                );
                let dec2 = (dec + dy).clamp(-90.0, 90.0);
                let ra2 = ra + dx / dec2.to_radians().cos().max(1e-6);
                if distance_deg(ra, dec, ra2, dec2) <= radius {
                    let near = healpix29(ra2, dec2);
                    assert!(ranges.iter().any(|g| g.contains(&near)), "{order}/{index} {radius}");
                }
            }
        }
    }
}
