//! The checks of the house itself: `cargo xtask tidy`.
//!
//! It reads the workspace from `cargo metadata` and the texts from `git ls-files`, prints the map of
//! the house, and ends with status 1 when a rule of docs/design/house.md is broken.

mod files;
mod house;
mod rules;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What was found: problems end the run with status 1, warnings do not.
#[derive(Debug, Default)]
struct Report {
    problems: Vec<String>,
    warnings: Vec<String>,
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => finish(tidy(&root())),
        Some(other) => usage(&format!("there is no task `{other}`")),
        None => usage("name a task"),
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("{why}\nusage: cargo xtask tidy    check the rules of the house");
    ExitCode::from(2)
}

fn finish(result: Result<(house::House, Report), String>) -> ExitCode {
    let (house, report) = match result {
        Ok(found) => found,
        Err(why) => {
            eprintln!("tidy cannot look: {why}");
            return ExitCode::FAILURE;
        }
    };
    print!("{}", house.map());
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    for problem in &report.problems {
        eprintln!("error: {problem}");
    }
    if report.problems.is_empty() {
        println!("tidy: {} rooms, every door opens the right way", house.rooms.len());
        ExitCode::SUCCESS
    } else {
        eprintln!("tidy: {} problems", report.problems.len());
        ExitCode::FAILURE
    }
}

/// The folder of the workspace, one above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

fn tidy(root: &Path) -> Result<(house::House, Report), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let text = run(root, &cargo, &["metadata", "--format-version", "1", "--no-deps", "--offline"])?;
    let metadata = serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    let house = house::House::read(&metadata)?;
    let mut report = Report { problems: rules::check(&house), warnings: Vec::new() };
    let listed = run(root, "git", &["ls-files", "-co", "--exclude-standard"])?;
    for path in listed.lines() {
        // Listed files that are gone, and files that are no text, hold nothing to check.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files::check(path, &text, &mut report);
        }
    }
    let read =
        |path: &str| std::fs::read_to_string(root.join(path)).map_err(|e| format!("{path}: {e}"));
    let reasons = read("docs/design/dependencies.md")?;
    report.problems.extend(files::without_reason(&read("Cargo.toml")?, &reasons));
    for wing in house::WINGS {
        let path = format!("crates/{}/clippy.toml", wing.name);
        if !root.join(&path).is_file() {
            report.problems.push(format!("the wing `{}` has no {path}", wing.name));
        }
    }
    Ok((house, report))
}

fn run(root: &Path, program: &str, words: &[&str]) -> Result<String, String> {
    let line = format!("{program} {}", words.join(" "));
    let output = Command::new(program)
        .args(words)
        .current_dir(root)
        .output()
        .map_err(|e| format!("`{line}` does not start: {e}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{line}` failed: {}", text.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("`{line}` does not print UTF-8"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let (_, report) = super::tidy(&super::root()).unwrap();
        assert!(report.problems.is_empty(), "\n{}", report.problems.join("\n"));
    }
}
