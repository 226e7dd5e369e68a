//! Seconds of reading a FITS image as f32, the least of seven: for `make bench`.

use elqui_fits::FitsFile;

fn seconds() -> f64 {
    // Wall time stands in for CPU time: one thread, file in the page cache.
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

fn main() {
    let path = std::env::args().nth(1).expect("usage: read_time FILE");
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let start = seconds();
        let file = FitsFile::open(&path).expect("opens");
        let hdu = file.first_image().expect("has an image");
        let image = file.read_image(hdu).expect("reads");
        best = best.min(seconds() - start);
        assert!(image.width() > 0);
    }
    println!("{best:.5}");
}
