//! Seconds of reading a FITS image as f32, the least of seven, for `make bench`: without verifying
//! checksums (as cfitsio reads) and with.

use elqui_fits::FitsFile;
use std::time::Instant;

fn main() {
    let path = std::env::args().nth(1).expect("usage: read_time FILE");
    let least = |ignore: bool| {
        let one = || {
            let start = Instant::now();
            let file = FitsFile::open(&path).expect("opens").ignore_checksums(ignore);
            let hdu = file.first_image().expect("has an image");
            let image = file.read_image(hdu).expect("reads");
            assert!(image.width() > 0);
            start.elapsed().as_secs_f64()
        };
        (0..7).map(|_| one()).fold(f64::INFINITY, f64::min)
    };
    println!("{:.5} {:.5}", least(true), least(false));
}
