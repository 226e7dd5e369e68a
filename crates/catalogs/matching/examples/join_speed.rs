//! How fast two sets of positions are joined.
//!
//!     cargo run --release -p elqui-matching --example join_speed -- 1.0 A.f64 [B.f64]
//!
//! A radius in arcseconds, and files of little-endian f64: all right ascensions, then all
//! declinations (deg). With one file it is joined with itself. Threads: `RAYON_NUM_THREADS`.
//! From Parquet, sorted by HEALPix as catalogues on disk are:
//!
//!     t = pyarrow.parquet.read_table(path, columns=["ra", "dec"])
//!     ra, dec = t["ra"].to_numpy(), t["dec"].to_numpy()
//!     order = numpy.argsort(cdshealpix.lonlat_to_healpix(ra * u.deg, dec * u.deg, 29))
//!     numpy.concatenate([ra[order], dec[order]]).tofile(out)

#![allow(clippy::disallowed_methods, reason = "an example reads files and the clock")]

use elqui_matching::SkyIndex;
use std::time::Instant;

fn positions(path: &str) -> (Vec<f64>, Vec<f64>) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("cannot read `{path}`: {e}"));
    let all: Vec<f64> =
        bytes.as_chunks().0.iter().map(|b: &[u8; 8]| f64::from_le_bytes(*b)).collect();
    let (ra, dec) = all.split_at(all.len() / 2);
    (ra.to_vec(), dec.to_vec())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [radius, a, rest @ ..] = &args[..] else { panic!("usage: RADIUS_ARCSEC A.f64 [B.f64]") };
    let radius = radius.parse::<f64>().expect("a radius in arcseconds") / 3600.0;
    let (ra, dec) = positions(a);
    let (index_ra, index_dec) =
        rest.first().map_or_else(|| (ra.clone(), dec.clone()), |b| positions(b));
    for round in 0..5 {
        let start = Instant::now();
        let index = SkyIndex::new(&index_ra, &index_dec, radius);
        let built = start.elapsed();
        let (left, _) = index.pairs(&ra, &dec, radius, true);
        let joined = start.elapsed();
        let (nearest, _, _) = index.nearest_pairs(&ra, &dec, radius, true);
        println!(
            "round {round}: build {:.3} s, pairs {:.3} s, together {:.3} s, nearest {:.3} s; {} pairs, {} nearest, {:.1} bytes a row",
            built.as_secs_f64(),
            (joined - built).as_secs_f64(),
            joined.as_secs_f64(),
            (start.elapsed() - joined).as_secs_f64(),
            left.len(),
            nearest.len(),
            index.memory_bytes() as f64 / index.len().max(1) as f64,
        );
    }
}
