//! Speed of an import: `import_speed IN.parquet OUT_DIR [threads] [margin arcsec]`.
//!
//! Prints seconds by stage, rows per second and the largest memory (VmHWM).

#![allow(clippy::disallowed_methods)] // A program of its own: it has arguments.

use elqui_catalog::{ImportConfig, ParquetSource, import};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, input, out, rest @ ..] = args.as_slice() else {
        return Err("usage: import_speed IN.parquet OUT_DIR [threads] [margin arcsec]".into());
    };
    let number = |k: usize| rest.get(k).map(|t| t.parse::<f64>()).transpose();
    let threads = number(0)?.map_or(2, |t| t as usize);
    let config = ImportConfig {
        id: Some("objectId".into()),
        margin_arcsec: Some(number(1)?.unwrap_or(10.0)),
        threads,
        ..ImportConfig::new("objects", "ra", "dec")
    };
    let start = Instant::now();
    let source = ParquetSource::open(&[input])?;
    let report = import(Path::new(out), &source, &config, &|_| {})?;
    let seconds = start.elapsed().as_secs_f64();
    for (stage, seconds) in &report.seconds {
        println!("{stage:8} {seconds:7.2} s");
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM unknown");
    println!(
        "total    {seconds:7.2} s, {} rows, {:.0} rows/s, {} partitions, {} bytes, {} margin rows",
        report.rows,
        report.rows as f64 / seconds,
        report.partitions,
        report.bytes,
        report.margin_rows
    );
    println!("{peak}");
    Ok(())
}
