//! Times of queries in one process over opened catalogues, for `bench/skydb.py`.
//!
//! usage: skydb_speed --catalog DIR... --queries FILE.json [--rounds N] [--threads N] [--answers DIR]
//! - FILE.json: `[{"name": "...", "warm": ["ADQL", ...], "sql": ["ADQL", ...]}]`
//! - out, one line a name: `{"name", "median_ms", "p95_ms", "cpu_ms", "rows"}`; rows are those of one round, cpu_ms
//!   is the process's processor time of a query (median)

use elqui_skydb::{QueryLimits, SkyDb};
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Instant;

#[derive(Deserialize)]
struct Job {
    name: String,
    #[serde(default)]
    warm: Vec<String>,
    sql: Vec<String>,
}

/// Processor time of this process, s.
fn cpu_s() -> f64 {
    let mut sum = 0.0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let line = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        sum += line.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0);
    }
    sum * 1e-9
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    let at = (part * (sorted.len() - 1) as f64).round() as usize;
    sorted[at]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut catalogs, mut queries, mut rounds, mut threads) = (Vec::new(), None, 1usize, 0usize);
    let mut args = std::env::args().skip(1);
    while let Some(word) = args.next() {
        let value = args.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--catalog" => catalogs.push(PathBuf::from(value)),
            "--queries" => queries = Some(value),
            "--rounds" => rounds = value.parse()?,
            "--threads" => threads = value.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let text = std::fs::read_to_string(queries.ok_or("--queries FILE.json is missing")?)?;
    let jobs: Vec<Job> = serde_json::from_str(&text)?;
    let start = Instant::now();
    let db = if threads > 0 {
        SkyDb::open_with_threads(&catalogs, threads)?
    } else {
        SkyDb::open(&catalogs)?
    };
    eprintln!("opened in {:.1} ms", 1e3 * start.elapsed().as_secs_f64());
    let limits = QueryLimits { rows_max: usize::MAX / 2, ..QueryLimits::default() };
    for job in &jobs {
        for sql in &job.warm {
            db.query_with(sql, limits).map_err(|e| format!("{}: {e}", job.name))?;
        }
        let (mut wall, mut cpu, mut rows) = (Vec::new(), Vec::new(), 0);
        for round in 0..rounds.max(1) {
            for sql in &job.sql {
                let (c, t) = (cpu_s(), Instant::now());
                let answer =
                    db.query_with(sql, limits).map_err(|e| format!("{}: {e}: {sql}", job.name))?;
                wall.push(1e3 * t.elapsed().as_secs_f64());
                cpu.push(1e3 * (cpu_s() - c));
                if round == 0 {
                    rows += answer.rows();
                }
            }
        }
        wall.sort_by(f64::total_cmp);
        cpu.sort_by(f64::total_cmp);
        println!(
            "{{\"name\": \"{}\", \"median_ms\": {:.4}, \"p95_ms\": {:.4}, \"cpu_ms\": {:.4}, \"rows\": {rows}}}",
            job.name,
            percentile(&wall, 0.5),
            percentile(&wall, 0.95),
            percentile(&cpu, 0.5),
        );
    }
    Ok(())
}
