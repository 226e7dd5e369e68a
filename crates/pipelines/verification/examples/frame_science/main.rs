//! The table of a frame's science: renders scenes, processes them, and compares with the truth.
//!
//! `cargo run --release -p elqui-verification --example frame_science -- --help`

// A program, not a library: it reads its arguments, the clock and files.
#![allow(clippy::disallowed_methods)]
#![allow(clippy::neg_cmp_op_on_partial_ord)]

mod clock;
mod cube;
mod dump;
mod external;
mod options;
mod run;
mod scene_truth;

use elqui_verification::{Row, markdown, table};
use options::{HELP, Options};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        println!("{HELP}");
        return;
    }
    if let Err(reason) = work(&arguments) {
        eprintln!("frame_science: {reason}");
        std::process::exit(1);
    }
}

fn work(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let config = match &options.config {
        Some(path) => serde_yaml_ng::from_str(&read(path)?).map_err(|e| format!("{path}: {e}"))?,
        None => elqui_production::ProcessConfig::default(),
    };
    let mut text = String::new();
    let mut json = Vec::new();
    for case in run::cases(&options)? {
        let samples = run::run(&case, &options, &config)?;
        if let Some(folder) = &options.dump {
            dump::write(folder, &case.title, &samples)?;
        }
        let mut rows = table(&samples, options.exact_reference);
        if case.short {
            rows.retain(|r| !r.quantity.starts_with('-'));
        }
        if !options.only.is_empty() {
            rows.retain(|r| options.only.iter().any(|o| r.key.contains(o.as_str())));
        }
        let part = format!("## {}\n\n{}\n", case.title, markdown(&rows));
        println!("{part}");
        text += &part;
        json.push(entry(&case.title, &rows)?);
        // What is done is kept, whatever comes after.
        if let Some(path) = &options.out {
            std::fs::write(path, &text).map_err(|e| format!("{path}: {e}"))?;
        }
        if let Some(path) = &options.json {
            let all = serde_json::to_string_pretty(&json).map_err(|e| e.to_string())?;
            std::fs::write(path, all + "\n").map_err(|e| format!("{path}: {e}"))?;
        }
    }
    Ok(())
}

fn entry(title: &str, rows: &[Row]) -> Result<serde_json::Value, String> {
    let rows = serde_json::to_value(rows).map_err(|e| e.to_string())?;
    Ok(serde_json::json!({ "title": title, "rows": rows }))
}

pub fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}
