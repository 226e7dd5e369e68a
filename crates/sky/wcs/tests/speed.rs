//! Nanoseconds a point; `cargo test --release -p elqui-wcs --test speed -- --ignored --nocapture`.

use elqui_wcs::Wcs;
use std::time::Instant;

#[test]
#[ignore = "a measurement, not a check"]
fn nanoseconds_a_point() {
    let cd = [[-7e-5, 1e-6], [1e-6, 7e-5]];
    let tan = Wcs::tan([150.0, 2.0], [2048.0, 2048.0], cd);
    let terms: Vec<_> = (0..=3_usize)
        .flat_map(|i| (0..=3 - i).map(move |j| (i, j)))
        .filter(|(i, j)| i + j >= 2)
        .map(|(i, j)| ((i, j), 3.0 / 4096f64.powi((i + j) as i32)))
        .collect();
    let sip = tan.clone().with_sip(3, terms.clone(), terms);
    let guessed = Wcs::from_cards(&sip.clone().with_size(4096.0, 4096.0).to_cards()).unwrap();
    for (name, wcs) in [("TAN", tan), ("TAN-SIP 3", sip), ("TAN-SIP 3 with AP, BP", guessed)] {
        let n = 1_000_000;
        let start = Instant::now();
        let sky: Vec<(f64, f64)> =
            (0..n).map(|k| wcs.pixel_to_sky(f64::from(k % 4096), f64::from(k / 256))).collect();
        let forward = start.elapsed().as_nanos() as f64 / f64::from(n);
        let start = Instant::now();
        let sum: f64 =
            sky.iter().filter_map(|&(ra, dec)| wcs.sky_to_pixel(ra, dec)).map(|p| p.0).sum();
        let inverse = start.elapsed().as_nanos() as f64 / f64::from(n);
        println!("{name}: forward {forward:.0} ns, inverse {inverse:.0} ns ({sum:.0})");
    }
}
