//! How long ranges of regions and tests of positions take.
//!
//!     cargo run --release -p elqui-sphere --example region_speed

#![allow(clippy::disallowed_methods, reason = "an example reads the clock")]

use elqui_sphere::{Coverage, SkyRegion};
use std::time::Instant;

fn main() {
    for (name, radius) in
        [("1\"", 1.0 / 3600.0), ("60\"", 1.0 / 60.0), ("1 deg", 1.0), ("30 deg", 30.0)]
    {
        for max in [32, 64, 128] {
            let (start, mut ranges) = (Instant::now(), 0);
            for k in 0..2000 {
                let (ra, dec) = (0.18 * f64::from(k), 0.085 * f64::from(k) - 85.0);
                let region = SkyRegion::Circle { ra, dec, radius };
                ranges += Coverage::ranges_for(&region, max).map_or(0, |r| r.len());
            }
            println!(
                "cone {name}, at most {max} ranges: {:.1} us, {:.1} ranges",
                start.elapsed().as_secs_f64() * 1e6 / 2000.0,
                f64::from(ranges as u32) / 2000.0,
            );
        }
    }
    // Positions over the whole sky, and twice the size of the region about it.
    let n = 1_000_000;
    let fraction = |k: usize, by: f64| (k as f64 * by).fract() - 0.5;
    let corners = |n: usize, size: f64| {
        let angle = |k: usize| std::f64::consts::TAU * k as f64 / n as f64;
        let corner = |k: usize| (50.0 + size * angle(k).cos(), 10.0 + size * angle(k).sin());
        SkyRegion::Polygon { vertices: (0..n).map(corner).collect() }
    };
    for (name, region, size) in [
        ("circle 1 deg", SkyRegion::Circle { ra: 50.0, dec: 10.0, radius: 1.0 }, 1.0),
        ("circle 60\"", SkyRegion::Circle { ra: 50.0, dec: 10.0, radius: 1.0 / 60.0 }, 1.0 / 60.0),
        ("polygon of 4, 1 deg", corners(4, 1.0), 1.0),
        ("polygon of 40, 1 deg", corners(40, 1.0), 1.0),
    ] {
        let covered = Coverage::of(&region, 12).expect("a region");
        for (place, width) in [("sky", 180.0), ("near", 4.0 * size)] {
            let ra: Vec<f64> =
                (0..n).map(|k| 50.0 + width * fraction(k, 0.618_033_988_749)).collect();
            let dec: Vec<f64> =
                (0..n).map(|k| 10.0 + width.min(150.0) * fraction(k, 0.414_213_562_373)).collect();
            let mut out = vec![false; n];
            for (what, test) in [("region", region.prepare(true)), ("coverage", covered.prepare())]
            {
                let start = Instant::now();
                test.contains_many(&ra, &dec, &mut out);
                println!(
                    "{name}, positions {place}, {what}: {:.1} ns a position, {} inside",
                    start.elapsed().as_secs_f64() * 1e9 / n as f64,
                    out.iter().filter(|o| **o).count(),
                );
            }
        }
    }
}
