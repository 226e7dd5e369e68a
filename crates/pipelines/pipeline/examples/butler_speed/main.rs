//! Our side of `bench/butler.py`, which runs it beside Rubin's programs:
//! `cargo run --release -p elqui-pipeline --features postgres --example butler_speed -- WHAT DIR ...`.
//!
//! - `ingest DIR FILES COUNT in_place|checksums|copy [POSTGRES_URL SCHEMA]`: `Repository::ingest` of raw-like files that
//!   are there; the dimensions' records are there too, but for `given` in the last place of the mode (`checksums+given`)
//! - `fill DIR [URL SCHEMA]`, then `query DIR [URL SCHEMA]`: 1,000 of 1,000,000 by exposure and detector
//! - `verify DIR`: every artifact of a repository that `ingest` made
//! - `graph DIR COUNT`: the graph of COUNT quanta (two steps), saved and loaded
//! - `visits DIR COUNT`: the graph where the second step's data ids are visits
//! - `run DIR COUNT`: its run, each output registered, with a store that keeps nothing
//! - `run_files DIR COUNT`: the same in a repository, each file flushed to the disk
//! - `isolated DIR COUNT`: the same, a process a quantum
//!
//! Each measurement is a line of JSON: what, n, wall_s, and cpu_s of this process and its ended children.

mod quanta;
mod sky;
mod steps;

use std::path::Path;
use std::time::Instant;

pub type Anything<T> = Result<T, Box<dyn std::error::Error>>;

/// User and system seconds of this process and of its children that ended.
fn cpu_s() -> f64 {
    // Linux counts in hundredths of a second, whatever the processor.
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(4);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Measure and tell.
pub fn timed<T>(what: &str, count: usize, times: usize, mut work: impl FnMut() -> T) -> T {
    let (start, cpu) = (Instant::now(), cpu_s());
    let mut last = work();
    for _ in 1..times {
        last = work();
    }
    let (wall_s, cpu_s) = (start.elapsed().as_secs_f64(), cpu_s() - cpu);
    let each = |s: f64| s / times as f64;
    println!(
        "{}",
        serde_json::json!({"what": what, "n": count, "wall_s": each(wall_s), "cpu_s": each(cpu_s)})
    );
    last
}

#[allow(clippy::disallowed_methods)] // An example is a program: it has arguments.
fn main() -> Anything<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>();
    match words[..] {
        ["ingest", dir, files, count, how, ref at @ ..] => {
            sky::ingest(Path::new(dir), Path::new(files), number(count)?, how, at)
        }
        ["fill", dir, ref at @ ..] => sky::fill(Path::new(dir), at),
        ["query", dir, ref at @ ..] => sky::query(Path::new(dir), at),
        ["verify", dir] => sky::verify(Path::new(dir)),
        ["graph", dir, count] => quanta::graph(Path::new(dir), number(count)?),
        ["visits", dir, count] => quanta::visits(Path::new(dir), number(count)?),
        ["run", dir, count] => quanta::run(Path::new(dir), number(count)?),
        ["run_files", dir, count] => quanta::run_files(Path::new(dir), number(count)?, false),
        ["isolated", dir, count] => quanta::run_files(Path::new(dir), number(count)?, true),
        // What `isolated` starts.
        ["quantum", dir, one, folder] => {
            quanta::one(Path::new(dir), one.parse()?, Path::new(folder))
        }
        _ => {
            Err("usage: butler_speed ingest|fill|query|verify|graph|visits|run|run_files|isolated DIR ..."
                .into())
        }
    }
}
