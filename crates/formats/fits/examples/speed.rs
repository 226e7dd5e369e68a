//! Time to read and write a FITS image: `cargo run --release -p elqui-fits --example speed -- FILE`.
//!
//! Prints the best of 7 reads of the first image of FILE, and of 5 writes of it as f32 beside FILE.

use elqui_fits::{FitsError, FitsFile, write_image};
use elqui_image::Header;
use std::path::Path;
use std::time::Instant;

fn best<T>(n: usize, mut f: impl FnMut() -> Result<T, FitsError>) -> Result<f64, FitsError> {
    let mut best = f64::INFINITY;
    for _ in 0..n {
        let start = Instant::now();
        let kept = f()?;
        best = best.min(start.elapsed().as_secs_f64());
        drop(kept);
    }
    Ok(best)
}

fn main() -> Result<(), FitsError> {
    for path in std::env::args().skip(1) {
        let read = || {
            let file = FitsFile::open(&path)?;
            file.read_image(file.first_image()?)
        };
        let image = read()?;
        println!("{path}: {} x {}", image.width(), image.height());
        println!("  read  {:.4} s", best(7, read)?);
        let copy = format!("{path}.copy.tmp");
        let write = || write_image(Path::new(&copy), &image, &Header::default());
        println!("  write {:.4} s (with fsync)", best(5, write)?);
        let _ = std::fs::remove_file(&copy);
    }
    Ok(())
}
